"""Paging by key: the same rows, state and promises as by offset, without deep offsets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from oracle_sync.engine import bases
from oracle_sync.engine.rows import Batch
from oracle_sync.engine.source import Base, Page, PageRequest
from oracle_sync.errors import RowsMoved, Unavailable
from oracle_sync_tests.support.faulty_pod import FaultyPod as Pod
from oracle_sync_tests.support.faulty_pod import FaultyServer as SandboxServer
from oracle_sync_tests.support.harness import removed, run, state, table
from oracle_sync_tests.support.source import Hook, ListSource
from oracle_sync_tests.support.walks import batches_of, walk, walking
from oracle_sync_tests.support.web import client

NEAR = 20


@pytest.fixture(autouse=True)
def near(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bases after a few rows, so that a small collection has many."""
    monkeypatch.setattr(bases, "REBASE_ROWS", NEAR)


def by_key(rows: int, **attributes: Any) -> ListSource:
    source = ListSource(rows)
    source.by_key = True
    for name, value in attributes.items():
        setattr(source, name, value)
    return source


def on(count: int, act: Callable[[], object]) -> Hook:
    """Return a hook that acts before the answer to the request with this number."""

    def hook(n: int, request: PageRequest) -> None:
        if n == count:
            act()

    return hook


def keys(batches: list[Batch]) -> set[str]:
    return {key for batch in batches for key in batch.keys}


def deep(source: ListSource) -> list[PageRequest]:
    """Return the requests for which the server has to skip many rows."""
    return [request for request in source.asked if request.distance > 2 * NEAR]


# Which requests are made


def test_beyond_some_rows_requests_count_from_a_base_and_the_last_one_from_the_start() -> None:
    source = by_key(200)
    batches = walk(source)
    assert [batch.offset_after for batch in batches if batch.received][-1] == 200
    assert [batch.complete for batch in batches] == [False] * (len(batches) - 1) + [True]
    assert keys(batches) == set(source.table())
    assert source.asked[0].base is None
    assert max(request.distance for request in source.asked[:-1]) <= NEAR + 6
    assert source.asked[-1] == PageRequest(199, 6)
    used = {request.base for request in source.asked if request.base}
    assert len(used) == 200 // (NEAR + 5)
    for base in used:
        assert base.key == str(source.keys[base.offset])


def test_batches_are_the_same_as_by_offset_but_for_the_confirmation() -> None:
    source = ListSource(137)
    expected = [(b.offset_before, b.offset_after, b.anchor, b.keys) for b in walk(source)]
    found = [(b.offset_before, b.offset_after, b.anchor, b.keys) for b in walk(by_key(137))]
    new = [one for one in found if one[0] != one[1]]
    assert new == [one for one in expected if one[0] != one[1]]
    assert found[-1][1:3] == expected[-1][1:3]


def test_without_the_setting_no_request_has_a_base() -> None:
    source = ListSource(200)
    walk(source)
    assert not any(request.base for request in source.asked)


def test_a_small_collection_is_read_as_by_offset() -> None:
    source, other = by_key(NEAR), ListSource(NEAR)
    walk(source)
    walk(other)
    assert source.asked == other.asked


@pytest.mark.parametrize("concurrency", [2, 4, 16])
def test_with_several_requests_in_flight_distances_stay_bounded(concurrency: int) -> None:
    source = by_key(2_000, latency=0.001)
    with walking(source, concurrency=concurrency) as pager:
        batches = list(batches_of(pager))
    assert keys(batches) == set(source.table())
    bound = max(NEAR, concurrency * 6) + 6
    assert [r for r in source.asked if r.distance > bound] == [PageRequest(1_999, 6)]
    assert source.most_in_flight <= concurrency
    assert source.requests <= 2_000 / 5 + 2 * concurrency + 4


def test_resuming_looks_by_offset_first() -> None:
    source = by_key(300)
    batches = walk(source, 200, str(source.keys[199]))
    assert keys(batches) >= {str(key) for key in source.keys[200:]}
    assert source.asked[0] == PageRequest(199, 6, True)
    assert [request.offset for request in deep(source)] == [199, 299]


def test_resuming_at_the_end_is_one_request() -> None:
    source = by_key(100)
    (batch,) = walk(source, 100, str(source.keys[99]))
    assert (batch.complete, batch.received, source.requests) == (True, 0, 1)


