"""The stand-in pod behaves as `oracle-rest.md` says a pod does, and breaks when it is told to.

Belongs here: the pod over real HTTP. Does not belong here: how the sync copes with it.
"""

from __future__ import annotations

import gzip
import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import pytest
import requests

from oracle_sync.sandbox import Fault, Pod, PortTaken, SandboxServer, serve
from oracle_sync.sandbox.faults import KINDS

ROOT = "/crmRestApi/resources/11.12.1.0/opportunities"
ORDERED = {"orderBy": "OptyId:asc", "fields": "OptyId,OptyNumber", "onlyData": "true"}


@pytest.fixture(scope="module")
def shared() -> Iterator[SandboxServer]:
    with SandboxServer(Pod(rows=0)) as server:
        yield server


@pytest.fixture
def server(shared: SandboxServer) -> SandboxServer:
    """Give a pod as new, behind a server that all tests of this file share."""
    vars(shared.pod).update(vars(Pod()))
    return shared


def ask(server: SandboxServer, path: str = ROOT, **options: Any) -> requests.Response:
    options.setdefault("auth", server.auth)
    options.setdefault("timeout", 10)
    options.setdefault("allow_redirects", False)
    headers = {"Accept": "application/json"} | options.pop("headers", {})
    return requests.get(server.url + path, headers=headers, **options)


def page(server: SandboxServer, **params: Any) -> dict[str, Any]:
    response = ask(server, params=ORDERED | params)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def ids(answer: dict[str, Any]) -> list[int]:
    return [item["OptyId"] for item in answer["items"]]


def refusal(server: SandboxServer, headers: dict[str, str] | None = None, **params: Any) -> str:
    response = ask(server, params=params, headers=headers or {})
    assert response.status_code == 400, response.text
    return response.text


# Rows


def test_the_same_seed_makes_the_same_rows() -> None:
    assert Pod(50, seed=3).snapshot() == Pod(50, seed=3).snapshot() != Pod(50, seed=4).snapshot()


def test_keys_have_15_digits_and_ascend_with_irregular_gaps() -> None:
    keys = Pod(1000).ids()
    gaps = {high - low for low, high in pairwise(keys)}
    assert keys == sorted(set(keys))
    assert {len(str(key)) for key in keys} == {15}
    assert min(gaps) >= 20
    assert len(gaps) > 100


def test_numbers_are_mostly_digits_sometimes_text_and_sometimes_null() -> None:
    numbers = list(Pod(2000).snapshot().values())
    texts = [number for number in numbers if number is not None]
    assert len(texts) < len(numbers)
    assert sum(text.isdigit() for text in texts) > 1500
    assert any(text.startswith("OPP_SAMPLE_CSV_") for text in texts)
    assert any(not text.isascii() for text in texts)
    assert len(set(texts)) == len(texts)


def test_dates_come_in_three_forms_and_names_in_several_scripts() -> None:
    pod = Pod(300)
    stamps = [pod.value(key, "LastUpdateDate") for key in pod.ids()]
    names = "".join(pod.value(key, "Name") for key in pod.ids())
    for form in (r".*\d\+00:00", r".*\.\d{3}\+00:00", r".*\dZ"):
        assert any(re.fullmatch(form, stamp) for stamp in stamps)
    for script in ("\u0412", "\u0634", "\u4e1c", "\U0001f680", "A"):
        assert script.lower() in names.lower()
    for column in ("Revenue", "WinProb", "Region_c"):
        assert any(pod.value(key, column) is None for key in pod.ids())


def test_rows_added_low_are_spread_below_the_last_and_those_at_the_end_above_it() -> None:
    pod = Pod(100)
    before = pod.ids()
    low = pod.add(3, where="low")
    end = pod.add(2)
    assert [pod.ids().index(key) for key in low] == [25, 51, 77]
    assert pod.ids()[-2:] == end
    assert min(end) > before[-1]
    assert pod.ids() == sorted(set(before) | set(low) | set(end))


