"""Changed rows are read by their date, and one count on each side shows that nothing differs."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from oracle_sync.config.collection import OPPORTUNITIES
from oracle_sync.config.settings import Settings
from oracle_sync.engine.proof import Outcome
from oracle_sync.engine.summary import Summary
from oracle_sync.errors import RemovalHeld, SettingError, Unavailable
from oracle_sync.operations.verify import Verified, verify
from oracle_sync.postgres.database import Database
from oracle_sync_tests.support.dated import DatedSource
from oracle_sync_tests.support.harness import NAME, offset, removed, rows, run, state, table
from oracle_sync_tests.support.source import ListSource

LOOKBACK = 300


def sync(url: str, source: ListSource, **options: Any) -> Summary:
    usual: dict[str, Any] = {
        "changes": "auto",
        "proof": "run",
        "lookback": LOOKBACK,
        "batch_size": 499,
    }
    return run(url, source, **usual | options)


def synced(url: str, count: int = 1_000) -> DatedSource:
    """Return a source that has been synced, and the requests it took forgotten."""
    source = DatedSource(count)
    done = sync(url, source)
    assert done.proof is not None
    assert done.proof.equal
    source.advance(3600)
    source.asked.clear()
    return source


def equal(done: Summary) -> bool:
    assert done.proof is not None
    assert done.proof.equal == (not done.warnings), done.warnings
    return done.proof.equal


def test_a_first_sync_ends_with_the_two_sides_shown_to_be_equal(database_url: str) -> None:
    source = DatedSource(1_000)
    done = sync(database_url, source)
    assert equal(done)
    assert done.proof is not None
    assert (done.proof.ours, done.proof.theirs) == (1_000, 1_000)
    until = done.proof.until
    assert until is not None
    assert until <= source.now - dt.timedelta(seconds=LOOKBACK)
    proven_at, proven_rows, covered = state(database_url, "proven_at, proven_rows, covered_until")
    assert proven_rows == 1_000
    assert covered <= proven_at <= source.now


def test_a_run_where_nothing_happened_takes_three_requests(database_url: str) -> None:
    source = synced(database_url)
    assert equal(sync(database_url, source))
    assert source.requests == 3


def test_a_changed_row_is_read_by_its_date_and_costs_a_page(database_url: str) -> None:
    source = synced(database_url)
    source.write(source.keys[500], "changed")
    source.advance(60)
    done = sync(database_url, source)
    assert (done.updated, done.inserted) == (1, 0)
    assert table(database_url) == source.table()
    assert source.requests == 3


def test_a_row_added_in_the_middle_is_read_by_its_date_and_the_offset_counts_it(
    database_url: str,
) -> None:
    source = synced(database_url)
    source.write(source.keys[500] + 1, "added")
    source.advance(60)
    done = sync(database_url, source)
    assert equal(done)
    assert done.refreshes == 0
    assert table(database_url) == source.table()
    assert offset(database_url) == 1_001
    assert source.requests < 15
    source.asked.clear()
    assert equal(sync(database_url, source))
    assert source.requests == 3


def test_deletions_in_the_middle_are_found_by_ranges_and_cost_no_full_refresh(
    database_url: str,
) -> None:
    source = synced(database_url, 5_000)
    gone = [source.keys[place] for place in (10, 2_500, 2_501, 4_900)]
    source.remove(gone)
    done = sync(database_url, source)
    assert equal(done)
    assert done.refreshes == 0
    assert done.removed == 4
    assert table(database_url) == source.table()
    assert removed(database_url) == set(map(str, gone))
    assert offset(database_url) == 4_996
    assert source.requests < 50
    reasons = [reason for (reason,) in rows(database_url, "SELECT reason FROM sync_history")]
    assert any(f"{gone[0]} gone" in reason for reason in reasons)


def test_as_many_rows_deleted_as_added_are_found_although_the_anchor_stands(
    database_url: str,
) -> None:
    source = synced(database_url)
    source.remove([source.keys[place] for place in (100, 101, 102)])
    for place in (500, 600, 700):
        source.write(source.keys[place] + 1, "added")
    source.advance(600)
    done = sync(database_url, source)
    assert equal(done)
    assert table(database_url) == source.table()
    assert done.refreshes == 0
    assert source.requests < 100


def test_the_last_row_deleted_is_found(database_url: str) -> None:
    source = synced(database_url)
    source.remove([source.keys[-1]])
    assert equal(sync(database_url, source))
    assert table(database_url) == source.table()
    assert offset(database_url) == 999


def test_a_row_that_enters_the_scope_with_an_old_date_is_found_by_the_count(
    database_url: str,
) -> None:
    source = synced(database_url)
    source.write(source.keys[300] + 1, "old", at=source.now - dt.timedelta(days=2))
    done = sync(database_url, source)
    assert equal(done)
    assert table(database_url) == source.table()
    assert done.refreshes == 0


def test_a_row_whose_date_went_back_is_repaired(database_url: str) -> None:
    source = synced(database_url)
    source.write(source.keys[300], "first")
    source.advance(600)
    sync(database_url, source)
    source.write(source.keys[300], "back", at=source.now - dt.timedelta(days=1, hours=3))
    source.remove([source.keys[301]])
    source.advance(600)
    assert equal(sync(database_url, source))
    assert table(database_url) == source.table()


def test_many_deletions_are_held_by_the_brake_until_they_are_confirmed(database_url: str) -> None:
    source = synced(database_url)
    source.remove(source.keys[100:400])
    with pytest.raises(RemovalHeld):
        sync(database_url, source)
    done = sync(database_url, source)
    assert not equal(done)
    assert done.differs
    assert done.removal_held == 300
    assert len(table(database_url)) == 1_000
    done = sync(database_url, source, confirm_removal=True, removal_limit=100)
    assert equal(done)
    assert table(database_url) == source.table()


def test_a_pass_that_was_killed_goes_on_where_it_stood(database_url: str) -> None:
    source = synced(database_url)
    for key in source.keys[::2]:
        source.write(key, "changed")
    source.advance(60)

    class Killed(BaseException):
        pass

    source.errors = [None] * 4 + [Killed()]
    with pytest.raises(Killed):
        sync(database_url, source, batch_size=50, concurrency=1)
    at, since = state(database_url, "pass_offset, pass_since")
    assert at > 50
    source.errors = []
    source.asked.clear()
    assert equal(sync(database_url, source, batch_size=50, concurrency=1))
    first_of_pass = next(r for r in source.asked if r.scope.changed_since)
    assert first_of_pass.offset == at - 1
    assert first_of_pass.scope.changed_since == since
    assert table(database_url) == source.table()


def test_rows_stored_without_dates_get_them_by_one_full_refresh(database_url: str) -> None:
    source = DatedSource(500)
    run(database_url, source, batch_size=499)
    rows(
        database_url,
        "UPDATE sync_state SET covered_until = NULL; "
        "UPDATE minimal_opportunities SET source_updated_at = NULL",
    )
    done = sync(database_url, source)
    assert done.refreshes == 1
    assert equal(done)
    assert sync(database_url, source).refreshes == 0


@pytest.mark.parametrize("how", ["refuse_dates", "ignore_dates"])
def test_a_pod_without_a_condition_on_the_date_is_read_as_before_and_this_is_said(
    database_url: str, how: str
) -> None:
    source = synced(database_url)
    setattr(source, how, True)
    source.append(5)
    done = sync(database_url, source)
    assert done.proof is not None
    assert done.proof.outcome == Outcome.UNKNOWN
    assert "condition on the date" in done.warnings[-1]
    assert offset(database_url) == 1_005
    with pytest.raises(SettingError, match="ORACLE_SYNC_CHANGES is on"):
        sync(database_url, source, changes="on")


def test_a_pod_that_does_not_count_is_said_not_to_be_compared(database_url: str) -> None:
    source = synced(database_url)
    source.total = lambda rows: None
    done = sync(database_url, source)
    assert done.proof is not None
    assert done.proof.outcome == Outcome.UNKNOWN
    assert "does not say how many rows" in done.warnings[-1]


def test_a_count_that_is_wrong_is_contradicted_by_the_pages(database_url: str) -> None:
    source = synced(database_url)
    source.total = lambda rows: rows + 3
    done = sync(database_url, source)
    assert done.proof is not None
    assert done.proof.outcome == Outcome.UNKNOWN
    assert "its pages" in done.warnings[-1]
    assert done.refreshes == 0
    assert source.requests < 30


def test_a_source_that_never_rests_is_said_to_be_changing(database_url: str) -> None:
    source = synced(database_url)
    keys = iter(source.keys)

    def change(n: int, request: object) -> None:
        if request.want_total:  # type: ignore[attr-defined]
            source.write(next(keys), "changed")

    source.on_request = change
    done = sync(database_url, source)
    assert done.proof is not None
    assert done.proof.outcome == Outcome.CHANGING
    assert "changing" in done.warnings[-1]
    assert done.refreshes == 0
    source.on_request = lambda n, request: None
    source.advance(600)
    assert equal(sync(database_url, source))
    assert table(database_url) == source.table()


def test_an_hourly_proof_is_made_once_an_hour(database_url: str) -> None:
    source = synced(database_url)
    assert sync(database_url, source, proof="hourly").proof is not None
    source.advance(600)
    assert sync(database_url, source, proof="hourly").proof is None
    source.advance(3600)
    assert sync(database_url, source, proof="hourly").proof is not None


def test_without_a_proof_changes_are_read_all_the_same(database_url: str) -> None:
    source = synced(database_url)
    source.write(source.keys[3], "changed")
    done = sync(database_url, source, proof="off")
    assert (done.updated, done.proof, done.warnings) == (1, None, [])


def test_an_undated_row_keeps_equality_from_being_said(database_url: str) -> None:
    source = synced(database_url)
    source.items[source.keys[7]]["LastUpdateDate"] = None
    done = sync(database_url, source, full_refresh=True)
    assert done.proof is not None
    assert done.proof.outcome == Outcome.UNKNOWN
    assert "1 rows have no date" in done.warnings[-1]


def verified(url: str, source: DatedSource, *, repair: bool = False) -> Verified:
    return verify(
        source, Database(url, OPPORTUNITIES), NAME, Settings(), repair=repair, holder="test"
    )


def test_a_comparison_names_the_rows_that_differ_and_repairs_them_only_if_asked_to(
    database_url: str,
) -> None:
    source = synced(database_url)
    assert verified(database_url, source).proof.equal
    gone, old = source.keys[10], source.keys[500] + 1
    source.remove([gone, source.keys[11]])
    source.write(old, "old", at=source.now - dt.timedelta(days=2))
    found = verified(database_url, source)
    assert found.proof.outcome == Outcome.DIFFERENT
    assert {"gone", "missing"} == {difference.kind for difference in found.differences}
    assert str(gone) in table(database_url)
    assert verified(database_url, source, repair=True).proof.equal
    assert table(database_url) == source.table()


def test_a_changed_value_behind_the_same_count_is_named_with_its_columns(database_url: str) -> None:
    source = synced(database_url)
    source.items[source.keys[20]]["OptyNumber"] = "silently changed"
    source.remove([source.keys[21]])
    found = verified(database_url, source)
    assert f"{source.keys[20]} changed (opportunity_number)" in map(str, found.differences)


def test_a_table_whose_walk_has_not_ended_is_not_compared(database_url: str) -> None:
    source = DatedSource(1_000)
    source.errors = [None, None, Unavailable("503")]
    with pytest.raises(Unavailable):
        sync(database_url, source, concurrency=1)
    with pytest.raises(SettingError, match="has not reached the end"):
        verified(database_url, source)
