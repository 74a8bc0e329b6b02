"""Bad items are set aside, and never passed over in silence."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from oracle_sync.errors import (
    OnlyRejects,
)
from oracle_sync_tests.support.faults import BAD_VALUES
from oracle_sync_tests.support.faulty_pod import FaultyPod, FaultyServer
from oracle_sync_tests.support.faulty_runs import FROM, ROWS, assert_equal, go
from oracle_sync_tests.support.harness import offset, rows, table


@pytest.fixture
def server() -> Iterator[FaultyServer]:
    with FaultyServer(FaultyPod(rows=ROWS)) as running:
        yield running


@pytest.mark.parametrize("kind", ["no_id", "bad_value"])
def test_single_bad_items_are_set_aside_and_the_others_stored(
    database_url: str, server: FaultyServer, kind: str
) -> None:
    server.pod.add_fault(kind, times=None, rows=[7, 23])
    summary = go(database_url, server)
    assert (summary.offset_after, summary.rejected) == (ROWS, 2)
    keys = [str(key) for key in server.pod.ids()]
    assert set(table(database_url)) == {*keys} - ({keys[7], keys[23]} if kind == "no_id" else set())
    kept = rows(database_url, "SELECT at_offset, reason FROM rejected_items ORDER BY at_offset")
    assert [row[0] for row in kept] == [7, 23]
    assert all(row[1] for row in kept)
    server.pod.clear_faults()
    go(database_url, server, full_refresh=True)
    assert_equal(database_url, server)
    open_ones = rows(database_url, "SELECT 1 FROM rejected_items WHERE resolved_at IS NULL")
    assert open_ones == []


@pytest.mark.parametrize("field", ["OptyNumber", "OptyId"])
@pytest.mark.parametrize("value", [*BAD_VALUES, "", True, 1.5, [], {}, 10**40, "x' OR 1=1"])
def test_a_value_of_any_kind_is_stored_as_it_is_or_set_aside(
    database_url: str, server: FaultyServer, field: str, value: Any
) -> None:
    server.pod.add_fault("bad_value", times=None, rows=[11], value=value, field=field)
    summary = go(database_url, server)
    assert summary.offset_after == ROWS
    not_stored = summary.rejected if field == "OptyId" else 0
    assert len(table(database_url)) + not_stored == ROWS
    keys = [str(key) for key in server.pod.ids()]
    assert set(keys) - set(table(database_url)) <= {keys[11]}
    server.pod.clear_faults()
    go(database_url, server, full_refresh=True)
    assert_equal(database_url, server)


def test_an_item_that_is_not_an_object_at_the_seam_of_pages_does_no_harm(
    database_url: str, server: FaultyServer
) -> None:
    server.pod.add_fault("wrong_type", what="item", min_offset=FROM)
    go(database_url, server)
    go(database_url, server, full_refresh=True)
    assert_equal(database_url, server)


def test_items_that_lose_their_ids_in_the_middle_are_named(
    database_url: str, server: FaultyServer
) -> None:
    server.pod.add_fault("no_id", times=None, skip=3)
    with pytest.raises(OnlyRejects, match="OptyId is missing"):
        go(database_url, server)
    at = offset(database_url)
    assert len(table(database_url)) == at > 0
    server.pod.clear_faults()
    go(database_url, server)
    assert_equal(database_url, server)


def test_a_row_that_really_comes_twice_is_stored_once_and_costs_no_refresh(
    database_url: str, server: FaultyServer
) -> None:
    server.pod.add_fault("duplicate_in_page", times=None, rows=[20])
    summary = go(database_url, server)
    assert (summary.offset_after, summary.refreshes, len(table(database_url))) == (
        ROWS,
        0,
        ROWS - 1,
    )


def test_pages_of_bad_items_alone_are_not_passed_over(
    database_url: str, server: FaultyServer
) -> None:
    server.pod.add_fault("no_id", times=None, rows=list(range(15, 30)))
    with pytest.raises(OnlyRejects) as caught:
        go(database_url, server)
    assert "rejected_items" in caught.value.advice
    at = offset(database_url)
    assert at <= 15
    assert len(table(database_url)) == at
    assert rows(database_url, "SELECT 1 FROM rejected_items")
    server.pod.clear_faults()
    go(database_url, server)
    assert_equal(database_url, server)