def test_a_row_can_be_slipped_in_at_a_position_as_often_as_wanted() -> None:
    pod = Pod(10)
    (new,) = pod.add(1, after=4)
    assert pod.ids()[5] == new
    (first,) = pod.add(1, after=-1)
    assert pod.ids()[0] == first
    for _ in range(40):
        pod.add(30, after=4)
    assert len(set(pod.ids())) == 12 + 1200
    assert pod.ids() == sorted(pod.ids())


def test_a_key_is_never_used_twice() -> None:
    pod = Pod(20)
    seen = set(pod.ids())
    for _ in range(60):
        new = pod.add(5, where="low") + pod.add(5)
        assert seen.isdisjoint(new)
        seen.update(new)
        pod.remove(n=9)
        pod.remove(positions=[-1])


def test_rows_are_removed_by_key_by_position_or_spread() -> None:
    pod = Pod(10)
    keys = pod.ids()
    assert pod.remove(ids=[keys[3], str(keys[4]), 1]) == keys[3:5]
    assert pod.remove(positions=[0]) == keys[:1]
    assert len(pod.remove(n=3)) == 3
    assert len(pod.remove(n=99)) == 4
    assert len(pod) == 0
    assert len(pod.add(4, where="low")) == 4


def test_a_changed_row_shows_its_new_values(server: SandboxServer) -> None:
    key = server.pod.ids()[2]
    server.pod.change(key, OptyNumber='say "hi"\n')
    assert page(server)["items"][2] == {"OptyId": key, "OptyNumber": 'say "hi"\n'}
    assert server.pod.snapshot()[str(key)] == 'say "hi"\n'
    with pytest.raises(ValueError, match="Nothing_c"):
        server.pod.change(key, Nothing_c=1)
    with pytest.raises(KeyError):
        server.pod.change(1, OptyNumber="x")


# Paging


@pytest.mark.parametrize("limit", [1, 7, 50, 499])
def test_pages_in_order_give_every_row_once(server: SandboxServer, limit: int) -> None:
    got: dict[str, Any] = {}
    more, offset = True, 0
    while more:
        answer = page(server, limit=limit, offset=offset)
        assert answer["count"] == len(answer["items"])
        assert answer["offset"] == offset
        got.update((str(item["OptyId"]), item["OptyNumber"]) for item in answer["items"])
        offset += answer["count"]
        more = answer["hasMore"]
    assert got == server.pod.snapshot()
    assert offset == 150


def test_without_an_order_two_requests_differ(server: SandboxServer) -> None:
    params = {"fields": "OptyId", "limit": 100}
    one, two = (ask(server, params=params).json() for _ in range(2))
    assert ids(one) != ids(two)
    assert set(ids(one)) != set(ids(two))


def test_without_an_order_a_large_collection_still_gives_every_row_to_one_request() -> None:
    pod = Pod(6000, max_limit=6000)
    with SandboxServer(pod) as server:
        answer = ask(server, params={"fields": "OptyId", "limit": 6000, "onlyData": "true"}).json()
    assert ids(answer) != pod.ids()
    assert sorted(ids(answer)) == pod.ids()


def test_the_order_may_be_by_any_field_and_descending(server: SandboxServer) -> None:
    assert ids(page(server, orderBy="OptyId:desc", limit=150)) == server.pod.ids()[::-1]
    items = page(server, orderBy="WinProb:desc,OptyId", fields="OptyId,WinProb", limit=150)["items"]
    known = [item for item in items if item["WinProb"] is not None]
    assert known == sorted(known, key=lambda item: (-item["WinProb"], item["OptyId"]))
    assert "Nope" in refusal(server, orderBy="Nope:asc")
    assert refusal(server, orderBy="OptyId:upwards")


def test_rows_equal_in_the_order_asked_for_come_in_no_certain_order(server: SandboxServer) -> None:
    pages = [ids(page(server, orderBy="Region_c:asc", limit=150)) for _ in range(2)]
    assert pages[0] != pages[1]


def test_a_limit_above_the_maximum_is_capped_and_the_response_says_so() -> None:
    with SandboxServer(Pod(600)) as server:
        answer = page(server, limit=1000)
        assert (answer["limit"], answer["count"], answer["hasMore"]) == (499, 499, True)


def test_the_default_limit_is_25(server: SandboxServer) -> None:
    assert page(server)["limit"] == page(server)["count"] == 25


