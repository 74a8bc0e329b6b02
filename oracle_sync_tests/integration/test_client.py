"""The HTTP client over real HTTP: what it sends, how it signs in, what it makes of every answer.

Belongs here: one client against the sandbox, or against a server that misbehaves in a way of its
own. Does not belong here: whole syncs (`test_faults.py`).
"""

from __future__ import annotations

import base64
import gzip
import json
import shutil
import socket
import ssl
import subprocess
import threading
import time
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from oracle_sync.engine.source import Base, Page, PageRequest
from oracle_sync.errors import (
    BadAnswer,
    RequestRefused,
    SettingError,
    SignInRefused,
    SourceError,
    TooSlow,
    Unavailable,
)
from oracle_sync.oracle.client import OracleClient
from oracle_sync_tests.support.faulty_pod import FaultyPod, FaultyServer
from oracle_sync_tests.support.web import EMPTY_PAGE, Handler, Web, client, settings

ROOT = "/crmRestApi/resources/11.12.1.0/opportunities"
ANY = PageRequest(0, 5)


@pytest.fixture
def server() -> Iterator[FaultyServer]:
    with FaultyServer(FaultyPod(rows=12)) as running:
        yield running


def failure(source: OracleClient, request: PageRequest = ANY) -> SourceError:
    with pytest.raises(SourceError) as caught:
        source.fetch(request)
    told = caught.value.sentence()
    assert "\n" not in told
    assert len(told) < 900
    assert "object at 0x" not in told
    assert "Traceback" not in told
    assert str(caught.value).endswith(".")
    assert ".." not in str(caught.value).replace("...", "")
    return caught.value


def in_seconds(seconds: float, began: float) -> None:
    assert time.monotonic() - began < seconds


def ids(page: Page) -> list[Any]:
    return [item["OptyId"] for item in page.items]


def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


# What is sent


def test_the_url_is_the_recipe_with_the_grammar_of_a_finder_left_as_it_is(
    server: FaultyServer,
) -> None:
    client(server).fetch(PageRequest(10, 6, want_total=True))
    assert server.log[-1]["path"] == (
        f"{ROOT}?finder=MyOpportunitiesFinder;RecordSet=%27ALLOPTIES%27&q=RecordSet=%27ALL%27"
        "&fields=OptyId,OptyNumber&orderBy=OptyId:asc&limit=6&offset=10&onlyData=true"
        "&totalResults=true"
    )


def test_without_a_wish_for_the_total_none_is_asked_for(server: FaultyServer) -> None:
    page = client(server).fetch(ANY)
    assert server.log[-1]["path"].endswith("&limit=5&offset=0&onlyData=true")
    assert page.total is None


def test_settings_that_are_empty_are_not_sent(server: FaultyServer) -> None:
    client(server, finder="", query="", fields="", order_by="").fetch(ANY)
    assert server.log[-1]["path"] == f"{ROOT}?limit=5&offset=0&onlyData=true"


def test_values_are_encoded_beyond_the_grammar() -> None:
    with Web(lambda h: h.reply(EMPTY_PAGE)) as web:
        client(
            web.url,
            finder="F;name='M\u00fcller & Co #1',x='50%+'",
            query="Name LIKE 'a/b?c \"d\"%'",
        ).fetch(ANY)
        assert web.seen[0][1] == (
            f"{ROOT}?finder=F;name=%27M%C3%BCller%20%26%20Co%20%231%27,x=%2750%25%2B%27"
            "&q=Name%20LIKE%20%27a%2Fb%3Fc%20%22d%22%25%27"
            "&fields=OptyId,OptyNumber&orderBy=OptyId:asc&limit=5&offset=0&onlyData=true"
        )


