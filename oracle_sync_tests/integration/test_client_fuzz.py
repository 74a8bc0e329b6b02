"""Whatever a server sends, the client soon returns a page or raises an error fit for a person."""

from __future__ import annotations

import base64
import gzip
import html
import json
import time
import unicodedata
import zlib
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oracle_sync.config.description import Description
from oracle_sync.engine.source import Page, PageRequest
from oracle_sync.errors import SyncError
from oracle_sync.oracle.client import OracleClient
from oracle_sync_tests.support.fetching import ANY
from oracle_sync_tests.support.raw_server import RawServer
from oracle_sync_tests.support.web import client

SECRET = 'S3cr3t&"of/the\\<pod>'
PAIR = base64.b64encode(f"ann:{SECRET}".encode()).decode()
FORMS = [
    *(SECRET, PAIR, html.escape(SECRET), quote(SECRET), json.dumps(SECRET)[1:-1]),
    "".join(f"\\u{ord(c):04x}" for c in SECRET),
    base64.b64encode(SECRET.encode()).decode(),
]
ECHOES = [*FORMS, f"Basic {PAIR}", f"Bearer {SECRET}", f"https://ann:{SECRET}@host/"]

PAGE = b'HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n{"items": []}'

SECONDS = 15.0
"""More than a connection and an answer may take, on a busy machine."""

texts = st.text(max_size=30) | st.sampled_from(ECHOES)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
names = st.sampled_from(
    [
        *("items", "count", "hasMore", "limit", "offset", "totalResults", "OptyId", "OptyNumber"),
        *("title", "detail", "status", "o:errorDetails", "o:errorPath", "error"),
        *("error_description", "access_token", "expires_in", "Resources", "opportunities"),
        *("attributes", "name", "type", "properties", "collection", "finders", "titlePlural"),
    ]
)
objects = st.dictionaries(names, json_values | st.lists(st.dictionaries(names, json_values)))
answers = objects | st.dictionaries(names, st.dictionaries(names, objects)) | json_values
json_texts = st.one_of(
    answers.map(json.dumps),
    st.sampled_from(
        [
            *("", "{", "nul", "[" * 5_000, '{"items":' * 3_000, '"\\ud800"', "\ufeff{}", "{}{}"),
            *("1e999999999", "1" * 5_000, "-0.0", "NaN", "[1E+9999999999999999999]", '"\\'),
            *('{"items": [], "limit": 1e400}', '{"items": [{}], "totalResults": 1.5}'),
            *('{"items": [], "items": {}}', f'{{"title": "{PAIR}'),
        ]
    ),
    texts.map(lambda text: f"<html><title>{text}</title></html>"),
    texts,
)
bodies = st.binary(max_size=200) | st.builds(
    lambda text, encoding: text.encode(encoding, "replace"),
    json_texts,
    st.sampled_from(["utf-8", "utf-8", "utf-16", "utf-32", "latin-1"]),
)
packings: st.SearchStrategy[tuple[str, Callable[[bytes], bytes]]] = st.sampled_from(
    [
        ("", bytes),
        ("gzip", gzip.compress),
        ("deflate", zlib.compress),
        ("gzip, deflate", lambda body: zlib.compress(gzip.compress(body))),
        ("gzip", bytes),
        ("br", bytes),
        ("identity, " * 9, bytes),
    ]
)
header_values = st.one_of(
    st.sampled_from(["chunked", "close", "keep-alive", "100-continue", "gzip", "0", "-1", "1e9"]),
    st.integers().map(str),
    st.datetimes().map(lambda date: date.strftime("%a, %d %b %Y %H:%M:%S GMT")),
    texts,
)
headers = st.lists(
    st.tuples(
        st.sampled_from(
            [
                *("Content-Length", "Transfer-Encoding", "Content-Encoding", "Content-Type"),
                *("Location", "Retry-After", "Connection", "Date", "Set-Cookie", "Trailer"),
                *("WWW-Authenticate", "Upgrade", " folded", "", "X"),
            ]
        ),
        header_values,
    ),
    max_size=3,
)
statuses = st.sampled_from(
    ["200", "200", "200", "400", "401", "403", "404", "429", "500", "503", "504", "302", "308"]
) | st.one_of(st.integers(0, 9_999).map(str), st.text(max_size=5))