@pytest.mark.parametrize("wrong", [{"limit": "x"}, {"limit": -1}, {"offset": -1}, {"limit": "0"}])
def test_a_limit_or_offset_that_is_no_number_is_refused(
    server: SandboxServer, wrong: dict[str, Any]
) -> None:
    assert next(iter(wrong)) in refusal(server, **wrong)


def test_past_the_end_there_are_no_items_and_maybe_no_list_of_them(server: SandboxServer) -> None:
    answer = page(server, offset=150)
    assert (answer["items"], answer["count"], answer["hasMore"]) == ([], 0, False)
    server.pod.omit_empty_items = True
    assert "items" not in page(server, offset=10**12)


def test_the_total_is_given_when_asked_for_and_may_be_wrong_or_refused(
    server: SandboxServer,
) -> None:
    assert "totalResults" not in page(server)
    assert page(server, totalResults="true")["totalResults"] == 150
    server.pod.total_error = -20
    assert page(server, totalResults="true")["totalResults"] == 130
    server.pod.refuse_total = True
    assert "totalResults" in refusal(server, totalResults="true")


# Finder, q, fields, framework


def test_the_recipe_of_the_script_is_understood(server: SandboxServer) -> None:
    recipe = "finder=MyOpportunitiesFinder;RecordSet=%27ALLOPTIES%27&q=RecordSet=%27ALL%27"
    response = ask(server, f"{ROOT}?{recipe}&fields=OptyId,OptyNumber&limit=5&offset=0")
    assert response.json()["count"] == 5


def test_an_unknown_finder_or_variable_is_refused(server: SandboxServer) -> None:
    assert "NoFinder" in refusal(server, finder="NoFinder;A='b'")
    assert "Wrong" in refusal(server, finder="MyOpportunitiesFinder;Wrong='b'")
    assert page(server, finder="MyOpportunitiesFinder;RecordSet=ALLOPTIES")["count"] == 25


def test_a_pod_may_demand_unquoted_finder_values(server: SandboxServer) -> None:
    server.pod.unquoted_finder = True
    assert "quoted" in refusal(server, finder="MyOpportunitiesFinder;RecordSet='ALLOPTIES'")
    assert page(server, finder="MyOpportunitiesFinder;RecordSet=ALLOPTIES")["count"] == 25


def test_a_finder_may_see_only_a_share_of_the_rows(server: SandboxServer) -> None:
    finder = "MyOpportunitiesFinder;RecordSet='ALLOPTIES'"
    server.pod.visible_share = 0.5
    assert 40 < page(server, finder=finder, limit=200)["count"] < 110
    assert page(server, limit=200)["count"] == 150
    server.pod.visible_share = 0.0
    assert page(server, finder=finder)["count"] == 0


def test_q_may_refuse_the_record_set(server: SandboxServer) -> None:
    assert page(server, q="RecordSet='ALL'")["count"] == 25
    server.pod.reject_recordset_q = True
    assert "RecordSet" in refusal(server, q="RecordSet='ALL'")


@pytest.mark.parametrize(("operator", "count"), [(">", 49), (">=", 50), ("=", 1), ("<", 100)])
def test_q_pages_by_key(server: SandboxServer, operator: str, count: int) -> None:
    key = server.pod.ids()[100]
    for spaced in (f"OptyId{operator}{key}", f"OptyId {operator} {key}"):
        answer = page(server, q=spaced, limit=200, totalResults="true")
        assert answer["count"] == answer["totalResults"] == count


def test_the_grammar_of_q_depends_on_the_framework(server: SandboxServer) -> None:
    low, high = server.pod.ids()[10], server.pod.ids()[20]
    old, new = f"OptyId>{low};OptyId<={high}", f"OptyId > {low} and OptyId <= {high}"
    second = {"REST-Framework-Version": "2"}
    assert page(server, q=old)["count"] == 10
    assert ask(server, params={"q": new}, headers=second).json()["count"] == 10
    assert refusal(server, q=new)
    assert refusal(server, second, q=old)
    assert refusal(server, q="OptyId>abc")
    assert "Nope" in refusal(server, q="Nope=1")


