"""Test that what is known to be wrong stays open until it is put right."""

from __future__ import annotations

import datetime as dt
import threading
from typing import Any

import pytest

from oracle_sync.config.collection import OPPORTUNITIES
from oracle_sync.engine.removal import MOST_LOOKUPS
from oracle_sync.engine.scope import EVERYTHING
from oracle_sync.engine.source import Page, PageRequest
from oracle_sync.engine.summary import Summary
from oracle_sync.errors import RemovalHeld, RowsMoved, SettingError
from oracle_sync.operations.moves import forget
from oracle_sync.orchestration import checks
from oracle_sync.postgres.database import Database
from oracle_sync_tests.support.harness import removed, rows, run, state, table, wide, writer
from oracle_sync_tests.support.source import ListSource

FIELDS = "OptyId,OptyNumber"


def held(url: str) -> ListSource:
    """Return a source of 60 rows, 40 more of which are held in the table."""
    source = ListSource(100)
    run(url, source, batch_size=50)
    for _ in range(40):
        source.delete(5)
    with pytest.raises(RemovalHeld, match="40 rows of minimal_opportunities"):
        run(url, source, batch_size=50, full_refresh=True)
    return source


def open_check(url: str) -> bool:
    """Return whether the check of open problems passes."""
    status = Database(url, OPPORTUNITIES).status("opportunities")
    assert status is not None
    return checks._open(status).passed


def test_a_removal_that_is_held_stays_open_through_runs_that_succeed(database_url: str) -> None:
    source = held(database_url)
    source.append(3)

    done = run(database_url, source, batch_size=50)

    assert (done.inserted, done.removal_held) == (3, 40)
    assert any("40 rows" in warning for warning in done.warnings)
    assert len(table(database_url)) == 103
    assert state(database_url, "removal_held") == (40,)
    assert not open_check(database_url)


def test_a_removal_that_is_held_keeps_the_time_since_when(database_url: str) -> None:
    source = held(database_url)
    ((since,),) = rows(database_url, "SELECT removal_held_at FROM sync_state")
    with pytest.raises(RemovalHeld):
        run(database_url, source, batch_size=50, full_refresh=True)
    assert isinstance(since, dt.datetime)
    assert state(database_url, "removal_held_at") == (since,)


def test_a_held_removal_is_carried_out_when_it_is_confirmed(database_url: str) -> None:
    source = held(database_url)

    done = run(database_url, source, batch_size=50, removal_limit=100, confirm_removal=True)

    assert (done.removed, done.removal_held) == (40, 0)
    assert table(database_url) == source.table()
    assert state(database_url, "removal_held, removal_held_at") == (None, None)
    assert open_check(database_url)


def test_a_held_removal_is_over_when_the_rows_are_back(database_url: str) -> None:
    source = ListSource(100)
    before = dict(source.items)
    run(database_url, source, batch_size=50)
    for _ in range(40):
        source.delete(5)
    with pytest.raises(RemovalHeld):
        run(database_url, source, batch_size=50, full_refresh=True)
    source.items = before

    done = run(database_url, source, batch_size=50, full_refresh=True)

    assert (done.removed, done.removal_held) == (0, 0)
    assert open_check(database_url)


def test_a_limit_of_0_removes_nothing(database_url: str) -> None:
    source = ListSource(100)
    run(database_url, source, batch_size=50)
    source.delete(5)
    with pytest.raises(RemovalHeld):
        run(database_url, source, batch_size=50, full_refresh=True, removal_limit=0)
    assert removed(database_url) == set()


# -- names -----------------------------------------------------------------------------------------


def test_a_new_name_beside_another_is_refused_unless_it_is_meant(database_url: str) -> None:
    source = ListSource(10)
    run(database_url, source, "mine")
    with pytest.raises(SettingError, match="No sync is named 'nope'"):
        run_as(database_url, source, "nope", new_sync=False)
    assert rows(database_url, "SELECT sync_name FROM sync_state") == [("mine",)]
    assert rows(database_url, "SELECT DISTINCT sync_names FROM minimal_opportunities") == [
        (["mine"],)
    ]


def run_as(url: str, source: ListSource, name: str, new_sync: bool, **options: Any) -> Summary:
    from oracle_sync.engine.run import run_sync
    from oracle_sync.engine.summary import Options

    with writer(url, name, new_sync=new_sync) as store:
        return run_sync(source, store, Options(**options))


