"""Each fault of the tests' pod breaks what it says it breaks."""

from __future__ import annotations

import gzip
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from oracle_sync_tests.support.asking import ORDERED, ask, ids, page, refusal
from oracle_sync_tests.support.faults import Fault
from oracle_sync_tests.support.faulty_pod import FaultyPod, FaultyServer


@pytest.fixture(scope="module")
def shared() -> Iterator[FaultyServer]:
    with FaultyServer(FaultyPod(rows=0)) as server:
        yield server


@pytest.fixture
def server(shared: FaultyServer) -> FaultyServer:
    """Return a pod as new, behind a server that all tests of this file share."""
    FaultyPod.__init__(shared.pod)
    return shared


@pytest.mark.parametrize("wrong", [{"kind": "no"}, {"kind": "slow", "speed": 1}])
def test_a_fault_that_does_not_exist_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="fault"):
        Fault(**wrong)


def test_a_fault_strikes_as_often_and_where_it_is_meant_to(server: FaultyServer) -> None:
    server.pod.add_fault("status", times=2, skip=1, min_offset=50, max_offset=100)
    offsets = (0, 50, 101, 75, 100, 60)
    statuses = [ask(server, params={"offset": offset}).status_code for offset in offsets]
    assert statuses == [200, 200, 200, 500, 500, 200]


def test_faults_that_answer_wait_for_one_another(server: FaultyServer) -> None:
    server.pod.add_fault("status", status=429, retry_after=7)
    server.pod.add_fault("status", status=503, retry_after="date:60")
    first, second, third = (ask(server) for _ in range(3))
    assert (first.status_code, first.headers["Retry-After"]) == (429, "7")
    assert second.headers["Retry-After"].endswith("GMT")
    assert third.status_code == 200


@pytest.mark.parametrize(
    ("kind", "status", "words"),
    [
        ("html", 200, "Sign In"),
        ("maintenance", 503, "maintenance"),
        ("redirect", 302, ""),
        ("text_error", 400, "\x1b[31m"),
        ("echo_secret", 500, "Basic c2FuZGJveDpzYW5kYm94"),
        ("status", 500, "on purpose"),
    ],
)
def test_a_fault_answers_in_place_of_a_page(
    server: FaultyServer, kind: str, status: int, words: str
) -> None:
    server.pod.add_fault(kind)
    response = ask(server)
    assert response.status_code == status
    assert words in response.text
    assert ("Location" in response.headers) == (kind == "redirect")


def test_a_reset_is_seen_as_a_broken_connection(server: FaultyServer) -> None:
    server.pod.add_fault("reset")
    with pytest.raises(requests.ConnectionError, match=r"(?i)reset|aborted"):
        ask(server)
    assert server.log[-1]["status"] == 0
    assert ask(server).status_code == 200


def test_a_truncated_page_ends_before_its_announced_length(server: FaultyServer) -> None:
    server.pod.add_fault("truncate")
    with pytest.raises((requests.exceptions.ChunkedEncodingError, requests.ConnectionError)) as cut:
        ask(server)
    assert "IncompleteRead" in str(cut.value)


def test_a_hanging_request_runs_into_the_timeout_of_the_client(server: FaultyServer) -> None:
    server.pod.add_fault("hang", seconds=30)
    with pytest.raises(requests.ReadTimeout):
        ask(server, timeout=0.2)
    server.pod.add_fault("hang", seconds=0.1, then="cut")
    with pytest.raises(requests.ConnectionError):
        ask(server)


def test_a_slow_request_is_answered_late(server: FaultyServer) -> None:
    server.pod.add_fault("slow", seconds=0.3)
    begin = time.monotonic()
    assert ask(server).status_code == 200
    assert time.monotonic() - begin >= 0.3


def test_bad_json_is_not_json(server: FaultyServer) -> None:
    server.pod.add_fault("bad_json")
    with pytest.raises(requests.JSONDecodeError):
        ask(server, params=ORDERED).json()


def spoiled_page(server: FaultyServer, kind: str, **options: Any) -> dict[str, Any]:
    server.pod.add_fault(kind, **options)
    return page(server, limit=10, offset=20)