def test_q_may_refuse_or_pass_over_a_condition_on_the_key(server: SandboxServer) -> None:
    key = server.pod.ids()[140]
    asked: dict[str, Any] = {"q": f"RecordSet='ALL';OptyId>={key}", "limit": 499}
    assert page(server, **asked)["count"] == 10
    server.pod.configure(ignore_key_q=True)
    assert page(server, **asked)["count"] == 150
    server.pod.configure(refuse_key_q=True)
    assert "OptyId" in refusal(server, **asked)
    assert page(server, q="RecordSet='ALL'")["count"] == 25


def test_q_reads_quoted_text_with_separators_in_it(server: SandboxServer) -> None:
    key = server.pod.ids()[0]
    server.pod.change(key, Name="a; b and c")
    assert ids(page(server, q="Name='a; b and c';OptyId>1")) == [key]
    second = {"REST-Framework-Version": "2"}
    given = {"q": "Name = 'a; b and c' and OptyId > 1"}
    assert ask(server, params=given, headers=second).json()["count"] == 1


def test_unknown_fields_and_fields_with_expand_are_refused(server: SandboxServer) -> None:
    assert "Nope" in refusal(server, fields="OptyId,Nope")
    assert "expand" in refusal(server, fields="OptyId", expand="all")


def test_only_data_leaves_the_links_out(server: SandboxServer) -> None:
    params = {"orderBy": "OptyId:asc", "limit": 2}
    item = ask(server, params=params).json()["items"][0]
    assert item["links"][0]["rel"] == "self"
    assert (
        ask(server, item["links"][0]["href"].removeprefix(server.url)).json()["OptyId"]
        == (item["OptyId"])
    )
    bare = page(server, fields="", limit=1)["items"][0]
    assert "links" not in bare
    assert {"Name", "Revenue", "Region_c"} < bare.keys()


def test_from_framework_9_on_ids_and_decimals_are_strings(server: SandboxServer) -> None:
    given = ORDERED | {"fields": "OptyId,Revenue,WinProb", "limit": 100}
    items = ask(server, params=given, headers={"REST-Framework-Version": "9"}).json()["items"]
    assert [int(item["OptyId"]) for item in items] == server.pod.ids()[:100]
    assert {type(item["OptyId"]) for item in items} == {str}
    assert {type(item["Revenue"]) for item in items} == {str, type(None)}
    assert {type(item["WinProb"]) for item in items} == {int, type(None)}


def test_errors_are_text_in_old_frameworks_and_structured_in_new_ones(
    server: SandboxServer,
) -> None:
    wrong = {"fields": "Nope"}
    assert not ask(server, params=wrong).text.startswith("{")
    for headers in (
        {"REST-Framework-Version": "4"},
        {"Accept": "application/json, application/vnd.oracle.adf.error+json"},
    ):
        error = ask(server, params=wrong, headers=headers).json()
        assert error["status"] == "400"
        assert error["title"] == "Bad Request"
        (detail,) = error["o:errorDetails"]
        assert detail.keys() == {"detail", "o:errorCode", "o:errorPath"}


@pytest.mark.parametrize("version", ["0", "10", "x", ""])
def test_an_unknown_framework_is_refused(server: SandboxServer, version: str) -> None:
    assert refusal(server, {"REST-Framework-Version": version})


# Resources and sign-in


def test_describe_tells_attributes_and_finders(server: SandboxServer) -> None:
    described = ask(server, ROOT + "/describe").json()["Resources"]["opportunities"]
    types = {attribute["name"]: attribute["type"] for attribute in described["attributes"]}
    assert types["OptyId"] == "integer"
    assert types["Revenue"] == "number"
    finders = [finder["name"] for finder in described["collection"]["finders"]]
    assert "MyOpportunitiesFinder" in finders


def test_unknown_versions_items_and_paths_are_404(server: SandboxServer) -> None:
    for path in (ROOT.replace("11.12.1.0", "11.0"), ROOT + "/no-such-number", "/nowhere"):
        response = ask(server, path)
        assert (response.status_code, response.json()["status"]) == (404, "404")
    assert ask(server, ROOT.replace("11.12.1.0", "latest")).status_code == 200