@pytest.mark.parametrize(
    ("framework", "query", "sent"),
    [
        ("", "RecordSet='ALL'", "RecordSet=%27ALL%27;OptyId%3E=77"),
        ("1", "Name='a';", "Name=%27a%27;OptyId%3E=77"),
        ("1", "", "OptyId%3E=77"),
        ("2", "RecordSet='ALL'", "RecordSet=%27ALL%27%20and%20OptyId%20%3E=%2077"),
        ("9", "", "OptyId%20%3E=%2077"),
        ("4", "A=1 OR B=2", "%28A=1%20OR%20B=2%29%20and%20OptyId%20%3E=%2077"),
        ("4", "Factor='x'", "Factor=%27x%27%20and%20OptyId%20%3E=%2077"),
    ],
)
def test_a_base_is_sent_as_a_condition_on_the_key_and_the_distance_from_it(
    framework: str, query: str, sent: str
) -> None:
    with Web(lambda h: h.reply(EMPTY_PAGE)) as web:
        source = client(web.url, framework_version=framework, query=query)
        source.fetch(PageRequest(1_010, 6, base=Base("77", 1_000)))
        path = web.seen[0][1]
    assert f"&q={sent}&" in path
    assert "&limit=6&offset=10&" in path


def test_a_refusal_of_a_base_says_that_it_was_one(server: FaultyServer) -> None:
    server.pod.configure(refuse_key_q=True)
    with pytest.raises(RequestRefused, match="offset 10, limit 6, by key"):
        client(server).fetch(PageRequest(10, 6, base=Base("77", 5)))


@pytest.mark.parametrize("paging", ["offset", "key"])
def test_a_source_says_whether_it_pages_by_key(paging: str) -> None:
    assert client("http://localhost:1", paging=paging).by_key is (paging == "key")


def test_json_and_gzip_are_asked_for_and_the_client_says_who_it_is() -> None:
    packed = gzip.compress(json.dumps(EMPTY_PAGE | {"items": [{"OptyId": 1}]}).encode())
    with Web(lambda h: h.reply(packed, headers={"Content-Encoding": "gzip"})) as web:
        assert ids(client(web.url).fetch(ANY)) == [1]
        headers = web.seen[0][2]
    assert "gzip" in headers["Accept-Encoding"]
    assert headers["Accept"].startswith("application/json")
    assert "application/vnd.oracle.adf.error+json" in headers["Accept"]
    assert headers["User-Agent"].startswith("oracle_sync/")
    assert headers["REST-Framework-Version"] is None


def test_another_version_and_framework_are_sent_where_they_are_set() -> None:
    with Web(lambda h: h.reply(EMPTY_PAGE)) as web:
        client(web.url + "/prefix", api_version="latest", framework_version="9").fetch(ANY)
        _, path, headers = web.seen[0]
    assert path.startswith("/prefix/crmRestApi/resources/latest/opportunities?")
    assert headers["REST-Framework-Version"] == "9"


def test_numbers_that_arrive_as_strings_are_read_as_numbers(server: FaultyServer) -> None:
    page = client(server, framework_version="9", query="").fetch(PageRequest(0, 5, want_total=True))
    assert all(isinstance(key, str) for key in ids(page))
    answer = {"items": [], "hasMore": "false", "limit": "5", "totalResults": "12"}
    with Web(lambda h: h.reply(answer)) as web:
        page = client(web.url).fetch(PageRequest(0, 5, want_total=True))
    assert (page.limit, page.total, page.has_more) == (5, 12, False)


def test_one_connection_serves_all_requests_of_a_thread() -> None:
    ports: set[int] = set()

    def answer(handler: Handler) -> None:
        ports.add(handler.client_address[1])
        handler.reply(EMPTY_PAGE)

    with Web(answer) as web:
        source = client(web.url)
        for _ in range(5):
            source.fetch(ANY)
    assert len(ports) == 1


def test_items_may_be_absent_from_an_empty_page_but_not_from_one_that_counts_some(
    server: FaultyServer,
) -> None:
    server.pod.configure(omit_empty_items=True)
    assert client(server).fetch(PageRequest(99, 5)).items == []
    server.pod.add_fault("no_items_key", times=None)
    error = failure(client(server))
    assert isinstance(error, BadAnswer)
    assert "counts 5 items and sends none" in str(error)


def test_a_total_that_is_refused_is_done_without_and_not_asked_for_again(
    server: FaultyServer,
) -> None:
    server.pod.configure(refuse_total=True)
    source = client(server)
    for _ in range(2):
        page = source.fetch(PageRequest(0, 5, want_total=True))
        assert (len(page.items), page.total) == (5, None)
    assert [entry["status"] for entry in server.log] == [400, 200, 200]


