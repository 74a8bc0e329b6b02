"""Syncs of an in-process source into a real PostgreSQL, and what the table then contains."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from oracle_sync.engine.rows import Batch
from oracle_sync.engine.run import MAX_REFRESHES, run_sync
from oracle_sync.engine.source import PageRequest
from oracle_sync.engine.store import Written
from oracle_sync.engine.summary import Options, Summary
from oracle_sync.errors import (
    BadAnswer,
    OnlyRejects,
    RemovalHeld,
    RequestRefused,
    RowsMoved,
    SourceError,
    TooSlow,
    Unavailable,
)
from oracle_sync_tests.support.harness import offset, removed, rows, run, state, table, wide, writer
from oracle_sync_tests.support.source import FIRST_ID, ListSource, item


def bad(text: str = "no id") -> dict[str, Any]:
    return {"OptyId": None, "OptyNumber": text}


def test_148_rows_end_at_148_and_two_more_end_at_150(database_url: str) -> None:
    source = ListSource(148)
    first = run(database_url, source)
    assert (first.offset_after, first.total_synced, first.received) == (148, 148, 148)
    assert first.complete
    assert table(database_url) == source.table()
    source.append(2)
    second = run(database_url, source)
    assert (second.offset_before, second.offset_after, second.inserted) == (148, 150, 2)
    assert table(database_url) == source.table()
    assert state(database_url, "current_offset, total_synced, is_complete") == (150, 150, 1)


@pytest.mark.parametrize("batch_size", [1, 2, 3, 5, 498, 499])
@pytest.mark.parametrize("concurrency", [1, 2, 4, 8])
@pytest.mark.parametrize("count", [0, 1, 2, 5, 6, 61])
def test_any_size_of_page_and_any_number_of_threads_bring_every_row(
    database_url: str, batch_size: int, concurrency: int, count: int
) -> None:
    source = ListSource(count)
    done = run(database_url, source, batch_size=batch_size, concurrency=concurrency)
    assert done.offset_after == done.inserted == count
    assert table(database_url) == source.table()
    assert max(request.limit for request in source.asked) <= 499


@pytest.mark.parametrize("batch_size", [498, 499])
def test_the_largest_pages_join_over_several_of_them(database_url: str, batch_size: int) -> None:
    source = ListSource(1_500)
    run(database_url, source, batch_size=batch_size)
    assert table(database_url) == source.table()
    assert max(request.limit for request in source.asked) == 499


@pytest.mark.parametrize("says_limit", [True, False])
@pytest.mark.parametrize("total", [True, False])
def test_a_server_that_gives_100_when_400_are_asked_loses_nothing(
    database_url: str, says_limit: bool, total: bool
) -> None:
    source = ListSource(950, cap=100)
    source.says_limit = says_limit
    if not total:
        source.total = lambda rows: None
    assert run(database_url, source, batch_size=400).offset_after == 950
    assert table(database_url) == source.table()


def test_a_cap_that_changes_with_every_request_loses_nothing(database_url: str) -> None:
    source = ListSource(300)

    def change(n: int, request: PageRequest) -> None:
        source.cap = (7, 50, 3, 20, 2)[n % 5]

    source.on_request = change
    assert run(database_url, source, batch_size=40).offset_after == 300
    assert table(database_url) == source.table()


def test_a_server_that_serves_one_row_per_request_is_named(database_url: str) -> None:
    source = ListSource(10, cap=1)
    with pytest.raises(BadAnswer, match="no further row"):
        run(database_url, source)
    assert offset(database_url) == len(table(database_url)) == 1


@pytest.mark.parametrize("count", [1, 148, 150])
def test_a_second_run_makes_at_most_two_requests(database_url: str, count: int) -> None:
    source = ListSource(count)
    run(database_url, source)
    before = source.requests
    again = run(database_url, source)
    assert source.requests - before <= 2
    assert (again.received, again.inserted, again.updated, again.offset_after) == (0, 0, 0, count)


@pytest.mark.parametrize("concurrency", [1, 2, 3, 8])
def test_never_more_pages_are_asked_for_and_not_committed_than_allowed(
    database_url: str, concurrency: int
) -> None:
    source = ListSource(300)
    source.latency = 0.001
    committed, worst = 0, 0

    def asked(n: int, request: PageRequest) -> None:
        nonlocal worst
        worst = max(worst, n - committed)

    source.on_request = asked
    with writer(database_url) as store:
        commit = store.commit

        def counted(batch: Batch) -> Written:
            nonlocal committed
            written = commit(batch)
            committed += batch.pages
            return written

        store.commit = counted  # type: ignore[method-assign]
        run_sync(source, store, Options(batch_size=5, concurrency=concurrency))
    assert worst <= concurrency
    assert source.most_in_flight <= concurrency
    assert table(database_url) == source.table()


def test_each_commit_reports_the_offset_that_is_in_the_table(database_url: str) -> None:
    source = ListSource(60)

    def report(summary: Summary, batch: Batch) -> None:
        assert offset(database_url) == summary.offset_after == len(table(database_url))

    run(database_url, source, report=report)


@pytest.mark.parametrize("total", [None, 0, 1, 50, 147, 149, 100_000])
@pytest.mark.parametrize("concurrency", [1, 4])
def test_a_wrong_total_changes_nothing(
    database_url: str, total: int | None, concurrency: int
) -> None:
    source = ListSource(148)
    source.total = lambda rows: total
    assert run(database_url, source, concurrency=concurrency).offset_after == 148
    assert table(database_url) == source.table()


def test_has_more_false_on_every_full_page_is_not_believed(database_url: str) -> None:
    source = ListSource(148)
    source.total = lambda rows: None
    source.has_more = lambda more, full: False
    assert run(database_url, source).offset_after == 148
    assert table(database_url) == source.table()


def test_a_full_last_page_is_confirmed_by_one_request(database_url: str) -> None:
    source = ListSource(10)
    source.total = lambda rows: None
    run(database_url, source, batch_size=5, concurrency=1)
    assert [request.offset for request in source.asked] == [0, 4, 9]


@pytest.mark.parametrize("count", [3, 5, 148])
@pytest.mark.parametrize("total", [True, False])
@pytest.mark.parametrize("says_limit", [True, False])
@pytest.mark.parametrize("cap", [3, 499])
def test_a_server_without_has_more_loses_nothing(
    database_url: str, count: int, total: bool, says_limit: bool, cap: int
) -> None:
    source = ListSource(count, cap=cap)
    source.has_more = lambda more, full: None
    source.says_limit = says_limit
    if not total:
        source.total = lambda rows: None
    assert run(database_url, source).offset_after == count
    assert table(database_url) == source.table()


@pytest.mark.parametrize("batch_size", [1, 5, 400])
def test_an_ignored_offset_is_named_and_nothing_wrong_is_committed(
    database_url: str, batch_size: int
) -> None:
    source = ListSource(450)
    source.ignore_offset = True
    with pytest.raises(BadAnswer, match="ignores the offset") as caught:
        run(database_url, source, batch_size=batch_size, concurrency=1)
    assert "ORACLE_FINDER" in caught.value.advice
    found = table(database_url)
    assert offset(database_url) == len(found)
    assert set(found) == {str(key) for key in source.keys[: len(found)]}


def test_an_offset_that_comes_to_be_ignored_is_named_too(database_url: str) -> None:
    source = ListSource(50)
    run(database_url, source)
    source.ignore_offset = True
    source.append(3)
    with pytest.raises(BadAnswer, match="ignores the offset"):
        run(database_url, source)
    assert len(table(database_url)) == 50
    assert removed(database_url) == set()


@pytest.mark.parametrize("at", [0, 4, 49])
def test_an_empty_page_with_has_more_is_named(database_url: str, at: int) -> None:
    source = ListSource(100)
    source.empty_with_more_at = at
    with pytest.raises(BadAnswer, match="empty page"):
        run(database_url, source, concurrency=1)
    assert offset(database_url) == len(table(database_url)) == {0: 0, 4: 5, 49: 50}[at]


# ---------------------------------------------------------------------- a collection that moves


@pytest.mark.parametrize("concurrency", [1, 4])
@pytest.mark.parametrize("at_request", [2, 3, 7, 12])
@pytest.mark.parametrize("count", [1, 3, 9])
def test_deletions_between_two_requests_lose_no_other_row(
    database_url: str, concurrency: int, at_request: int, count: int
) -> None:
    source = ListSource(60)

    def delete(n: int, request: PageRequest) -> None:
        if n == at_request:
            for _ in range(count):
                source.delete(0)

    source.on_request = delete
    run(database_url, source, concurrency=concurrency)
    assert table(database_url) == source.table()
    assert state(database_url, "doubt, refreshing") == (None, False)


@pytest.mark.parametrize("concurrency", [1, 4])
@pytest.mark.parametrize("at_request", [2, 3, 7, 12])
@pytest.mark.parametrize("count", [1, 3, 6, 7, 20, 100])
def test_late_inserts_between_two_requests_are_repaired_and_refreshed(
    database_url: str, concurrency: int, at_request: int, count: int
) -> None:
    source = ListSource(60, step=1_000)

    def insert(n: int, request: PageRequest) -> None:
        if n == at_request:
            for _ in range(count):
                source.insert(0)

    source.on_request = insert
    run(database_url, source, concurrency=concurrency)
    assert table(database_url) == source.table()


@pytest.mark.parametrize("at_request", range(2, 14))
@pytest.mark.parametrize("change", ["insert", "delete"])
def test_a_second_move_in_the_middle_of_a_repair_loses_nothing_and_accuses_nobody(
    database_url: str, at_request: int, change: str
) -> None:
    source = ListSource(60, step=1_000)

    def move(n: int, request: PageRequest) -> None:
        if at_request <= n <= at_request + 3:
            source.insert(0) if change == "insert" else source.delete(0)

    source.on_request = move
    run(database_url, source, concurrency=1)
    assert table(database_url) == source.table()


def test_the_end_of_the_collection_may_vanish_during_the_walk(database_url: str) -> None:
    source = ListSource(40)

    def cut(n: int, request: PageRequest) -> None:
        if n == 6:
            for _ in range(25):
                source.delete(-1)

    source.on_request = cut
    run(database_url, source, concurrency=1, removal_limit=100)
    assert table(database_url) == source.table()
    assert offset(database_url) == 15


def test_a_deletion_before_the_offset_is_found_on_resuming_and_leads_to_a_refresh(
    database_url: str,
) -> None:
    source = ListSource(50)
    run(database_url, source)
    gone = str(source.keys[3])
    source.delete(3)
    done = run(database_url, source)
    assert done.refreshes == 1
    assert done.removed == 1
    assert table(database_url) == source.table()
    assert removed(database_url) == {gone}
    assert offset(database_url) == 49


def test_a_late_insert_is_found_on_resuming_and_leads_to_a_refresh(database_url: str) -> None:
    source = ListSource(50)
    run(database_url, source)
    source.insert(20)
    assert run(database_url, source).refreshes == 1
    assert table(database_url) == source.table()
    assert offset(database_url) == 51


def test_rows_that_move_on_every_request_end_bounded_with_a_warning(database_url: str) -> None:
    source = ListSource(60, step=1_000_000)
    source.on_request = lambda n, request: source.insert(0) if n % 3 == 0 else None
    done = run(database_url, source, concurrency=1)
    assert source.requests < 400
    assert done.refreshes == MAX_REFRESHES
    assert any("Rows moved during each" in warning for warning in done.warnings)
    assert state(database_url, "doubt")[0]
    source.on_request = lambda n, request: None
    assert run(database_url, source).warnings == []
    assert table(database_url) == source.table()


def test_a_row_that_comes_while_another_goes_is_refreshed_where_the_move_was_seen(
    database_url: str,
) -> None:
    source = ListSource(60, step=1_000)

    def swap(n: int, request: PageRequest) -> None:
        if n == 5:
            source.insert(1)
        if n == 6:
            source.delete(5)

    source.on_request = swap
    run(database_url, source, concurrency=1)
    assert table(database_url) == source.table()


def test_a_source_that_grows_in_front_faster_than_it_is_read_ends_bounded(
    database_url: str,
) -> None:
    source = ListSource(30, step=10_000_000)

    def grow(n: int, request: PageRequest) -> None:
        assert n < 3_000, "the walk does not end"
        for _ in range(3):
            source.insert(0)

    source.on_request = grow
    with pytest.raises(RowsMoved):
        run(database_url, source, batch_size=1, concurrency=1)
    source.on_request = lambda n, request: None
    run(database_url, source, batch_size=50)
    assert table(database_url) == source.table()


def test_a_changed_number_is_found_by_a_full_refresh(database_url: str) -> None:
    source = ListSource(50)
    run(database_url, source)
    key = source.keys[7]
    source.items[key] = item(key, "changed")
    source.items[source.keys[8]] = item(source.keys[8], None)
    done = run(database_url, source, full_refresh=True)
    assert (done.updated, done.unchanged, done.inserted) == (2, done.unchanged, 0)
    assert table(database_url) == source.table()


def test_a_killed_refresh_is_resumed_and_ends_equal_to_the_source(database_url: str) -> None:
    source = ListSource(60)
    run(database_url, source)
    for position in (50, 40, 3):
        source.delete(position)
    before = source.requests
    source.errors = [None] * 6 + [Unavailable("503")]
    with pytest.raises(Unavailable):
        run(database_url, source, full_refresh=True, concurrency=1)
    assert state(database_url, "refreshing")[0]
    assert 0 < offset(database_url) < 57
    half = source.requests - before
    done = run(database_url, source, concurrency=1)
    assert done.removed == 3
    # One more for the end, and three for the rows that are gone.
    assert source.requests - before <= half + 13
    assert table(database_url) == source.table()


def test_a_refresh_wound_back_over_deletions_removes_no_row_that_is_there(
    database_url: str,
) -> None:
    source = ListSource(100)
    run(database_url, source)
    source.errors = [None] * 10 + [Unavailable("503")]
    with pytest.raises(Unavailable):
        run(database_url, source, full_refresh=True, concurrency=1)
    reached = offset(database_url)
    with writer(database_url) as store:
        store.move(reached - 1, "rewind", "test")
    for _ in range(9):
        source.delete(0)
    done = run(database_url, source, concurrency=1, removal_limit=100)
    assert not done.warnings
    assert table(database_url) == source.table()


# ------------------------------------------------------------------------------ nothing, rejects


def test_zero_rows_warn(database_url: str) -> None:
    done = run(database_url, ListSource(0))
    assert done.complete
    assert any("no rows at all" in warning for warning in done.warnings)


def test_zero_rows_after_many_remove_nothing(database_url: str) -> None:
    source = ListSource(30)
    run(database_url, source)
    with pytest.raises(RemovalHeld):
        run(database_url, ListSource(0))
    assert table(database_url) == source.table()


@pytest.mark.parametrize("position", [0, 3, 4, 5, 19])
def test_a_reject_is_kept_once_counted_once_and_passed_over(
    database_url: str, position: int
) -> None:
    source = ListSource(20)
    source.items[source.keys[position]] = bad()
    done = run(database_url, source, batch_size=5, concurrency=1)
    assert done.offset_after == 20
    assert done.inserted == 19
    assert done.rejected == 1
    assert any(warning.startswith("1 items") for warning in done.warnings)
    found = rows(database_url, "SELECT at_offset, raw, resolved_at FROM rejected_items")
    assert found == [(position, bad(), None)]


def test_a_reject_at_the_end_is_not_told_again_by_each_run(database_url: str) -> None:
    source = ListSource(20)
    source.items[source.keys[-1]] = bad()
    run(database_url, source)
    again = run(database_url, source)
    assert (again.rejected, again.warnings) == (0, [])


def test_a_page_of_only_rejects_fails_keeps_them_and_does_not_move(database_url: str) -> None:
    source = ListSource(20)
    for position in range(10, 15):
        source.items[source.keys[position]] = bad(f"bad {position}")
    with pytest.raises(OnlyRejects) as caught:
        run(database_url, source, batch_size=5, concurrency=1)
    assert offset(database_url) == 10
    assert len(table(database_url)) == 10
    assert "offset 10" in caught.value.kept
    found = rows(database_url, "SELECT at_offset FROM rejected_items ORDER BY 1")
    assert [row[0] for row in found] == [10, 11, 12, 13, 14]
    assert state(database_url, "last_error")[0].startswith("None of the 5 new items")
    assert run(database_url, source, batch_size=10).offset_after == 20
    assert len(rows(database_url, "SELECT id FROM rejected_items")) == 5


def test_a_first_page_of_only_rejects_fails_with_nothing_stored(database_url: str) -> None:
    source = ListSource(8)
    for key in source.keys[:5]:
        source.items[key] = bad(str(key))
    with pytest.raises(OnlyRejects):
        run(database_url, source)
    assert offset(database_url) == 0
    assert table(database_url) == {}
    assert len(rows(database_url, "SELECT id FROM rejected_items")) == 5


def test_a_reject_that_was_mended_is_stored_by_a_full_refresh_and_resolved(
    database_url: str,
) -> None:
    source = ListSource(20)
    key = source.keys[6]
    source.items[key] = bad()
    run(database_url, source)
    source.items[key] = item(key)
    run(database_url, source, full_refresh=True)
    assert table(database_url) == source.table()
    assert rows(database_url, "SELECT id FROM rejected_items WHERE resolved_at IS NULL") == []


def test_the_longest_key_fits_the_index_in_any_alphabet(database_url: str) -> None:
    import random

    letters = random.Random(1)
    source = ListSource(3)
    for length in (599, 600, 601, 1_999, 2_000):
        long = "".join(chr(letters.randrange(0x10000, 0x1F000)) for _ in range(length))
        source.append()
        source.items[source.keys[-1]] = {"OptyId": long, "OptyNumber": "long"}
    source.append()
    done = run(database_url, source, batch_size=20)
    assert done.offset_after == 9
    assert done.inserted + done.rejected == 9


# ------------------------------------------------------------------------------------ failures


@pytest.mark.parametrize(
    "error", [Unavailable("503"), RequestRefused("400"), BadAnswer("HTML"), SourceError("x")]
)
@pytest.mark.parametrize("concurrency", [1, 4])
def test_rows_before_an_error_in_a_later_page_stay(
    database_url: str, error: SourceError, concurrency: int
) -> None:
    source = ListSource(100)

    def fail(n: int, request: PageRequest) -> None:
        if request.offset <= 52 < request.offset + request.limit:
            raise error

    source.on_request = fail
    with pytest.raises(type(error)) as caught:
        run(database_url, source, concurrency=concurrency)
    reached = offset(database_url)
    assert reached == 50 == len(table(database_url))
    assert caught.value.kept == "Everything up to offset 50 is stored."
    assert state(database_url, "is_complete")[0] == 0
    source.on_request = lambda n, request: None
    assert run(database_url, source).offset_after == 100
    assert table(database_url) == source.table()
    assert state(database_url, "last_error")[0] is None


@pytest.mark.parametrize("most", [2, 3, 50, 399])
@pytest.mark.parametrize("concurrency", [1, 4])
def test_pages_become_smaller_until_the_server_is_in_time(
    database_url: str, most: int, concurrency: int
) -> None:
    source = ListSource(700)
    source.too_slow_above = most
    done = run(database_url, source, batch_size=400, concurrency=concurrency)
    assert done.offset_after == 700
    assert table(database_url) == source.table()


def test_a_server_too_slow_for_one_row_is_named(database_url: str) -> None:
    source = ListSource(10)
    source.too_slow_above = 0
    with pytest.raises(TooSlow):
        run(database_url, source)
    assert source.requests < 12


@pytest.mark.parametrize("at_request", [4, 5, 6, 7])
def test_a_server_that_becomes_too_slow_in_the_middle_of_a_repair_is_asked_for_less(
    database_url: str, at_request: int
) -> None:
    source = ListSource(300)

    def slow(n: int, request: PageRequest) -> None:
        if n == 4:
            for _ in range(120):
                source.delete(0)
        if n == at_request:
            source.too_slow_above = 20

    source.on_request = slow
    run(database_url, source, batch_size=50, concurrency=1, removal_limit=100)
    assert table(database_url) == source.table()


def test_an_offset_set_by_hand_goes_on_where_the_row_before_it_is_known(
    database_url: str,
) -> None:
    source = ListSource(50)
    run(database_url, source)
    with writer(database_url) as store:
        store.move(30, "rewind", "test")
    before = source.requests
    done = run(database_url, source)
    assert (done.refreshes, done.received, done.inserted) == (0, 20, 0)
    assert source.requests - before <= 7
    assert done.offset_after == 50


def test_a_reset_reads_everything_again_and_keeps_the_rows(database_url: str) -> None:
    source = ListSource(50)
    run(database_url, source)
    with writer(database_url) as store:
        store.move(0, "reset", "test")
    assert len(table(database_url)) == 50
    done = run(database_url, source)
    assert (done.received, done.inserted, done.unchanged >= 50) == (50, 0, True)


def test_ids_that_are_strings_join_like_numbers(database_url: str) -> None:
    source = ListSource(30)
    for key in source.keys:
        source.items[key] = {"OptyId": str(key), "OptyNumber": None}
    run(database_url, source)
    for key in source.keys:
        source.items[key] = {"OptyId": key, "OptyNumber": None}
    source.append(3)
    done = run(database_url, source)
    assert (done.refreshes, done.inserted) == (0, 3)


def test_an_id_that_comes_twice_is_stored_once(database_url: str) -> None:
    source = ListSource(20)
    twice = source.keys[7]
    source.items[FIRST_ID + 75] = item(twice, "second")
    done = run(database_url, source, batch_size=50)
    assert done.offset_after == 21
    assert len(table(database_url)) == 20
    assert table(database_url)[str(twice)] == "second"


def test_further_fields_are_kept_and_compared(database_url: str) -> None:
    source = ListSource(4)
    for key in source.keys:
        source.items[key] = item(key) | {
            "Name": f"Ä{key}",
            "Revenue": Decimal("1.5"),
            "Team": {"a": [None]},
        }
    source.collection = wide(Name="text", Revenue="numeric", Team="jsonb")
    run(database_url, source)
    done = run(database_url, source, full_refresh=True)
    assert (done.updated, done.unchanged >= 4) == (0, True)
    source.items[source.keys[0]]["Revenue"] = 2
    assert run(database_url, source, full_refresh=True).updated == 1
    found = rows(database_url, "SELECT revenue::text FROM minimal_opportunities ORDER BY id")
    assert [row[0] for row in found] == ["2", "1.5", "1.5", "1.5"]


def test_a_row_whose_new_value_cannot_be_stored_is_not_taken_for_gone_by_a_refresh(
    database_url: str,
) -> None:
    source = ListSource(30)
    run(database_url, source, batch_size=10)
    before, key = table(database_url), source.keys[7]
    source.items[key] = {"OptyId": key, "OptyNumber": "bad\0"}
    summary = run(database_url, source, batch_size=10, full_refresh=True)
    assert (summary.rejected, summary.removed) == (1, 0)
    assert table(database_url) == before | {str(key): None}


def test_a_reset_in_the_middle_of_a_full_refresh_leaves_the_refresh_due(database_url: str) -> None:
    source = ListSource(30)
    run(database_url, source, batch_size=5)
    source.delete(20)
    source.errors = [None, None, Unavailable("gone")]
    with pytest.raises(Unavailable):
        run(database_url, source, batch_size=5, full_refresh=True, concurrency=1)
    with writer(database_url) as store:
        store.move(0, "reset", "test")
    summary = run(database_url, source, batch_size=5)
    assert summary.removed == 1
    assert table(database_url) == source.table()


def test_a_shift_repaired_on_the_spot_leaves_a_line_in_the_history(database_url: str) -> None:
    source = ListSource(40)
    source.on_request = lambda n, request: source.delete(2) if n == 4 else None
    run(database_url, source, batch_size=5, concurrency=1)
    lines = rows(database_url, "SELECT action, reason FROM sync_history ORDER BY id")
    assert [action for action, _ in lines] == ["repair", "refresh", "refreshed"]
    assert "rows moved" in lines[0][1]
    assert table(database_url) == source.table()


@pytest.mark.parametrize("killed", [False, True])
def test_a_row_inserted_before_a_rewound_offset_is_missed_at_the_end_and_fetched(
    database_url: str, killed: bool
) -> None:
    source = ListSource(20)
    run(database_url, source, batch_size=5)
    with writer(database_url) as store:
        store.move(10, "rewind", "test")
    source.insert(0)
    if killed:
        # The run that adopts the row before the offset does not get to the end.
        with writer(database_url) as store:
            store.adopt(str(source.keys[9]))

    summary = run(database_url, source, batch_size=5)

    assert summary.refreshes == 1
    assert table(database_url) == source.table()
    assert run(database_url, source, batch_size=5).refreshes == 0