@pytest.mark.parametrize("auth", [("sandbox", "wrong"), ("wrong", "sandbox"), None])
def test_a_wrong_sign_in_is_401(server: SandboxServer, auth: Any) -> None:
    response = ask(server, auth=auth)
    assert (response.status_code, response.json()["status"]) == (401, "401")


def test_a_missing_privilege_is_403(server: SandboxServer) -> None:
    server.pod.forbidden = True
    assert ask(server).status_code == 403
    assert ask(server, auth=None).status_code == 401


def bearer(server: SandboxServer, token: str) -> int:
    return ask(server, auth=None, headers={"Authorization": f"Bearer {token}"}).status_code


def test_tokens_are_issued_expire_and_can_be_revoked(server: SandboxServer) -> None:
    url = server.url + "/oauth2/v1/token"
    pod = server.pod
    form = {"grant_type": "client_credentials", "scope": "any"}
    credentials = (pod.client_id, pod.client_secret)
    given = requests.post(url, form, auth=credentials, timeout=5).json()
    assert given["token_type"] == "Bearer"
    assert given["expires_in"] == 3600
    assert bearer(server, given["access_token"]) == 200
    pod.revoke_tokens()
    assert bearer(server, given["access_token"]) == 401
    pod.token_seconds = 0.2
    in_body = form | {"client_id": credentials[0], "client_secret": credentials[1]}
    token = requests.post(url, in_body, timeout=5).json()["access_token"]
    assert bearer(server, token) == 200
    time.sleep(0.25)
    assert bearer(server, token) == 401
    assert bearer(server, pod.token) == 200


def test_a_wrong_token_request_is_refused(server: SandboxServer) -> None:
    url = server.url + "/oauth2/v1/token"
    form = {"grant_type": "client_credentials"}
    assert requests.post(url, form, auth=("a", "b"), timeout=5).status_code == 401
    assert requests.post(url, {"grant_type": "password"}, timeout=5).status_code == 400
    server.pod.scope = "urn:right"
    right = (server.pod.client_id, server.pod.client_secret)
    wrong = requests.post(url, form | {"scope": "urn:wrong"}, auth=right, timeout=5)
    assert wrong.json()["error"] == "invalid_scope"


def test_long_answers_are_compressed_for_those_who_ask(server: SandboxServer) -> None:
    packed = ask(server, params=ORDERED | {"limit": 100})
    plain = ask(server, params=ORDERED | {"limit": 100}, headers={"Accept-Encoding": "identity"})
    short = ask(server, params=ORDERED | {"limit": 1})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in plain.headers
    assert "Content-Encoding" not in short.headers
    assert packed.json() == plain.json()


# Faults


def test_every_fault_survives_json() -> None:
    for kind in KINDS:
        fault = Fault(kind, times=None, skip=2, min_offset=5)
        again = Fault.from_dict(json.loads(json.dumps(fault.to_dict())))
        assert again.to_dict() == fault.to_dict()


@pytest.mark.parametrize(
    "wrong", [{}, {"kind": "no"}, {"kind": "slow", "speed": 1}, {"kind": "html", "times": "2"}, 3]
)
def test_a_fault_that_is_none_is_refused(wrong: Any) -> None:
    with pytest.raises(ValueError, match=r"fault|whole number"):
        Fault.from_dict(wrong)


def test_a_fault_strikes_as_often_and_where_it_is_told(server: SandboxServer) -> None:
    fault = Fault("status", times=2, skip=1, min_offset=50, max_offset=100)
    server.pod.add_fault(fault)
    offsets = (0, 50, 101, 75, 100, 60)
    statuses = [ask(server, params={"offset": offset}).status_code for offset in offsets]
    assert statuses == [200, 200, 200, 500, 500, 200]
    assert fault.fired == 2
    assert server.pod.faults == []


def test_faults_that_answer_wait_for_one_another(server: SandboxServer) -> None:
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
    server: SandboxServer, kind: str, status: int, words: str
) -> None:
    server.pod.add_fault(kind)
    response = ask(server)
    assert response.status_code == status
    assert words in response.text
    assert ("Location" in response.headers) == (kind == "redirect")


