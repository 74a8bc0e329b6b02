"""How the client signs in, and what it does when it is refused."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from oracle_sync.errors import (
    BadAnswer,
    RequestRefused,
    SignInRefused,
)
from oracle_sync.oracle import sign_in
from oracle_sync_tests.support.faulty_pod import FaultyPod, FaultyServer
from oracle_sync_tests.support.fetching import (
    ANY,
    failure,
    oauth,
)
from oracle_sync_tests.support.web import EMPTY_PAGE, Handler, Web, client


@pytest.fixture
def server() -> Iterator[FaultyServer]:
    with FaultyServer(FaultyPod(rows=12)) as running:
        yield running


def authorization(**changes: Any) -> str:
    """Return the header that a server sees."""
    with Web(lambda h: h.reply(EMPTY_PAGE)) as web:
        client(web.url, **changes).fetch(ANY)
        return str(web.requests[0][2]["Authorization"])


@pytest.mark.parametrize(
    "password", ["plain", "with:colon", "tr\u00f6t\u00e9", "\u043f\u0430\u0440\u043e\u043b\u044c"]
)
def test_basic_authentication_carries_any_password_in_utf8(password: str) -> None:
    scheme, _, packed = authorization(user="ann", password=password).partition(" ")
    assert scheme == "Basic"
    assert base64.b64decode(packed).decode() == f"ann:{password}"


def test_a_password_beyond_latin_1_opens_the_pod(server: FaultyServer) -> None:
    server.pod.configure(user="\u0430\u043d\u043d\u0430", password="\u2603-\u6771")
    source = client(server, user="\u0430\u043d\u043d\u0430", password="\u2603-\u6771")
    assert len(source.fetch(ANY).items) == 5


def test_a_netrc_file_never_replaces_the_credentials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1\nlogin other\npassword stolen\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(netrc))
    sent = authorization(user="ann", password="right")
    assert base64.b64decode(sent.split()[1]) == b"ann:right"
    assert authorization(token="fixed-token") == "Bearer fixed-token"


def test_a_fixed_bearer_token_opens_the_pod(server: FaultyServer) -> None:
    source = client(server, user="", password="", token="sandbox-token")
    assert len(source.fetch(ANY).items) == 5


def statuses(server: FaultyServer, method: str) -> list[int | None]:
    return [entry["status"] for entry in server.log if entry["method"] == method]


def test_a_token_is_fetched_once_for_many_threads(server: FaultyServer) -> None:
    source = oauth(server)
    server.pod.configure(latency_ms=20.0)
    with ThreadPoolExecutor(8) as pool:
        pages = list(pool.map(source.fetch, [ANY] * 24))
    assert all(len(page.items) == 5 for page in pages)
    assert statuses(server, "POST") == [200]


def test_the_scope_is_sent_with_the_request_for_a_token(server: FaultyServer) -> None:
    server.pod.configure(scope="urn:opc:resource:consumer::all")
    assert oauth(server, scope="urn:opc:resource:consumer::all").fetch(ANY).items
    error = failure(oauth(server))
    assert isinstance(error, RequestRefused)
    assert "the token endpoint" in str(error)
    assert "The scope is not known" in str(error)


def test_a_token_is_renewed_a_minute_before_it_expires(
    server: FaultyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.pod.configure(token_seconds=1000.0)
    now = 0.0
    monkeypatch.setattr(sign_in, "time", SimpleNamespace(monotonic=lambda: now))
    source = oauth(server)
    for moment, tokens in [(0.0, 1), (939.0, 1), (941.0, 2), (1880.0, 2), (1882.0, 3)]:
        now = moment
        source.fetch(ANY)
        assert len(statuses(server, "POST")) == tokens
    assert set(statuses(server, "GET")) == {200}


def test_a_token_revoked_in_the_middle_is_renewed_once_for_all_threads(
    server: FaultyServer,
) -> None:
    source = oauth(server)
    source.fetch(ANY)
    server.pod.configure(latency_ms=20.0)
    server.pod.revoke_tokens()
    with ThreadPoolExecutor(4) as pool:
        assert all(page.items for page in pool.map(source.fetch, [ANY] * 8))
    assert statuses(server, "POST") == [200, 200]


def test_a_fresh_token_that_is_refused_too_is_not_renewed_again(server: FaultyServer) -> None:
    server.pod.add_fault("status", times=None, status=401)
    error = failure(oauth(server))
    assert isinstance(error, SignInRefused)
    assert "ORACLE_CLIENT_" in error.sentence()
    assert statuses(server, "POST") == [200, 200]
    assert statuses(server, "GET") == [401, 401]


def test_wrong_client_credentials_are_not_tried_twice(server: FaultyServer) -> None:
    error = failure(oauth(server, client_secret="not-the-secret"))
    assert isinstance(error, SignInRefused)
    assert "the token endpoint" in str(error)
    assert statuses(server, "POST") == [401]
    assert statuses(server, "GET") == []


@pytest.mark.parametrize(
    "answer",
    [{}, [], {"access_token": ""}, {"access_token": 5}, {"access_token": "a\nb"}, "text"],
)
def test_an_answer_without_a_usable_token_names_the_setting_to_check(
    answer: object,
) -> None:
    with Web(lambda h: h.reply(answer)) as web:
        source = client(
            web.url, token_url=f"{web.url}/token", client_id="c", client_secret="d-secret"
        )
        error = failure(source)
    assert isinstance(error, BadAnswer)
    assert "ORACLE_TOKEN_URL" in error.advice


def test_a_token_endpoint_that_fails_is_retried(server: FaultyServer) -> None:
    server.pod.add_fault("status", times=2, status=503, on="token", retry_after=0)
    assert oauth(server).fetch(ANY).items
    assert statuses(server, "POST") == [503, 503, 200]


def test_a_refused_password_is_sent_once_lest_the_account_be_locked(server: FaultyServer) -> None:
    error = failure(client(server, password="wrong-one"))
    assert isinstance(error, SignInRefused)
    assert error.status == 401
    assert "The user name, password or token is not valid" in str(error)
    assert "ORACLE_PASSWORD" in error.advice
    assert len(server.log) == 1


def test_a_missing_privilege_is_named_with_whom_to_ask(server: FaultyServer) -> None:
    server.pod.configure(forbidden=True)
    error = failure(client(server))
    assert isinstance(error, SignInRefused)
    assert error.status == 403
    assert "lacks the privilege" in str(error)
    assert "administrator" in error.advice
    assert len(server.log) == 1


@pytest.mark.parametrize("life", [0, -5, "nan", "inf", None, [], "soon", 1e308])
def test_a_token_with_a_life_that_makes_no_sense_is_kept_until_it_is_refused(life: object) -> None:
    def answer(handler: Handler) -> None:
        token = {"access_token": "t", "expires_in": life}
        handler.reply(token if handler.command == "POST" else EMPTY_PAGE)

    with Web(answer) as web:
        source = client(
            web.url, token_url=f"{web.url}/token", client_id="c", client_secret="d-secret"
        )
        for _ in range(3):
            source.fetch(ANY)
        assert [method for method, _, _ in web.requests] == ["POST", "GET", "GET", "GET"]