@st.composite
def responses(draw: st.DrawFn) -> bytes:
    """Return an answer that follows HTTP in most parts, or none."""
    encoding, pack = draw(packings)
    body = pack(draw(bodies))
    lines = [f"HTTP/1.1 {draw(statuses)} {draw(texts)}"]
    if encoding:
        lines.append(f"Content-Encoding: {encoding}")
    framing = draw(st.sampled_from(["length", "chunked", "none"]))
    if framing == "chunked":
        lines.append("Transfer-Encoding: chunked")
        body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    elif framing == "length":
        lines.append(f"Content-Length: {len(body)}")
    lines += [f"{name}: {value}" for name, value in draw(headers)]
    head = "\r\n".join(lines).encode("utf-8", "replace")
    return draw(damaged(head + b"\r\n\r\n" + body))


def damaged(answer: bytes) -> st.SearchStrategy[bytes]:
    """Return the answer as it is, or with a piece replaced, or cut."""
    place = st.integers(0, len(answer))
    return st.one_of(
        st.just(answer),
        st.just(answer),
        place.map(lambda end: answer[:end]),
        st.builds(
            lambda start, length, piece: answer[:start] + piece + answer[start + length :],
            place,
            st.integers(0, 20),
            st.binary(max_size=5),
        ),
    )


class Pod:
    """A server that answers each request of a method with the same bytes, and a client of it."""

    def __init__(self) -> None:
        self.answers = {b"GET": PAGE, b"POST": b""}
        self.server = RawServer(
            lambda connection: connection.sendall(self.answers[self.server.requests[-1].split()[0]])
        )

    def client(self, **signing: Any) -> OracleClient:
        return client(self.server.url, timeout=1, retry_seconds=0, **signing)


@pytest.fixture(scope="module")
def pod() -> Iterator[Pod]:
    pod = Pod()
    with pod.server:
        yield pod


@pytest.fixture
def source(pod: Pod) -> OracleClient:
    return pod.client(user="ann", password=SECRET)


def soon(call: Callable[[], Any]) -> Any:
    """Return what a call returns, or the error that it raises; it must not take long."""
    began = time.monotonic()
    try:
        return call()
    except SyncError as error:
        return error
    finally:
        assert time.monotonic() - began < SECONDS


def fit_for_a_person(error: SyncError) -> bool:
    """Return whether an error says in one line what happened and what to do, and no secret."""
    sentence = error.sentence()
    lines = {unicodedata.category(c) for c in sentence} & {"Cc", "Cs", "Zl", "Zp"}
    return (
        bool(error.what and error.advice)
        and len(sentence) < 900
        and not lines
        and not any(form in sentence for form in FORMS)
    )


CALLS: list[tuple[Callable[[OracleClient], Any], type]] = [
    (lambda source: source.fetch(ANY), Page),
    (lambda source: source.fetch(PageRequest(0, 1, want_total=True)), Page),
    (lambda source: source.describe("opportunities"), Description),
    (lambda source: source.collections(), list),
]

fuzz = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@given(answer=responses() | st.binary(max_size=300), call=st.sampled_from(CALLS))
@settings(fuzz, max_examples=300)
def test_whatever_a_pod_answers_becomes_a_result_or_an_error_that_says_what_happened(
    pod: Pod,
    source: OracleClient,
    caplog: pytest.LogCaptureFixture,
    answer: bytes,
    call: tuple[Callable[[OracleClient], Any], type],
) -> None:
    pod.answers[b"GET"] = answer
    ask, kind = call
    outcome = soon(lambda: ask(source))
    assert isinstance(outcome, kind) or fit_for_a_person(outcome)
    if isinstance(outcome, Page):
        assert len(outcome.items) <= outcome.request.limit
        assert outcome.has_more in (True, False, None)
        assert all(count is None or count >= 0 for count in (outcome.limit, outcome.total))
    assert not any(form in caplog.text for form in FORMS)
    caplog.clear()


@given(answer=responses())
@settings(fuzz, max_examples=60)
def test_whatever_a_token_endpoint_answers_becomes_a_page_or_an_error(
    pod: Pod, caplog: pytest.LogCaptureFixture, answer: bytes
) -> None:
    pod.answers = {b"GET": PAGE, b"POST": answer}
    source = pod.client(
        user="", password="", token_url=pod.server.url, client_id="ann", client_secret=SECRET
    )
    outcome = soon(lambda: source.fetch(ANY))
    assert isinstance(outcome, Page) or fit_for_a_person(outcome)
    assert not any(form in caplog.text for form in FORMS)
    caplog.clear()
