"""One walk without a database: which pages are asked for, what is joined, where it ends."""

from __future__ import annotations

import threading

import pytest

from oracle_sync.config.collection import OPPORTUNITIES
from oracle_sync.engine.fetcher import Fetcher, Window
from oracle_sync.engine.pager import Pager
from oracle_sync.engine.rows import Batch
from oracle_sync.engine.scope import Scope
from oracle_sync.engine.source import Page, PageRequest
from oracle_sync.errors import RowsMoved, Unavailable
from oracle_sync_tests.support.source import ListSource
from oracle_sync_tests.support.walks import batches_of, walk, walking


def test_each_request_but_the_first_overlaps_by_one_row() -> None:
    source = ListSource(12)
    walk(source)
    assert [(r.offset, r.limit) for r in source.asked] == [(0, 5), (4, 6), (9, 6)]


def test_only_the_first_request_asks_for_the_total() -> None:
    source = ListSource(30)
    walk(source)
    assert [r.want_total for r in source.asked] == [True] + [False] * (source.requests - 1)


def test_batches_follow_one_another_and_the_last_alone_is_complete() -> None:
    source = ListSource(148)
    with walking(source, concurrency=4) as pager:
        batches = list(batches_of(pager))
    reached = 0
    for batch in batches:
        assert batch.offset_before == reached
        assert batch.offset_after == reached + batch.received
        assert batch.anchor == str(source.keys[batch.offset_after - 1])
        reached = batch.offset_after
    assert [batch.complete for batch in batches] == [False] * (len(batches) - 1) + [True]
    assert reached == 148


def test_an_empty_collection_is_one_complete_batch_at_offset_0() -> None:
    (batch,) = walk(ListSource(0))
    assert (batch.offset_after, batch.anchor, batch.received, batch.complete) == (0, None, 0, True)


def test_resuming_at_the_end_is_one_request_and_no_new_row() -> None:
    source = ListSource(9)
    (batch,) = walk(source, 9, str(source.keys[8]))
    assert (batch.received, batch.complete, source.requests) == (0, True, 1)
    assert source.asked == [PageRequest(8, 6, True)]


def test_resuming_where_the_row_before_is_another_one_is_refused() -> None:
    source = ListSource(30)
    with pytest.raises(RowsMoved, match="no longer at offset 9"):
        walk(source, 10, str(source.keys[10]))


def test_resuming_beyond_the_end_is_refused() -> None:
    source = ListSource(30)
    with pytest.raises(RowsMoved):
        walk(source, 40, "x")


def test_pages_after_the_likely_end_are_not_asked_for() -> None:
    source = ListSource(20)
    with walking(source, concurrency=8) as pager:
        list(batches_of(pager))
    assert max(request.offset for request in source.asked) <= 20
    assert source.requests <= 6


def test_a_capped_walk_continues_with_the_limit_of_the_server() -> None:
    source = ListSource(50, cap=3)
    walk(source)
    assert [r.limit for r in source.asked] == [5] + [3] * (source.requests - 1)


def test_a_deletion_in_the_middle_is_found_again_and_reported() -> None:
    source = ListSource(40)
    source.on_request = lambda n, request: source.delete(0) if n == 4 else None
    batches = walk(source)
    assert [bool(batch.shift) for batch in batches].count(True) == 1
    assert sum(len(set(batch.keys)) for batch in batches) >= 39
    assert set().union(*(batch.keys for batch in batches)) >= {str(k) for k in source.keys}
    assert batches[-1].offset_after == 39


def test_what_came_before_an_error_is_given_out_first() -> None:
    source = ListSource(60)
    source.errors = [None] * 3 + [Unavailable("503")] * 50
    found: list[Batch] = []
    with walking(source, concurrency=4) as pager, pytest.raises(Unavailable):
        found.extend(batches_of(pager))
    assert sum(batch.received for batch in found) >= 5


def test_a_walk_of_a_scope_asks_for_it_in_every_request_and_never_from_a_base() -> None:
    source = ListSource(60)
    source.by_key = True
    scope = Scope(from_key=str(source.keys[20]))
    pager = Pager(source, offset=0, anchor=None, batch_size=5, concurrency=4, scope=scope)
    keys = [key for batch in batches_of(pager) for key in batch.keys]
    pager.close()
    assert set(keys) == {str(key) for key in source.keys[20:]}
    assert {request.scope for request in source.asked} == {scope}
    assert not any(request.base for request in source.asked)


def test_nothing_is_asked_for_before_iterating_nor_after_closing() -> None:
    source = ListSource(60)
    with walking(source, concurrency=4) as pager:
        assert source.requests == 0
        next(batches_of(pager))
    threads = [t for t in threading.enumerate() if t.name.startswith("oracle-fetch")]
    for thread in threads:
        thread.join(5)
    assert source.requests <= 5


def test_a_fetcher_never_works_on_more_than_its_number() -> None:
    source = ListSource(60)
    source.latency = 0.002
    fetcher = Fetcher(source, 3)
    futures = [fetcher.submit(PageRequest(i, 5)) for i in range(20)]
    assert all(len(future.result(10).items) == 5 for future in futures)
    fetcher.close()
    assert source.most_in_flight <= 3


def test_closing_a_fetcher_does_not_wait_and_tells_the_source_to_stop() -> None:
    began, stop_seen = threading.Event(), threading.Event()

    class Hanging:
        collection = OPPORTUNITIES
        by_key = False
        dated = True
        sorted_by_key = True

        def fetch(self, request: PageRequest, stopped: threading.Event) -> Page:
            began.set()
            if stopped.wait(10):
                stop_seen.set()
            raise Unavailable("stopped")

    fetcher = Fetcher(Hanging(), 1)
    fetcher.submit(PageRequest(0, 1))
    assert began.wait(5)
    fetcher.close()
    assert stop_seen.wait(5)


def page(seconds: float = 0.0, throttled: int = 0) -> Page:
    return Page(PageRequest(0, 5), [], True, seconds=seconds, throttled=throttled)


def test_a_window_opens_with_good_pages_and_closes_when_throttled_or_slow() -> None:
    window = Window(8)
    assert window.size == 1
    for _ in range(12):
        window.observe(page(0.5))
    assert window.size == 8
    window.observe(page(0.5, throttled=1))
    assert window.size == 4
    window.observe(page(5.0))
    assert window.size == 3
    for _ in range(20):
        window.observe(page(0.5, throttled=2))
    assert window.size == 1


def test_a_window_never_opens_above_its_most() -> None:
    for most in (1, 2, 3):
        window = Window(most)
        for _ in range(20):
            window.observe(page())
            assert 1 <= window.size <= most