def test_a_reset_is_seen_as_a_broken_connection(server: SandboxServer) -> None:
    server.pod.add_fault("reset")
    with pytest.raises(requests.ConnectionError, match=r"(?i)reset|aborted"):
        ask(server)
    assert server.log[-1]["status"] is None
    assert ask(server).status_code == 200


def test_a_truncated_page_ends_before_its_announced_length(server: SandboxServer) -> None:
    server.pod.add_fault("truncate")
    with pytest.raises((requests.exceptions.ChunkedEncodingError, requests.ConnectionError)) as cut:
        ask(server)
    assert "IncompleteRead" in str(cut.value)


def test_a_hanging_request_runs_into_the_timeout_of_the_client(server: SandboxServer) -> None:
    server.pod.add_fault("hang", seconds=30)
    with pytest.raises(requests.ReadTimeout):
        ask(server, timeout=0.2)
    server.pod.add_fault("hang", seconds=0.1, then="cut")
    with pytest.raises(requests.ConnectionError):
        ask(server)


def test_a_slow_request_is_answered_late(server: SandboxServer) -> None:
    server.pod.add_fault("slow", seconds=0.3)
    begin = time.monotonic()
    assert ask(server).status_code == 200
    assert time.monotonic() - begin >= 0.3


def test_bad_json_is_not_json(server: SandboxServer) -> None:
    server.pod.add_fault("bad_json")
    with pytest.raises(requests.JSONDecodeError):
        ask(server, params=ORDERED).json()


def spoilt(server: SandboxServer, kind: str, **options: Any) -> dict[str, Any]:
    server.pod.add_fault(kind, **options)
    return page(server, limit=10, offset=20)


def test_a_fault_may_change_which_page_is_given(server: SandboxServer) -> None:
    keys = server.pod.ids()
    capped = spoilt(server, "cap", limit=3)
    assert (capped["limit"], ids(capped), capped["hasMore"]) == (3, keys[20:23], True)
    repeated = spoilt(server, "ignore_offset")
    assert (repeated["offset"], ids(repeated)) == (20, keys[:10])


def test_a_fault_may_untell_the_truth_about_more(server: SandboxServer) -> None:
    assert spoilt(server, "has_more_false")["hasMore"] is False
    server.pod.add_fault("has_more_true")
    assert page(server, offset=140)["hasMore"] is True
    empty = spoilt(server, "empty_with_more")
    assert (empty["items"], empty["count"], empty["hasMore"]) == ([], 0, True)
    zero = spoilt(server, "limit_zero")
    assert (zero["items"], zero["limit"]) == ([], 0)
    assert "items" not in spoilt(server, "no_items_key")


def test_a_fault_may_take_the_ids_away(server: SandboxServer) -> None:
    assert all("OptyId" not in item for item in spoilt(server, "no_id")["items"])
    some = spoilt(server, "no_id", positions=[1, 99])["items"]
    assert [n for n, item in enumerate(some) if "OptyId" not in item] == [1]
    rows = spoilt(server, "no_id", rows=[3, 24])["items"]
    assert [n for n, item in enumerate(rows) if "OptyId" not in item] == [4]


@pytest.mark.parametrize(
    ("value", "sign"),
    [("nul", "\\u0000"), ("surrogate", "\\ud800"), ("object", '{"a"'), ("ansi", "\\u001b")],
)
def test_a_fault_may_put_a_bad_value(server: SandboxServer, value: str, sign: str) -> None:
    server.pod.add_fault("bad_value", value=value)
    response = ask(server, params=ORDERED)
    assert sign in response.text
    assert len(response.json()["items"]) == 25


def test_a_fault_may_put_a_long_value_or_one_of_its_own(server: SandboxServer) -> None:
    assert len(spoilt(server, "bad_value", value="long")["items"][0]["OptyNumber"]) == 5000
    own = spoilt(server, "bad_value", value=[1], field="OptyId", rows=[21])
    assert own["items"][1]["OptyId"] == [1]


def test_a_fault_may_double_an_item(server: SandboxServer) -> None:
    answer = spoilt(server, "duplicate_in_page", positions=[4])
    assert ids(answer)[4] == ids(answer)[5]
    assert answer["count"] == 10