@pytest.mark.parametrize("act", ["insert", "delete"])
def test_a_row_that_moved_before_the_anchor_is_noticed_when_resuming(act: str) -> None:
    source = by_key(300)
    anchor = str(source.keys[199])
    getattr(source, act)(3)
    with pytest.raises(RowsMoved):
        walk(source, 200, anchor)


def test_the_end_is_not_believed_before_an_offset_confirms_it() -> None:
    source = by_key(100)
    source.on_request = lambda n, request: source.append() if request.offset == 99 else None
    batches = walk(source)
    assert batches[-1].offset_after == len(source.items) > 100
    assert keys(batches) == set(source.table())


def test_a_server_that_does_not_say_has_more_is_walked_to_the_end() -> None:
    source = by_key(100, has_more=lambda more, full: None, says_limit=False)
    batches = walk(source)
    assert keys(batches) == set(source.table())
    assert len(deep(source)) == 1


def test_the_end_is_confirmed_by_one_request_where_no_total_is_known() -> None:
    source = by_key(300, total=lambda rows: None)
    with walking(source, concurrency=4) as pager:
        list(batches_of(pager))
    assert [request.offset for request in source.asked if request.distance > NEAR + 4 * 6] == [299]


def test_a_page_with_a_row_twice_is_asked_for_again_from_the_same_base() -> None:
    class Stutter(ListSource):
        """Gives a row twice in the first page that counts from a base and is of some length."""

        stuttered: PageRequest | None = None

        def _answer(self, request: PageRequest) -> Page:
            page = super()._answer(request)
            if request.base and len(page.items) > 2 and self.stuttered is None:
                self.stuttered = request
                page.items[2] = page.items[1]
            return page

    source = Stutter(100)
    source.by_key = True
    batches = walk(source)
    assert keys(batches) == set(source.table())
    assert source.stuttered is not None
    assert source.asked.count(source.stuttered) == 2


def test_a_key_that_is_no_plain_number_is_no_base() -> None:
    for text in ("", "#ab12", "O'Hara", "007", "1.5", "1e9", "-3", "1;x=1", "\u0663", "9" * 39):
        assert bases.base_at(text, 7) is None
    assert bases.base_at(None, 7) is None
    assert bases.base_at("300000000000001", 7) == Base("300000000000001", 7)


def test_an_item_without_a_key_is_passed_over_as_a_base() -> None:
    source = by_key(200)
    for position in range(4, 200, 5):  # the last one of each page
        source.items[source.keys[position]] = {"OptyId": None, "OptyNumber": f"bad {position}"}
    batches = walk(source)
    assert sum(batch.received for batch in batches) == 200
    assert sum(len(batch.rejects) for batch in batches) == 40
    assert not any(request.base for request in source.asked)


@pytest.mark.parametrize("batch_size", [1, 5])
def test_rows_without_a_key_that_come_after_all_others_are_not_left_out(batch_size: int) -> None:
    class NullsLast(ListSource):
        """No comparison with a key holds for a row that has none."""

        def _answer(self, request: PageRequest) -> Page:
            whole = self.items
            if request.base:
                self.items = {k: v for k, v in whole.items() if v["OptyId"] is not None}
            try:
                return super()._answer(request)
            finally:
                self.items = whole

    source = NullsLast(100)
    source.by_key = True
    source.items[source.keys[-1]] = {"OptyId": None, "OptyNumber": "bad"}
    with walking(source, batch_size=batch_size) as pager:
        batches = list(batches_of(pager))
    assert (batches[-1].offset_after, sum(len(batch.rejects) for batch in batches)) == (100, 1)
    assert not any(batch.shift for batch in batches)


# Servers that do not page by key


@pytest.mark.parametrize("how", ["refuse_base", "ignore_base"])
@pytest.mark.parametrize("concurrency", [1, 4])
def test_a_server_that_takes_no_base_is_read_by_offset_and_the_run_says_so(
    database_url: str, how: str, concurrency: int
) -> None:
    source = by_key(300, **{how: True})
    done = run(database_url, source, concurrency=concurrency)
    assert table(database_url) == source.table()
    assert state(database_url, "current_offset, doubt, is_complete") == (300, None, 1)
    assert (done.shifts, done.refreshes) == (0, 0)
    (warning,) = done.warnings
    assert "does not page by key" in warning
    assert "ORACLE_SYNC_PAGING=offset" in warning
    assert len([request for request in source.asked if request.base]) == 1


