"""A pod that cuts, repeats or moves pages costs no row."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from oracle_sync.errors import (
    BadAnswer,
    SyncError,
)
from oracle_sync_tests.support.faulty_pod import FaultyPod, FaultyServer
from oracle_sync_tests.support.faulty_runs import ROWS, assert_equal, go
from oracle_sync_tests.support.harness import offset, removed, run, table
from oracle_sync_tests.support.web import client


@pytest.fixture
def server() -> Iterator[FaultyServer]:
    with FaultyServer(FaultyPod(rows=ROWS)) as running:
        yield running


@pytest.mark.parametrize("batch_size", [1, 5, 42, 499])
@pytest.mark.parametrize("cap", [2, 25])
def test_a_server_that_caps_its_pages_loses_no_row(
    database_url: str, server: FaultyServer, cap: int, batch_size: int
) -> None:
    server.pod.configure(max_limit=cap)
    summary = go(database_url, server, batch_size=batch_size)
    assert summary.received == ROWS
    assert_equal(database_url, server)


def test_a_server_that_gives_one_row_at_a_time_is_named_and_loses_nothing(
    database_url: str, server: FaultyServer
) -> None:
    server.pod.configure(max_limit=1)
    with pytest.raises(BadAnswer, match="gave no further row"):
        go(database_url, server)
    assert len(table(database_url)) == offset(database_url) >= 1
    server.pod.configure(max_limit=499)
    go(database_url, server)
    assert_equal(database_url, server)


def test_a_cap_that_comes_and_goes_loses_no_row(database_url: str, server: FaultyServer) -> None:
    for skip, limit in enumerate((4, 2, 3, 5, 2)):
        server.pod.add_fault("cap", limit=limit, skip=2 * skip)
    go(database_url, server)
    assert_equal(database_url, server)


def test_has_more_true_at_the_end_for_once_does_not_loop_for_ever(
    database_url: str, server: FaultyServer
) -> None:
    server.pod.add_fault("has_more_true", min_offset=ROWS - 5)
    try:
        go(database_url, server)
    except BadAnswer:
        go(database_url, server)
    assert_equal(database_url, server)
    assert server.requests <= 25


def test_has_more_false_on_every_page_still_brings_every_row(
    database_url: str, server: FaultyServer
) -> None:
    server.pod.add_fault("has_more_false", times=None)
    go(database_url, server)
    assert_equal(database_url, server)


def test_an_offset_that_is_always_ignored_is_named_before_it_loops(
    database_url: str, server: FaultyServer
) -> None:
    server.pod.add_fault("ignore_offset", times=None)
    with pytest.raises(BadAnswer, match="ignores the offset"):
        go(database_url, server)
    assert server.requests < 20
    keys = [str(key) for key in server.pod.ids()]
    assert sorted(table(database_url)) == keys[: offset(database_url)]
    server.pod.clear_faults()
    go(database_url, server)
    assert_equal(database_url, server)


def test_without_an_order_the_sync_ends_or_says_that_rows_have_moved(database_url: str) -> None:
    with FaultyServer(FaultyPod(rows=60)) as server:
        source = client(server, order_by="")
        warnings: list[str] = []
        try:
            warnings = run(database_url, source, batch_size=10).warnings
        except SyncError as error:
            warnings.append(error.advice)
        assert warnings
        assert server.requests < 500
        assert set(table(database_url)) <= set(server.pod.snapshot())
        run(database_url, client(server), full_refresh=True)
        assert_equal(database_url, server)


MOVES: list[dict[str, int]] = [
    {"remove_low": 1},
    {"remove_low": 3},
    {"remove_low": 9},
    {"add_low": 1},
    {"add_low": 4},
    {"add_end": 3},
    {"remove": 5},
    {"remove_low": 2, "add_low": 2},
    {"remove_low": 1, "add_end": 1},
    {"add_low": 6, "remove": 6},
]


@pytest.mark.parametrize(("skip", "concurrency"), [(0, 4), (1, 1), (4, 4), (8, 1)])
@pytest.mark.parametrize("do", MOVES, ids=lambda do: "-".join(f"{k}-{v}" for k, v in do.items()))
def test_rows_that_move_between_two_pages_are_neither_lost_nor_doubled(
    database_url: str, server: FaultyServer, do: dict[str, int], skip: int, concurrency: int
) -> None:
    server.pod.add_fault("after_page", do=do, skip=skip)
    before = set(server.pod.snapshot())
    go(database_url, server, concurrency=concurrency)
    if table(database_url) != server.pod.snapshot():
        # What changed behind a walk that had passed it is found by the next full refresh only.
        assert set(server.pod.snapshot()) & before <= set(table(database_url))
        go(database_url, server, full_refresh=True)
    assert_equal(database_url, server)
    assert removed(database_url) <= before - set(server.pod.snapshot())


def test_rows_that_move_after_each_of_many_pages_end_in_an_equal_table(
    database_url: str, server: FaultyServer
) -> None:
    for skip in range(0, 12, 2):
        server.pod.add_fault("after_page", do={"remove_low": 1, "add_end": 2}, skip=skip)
    go(database_url, server)
    go(database_url, server, full_refresh=True)
    assert_equal(database_url, server)