# Signing in


def authorization(**changes: Any) -> str:
    """The header that a server sees."""
    with Web(lambda h: h.reply(EMPTY_PAGE)) as web:
        client(web.url, **changes).fetch(ANY)
        return str(web.seen[0][2]["Authorization"])


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
    assert authorization(token="given-token") == "Bearer given-token"


def test_a_given_bearer_token_opens_the_pod(server: FaultyServer) -> None:
    source = client(server, user="", password="", token="sandbox-token")
    assert len(source.fetch(ANY).items) == 5


def oauth(server: FaultyServer, **changes: Any) -> OracleClient:
    given: dict[str, Any] = {
        "user": "",
        "password": "",
        "token_url": f"{server.url}/oauth2/v1/token",
        "client_id": "sandbox-client",
        "client_secret": "sandbox-secret",
    }
    return client(server, **given | changes)


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


def test_a_token_is_renewed_before_it_expires(server: FaultyServer) -> None:
    server.pod.configure(token_seconds=1.0)
    source = oauth(server)
    until = time.monotonic() + 2.5
    while time.monotonic() < until:
        source.fetch(ANY)
        time.sleep(0.02)
    assert set(statuses(server, "GET")) == {200}
    assert 3 <= len(statuses(server, "POST")) <= 4


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


def test_a_fresh_token_that_is_refused_too_ends_the_matter(server: FaultyServer) -> None:
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
def test_a_token_endpoint_without_a_usable_token_is_told(answer: object) -> None:
    with Web(lambda h: h.reply(answer)) as web:
        source = client(
            web.url, token_url=f"{web.url}/token", client_id="c", client_secret="d-secret"
        )
        error = failure(source)
    assert isinstance(error, BadAnswer)
    assert "ORACLE_TOKEN_URL" in error.advice


def test_a_token_endpoint_that_stumbles_is_tried_again(server: FaultyServer) -> None:
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


def test_a_missing_privilege_is_told_with_whom_to_ask(server: FaultyServer) -> None:
    server.pod.configure(forbidden=True)
    error = failure(client(server))
    assert isinstance(error, SignInRefused)
    assert error.status == 403
    assert "lacks the privilege" in str(error)
    assert "administrator" in error.advice
    assert len(server.log) == 1


# Refusals


def test_a_wrong_version_is_a_404_that_names_the_setting(server: FaultyServer) -> None:
    error = failure(client(server, api_version="1.0"))
    assert isinstance(error, RequestRefused)
    assert error.status == 404
    assert "ORACLE_API_VERSION" in error.advice
    assert len(server.log) == 1


@pytest.mark.parametrize("framework", ["", "4"])
def test_an_unknown_field_is_a_400_in_the_words_of_the_server(
    server: FaultyServer, framework: str
) -> None:
    source = client(server, fields="OptyId,Nonsense", query="", framework_version=framework)
    error = failure(source)
    assert isinstance(error, RequestRefused)
    assert error.status == 400
    assert "Nonsense" in str(error)
    assert "ORACLE_FIELDS" in error.advice


def test_a_plain_text_error_cannot_forge_lines_or_colours(server: FaultyServer) -> None:
    server.pod.add_fault("text_error")
    error = failure(client(server))
    assert "JBO-27014: Attribute is required" in str(error)
    assert error.sentence().isprintable()


# Trying again


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("after", ["1", "date:2"])
def test_retry_after_is_waited_for_in_seconds_and_as_a_date(
    server: FaultyServer, status: int, after: str
) -> None:
    server.pod.add_fault("status", status=status, retry_after=after)
    notices: list[str] = []
    source = client(server, notices.append)
    began = time.monotonic()
    page = source.fetch(ANY)
    assert 0.9 < time.monotonic() - began < 4
    assert (page.throttled, source.requests, source.retries) == (1, 2, 1)
    assert len(notices) == 1
    assert f"Oracle answered {status}" in notices[0]
    assert "Trying again in" in notices[0]