def test_a_fault_may_change_which_page_is_given(server: FaultyServer) -> None:
    keys = server.pod.ids()
    capped = spoiled_page(server, "cap", limit=3)
    assert (capped["limit"], ids(capped), capped["hasMore"]) == (3, keys[20:23], True)
    repeated = spoiled_page(server, "ignore_offset")
    assert (repeated["offset"], ids(repeated)) == (20, keys[:10])


def test_a_fault_may_lie_about_further_rows(server: FaultyServer) -> None:
    assert spoiled_page(server, "has_more_false")["hasMore"] is False
    server.pod.add_fault("has_more_true")
    assert page(server, offset=140)["hasMore"] is True
    empty = spoiled_page(server, "empty_with_more")
    assert (empty["items"], empty["count"], empty["hasMore"]) == ([], 0, True)
    zero = spoiled_page(server, "limit_zero")
    assert (zero["items"], zero["limit"]) == ([], 0)
    assert "items" not in spoiled_page(server, "no_items_key")


def test_a_fault_may_take_the_ids_away(server: FaultyServer) -> None:
    assert all("OptyId" not in item for item in spoiled_page(server, "no_id")["items"])
    some = spoiled_page(server, "no_id", positions=[1, 99])["items"]
    assert [n for n, item in enumerate(some) if "OptyId" not in item] == [1]
    rows = spoiled_page(server, "no_id", rows=[3, 24])["items"]
    assert [n for n, item in enumerate(rows) if "OptyId" not in item] == [4]


@pytest.mark.parametrize(
    ("value", "sign"),
    [("nul", "\\u0000"), ("surrogate", "\\ud800"), ("object", '{"a"'), ("ansi", "\\u001b")],
)
def test_a_fault_may_put_a_bad_value(server: FaultyServer, value: str, sign: str) -> None:
    server.pod.add_fault("bad_value", value=value)
    response = ask(server, params=ORDERED)
    assert sign in response.text
    assert len(response.json()["items"]) == 25


def test_a_fault_may_put_a_long_value_or_one_of_its_own(server: FaultyServer) -> None:
    assert len(spoiled_page(server, "bad_value", value="long")["items"][0]["OptyNumber"]) == 5000
    own = spoiled_page(server, "bad_value", value=[1], field="OptyId", rows=[21])
    assert own["items"][1]["OptyId"] == [1]


def test_a_fault_may_double_an_item(server: FaultyServer) -> None:
    answer = spoiled_page(server, "duplicate_in_page", positions=[4])
    assert ids(answer)[4] == ids(answer)[5]
    assert answer["count"] == 10


def test_faults_of_the_total_strike_only_those_who_ask_for_it(server: FaultyServer) -> None:
    server.pod.add_fault("total_refused")
    server.pod.add_fault("total_wrong", total=9)
    assert page(server)["count"] == 25
    assert "totalResults" in refusal(server, totalResults="true")
    assert page(server, totalResults="true")["totalResults"] == 9


def test_a_fault_may_change_the_types(server: FaultyServer) -> None:
    assert isinstance(spoiled_page(server, "wrong_type")["items"], dict)
    assert spoiled_page(server, "wrong_type", what="item")["items"][0] == "not an object"


def test_a_fault_may_send_a_lot(server: FaultyServer) -> None:
    server.pod.add_fault("big_body", mb=3)
    assert len(ask(server).content) > 3_000_000
    server.pod.add_fault("gzip_bomb", mb=5)
    bomb = ask(server, stream=True)
    packed = bomb.raw.read(decode_content=False)
    assert len(packed) < 50_000
    assert len(gzip.decompress(packed)) == 5_000_000
    server.pod.add_fault("deep_json", depth=5000)
    assert ask(server).text.count("[") == 5000


def test_rows_move_right_after_a_page(server: FaultyServer) -> None:
    keys = server.pod.ids()
    server.pod.add_fault("after_page", do={"remove": 3, "add_low": 1, "add_end": 2})
    assert ids(page(server, limit=200)) == keys
    assert len(server.pod) == 150
    assert server.pod.ids() != keys
    calls: list[FaultyPod] = []
    server.pod.add_fault("after_page", do=calls.append)
    page(server)
    assert calls == [server.pod]


def test_a_fault_may_strike_another_resource(server: FaultyServer) -> None:
    server.pod.add_fault("status", on="token", status=503)
    assert ask(server).status_code == 200
    assert requests.post(server.url + "/oauth2/v1/token", timeout=60).status_code == 503
