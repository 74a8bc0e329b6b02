"""Refusals, and answers that are not a page, end in an error that says so."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import pytest

from oracle_sync.errors import (
    BadAnswer,
    RequestRefused,
    SignInRefused,
)
from oracle_sync.oracle.answers import read_date
from oracle_sync.oracle.transport import Reply
from oracle_sync_tests.support.faulty_pod import FaultyPod, FaultyServer
from oracle_sync_tests.support.fetching import (
    ANY,
    failure,
    oauth,
)
from oracle_sync_tests.support.harness import wide
from oracle_sync_tests.support.web import EMPTY_PAGE, Web, client


@pytest.fixture
def server() -> Iterator[FaultyServer]:
    with FaultyServer(FaultyPod(rows=12)) as running:
        yield running


def test_a_page_carries_the_time_of_the_pod(server: FaultyServer) -> None:
    noon = dt.datetime(2026, 3, 1, 12, 0, 5, tzinfo=dt.UTC)
    server.pod.clock.freeze(noon)
    page = client(server).fetch(ANY)
    assert page.date == noon
    assert page.asked_at is not None
    assert noon - dt.timedelta(seconds=60) < page.asked_at <= noon


@pytest.mark.parametrize("date", ["", "yesterday", "99 Foo 2026 12:00:00 GMT"])
def test_a_date_that_is_none_leaves_the_time_unknown(date: str) -> None:
    reply = Reply(200, {"Date": date} if date else {}, b"")
    assert read_date(reply) is None


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
    source = client(server, query="", framework_version=framework)
    source.collection = wide(Nonsense="text")
    error = failure(source)
    assert isinstance(error, RequestRefused)
    assert error.status == 400
    assert "Nonsense" in str(error)
    assert "ORACLE_FIELDS" in error.advice


def test_a_plain_text_error_cannot_forge_lines_or_colours(server: FaultyServer) -> None:
    server.pod.add_fault("text_error", times=None)
    error = failure(client(server))
    assert "JBO-27014: Attribute is required" in str(error)
    assert error.sentence().isprintable()


@pytest.mark.parametrize("body", [b'{"items":[], "limit": NaN}', b"", b"\xff\xfe{", b"[1, 2"])
def test_what_only_resembles_json_is_refused(body: bytes) -> None:
    with Web(lambda h: h.reply(body)) as web:
        error = failure(client(web.url, retry_seconds=0))
    assert isinstance(error, BadAnswer)
    assert "JSON" in str(error)


def test_a_sign_in_page_instead_of_json_is_named_by_its_title(server: FaultyServer) -> None:
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
        assert other.requests == []
    assert isinstance(error, SignInRefused)
    assert "redirects to 127.0.0.1" in str(error)
    assert len(server.log) == 1


def test_a_redirect_of_the_token_endpoint_is_not_followed_either(server: FaultyServer) -> None:
    with Web(lambda h: h.reply({"access_token": "x"})) as other:
        server.pod.add_fault("redirect", on="token", location=other.url, status=307)
        assert isinstance(failure(oauth(server)), SignInRefused)
        assert other.requests == []


@pytest.mark.parametrize("location", ["", "http://[::1", "//", "\x01", "https://a b/"])
def test_a_redirect_to_nowhere_is_an_error_like_any_other(location: str) -> None:
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
def test_json_that_is_not_a_page_is_refused(answer: object, words: str) -> None:
    with Web(lambda h: h.reply(answer)) as web:
        error = failure(client(web.url))
        assert len(web.requests) == 1
    assert isinstance(error, BadAnswer)
    assert words in str(error)
    assert error.advice


@pytest.mark.parametrize("status", [201, 204, 304, 418])
def test_an_unforeseen_status_is_named_and_not_repeated(status: int) -> None:
    with Web(lambda h: h.reply(b"", status)) as web:
        error = failure(client(web.url))
        assert len(web.requests) == 1
    assert str(status) in str(error)


def test_json_nested_without_end_is_refused(server: FaultyServer) -> None:
    server.pod.add_fault("deep_json", times=None, depth=50_000)
    error = failure(client(server))
    assert isinstance(error, BadAnswer)
    assert len(server.log) == 3


def test_a_body_that_is_not_packed_as_it_says_is_refused() -> None:
    with Web(lambda h: h.reply(b"plain text", headers={"Content-Encoding": "gzip"})) as web:
        error = failure(client(web.url))
        assert len(web.requests) == 3
    assert isinstance(error, BadAnswer)
    assert "unpacked" in str(error)