@pytest.mark.parametrize("after", ["3600", "date:3600", "99999999999999999999"])
def test_a_retry_after_beyond_the_allowed_time_is_not_waited_for(
    server: FaultyServer, after: str
) -> None:
    server.pod.add_fault("status", times=None, status=503, retry_after=after)
    began = time.monotonic()
    error = failure(client(server, retry_seconds=5))
    in_seconds(1, began)
    assert isinstance(error, Unavailable)
    assert "asks to wait" in str(error)
    assert len(server.log) == 1


@pytest.mark.parametrize("after", ["soon", "-5", "", "1.5", "inf", "nan", "\u0663"])
def test_a_retry_after_that_makes_no_sense_is_passed_over(server: FaultyServer, after: str) -> None:
    def answer(handler: Handler) -> None:
        headers = {"Retry-After": after.encode().decode("latin-1")}
        if len(web.seen) == 1:
            handler.reply({}, 503, headers)
        else:
            handler.reply(EMPTY_PAGE)

    with Web(answer) as web:
        began = time.monotonic()
        client(web.url).fetch(ANY)
        in_seconds(3, began)
        assert len(web.seen) == 2


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 599])
def test_what_passes_by_itself_is_tried_again(server: FaultyServer, status: int) -> None:
    server.pod.add_fault("status", status=status)
    assert len(client(server).fetch(ANY).items) == 5
    assert len(server.log) == 2


def test_retrying_ends_within_the_allowed_time(server: FaultyServer) -> None:
    server.pod.add_fault("status", times=None, status=503)
    began = time.monotonic()
    error = failure(client(server, retry_seconds=2))
    in_seconds(3, began)
    assert isinstance(error, Unavailable)
    assert f"Tried {len(server.log)} times" in str(error)
    assert 2 <= len(server.log) <= 4


def test_a_maintenance_page_is_told_by_its_title(server: FaultyServer) -> None:
    server.pod.add_fault("maintenance", times=None)
    error = failure(client(server, retry_seconds=0))
    assert isinstance(error, Unavailable)
    assert "Scheduled Maintenance" in str(error)
    assert "<" not in str(error)


def test_a_504_is_too_slow_after_a_second_try(server: FaultyServer) -> None:
    server.pod.add_fault("status", times=None, status=504)
    error = failure(client(server))
    assert isinstance(error, TooSlow)
    assert "batch size" in error.advice
    assert len(server.log) == 2


@pytest.mark.parametrize("kind", ["reset", "truncate", "bad_json"])
def test_a_broken_answer_is_asked_for_again(server: FaultyServer, kind: str) -> None:
    server.pod.add_fault(kind)
    assert len(client(server).fetch(ANY).items) == 5
    assert len(server.log) == 2


@pytest.mark.parametrize(("kind", "error"), [("reset", Unavailable), ("truncate", Unavailable)])
def test_a_connection_that_keeps_breaking_is_unavailable(
    server: FaultyServer, kind: str, error: type[SourceError]
) -> None:
    server.pod.add_fault(kind, times=None)
    found = failure(client(server, retry_seconds=2))
    assert isinstance(found, error)
    assert "The connection to 127.0.0.1" in str(found)
    assert 2 <= len(server.log) <= 4


def test_json_that_stays_broken_is_given_up_after_three_tries(server: FaultyServer) -> None:
    server.pod.add_fault("bad_json", times=None)
    error = failure(client(server, retry_seconds=60))
    assert isinstance(error, BadAnswer)
    assert "JSON is broken" in str(error)
    assert len(server.log) == 3


@pytest.mark.parametrize("body", [b'{"items":[], "limit": NaN}', b"", b"\xff\xfe{", b"[1, 2"])
def test_what_only_resembles_json_is_refused(body: bytes) -> None:
    with Web(lambda h: h.reply(body)) as web:
        error = failure(client(web.url, retry_seconds=0))
    assert isinstance(error, BadAnswer)
    assert "JSON" in str(error)