def test_a_server_that_stops_taking_bases_in_the_middle_does_no_harm(database_url: str) -> None:
    source = by_key(300)
    source.on_request = on(25, lambda: setattr(source, "ignore_base", True))
    done = run(database_url, source)
    assert table(database_url) == source.table()
    assert state(database_url, "current_offset, doubt") == (300, None)
    assert any("does not page by key" in warning for warning in done.warnings)


def test_a_row_that_goes_while_it_is_tried_as_a_base_is_no_reason_to_give_up() -> None:
    source = by_key(300)

    def hook(n: int, request: PageRequest) -> None:
        if request.base and len(source.items) == 300:
            del source.items[int(request.base.key)]

    source.on_request = hook
    with walking(source) as pager:
        batches = list(batches_of(pager))
    assert pager.warning == ""
    assert keys(batches) >= set(source.table())
    assert len({request.base for request in source.asked}) > 5


def test_an_outage_while_a_base_is_tried_is_told_by_the_next_request() -> None:
    source = by_key(300)

    def hook(n: int, request: PageRequest) -> None:
        if request.base:
            raise Unavailable("503 by key")
        if any(asked.base for asked in source.asked):
            raise Unavailable("503 by offset")

    source.on_request = hook
    with pytest.raises(Unavailable, match="503 by offset"):
        walk(source)


# Rows that move


@pytest.mark.parametrize("act", ["insert", "delete"])
@pytest.mark.parametrize("count", [1, 3, 40])
def test_rows_that_move_before_the_base_are_noticed_at_the_end(act: str, count: int) -> None:
    source = by_key(300)

    def move() -> None:
        for _ in range(count):
            getattr(source, act)(2)

    source.on_request = on(30, move)
    batches = walk(source)
    assert [bool(batch.shift) for batch in batches].count(True) == 1
    assert batches[-1].offset_after == len(source.items)
    assert batches[-1].anchor == str(source.keys[-1])


def test_after_a_repair_another_base_is_chosen_and_nothing_is_repaired_twice() -> None:
    source = by_key(300)

    def move() -> None:
        for _ in range(3):
            source.insert(2)  # before the base: hidden
        del source.items[int(anchors[-1])]  # the row to join at: seen at once

    anchors: list[str] = []
    source.on_request = on(40, move)
    with walking(source) as pager:
        batches = []
        for batch in batches_of(pager):
            batches.append(batch)
            anchors.append(str(batch.anchor))
    assert [bool(batch.shift) for batch in batches].count(True) == 1
    assert batches[-1].offset_after == len(source.items) == 302


@pytest.mark.parametrize("act", ["insert", "delete"])
@pytest.mark.parametrize("position", [0, 30, 95, 105, 110, 118, 130, 160, 199])
@pytest.mark.parametrize("concurrency", [1, 4])
def test_rows_that_move_anywhere_end_in_an_equal_table(
    database_url: str, act: str, position: int, concurrency: int
) -> None:
    source = by_key(200)
    source.on_request = on(27, lambda: getattr(source, act)(position))
    done = run(database_url, source, concurrency=concurrency)
    kept = table(database_url)
    if act == "delete" and done.refreshes == 0:
        # It went before its page was asked for.
        assert not removed(database_url)
    assert kept == source.table()
    assert state(database_url, "current_offset, doubt, is_complete") == (len(kept), None, 1)


@pytest.mark.parametrize("every", [2, 3, 7])
def test_a_collection_that_moves_all_the_time_loses_no_row_that_stays(
    database_url: str, every: int
) -> None:
    source = by_key(200)
    stay = source.table()

    def hook(n: int, request: PageRequest) -> None:
        if n % every == 0 and n < 300:
            source.insert(n * 37 % 200)

    source.on_request = hook
    run(database_url, source, concurrency=4)
    run(database_url, source, concurrency=4)
    assert table(database_url) == source.table()
    assert set(stay) <= set(table(database_url))


