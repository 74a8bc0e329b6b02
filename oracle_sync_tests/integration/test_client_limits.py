"""No answer, however long or slow, takes more than a bounded time and memory."""

from __future__ import annotations

import gzip
import itertools
import threading
import time
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from oracle_sync.engine.source import PageRequest
from oracle_sync.errors import BadAnswer, SourceError, TooSlow, Unavailable
from oracle_sync.oracle.client import OracleClient
from oracle_sync_tests.support.certificates import make_certificate, server_context
from oracle_sync_tests.support.fetching import ANY, failure
from oracle_sync_tests.support.raw_server import RawServer, sender
from oracle_sync_tests.support.web import Handler, Web, client

PAUSE = 0.2
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
PAGE = b'{"items": [], "hasMore": false}'

ENDLESS: dict[str, tuple[bytes, bytes]] = {
    "status line": (b"HTTP/1.1 200 ", b"O"),
    "header": (OK + b"X-Long: ", b"a"),
    "headers": (OK, b"X-Many: a\r\n"),
    "continue": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "headers of continue": (b"HTTP/1.1 100 Continue\r\n", b"X-Many: a\r\n"),
    "body": (OK + b"Content-Length: 1000000000\r\n\r\n", b" "),
    "body without a length": (OK + b"\r\n", b" "),
    "chunks": (CHUNKED, b"1\r\n \r\n"),
    "chunk size": (CHUNKED, b"0"),
    "chunk extension": (CHUNKED + b"1;", b"a"),
    "trailer": (CHUNKED + b"0\r\nX-Long: ", b"a"),
    "trailers": (CHUNKED + b"0\r\n", b"X-Many: a\r\n"),
    "error": (b"HTTP/1.1 400 Bad Request\r\n\r\n", b" "),
}
"""Answers that begin well and never end: a start, and the piece that is repeated."""


def outcome(source: OracleClient, seconds: float) -> BaseException | None:
    """Return what a fetch ends in; None if it has not ended in so many seconds."""
    errors: list[BaseException] = []

    def fetch() -> None:
        try:
            source.fetch(ANY)
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=fetch, daemon=True)
    thread.start()
    thread.join(seconds)
    return errors[0] if errors else None


@pytest.mark.parametrize("part", ENDLESS)
def test_an_answer_that_drips_is_abandoned_whichever_part_of_it_drips(part: str) -> None:
    start, piece = ENDLESS[part]
    with RawServer(sender(start, itertools.repeat(piece), PAUSE)) as server:
        error = outcome(client(server.url, timeout=1, retry_seconds=0), seconds=8)
    assert isinstance(error, TooSlow)
    assert "2 s" in str(error)


def test_an_answer_that_drips_over_tls_is_abandoned(tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path)
    start, piece = ENDLESS["header"]
    send = sender(start, itertools.repeat(piece), PAUSE)
    with RawServer(send, tls=server_context(certificate)) as server:
        source = client(server.url, timeout=1, retry_seconds=0, ca_bundle=str(certificate))
        assert isinstance(outcome(source, seconds=8), TooSlow)


def test_a_proxy_that_drips_is_abandoned(monkeypatch: pytest.MonkeyPatch) -> None:
    start, piece = ENDLESS["header"]
    with RawServer(sender(start, itertools.repeat(piece), PAUSE)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        source = client("https://pod.example.com", timeout=1, retry_seconds=0)
        assert isinstance(outcome(source, seconds=30), Unavailable)


@pytest.mark.parametrize("part", ENDLESS)
def test_an_answer_that_floods_is_abandoned_whichever_part_of_it_floods(part: str) -> None:
    start, piece = ENDLESS[part]
    flood = itertools.repeat(piece * 10_000)
    with RawServer(sender(start, flood)) as server:
        error = outcome(client(server.url, timeout=1, retry_seconds=0), seconds=8)
    assert isinstance(error, BadAnswer | Unavailable)


def test_an_answer_in_pieces_that_ends_in_time_is_read_and_the_next_one_has_its_own_time() -> None:
    head = OK + f"Content-Length: {len(PAGE)}\r\n\r\n".encode()
    pieces = [head[:9], head[9:], PAGE[:7], PAGE[7:]]

    def send(connection: Any) -> None:
        for piece in pieces:
            time.sleep(0.45)
            connection.sendall(piece)

    with RawServer(send, keep_alive=True) as server:
        source = client(server.url, timeout=1, retry_seconds=0)
        for _ in range(3):
            assert source.fetch(ANY).items == []
        assert len(server.requests) == 3


def peak_of(source: OracleClient) -> tuple[SourceError, float]:
    """Return the error of a request, and the peak of Python's memory in MB."""
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


def bomb_in_a_bomb(handler: Handler) -> None:
    inner = gzip.compress(bytes(1_000_000), 9) * 1_000
    handler.reply(gzip.compress(inner, 9), headers={"Content-Encoding": "gzip, gzip"})


def huge_redirect(handler: Handler) -> None:
    huge(handler, 302)


@pytest.mark.parametrize("answer", [huge, bomb, bomb_in_a_bomb, huge_redirect])
def test_a_huge_answer_is_cut_off_before_it_fills_the_memory(answer: Any) -> None:
    with Web(answer) as web:
        error, peak = peak_of(client(web.url))
    assert isinstance(error, BadAnswer)
    assert "more than 4 MB" in str(error)
    assert peak < 40


def packed(text: str) -> Any:
    body = gzip.compress(text.encode(), 9)
    return lambda handler: handler.reply(body, headers={"Content-Encoding": "gzip"})


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(f'{{"items": [{"{}," * 1_000_000}{{}}]}}', id="items"),
        pytest.param(f'{{"items": [{"[[[[]]]]," * 300_000}0]}}', id="nested"),
        pytest.param(
            f'{{"items": [{{{", ".join(f""""{n}":0""" for n in range(200_000))}}}]}}', id="names"
        ),
    ],
)
def test_a_small_answer_that_unpacks_to_millions_of_values_is_refused_before_they_are_made(
    text: str,
) -> None:
    with Web(packed(text)) as web:
        error, peak = peak_of(client(web.url))
    assert isinstance(error, BadAnswer)
    assert "more than 193,986 values" in str(error)
    assert peak < 40


def test_more_items_than_were_asked_for_are_refused() -> None:
    with Web(lambda h: h.reply({"items": [{"OptyId": n} for n in range(6)]})) as web:
        error = failure(client(web.url))
    assert isinstance(error, BadAnswer)
    assert "6 items where at most 5 were asked for" in str(error)


@pytest.mark.parametrize("limit", [1, 5, 499])
def test_a_page_of_large_items_is_read(limit: int) -> None:
    item = {f"Attribute{n}_c": "A word, or two. " * 8 for n in range(500)}
    with Web(lambda h: h.reply({"items": [item] * limit})) as web:
        assert len(client(web.url).fetch(PageRequest(0, limit)).items) == limit