def test_a_server_that_hangs_is_given_up_after_the_timeout(server: FaultyServer) -> None:
    server.pod.add_fault("hang", times=None)
    began = time.monotonic()
    error = failure(client(server, timeout=1))
    in_seconds(4, began)
    assert isinstance(error, TooSlow)
    assert "did not answer within 1 s" in str(error)
    assert len(server.log) == 2


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_that_only_drips_is_given_up_too(chunked: bool) -> None:
    stop = threading.Event()

    def answer(handler: Handler) -> None:
        handler.send_response(200)
        if chunked:
            handler.send_header("Transfer-Encoding", "chunked")
        else:
            handler.send_header("Content-Length", "100000")
        handler.end_headers()
        while not stop.wait(0.2):
            handler.wfile.write(b"1\r\n \r\n" if chunked else b" ")
            handler.wfile.flush()

    with Web(answer) as web:
        outcome: list[BaseException] = []

        def ask() -> None:
            try:
                client(web.url, timeout=1, retry_seconds=0).fetch(ANY)
            except BaseException as error:
                outcome.append(error)

        asking = threading.Thread(target=ask, daemon=True)
        asking.start()
        asking.join(8)
        stop.set()
    assert [type(error) for error in outcome] == [TooSlow]


def test_a_client_that_is_stopped_gives_up_waiting_at_once(server: FaultyServer) -> None:
    server.pod.add_fault("status", times=None, status=503, retry_after=60)
    stopped = threading.Event()
    source = client(server, lambda _: stopped.set(), retry_seconds=600)
    began = time.monotonic()
    with pytest.raises(Unavailable):
        source.fetch(ANY, stopped)
    in_seconds(1, began)
    assert len(server.log) == 1


# Answers that are none


def test_a_sign_in_page_instead_of_json_is_told_by_its_title(server: FaultyServer) -> None:
    server.pod.add_fault("html", times=None)
    error = failure(client(server))
    assert isinstance(error, BadAnswer)
    assert "Oracle Fusion Cloud - Sign In" in str(error)
    assert "ORACLE_BASE_URL" in error.advice
    assert len(server.log) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_nothing_is_ever_sent_to_where_a_server_redirects(
    server: FaultyServer, status: int
) -> None:
    with Web(lambda h: h.reply(EMPTY_PAGE)) as other:
        server.pod.add_fault("redirect", times=None, location=f"{other.url}/in", status=status)
        error = failure(client(server))
        assert other.seen == []
    assert isinstance(error, SignInRefused)
    assert "redirects to 127.0.0.1" in str(error)
    assert len(server.log) == 1


def test_a_redirect_of_the_token_endpoint_is_not_followed_either(server: FaultyServer) -> None:
    with Web(lambda h: h.reply({"access_token": "x"})) as other:
        server.pod.add_fault("redirect", on="token", location=other.url, status=307)
        assert isinstance(failure(oauth(server)), SignInRefused)
        assert other.seen == []


@pytest.mark.parametrize("location", ["", "http://[::1", "//", "\x01", "https://a b/"])
def test_a_redirect_to_nowhere_is_told_like_any_other(location: str) -> None:
    with Web(lambda h: h.reply(b"", 302, {"Location": location})) as web:
        assert isinstance(failure(client(web.url)), SignInRefused)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ([], "not an object"),
        ("text", "not an object"),
        (None, "not an object"),
        ({"items": {}}, "not a list"),
        ({"items": None}, "not a list"),
        ({"items": "rows"}, "not a list"),
        ({"items": [], "limit": 0}, "limit of 0"),
        ({"count": 5, "hasMore": False}, "sends none"),
    ],
)
def test_json_that_is_no_page_is_refused(answer: object, words: str) -> None:
    with Web(lambda h: h.reply(answer)) as web:
        error = failure(client(web.url))
        assert len(web.seen) == 1
    assert isinstance(error, BadAnswer)
    assert words in str(error)
    assert error.advice


@pytest.mark.parametrize("status", [201, 204, 304, 418])
def test_an_unforeseen_status_is_told_and_not_repeated(status: int) -> None:
    with Web(lambda h: h.reply(b"", status)) as web:
        error = failure(client(web.url))
        assert len(web.seen) == 1
    assert str(status) in str(error)


def peak_of(source: OracleClient) -> tuple[SourceError, float]:
    """The error, and the most memory in MB that Python took meanwhile."""
    tracemalloc.start()
    try:
        error = failure(source)
        return error, tracemalloc.get_traced_memory()[1] / 1e6
    finally:
        tracemalloc.stop()