def test_a_full_refresh_by_key_brings_changes_and_removals(database_url: str) -> None:
    source = by_key(200)
    run(database_url, source)
    for position in (3, 90, 150):
        source.delete(position)
    source.items[source.keys[120]]["OptyNumber"] = "changed"
    source.asked.clear()
    done = run(database_url, source, full_refresh=True)
    assert table(database_url) == source.table()
    assert (done.removed, done.updated, len(removed(database_url))) == (3, 1, 3)
    # The last page of the walk, and the second look at the end.
    assert len(deep(source)) == 2


def test_a_failure_on_the_way_is_resumed_by_key(database_url: str) -> None:
    source = by_key(300)
    source.on_request = on(40, lambda: source.errors.append(Unavailable("503")))
    with pytest.raises(Unavailable):
        run(database_url, source)
    done = run(database_url, source)
    assert table(database_url) == source.table()
    assert 100 < done.offset_before < 300
    assert done.refreshes == 0


# Over HTTP


@pytest.fixture
def pod() -> Pod:
    return Pod(rows=300)


def sync(url: str, server: SandboxServer, **changes: Any) -> Any:
    source = client(server, paging="key", **changes)
    return run(url, source, batch_size=5, concurrency=4)


@pytest.mark.parametrize("framework", ["", "1", "2", "4", "9"])
@pytest.mark.parametrize("query", ["", "RecordSet='ALL'", "OptyId>300000000000000"])
def test_both_grammars_bring_every_row(
    database_url: str, pod: Pod, framework: str, query: str
) -> None:
    with SandboxServer(pod) as server:
        done = sync(database_url, server, framework_version=framework, query=query)
        asked = [entry["offset"] for entry in server.log]
    assert table(database_url) == pod.snapshot()
    assert done.warnings == []
    assert [offset for offset in asked if offset > NEAR + 5 * 6] == [299]


@pytest.mark.parametrize("how", ["refuse_key_q", "ignore_key_q"])
def test_a_pod_that_takes_no_condition_on_the_key_is_read_by_offset(
    database_url: str, pod: Pod, how: str
) -> None:
    pod.configure(**{how: True})
    with SandboxServer(pod) as server:
        done = sync(database_url, server)
    assert table(database_url) == pod.snapshot()
    assert state(database_url, "current_offset, doubt") == (300, None)
    (warning,) = done.warnings
    assert ("400" in warning) is (how == "refuse_key_q")


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 429, "retry_after": 0, "times": 3},
        {"kind": "status", "status": 503, "retry_after": 0},
        {"kind": "status", "status": 504},
        {"kind": "reset", "times": 2},
        {"kind": "truncate"},
        {"kind": "cap", "limit": 2, "times": None},
        {"kind": "cap", "limit": 3, "times": None},
        {"kind": "has_more_false"},
        {"kind": "has_more_false", "times": None},
        {"kind": "ignore_offset"},
        {"kind": "duplicate_in_page", "positions": [0]},
        {"kind": "duplicate_in_page", "positions": [2]},
        {"kind": "after_page", "do": {"add_low": 3}},
        {"kind": "after_page", "do": {"remove_low": 3}},
        {"kind": "after_page", "do": {"add_low": 1}, "times": 5},
        {"kind": "after_page", "do": {"remove": 1}, "times": 5},
        {"kind": "after_page", "do": {"set": {"ignore_key_q": True}}},
    ],
    ids=lambda fault: "-".join(map(str, fault.values())),
)
def test_faults_between_bases_leave_the_table_equal_to_the_source(
    database_url: str, pod: Pod, fault: dict[str, Any]
) -> None:
    options = {name: value for name, value in fault.items() if name != "kind"}
    pod.add_fault(fault["kind"], **{"skip": 30} | options)
    with SandboxServer(pod) as server:
        sync(database_url, server)
    assert table(database_url) == pod.snapshot()
    assert state(database_url, "current_offset, doubt, is_complete") == (len(pod), None, 1)


def test_with_bases_as_far_apart_as_in_earnest_only_the_confirmation_is_deep(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    with SandboxServer(Pod(rows=20_000)) as server:
        run(database_url, client(server, paging="key"), batch_size=499, concurrency=4)
        assert table(database_url) == server.pod.snapshot()
        skipped = [entry["offset"] for entry in server.log]
    assert [offset for offset in skipped if offset > bases.REBASE_ROWS + 499] == [19_999]
    assert bases.REBASE_ROWS > 499 * 4