def test_the_rows_of_the_script_become_the_first_sync_s_when_a_second_is_created(
    database_url: str,
) -> None:
    source = ListSource(20)
    run_as(database_url, source, "first", new_sync=False)
    rows(database_url, "UPDATE minimal_opportunities SET sync_names = NULL")
    narrow = ListSource(0)
    narrow.items = dict(list(source.items.items())[:5])

    run_as(database_url, narrow, "second", new_sync=True, full_refresh=True)

    assert len(table(database_url)) == 20
    assert removed(database_url) == set()


def test_rows_that_nobody_claims_belong_to_the_sync_that_refreshes(database_url: str) -> None:
    source = ListSource(100)
    run(database_url, source, "first", batch_size=50)
    run(database_url, source, "second", batch_size=50)
    rows(database_url, "UPDATE minimal_opportunities SET sync_names = NULL")
    for _ in range(3):
        source.delete(5)

    done = run(database_url, source, "first", batch_size=50, full_refresh=True)

    assert done.removed == 3
    assert table(database_url) == source.table()


def test_counts_of_removals_are_what_was_done(database_url: str) -> None:
    source = ListSource(100)
    run(database_url, source, "first", batch_size=50)
    run(database_url, source, "second", batch_size=50)
    for _ in range(4):
        source.delete(5)

    assert run(database_url, source, "first", batch_size=50, full_refresh=True).removed == 0
    assert len(table(database_url)) == 100
    reasons = rows(database_url, "SELECT reason FROM sync_history WHERE action = 'refreshed'")
    assert reasons == [("moved 0 rows away; 4 stay for other syncs",)]
    assert run(database_url, source, "second", batch_size=50, full_refresh=True).removed == 4
    assert table(database_url) == source.table()


def test_a_sync_that_is_forgotten_gives_back_its_claims(database_url: str) -> None:
    source = ListSource(100)
    run(database_url, source, "mine", batch_size=50)
    run(database_url, source, "nope", batch_size=50)
    for _ in range(4):
        source.delete(5)
    database = Database(database_url, OPPORTUNITIES)

    assert forget(database, "nope", "test") == 100

    assert database.sync_names() == ["mine"]
    assert run(database_url, source, "mine", batch_size=50, full_refresh=True).removed == 4
    assert table(database_url) == source.table()
    with pytest.raises(SettingError, match="No sync state found for 'nope'"):
        forget(database, "nope", "test")


# -- fields ----------------------------------------------------------------------------------------


def test_a_field_that_is_added_reaches_every_row_before_the_sync_is_complete_again(
    database_url: str,
) -> None:
    source = ListSource(100)
    run(database_url, source, batch_size=50)
    for key, item in source.items.items():
        item["Name"] = f"name {key}"

    source.collection = wide(Name="text")
    done = run(database_url, source, batch_size=50)

    assert (done.refreshes, done.updated, done.complete) == (1, 100, True)
    filled = "SELECT count(*) FROM minimal_opportunities WHERE name IS NOT NULL"
    assert rows(database_url, filled) == [(100,)]
    assert state(database_url, "fields, refilling") == (f"Name,{FIELDS}", None)


def test_a_field_that_is_dropped_costs_no_refresh_and_its_column_keeps_its_values(
    database_url: str,
) -> None:
    source = ListSource(100)
    for key, item in source.items.items():
        item["Name"] = f"name {key}"
    source.collection = wide(Name="text")
    run(database_url, source, batch_size=50)
    source.collection = OPPORTUNITIES

    done = run(database_url, source, batch_size=50)

    assert (done.refreshes, done.complete) == (0, True)
    assert state(database_url, "fields") == (FIELDS,)
    filled = "SELECT count(*) FROM minimal_opportunities WHERE name IS NOT NULL"
    assert rows(database_url, filled) == [(100,)]


def test_a_sync_that_fills_a_new_field_is_incomplete_until_it_has_ended(database_url: str) -> None:
    source = ListSource(100)
    run(database_url, source, batch_size=50)
    source.collection = wide(Name="text")
    source.errors = [None, None, RuntimeError("killed")]
    with pytest.raises(RuntimeError):
        run(database_url, source, batch_size=20, concurrency=1)
    assert state(database_url, "is_complete, refreshing, refilling") == (0, True, "Name")
    assert not open_check(database_url)


