"""Every fault of a pod ends in a table that equals the source, or in an error that names it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from oracle_sync.errors import (
    BadAnswer,
    OnlyRejects,
    RequestRefused,
    SignInRefused,
    SyncError,
    TooSlow,
    Unavailable,
)
from oracle_sync_tests.support.faults import KINDS
from oracle_sync_tests.support.faulty_pod import FaultyPod, FaultyServer
from oracle_sync_tests.support.faulty_runs import FROM, ROWS, assert_equal, go
from oracle_sync_tests.support.harness import offset, state, table


@pytest.fixture
def server() -> Iterator[FaultyServer]:
    with FaultyServer(FaultyPod(rows=ROWS)) as running:
        yield running


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


def name_of(fault: Any) -> str:
    if not isinstance(fault, dict):
        return ""
    return "-".join(str(value) for value in fault.values())


def strike(server: FaultyServer, fault: dict[str, Any], **defaults: Any) -> None:
    options = {name: value for name, value in fault.items() if name != "kind"}
    server.pod.add_fault(fault["kind"], **{"min_offset": FROM} | defaults | options)


@pytest.mark.parametrize("fault", PASSING, ids=name_of)
def test_a_fault_that_passes_leaves_the_table_equal_to_the_source(
    database_url: str, server: FaultyServer, fault: dict[str, Any]
) -> None:
    strike(server, fault)
    summary = go(database_url, server)
    assert summary.complete
    assert server.max_in_flight <= 4
    assert_equal(database_url, server)


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
    error, sentence = caught.value, caught.value.sentence()
    assert type(error) is kind
    assert words in str(error)
    assert error.advice
    assert error.kept in sentence
    assert sentence.isprintable()
    assert "sandbox:" not in sentence
    at = offset(database_url)
    assert at >= FROM - 5
    assert f"up to offset {at} is stored" in error.kept
    keys = [str(key) for key in server.pod.ids()]
    assert sorted(table(database_url)) == keys[:at]
    assert state(database_url, "last_error") == (sentence,)
    server.pod.clear_faults()
    before = server.requests
    summary = go(database_url, server)
    assert summary.offset_before == at
    assert server.requests - before <= (ROWS - at) // 5 + 4
    assert_equal(database_url, server)
    assert state(database_url, "last_error") == (None,)


def test_every_kind_of_fault_is_tried() -> None:
    files = Path(__file__).parent.glob("test_faults*.py")
    text = "".join(file.read_text(encoding="utf-8") for file in files)
    assert not [kind for kind in KINDS if f'"{kind}"' not in text]


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
    assert_equal(database_url, server)


@pytest.mark.parametrize("total", [0, 3, 7, 41, 43, 10_000, -1, "12", None, [], 10**30])
def test_a_wrong_total_costs_nothing_but_a_few_requests(
    database_url: str, server: FaultyServer, total: Any
) -> None:
    server.pod.add_fault("total_wrong", times=None, total=total)
    go(database_url, server)
    assert_equal(database_url, server)
    assert server.requests <= ROWS // 5 + 8


def test_a_total_that_is_refused_is_not_needed(database_url: str, server: FaultyServer) -> None:
    server.pod.add_fault("total_refused", times=None)
    go(database_url, server)
    assert_equal(database_url, server)


def test_an_empty_answer_is_a_warning_that_says_why(database_url: str) -> None:
    with FaultyServer(FaultyPod(rows=20, visible_share=0.0)) as server:
        summary = go(database_url, server)
        assert (summary.offset_after, summary.complete) == (0, True)
        assert "ORACLE_FINDER" in " ".join(summary.warnings)
        server.pod.configure(visible_share=1.0)
        go(database_url, server)
        assert_equal(database_url, server)
