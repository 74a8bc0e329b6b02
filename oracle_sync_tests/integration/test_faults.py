"""Every fault of a pod, through client, engine and database: equal in the end, or plainly told."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from oracle_sync.engine.run import Summary
from oracle_sync.errors import (
    BadAnswer,
    OnlyRejects,
    RequestRefused,
    SignInRefused,
    SyncError,
    TooSlow,
    Unavailable,
)
from oracle_sync_tests.support.faults import BAD_VALUES, KINDS
from oracle_sync_tests.support.faulty_pod import FaultyPod, FaultyServer
from oracle_sync_tests.support.harness import offset, removed, rows, run, state, table
from oracle_sync_tests.support.web import client

ROWS = 42
FROM = 17
"""Faults begin at this offset, so that rows before it are committed when they strike."""

PASSING: list[dict[str, Any]] = [
    {"kind": "status", "status": 408},
    {"kind": "status", "status": 429, "retry_after": 0},
    {"kind": "status", "status": 429, "times": 3, "retry_after": "date:0"},
    {"kind": "status", "status": 500},
    {"kind": "status", "status": 502, "body": "Bad Gateway"},
    {"kind": "status", "status": 503, "times": 3, "retry_after": 0},
    {"kind": "status", "status": 504},
    {"kind": "status", "status": 504, "times": 2},
    {"kind": "maintenance", "times": 2, "retry_after": 0},
    {"kind": "text_error", "status": 500},
    {"kind": "echo_secret", "status": 503},
    {"kind": "reset"},
    {"kind": "reset", "times": 2},
    {"kind": "truncate"},
    {"kind": "bad_json"},
    {"kind": "bad_json", "times": 2},
    {"kind": "deep_json", "depth": 50_000},
    {"kind": "slow", "seconds": 0.3},
    {"kind": "hang", "seconds": 0.2, "then": "cut"},
    {"kind": "cap", "limit": 2, "times": None},
    {"kind": "cap", "limit": 3, "times": None},
    {"kind": "cap", "limit": 4},
    {"kind": "has_more_false"},
    {"kind": "has_more_false", "times": None},
    {"kind": "ignore_offset"},
    {"kind": "duplicate_in_page", "rows": [20], "min_offset": 19},
    {"kind": "duplicate_in_page", "rows": [22], "min_offset": 19},
    {"kind": "duplicate_in_page", "rows": [23], "min_offset": 19},
    {"kind": "duplicate_in_page", "rows": [2], "min_offset": 0},
]
"""Faults that pass, or that can be lived with: the same sync ends with table == source."""

LASTING: list[tuple[dict[str, Any], type[SyncError], str]] = [
    ({"kind": "status", "status": 400}, RequestRefused, "Oracle answered 400"),
    ({"kind": "status", "status": 401}, SignInRefused, "Oracle answered 401"),
    ({"kind": "status", "status": 403}, SignInRefused, "Oracle answered 403"),
    ({"kind": "status", "status": 404}, RequestRefused, "Oracle answered 404"),
    ({"kind": "status", "status": 429}, Unavailable, "Oracle answered 429"),
    ({"kind": "status", "status": 500}, Unavailable, "Oracle answered 500"),
    ({"kind": "status", "status": 503, "retry_after": 3600}, Unavailable, "asks to wait"),
    ({"kind": "status", "status": 504}, TooSlow, "took too long over 2 rows"),
    ({"kind": "maintenance"}, Unavailable, "Scheduled Maintenance"),
    ({"kind": "html"}, BadAnswer, "Sign In"),
    ({"kind": "redirect"}, SignInRefused, "redirects to 127.0.0.1"),
    ({"kind": "text_error"}, RequestRefused, "JBO-27014"),
    ({"kind": "echo_secret", "status": 400}, RequestRefused, "Cannot handle the header"),
    ({"kind": "reset"}, Unavailable, "The connection to 127.0.0.1"),
    ({"kind": "truncate"}, Unavailable, "The connection to 127.0.0.1"),
    ({"kind": "bad_json"}, BadAnswer, "JSON can't be read"),
    ({"kind": "deep_json", "depth": 50_000}, BadAnswer, "JSON can't be read"),
    ({"kind": "big_body", "mb": 80}, BadAnswer, "sent more than"),
    ({"kind": "gzip_bomb", "mb": 80}, BadAnswer, "sent more than"),
    ({"kind": "hang"}, TooSlow, "took too long over 2 rows"),
    ({"kind": "hang", "seconds": 0.1, "then": "cut"}, Unavailable, "The connection"),
    ({"kind": "limit_zero"}, BadAnswer, "limit of 0"),
    ({"kind": "empty_with_more"}, BadAnswer, "hasMore with an empty page"),
    ({"kind": "no_items_key"}, BadAnswer, "sends none"),
    ({"kind": "wrong_type", "what": "items"}, BadAnswer, "not a list"),
    ({"kind": "ignore_offset"}, BadAnswer, "ignores the offset"),
    ({"kind": "no_id"}, OnlyRejects, "OptyId is missing"),
    ({"kind": "has_more_true"}, BadAnswer, "hasMore"),
]
"""Faults that last: the sync fails with this error, and a sentence with these words."""


@pytest.fixture
def server() -> Iterator[FaultyServer]:
    with FaultyServer(FaultyPod(rows=ROWS)) as running:
        yield running


def go(url: str, server: FaultyServer, **options: Any) -> Summary:
    """One sync to the end, with little patience; it may not take long whatever happens."""
    began = time.monotonic()
    timeout, retry_seconds = options.pop("timeout", 2), options.pop("retry_seconds", 4)
    source = client(server, timeout=timeout, retry_seconds=retry_seconds)
    try:
        return run(url, source, **{"batch_size": 5, "concurrency": 4} | options)
    finally:
        assert time.monotonic() - began < 60


def equal(url: str, server: FaultyServer) -> None:
    """Assert that the table equals the source, and that the state says so."""
    assert table(url) == server.pod.snapshot()
    assert state(url, "current_offset, is_complete, doubt, refreshing") == (
        len(server.pod),
        1,
        None,
        False,
    )


def name_of(fault: Any) -> str:
    if not isinstance(fault, dict):
        return ""
    return "-".join(str(value) for value in fault.values())


def strike(server: FaultyServer, fault: dict[str, Any], **defaults: Any) -> None:
    given = {name: value for name, value in fault.items() if name != "kind"}
    server.pod.add_fault(fault["kind"], **{"min_offset": FROM} | defaults | given)


@pytest.mark.parametrize("fault", PASSING, ids=name_of)
def test_a_fault_that_passes_leaves_the_table_equal_to_the_source(
    database_url: str, server: FaultyServer, fault: dict[str, Any]
) -> None:
    strike(server, fault)
    done = go(database_url, server)
    assert done.complete
    assert server.max_in_flight <= 4
    equal(database_url, server)


@pytest.mark.parametrize(("fault", "kind", "words"), LASTING, ids=name_of)
def test_a_fault_that_lasts_is_named_and_loses_nothing_that_was_committed(
    database_url: str,
    server: FaultyServer,
    fault: dict[str, Any],
    kind: type[SyncError],
    words: str,
) -> None:
    strike(server, fault, times=None)
    with pytest.raises(SyncError) as caught:
        go(database_url, server, timeout=1, retry_seconds=1)
    error, told = caught.value, caught.value.sentence()
    assert type(error) is kind
    assert words in str(error)
    assert error.advice
    assert error.kept in told
    assert told.isprintable()
    assert "sandbox:" not in told
    at = offset(database_url)
    assert at >= FROM - 5
    assert f"up to offset {at} is stored" in error.kept
    keys = [str(key) for key in server.pod.ids()]
    assert sorted(table(database_url)) == keys[:at]
    assert state(database_url, "last_error") == (told,)
    server.pod.clear_faults()
    before = server.requests
    done = go(database_url, server)
    assert done.offset_before == at
    assert server.requests - before <= (ROWS - at) // 5 + 4
    equal(database_url, server)
    assert state(database_url, "last_error") == (None,)


def test_every_kind_of_fault_that_the_sandbox_knows_is_tried_here() -> None:
    text = Path(__file__).read_text(encoding="utf-8")
    assert not [kind for kind in KINDS if f'"{kind}"' not in text]


# The first page


@pytest.mark.parametrize("kind", ["html", "redirect", "limit_zero", "no_items_key", "no_id"])
def test_a_fault_on_the_first_page_commits_nothing(
    database_url: str, server: FaultyServer, kind: str
) -> None:
    server.pod.add_fault(kind, times=None)
    with pytest.raises(SyncError) as caught:
        go(database_url, server)
    assert "up to offset 0" in caught.value.kept
    assert table(database_url) == {}
    assert offset(database_url) == 0
    server.pod.clear_faults()
    go(database_url, server)
    equal(database_url, server)


@pytest.mark.parametrize("total", [0, 3, 7, 41, 43, 10_000, -1, "12", None, [], 10**30])
def test_a_wrong_total_costs_nothing_but_a_few_requests(
    database_url: str, server: FaultyServer, total: Any
) -> None:
    server.pod.add_fault("total_wrong", times=None, total=total)
    go(database_url, server)
    equal(database_url, server)
    assert server.requests <= ROWS // 5 + 8


def test_a_total_that_is_refused_is_done_without(database_url: str, server: FaultyServer) -> None:
    server.pod.add_fault("total_refused", times=None)
    go(database_url, server)
    equal(database_url, server)


def test_an_empty_answer_is_no_error_but_a_warning_that_says_why(database_url: str) -> None:
    with FaultyServer(FaultyPod(rows=20, visible_share=0.0)) as server:
        done = go(database_url, server)
        assert (done.offset_after, done.complete) == (0, True)
        assert "ORACLE_FINDER" in " ".join(done.warnings)
        server.pod.configure(visible_share=1.0)
        go(database_url, server)
        equal(database_url, server)


# Pages


@pytest.mark.parametrize("batch_size", [1, 5, 42, 499])
@pytest.mark.parametrize("cap", [2, 25])
def test_a_server_that_caps_its_pages_loses_no_row(
    database_url: str, server: FaultyServer, cap: int, batch_size: int
) -> None:
    server.pod.configure(max_limit=cap)
    done = go(database_url, server, batch_size=batch_size)
    assert done.received == ROWS
    equal(database_url, server)


def test_a_server_that_gives_one_row_at_a_time_is_told_and_loses_nothing(
    database_url: str, server: FaultyServer
) -> None:
    server.pod.configure(max_limit=1)
    with pytest.raises(BadAnswer, match="gave no further row"):
        go(database_url, server)
    assert len(table(database_url)) == offset(database_url) >= 1
    server.pod.configure(max_limit=499)
    go(database_url, server)
    equal(database_url, server)


def test_a_cap_that_comes_and_goes_loses_no_row(database_url: str, server: FaultyServer) -> None:
    for skip, limit in enumerate((4, 2, 3, 5, 2)):
        server.pod.add_fault("cap", limit=limit, skip=2 * skip)
    go(database_url, server)
    equal(database_url, server)


def test_has_more_true_at_the_end_for_once_is_no_endless_loop(
    database_url: str, server: FaultyServer
) -> None:
    server.pod.add_fault("has_more_true", min_offset=ROWS - 5)
    try:
        go(database_url, server)
    except BadAnswer:
        go(database_url, server)
    equal(database_url, server)
    assert server.requests <= 25


def test_has_more_false_on_every_page_still_brings_every_row(
    database_url: str, server: FaultyServer
) -> None:
    server.pod.add_fault("has_more_false", times=None)
    go(database_url, server)
    equal(database_url, server)


def test_an_offset_that_is_always_ignored_is_told_before_it_loops(
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
    equal(database_url, server)


def test_without_an_order_the_sync_ends_or_says_that_rows_have_moved(database_url: str) -> None:
    with FaultyServer(FaultyPod(rows=60)) as server:
        source = client(server, order_by="")
        told: list[str] = []
        try:
            told = run(database_url, source, batch_size=10).warnings
        except SyncError as error:
            told.append(error.advice)
        assert told
        assert server.requests < 500
        assert set(table(database_url)) <= set(server.pod.snapshot())
        run(database_url, client(server), full_refresh=True)
        equal(database_url, server)


# Rows that move


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
    equal(database_url, server)
    assert removed(database_url) <= before - set(server.pod.snapshot())


def test_rows_that_move_after_each_of_many_pages_end_in_an_equal_table(
    database_url: str, server: FaultyServer
) -> None:
    for skip in range(0, 12, 2):
        server.pod.add_fault("after_page", do={"remove_low": 1, "add_end": 2}, skip=skip)
    go(database_url, server)
    go(database_url, server, full_refresh=True)
    equal(database_url, server)


# Items


@pytest.mark.parametrize("kind", ["no_id", "bad_value"])
def test_single_bad_items_are_set_aside_and_the_others_stored(
    database_url: str, server: FaultyServer, kind: str
) -> None:
    server.pod.add_fault(kind, times=None, rows=[7, 23])
    done = go(database_url, server)
    assert (done.offset_after, done.rejected) == (ROWS, 2)
    keys = [str(key) for key in server.pod.ids()]
    assert set(table(database_url)) == {*keys} - {keys[7], keys[23]}
    kept = rows(database_url, "SELECT at_offset, reason FROM rejected_items ORDER BY at_offset")
    assert [row[0] for row in kept] == [7, 23]
    assert all(row[1] for row in kept)
    server.pod.clear_faults()
    go(database_url, server, full_refresh=True)
    equal(database_url, server)
    open_ones = rows(database_url, "SELECT 1 FROM rejected_items WHERE resolved_at IS NULL")
    assert open_ones == []


@pytest.mark.parametrize("field", ["OptyNumber", "OptyId"])
@pytest.mark.parametrize("value", [*BAD_VALUES, "", True, 1.5, [], {}, 10**40, "x' OR 1=1"])
def test_a_value_of_any_kind_is_stored_as_it_is_or_set_aside(
    database_url: str, server: FaultyServer, field: str, value: Any
) -> None:
    server.pod.add_fault("bad_value", times=None, rows=[11], value=value, field=field)
    done = go(database_url, server)
    assert done.offset_after == ROWS
    assert len(table(database_url)) + done.rejected == ROWS
    keys = [str(key) for key in server.pod.ids()]
    assert set(keys) - set(table(database_url)) <= {keys[11]}
    server.pod.clear_faults()
    go(database_url, server, full_refresh=True)
    equal(database_url, server)


def test_an_item_that_is_no_object_at_the_seam_of_pages_does_no_harm(
    database_url: str, server: FaultyServer
) -> None:
    server.pod.add_fault("wrong_type", what="item", min_offset=FROM)
    go(database_url, server)
    go(database_url, server, full_refresh=True)
    equal(database_url, server)


def test_items_that_lose_their_ids_in_the_middle_are_told_as_such(
    database_url: str, server: FaultyServer
) -> None:
    server.pod.add_fault("no_id", times=None, skip=3)
    with pytest.raises(OnlyRejects, match="OptyId is missing"):
        go(database_url, server)
    at = offset(database_url)
    assert len(table(database_url)) == at > 0
    server.pod.clear_faults()
    go(database_url, server)
    equal(database_url, server)


def test_a_row_that_really_comes_twice_is_stored_once_and_costs_no_refresh(
    database_url: str, server: FaultyServer
) -> None:
    server.pod.add_fault("duplicate_in_page", times=None, rows=[20])
    done = go(database_url, server)
    assert (done.offset_after, done.refreshes, len(table(database_url))) == (ROWS, 0, ROWS - 1)


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
    equal(database_url, server)


# Storms


@pytest.mark.parametrize("status", [429, 503])
def test_a_storm_of_refusals_with_four_requests_in_flight_is_outlasted(
    database_url: str, status: int
) -> None:
    with FaultyServer(FaultyPod(rows=200, latency_ms=5.0)) as server:
        for skip in (1, 9, 14, 30):
            server.pod.add_fault("status", status=status, times=6, skip=skip, retry_after=0)
        go(database_url, server, retry_seconds=30)
        equal(database_url, server)
        assert 1 < server.max_in_flight <= 4


def test_every_second_connection_that_breaks_is_outlasted(database_url: str) -> None:
    with FaultyServer(FaultyPod(rows=120)) as server:
        # Twice broken JSON, since a page of which nothing else comes is given up.
        for number, fault in enumerate(("reset", "truncate", "bad_json", "reset", "truncate") * 2):
            server.pod.add_fault(fault, skip=2 * number)
        go(database_url, server, retry_seconds=30)
        equal(database_url, server)


def test_a_page_that_breaks_in_another_way_each_time_is_not_given_up(database_url: str) -> None:
    with FaultyServer(FaultyPod(rows=20)) as server:
        for number, fault in enumerate(("reset", "reset", "bad_json")):
            server.pod.add_fault(fault, skip=number)
        go(database_url, server, retry_seconds=30)
        equal(database_url, server)


def test_a_token_revoked_in_the_middle_is_renewed_and_nothing_else_happens(
    database_url: str, server: FaultyServer
) -> None:
    server.pod.add_fault("after_page", do={"revoke_tokens": True}, skip=4)
    source = client(
        server,
        user="",
        password="",
        token_url=f"{server.url}/oauth2/v1/token",
        client_id="sandbox-client",
        client_secret="sandbox-secret",
    )
    run(database_url, source, batch_size=5, concurrency=4)
    equal(database_url, server)
    assert len([entry for entry in server.log if entry["method"] == "POST"]) == 2


def test_a_password_changed_in_the_middle_is_sent_a_few_times_only(
    database_url: str, server: FaultyServer
) -> None:
    server.pod.add_fault("after_page", do={"set": {"password": "changed"}}, skip=3)
    with pytest.raises(SignInRefused):
        go(database_url, server)
    assert len([entry for entry in server.log if entry["status"] == 401]) <= 4
    at = offset(database_url)
    assert len(table(database_url)) == at > 0
    server.pod.configure(password="sandbox")
    go(database_url, server)
    equal(database_url, server)


def test_the_server_going_away_for_good_keeps_what_was_committed(database_url: str) -> None:
    with FaultyServer(FaultyPod(rows=ROWS)) as server:
        gone = threading.Event()

        def leave(_: FaultyPod) -> None:
            gone.set()

        server.pod.add_fault("after_page", do=leave, skip=3)
        server.pod.add_fault("reset", times=None, skip=4)
        with pytest.raises(Unavailable):
            go(database_url, server, retry_seconds=1)
        assert gone.is_set()
        at = offset(database_url)
        assert len(table(database_url)) == at > 0
        server.pod.clear_faults()
        go(database_url, server)
        equal(database_url, server)