def test_faults_of_the_total_strike_only_those_who_ask_for_it(server: SandboxServer) -> None:
    server.pod.add_fault("total_refused")
    server.pod.add_fault("total_wrong", total=9)
    assert page(server)["count"] == 25
    assert "totalResults" in refusal(server, totalResults="true")
    assert page(server, totalResults="true")["totalResults"] == 9


def test_a_fault_may_change_the_types(server: SandboxServer) -> None:
    assert isinstance(spoilt(server, "wrong_type")["items"], dict)
    assert spoilt(server, "wrong_type", what="item")["items"][0] == "not an object"


def test_a_fault_may_send_a_lot(server: SandboxServer) -> None:
    server.pod.add_fault("big_body", mb=3)
    assert len(ask(server).content) > 3_000_000
    server.pod.add_fault("gzip_bomb", mb=5)
    bomb = ask(server, stream=True)
    packed = bomb.raw.read(decode_content=False)
    assert len(packed) < 50_000
    assert len(gzip.decompress(packed)) == 5_000_000
    server.pod.add_fault("deep_json", depth=5000)
    assert ask(server).text.count("[") == 5000


def test_rows_move_right_after_a_page(server: SandboxServer) -> None:
    keys = server.pod.ids()
    server.pod.add_fault("after_page", do={"remove": 3, "add_low": 1, "add_end": 2})
    assert ids(page(server, limit=200)) == keys
    assert len(server.pod) == 150
    assert server.pod.ids() != keys
    seen: list[Pod] = []
    server.pod.add_fault("after_page", do=seen.append)
    page(server)
    assert seen == [server.pod]


def test_a_fault_may_strike_another_resource(server: SandboxServer) -> None:
    server.pod.add_fault("status", on="token", status=503)
    assert ask(server).status_code == 200
    assert requests.post(server.url + "/oauth2/v1/token", timeout=5).status_code == 503


# Latency, counts, control


def test_latency_is_charged_by_depth_but_not_for_paging_by_key(server: SandboxServer) -> None:
    server.pod.configure(latency_ms=20, depth_ms_per_10k=20_000)

    def seconds(**params: Any) -> float:
        begin = time.monotonic()
        page(server, **params)
        return time.monotonic() - begin

    assert seconds(offset=140) >= 0.3
    assert 0.02 <= seconds(q=f"OptyId>{server.pod.ids()[140]}") < 0.2


def test_requests_in_flight_are_counted() -> None:
    with SandboxServer(Pod(latency_ms=150)) as server, ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: ask(server), range(4)))
        assert server.max_in_flight == 4
        assert server.requests == 4


def test_the_log_holds_requests_but_no_headers(server: SandboxServer) -> None:
    ask(server, params={"limit": 3, "offset": 6})
    assert server.log[-1] == {
        "method": "GET",
        "path": f"{ROOT}?limit=3&offset=6",
        "offset": 6,
        "limit": 3,
        "status": 200,
    }
    assert requests.get(server.url + "/sandbox/log", timeout=5).json()[-1] == server.log[-1]


def control(server: SandboxServer, method: str, path: str, body: Any = None) -> requests.Response:
    return requests.request(method, f"{server.url}/sandbox{path}", json=body, timeout=5)


def test_the_control_api_moves_rows(server: SandboxServer) -> None:
    keys = server.pod.ids()
    added = control(server, "POST", "/rows", {"add": 2, "where": "low"}).json()
    assert added["rows"] == len(server.pod) == 152
    assert max(added["added"]) < keys[-1]
    assert control(server, "DELETE", "/rows", {"count": 5}).json()["rows"] == 147
    key = server.pod.ids()[0]
    assert control(server, "PATCH", f"/rows/{key}", {"OptyNumber": "N"}).status_code == 200
    assert server.pod.snapshot()[str(key)] == "N"
    assert control(server, "DELETE", "/rows", {"ids": [key]}).json()["removed"] == [key]
    assert control(server, "PATCH", f"/rows/{key}", {"OptyNumber": "N"}).status_code == 404
    assert control(server, "GET", "").json()["rows"] == 146