def huge(handler: Handler, status: int = 200) -> None:
    handler.send_response(status)
    handler.send_header("Location", "https://other.example.com/")
    handler.send_header("Content-Length", str(2_000_000_000))
    handler.end_headers()
    block = b" " * 1_000_000
    for _ in range(2_000):
        handler.wfile.write(block)


def bomb(handler: Handler) -> None:
    packed = gzip.compress(bytes(8_000_000), 9)
    handler.reply(packed * 50, headers={"Content-Encoding": "gzip"})


def huge_redirect(handler: Handler) -> None:
    huge(handler, 302)


@pytest.mark.parametrize("answer", [huge, bomb, huge_redirect])
def test_a_huge_answer_is_cut_off_before_it_fills_the_memory(answer: Any) -> None:
    with Web(answer) as web:
        error, peak = peak_of(client(web.url))
    assert isinstance(error, BadAnswer)
    assert "more than 64 MB" in str(error)
    assert peak < 200


def test_json_nested_without_end_is_refused(server: FaultyServer) -> None:
    server.pod.add_fault("deep_json", times=None, depth=200_000)
    error = failure(client(server))
    assert isinstance(error, BadAnswer)
    assert len(server.log) == 3


def test_a_body_that_is_not_packed_as_it_says_is_told() -> None:
    with Web(lambda h: h.reply(b"plain text", headers={"Content-Encoding": "gzip"})) as web:
        error = failure(client(web.url))
        assert len(web.seen) == 3
    assert isinstance(error, BadAnswer)
    assert "unpacked" in str(error)


# The way there


def test_an_unknown_host_is_told_with_the_setting_to_check() -> None:
    began = time.monotonic()
    error = failure(client("https://no-such-pod.invalid"))
    in_seconds(30, began)
    assert isinstance(error, Unavailable)
    assert "no-such-pod.invalid" in str(error)
    assert "ORACLE_BASE_URL" in error.advice
    assert "Tried 3 times" in str(error)


def test_a_closed_port_is_told_with_the_setting_to_check() -> None:
    port = closed_port()
    error = failure(client(f"http://127.0.0.1:{port}"))
    assert isinstance(error, Unavailable)
    assert f"127.0.0.1:{port}" in str(error)
    assert "refused" in str(error)
    assert "ORACLE_BASE_URL" in error.advice


def test_a_server_that_had_answered_is_waited_for_longer(server: FaultyServer) -> None:
    source = client(server, retry_seconds=2)
    source.fetch(ANY)
    server.stop()
    error = failure(source)
    assert isinstance(error, Unavailable)
    assert "run it again later" in error.advice


def test_something_that_does_not_speak_http_is_told() -> None:
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection = listener.accept()[0]
            except OSError:
                return
            with connection:
                connection.recv(65_536)
                connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")

    threading.Thread(target=serve, daemon=True).start()
    try:
        error = failure(client(f"http://127.0.0.1:{listener.getsockname()[1]}", retry_seconds=2))
    finally:
        listener.close()
    assert isinstance(error, Unavailable)


