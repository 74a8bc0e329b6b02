"""What the stand-in pod understands, refuses and answers, as real pods do."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from oracle_sync.sandbox import Pod, SandboxServer
from oracle_sync_tests.support.asking import ORDERED, ROOT, ask, ids, page, refusal


@pytest.fixture(scope="module")
def shared() -> Iterator[SandboxServer]:
    with SandboxServer(Pod(rows=0)) as server:
        yield server


@pytest.fixture
def server(shared: SandboxServer) -> SandboxServer:
    """Return a pod as new, behind a server that all tests of this file share."""
    Pod.__init__(shared.pod)
    return shared


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


def test_q_may_refuse_or_ignore_a_condition_on_the_key(server: SandboxServer) -> None:
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
    query = {"q": "Name = 'a; b and c' and OptyId > 1"}
    assert ask(server, params=query, headers=second).json()["count"] == 1


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
    parameters = ORDERED | {"fields": "OptyId,Revenue,WinProb", "limit": 100}
    items = ask(server, params=parameters, headers={"REST-Framework-Version": "9"}).json()["items"]
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


def test_describe_lists_attributes_and_finders(server: SandboxServer) -> None:
    description = ask(server, ROOT + "/describe").json()["Resources"]["opportunities"]
    types = {attribute["name"]: attribute["type"] for attribute in description["attributes"]}
    assert types["OptyId"] == "integer"
    assert types["Revenue"] == "number"
    finders = [finder["name"] for finder in description["collection"]["finders"]]
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
    grant = requests.post(url, form, auth=credentials, timeout=60).json()
    assert grant["token_type"] == "Bearer"
    assert grant["expires_in"] == 3600
    assert bearer(server, grant["access_token"]) == 200
    pod.revoke_tokens()
    assert bearer(server, grant["access_token"]) == 401
    pod.token_seconds = 0.2
    in_body = form | {"client_id": credentials[0], "client_secret": credentials[1]}
    token = requests.post(url, in_body, timeout=60).json()["access_token"]
    assert bearer(server, token) == 200
    time.sleep(0.25)
    assert bearer(server, token) == 401
    assert bearer(server, pod.token) == 200


def test_a_wrong_token_request_is_refused(server: SandboxServer) -> None:
    url = server.url + "/oauth2/v1/token"
    form = {"grant_type": "client_credentials"}
    assert requests.post(url, form, auth=("a", "b"), timeout=60).status_code == 401
    assert requests.post(url, {"grant_type": "password"}, timeout=60).status_code == 400
    server.pod.scope = "urn:right"
    right = (server.pod.client_id, server.pod.client_secret)
    wrong = requests.post(url, form | {"scope": "urn:wrong"}, auth=right, timeout=60)
    assert wrong.json()["error"] == "invalid_scope"


def test_long_answers_are_compressed_for_those_who_ask(server: SandboxServer) -> None:
    packed = ask(server, params=ORDERED | {"limit": 100})
    plain = ask(server, params=ORDERED | {"limit": 100}, headers={"Accept-Encoding": "identity"})
    short = ask(server, params=ORDERED | {"limit": 1})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in plain.headers
    assert "Content-Encoding" not in short.headers
    assert packed.json() == plain.json()