def test_the_control_api_sets_faults_and_settings(server: SandboxServer) -> None:
    sent = [{"kind": "slow", "seconds": 0}, {"kind": "cap", "limit": 2, "times": None}]
    assert len(control(server, "POST", "/faults", sent).json()["faults"]) == 2
    assert page(server)["count"] == 2
    assert [f["kind"] for f in control(server, "GET", "/faults").json()["faults"]] == ["cap"]
    assert control(server, "DELETE", "/faults").json()["faults"] == []
    set_ = control(server, "PATCH", "/settings", {"password": "new", "max_limit": 7})
    assert set_.json()["max_limit"] == 7
    assert "new" not in set_.text
    assert ask(server, auth=("sandbox", "sandbox")).status_code == 401
    assert page(server, limit=50)["limit"] == 7


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/rows", {"add": -1}),
        ("POST", "/rows", {"add": 1, "where": "up"}),
        ("POST", "/rows", {"ad": 1}),
        ("DELETE", "/rows", {"ids": ["x"]}),
        ("POST", "/faults", [5]),
        ("PATCH", "/settings", {"max_limit": 0}),
        ("PATCH", "/settings", {"max_limit": "5"}),
        ("PATCH", "/settings", {"nope": 1}),
        ("PATCH", "/settings", [1]),
    ],
)
def test_the_control_api_refuses_what_it_does_not_understand(
    server: SandboxServer, method: str, path: str, body: Any
) -> None:
    before = len(server.pod)
    answer = control(server, method, path, body)
    assert answer.status_code == 400
    assert answer.json()["error"]
    assert len(server.pod) == before


def test_the_home_page_says_that_the_data_is_invented(server: SandboxServer) -> None:
    assert "invented" in requests.get(server.url, timeout=5).text


# Start and stop


def test_stopping_takes_seconds_even_with_a_hanging_request() -> None:
    with SandboxServer(Pod(faults=[Fault("hang")])) as server:
        hung = threading.Thread(target=ask, args=(server,))
        hung.start()
        while not server.requests:
            time.sleep(0.01)
        begin = time.monotonic()
    hung.join(5)
    assert time.monotonic() - begin < 4
    assert not hung.is_alive()


def test_a_client_that_hangs_up_is_not_waited_for() -> None:
    with SandboxServer(Pod(faults=[Fault("hang")])) as server:
        with pytest.raises(requests.ReadTimeout):
            ask(server, timeout=0.1)
        deadline = time.monotonic() + 3
        while requests.get(server.url + "/sandbox", timeout=5).json()["in_flight"]:
            assert time.monotonic() < deadline
            time.sleep(0.02)


def test_only_loopback_is_listened_on() -> None:
    for host in ("0.0.0.0", "192.0.2.1", "example.com", ""):
        with pytest.raises(ValueError, match="loopback"):
            SandboxServer(host=host)
        with pytest.raises(ValueError, match="loopback"):
            serve(0, host=host)


def test_a_taken_port_is_told_in_one_sentence() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(PortTaken, match=f"^Port {port} on 127.0.0.1 cannot be used"):
            serve(port)


def test_serving_says_where_and_how_to_sign_in(capsys: pytest.CaptureFixture[str]) -> None:
    stop = threading.Event()
    stop.set()
    serve(0, rows=1234, stop=stop)
    told = capsys.readouterr().out
    assert "http://127.0.0.1:" in told
    assert "user sandbox, password sandbox" in told
    assert "1,234 rows of invented data" in told


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGINT to send")
def test_ctrl_c_stops_it_without_a_traceback() -> None:
    code = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    code += "from oracle_sync.sandbox import serve; serve(0)"
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdout is not None
        while b"control" not in (line := running.stdout.readline()):
            assert line, running.communicate()
        running.send_signal(signal.SIGINT)
        told, complaint = running.communicate(timeout=10)
    assert (running.returncode, told, complaint) == (0, b"Stopped.\n", b"")


def test_it_needs_nothing_of_the_rest_of_the_project() -> None:
    code = (
        "import sys, oracle_sync.sandbox\n"
        "print(*sorted(m for m in sys.modules if m.split('.')[0] in ('dagster', 'psycopg2',"
        " 'pandas') or m.startswith('oracle_sync.') and not m.startswith('oracle_sync.sandbox')))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, timeout=30)
    assert told.stdout == b"\n"