def test_a_proxy_that_is_not_there_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{closed_port()}")
    for name in ("https_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    error = failure(client("https://pod.example.com"))
    assert "proxy" in str(error)
    assert "HTTPS_PROXY" in error.advice


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for 127.0.0.1, and its key beside it."""
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl command to make a certificate with")
    folder = tmp_path_factory.mktemp("tls")
    command = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -batch"
    extension = ["-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"]
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    subprocess.run(
        ["openssl", *command.split(), *extension, *files],
        check=True,
        capture_output=True,
        timeout=60,
    )
    return folder / "cert.pem"


@pytest.fixture
def secure(certificate: Path) -> Iterator[Web]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    with Web(lambda h: h.reply(EMPTY_PAGE), context) as web:
        yield web


def test_a_certificate_that_nobody_vouches_for_is_refused_and_nothing_is_sent(secure: Web) -> None:
    error = failure(client(secure.url))
    assert "TLS with 127.0.0.1" in str(error)
    assert "certificate" in str(error)
    assert "ORACLE_CA_BUNDLE" in error.advice
    assert secure.seen == []


def test_a_certificate_in_the_ca_bundle_is_accepted(secure: Web, certificate: Path) -> None:
    assert client(secure.url, ca_bundle=str(certificate)).fetch(ANY).items == []
    assert len(secure.seen) == 1


def test_a_certificate_for_another_host_is_refused_even_if_it_is_in_the_bundle(
    secure: Web, certificate: Path
) -> None:
    url = secure.url.replace("127.0.0.1", "127.0.0.2")
    error = failure(client(url, ca_bundle=str(certificate), retry_seconds=1))
    assert secure.seen == []
    assert "127.0.0.2" in str(error)


def test_a_ca_bundle_that_holds_no_certificate_is_told(secure: Web, tmp_path: Path) -> None:
    bundle = tmp_path / "empty.pem"
    bundle.write_text("nothing here\n")
    error = failure(client(secure.url, ca_bundle=str(bundle)))
    assert "ORACLE_CA_BUNDLE" in error.sentence()
    assert secure.seen == []


def test_https_to_a_server_of_plain_http_is_told(server: FaultyServer) -> None:
    error = failure(client(server.url.replace("http://", "https://")))
    assert "TLS with 127.0.0.1" in str(error)


# Secrets


SECRET = "S3cr3t-of-the-pod"
PACKED = base64.b64encode(f"ann:{SECRET}".encode()).decode()


def echo(handler: Handler) -> None:
    """Repeat the credentials in every form that a careless server may choose."""
    sent = handler.headers["Authorization"]
    bare = sent.split()[1]
    plain = base64.b64decode(bare).decode() if sent.startswith("Basic") else bare
    words = f"{sent} | {bare} | {plain} | {plain.partition(':')[2] or plain}"
    kind = handler.path.split("/")[1]
    if kind == "title":
        page = f"<html><title>{words}</title></html>".encode()
        handler.reply(page, 200, {"Content-Type": "text/html"})
    elif kind == "refusal-title":
        handler.reply(f"<html><title>{words}</title></html>".encode(), 503)
    elif kind == "cut-title":
        padding = "x" * 60
        handler.reply(f"<html><title>{padding} {words}</title></html>".encode(), 503)
    elif kind == "text":
        handler.reply(words.encode(), 400)
    elif kind == "json":
        detail = {"detail": words, "o:errorPath": words}
        handler.reply({"title": words, "o:errorDetails": [detail]}, 500)
    elif kind == "redirect":
        host = plain.replace(":", ".")
        handler.reply(b"", 302, {"Location": f"https://{host}.example.com/?x={bare}"})
    else:
        handler.reply({"count": words, "hasMore": True})


@pytest.mark.parametrize(
    "kind", ["title", "refusal-title", "cut-title", "text", "json", "redirect", "page"]
)
@pytest.mark.parametrize("way", ["basic", "bearer"])
def test_a_server_that_repeats_the_credentials_finds_no_one_to_show_them(
    kind: str, way: str
) -> None:
    signing = {"user": "ann", "password": SECRET} if way == "basic" else {"token": SECRET}
    notices: list[str] = []
    with Web(echo) as web:
        given = settings(f"{web.url}/{kind}", retry_seconds=1, **signing)
        source = client(f"{web.url}/{kind}", notices.append, retry_seconds=1, **signing)
        error = failure(source)
    shown = " ".join([str(error), error.sentence(), error.advice, repr(given), *notices])
    for hidden in (SECRET, SECRET.lower(), SECRET[:8], PACKED, PACKED[:12]):
        assert hidden not in shown


def test_a_token_from_the_token_endpoint_is_not_shown_either(server: FaultyServer) -> None:
    server.pod.add_fault("echo_secret", times=None, status=400)
    error = failure(oauth(server))
    issued = list(server.pod._tokens)
    assert issued
    assert not [token for token in issued if token in error.sentence()]


def test_a_client_can_not_be_made_of_settings_that_can_not_be() -> None:
    with pytest.raises(SettingError, match="ORACLE_BASE_URL"):
        client("http://pod.example.com")