def test_the_rows_of_the_script_count_as_filled_with_its_two_fields(database_url: str) -> None:
    source = ListSource(100)
    run(database_url, source, batch_size=50)
    rows(database_url, "UPDATE sync_state SET fields = NULL")

    assert run(database_url, source, batch_size=50).refreshes == 0
    rows(database_url, "UPDATE sync_state SET fields = NULL")
    source.collection = wide(Name="text")
    assert run(database_url, source, batch_size=50).refreshes == 1


# -- a refresh that is continued late --------------------------------------------------------------


@pytest.mark.parametrize(("minutes", "restarts"), [(50, False), (70, True)])
def test_a_refresh_that_was_interrupted_for_long_starts_again(
    database_url: str, minutes: int, restarts: bool
) -> None:
    source = ListSource(100)
    run(database_url, source, batch_size=20)
    source.errors = [None, None, None, RuntimeError("killed")]
    with pytest.raises(RuntimeError):
        run(database_url, source, batch_size=20, concurrency=1, full_refresh=True)
    passed = source.keys[3]
    source.items[passed] = {"OptyId": passed, "OptyNumber": "changed since"}
    rows(
        database_url,
        "UPDATE sync_state SET last_sync_at = last_sync_at - make_interval(mins => %s)",
        minutes,
    )

    run(database_url, source, batch_size=20)

    assert (table(database_url) == source.table()) == restarts
    refreshes = rows(database_url, "SELECT reason FROM sync_history WHERE action = 'refresh'")
    assert len(refreshes) == 1 + restarts
    assert restarts == ("interrupted for so long" in refreshes[-1][0])


# -- what a refresh is about to remove -------------------------------------------------------------


def short_once(source: ListSource, at: int) -> None:
    """Have the page at an offset end short, once, with `hasMore: false`."""
    fetch = source.fetch
    cut: list[int] = []

    def fetching(request: PageRequest, stopped: threading.Event) -> Page:
        page = fetch(request, stopped)
        if request.offset >= at and not cut and len(page.items) > 3 and not request.base:
            cut.append(request.offset)
            page.items, page.has_more = page.items[:3], False
        return page

    source.fetch = fetching  # type: ignore[method-assign]


def test_a_page_that_ends_short_once_removes_nothing(database_url: str) -> None:
    source = ListSource(1_000)
    source.total = lambda rows: None
    run(database_url, source, batch_size=100)
    short_once(source, 925)

    done = run(database_url, source, batch_size=100, full_refresh=True)

    assert (done.removed, done.complete) == (0, True)
    assert table(database_url) == source.table()
    assert removed(database_url) == set()


def test_rows_that_the_source_still_has_are_not_removed(database_url: str) -> None:
    source = ListSource(1_000)
    run(database_url, source, batch_size=100)
    hidden = source.keys[990:]
    everything = dict(source.items)

    def lie(_: int, request: PageRequest) -> None:
        # The walk is not shown the last rows; a look by key finds them.
        keys = everything if request.scope != EVERYTHING else set(everything) - set(hidden)
        source.items = {key: everything[key] for key in sorted(keys)}

    source.on_request = lie
    with pytest.raises(RowsMoved, match="still has rows"):
        run(database_url, source, batch_size=100, full_refresh=True)
    assert removed(database_url) == set()
    assert len(table(database_url)) == 1_000
    assert not open_check(database_url)

    source.on_request = lambda n, request: None
    source.items = everything
    assert run(database_url, source, batch_size=100).complete
    assert open_check(database_url)


@pytest.mark.parametrize("habit", ["refuse_base", "ignore_base"])
def test_a_pod_that_takes_no_condition_on_the_key_is_believed_with_a_warning(
    database_url: str, habit: str
) -> None:
    source = ListSource(100)
    run(database_url, source, batch_size=50)
    source.delete(50)
    setattr(source, habit, True)

    done = run(database_url, source, batch_size=50, full_refresh=True)

    assert done.removed == 1
    assert any("not looked up by key" in warning for warning in done.warnings)


def test_what_is_looked_up_is_bounded(database_url: str) -> None:
    source = ListSource(3_000)
    run(database_url, source, batch_size=499)
    for position in range(0, 250):
        source.delete(position)
    before = source.requests

    assert run(database_url, source, batch_size=499, full_refresh=True).removed == 250
    assert source.requests - before <= 7 + 2 + MOST_LOOKUPS
