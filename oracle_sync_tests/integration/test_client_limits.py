"""No answer, however long or slow, takes more than a bounded time and memory."""

from __future__ import annotations

import gzip
import threading
import tracemalloc
from typing import Any

import pytest

from oracle_sync.errors import (
    BadAnswer,
    SourceError,
    TooSlow,
)
from oracle_sync.oracle.client import OracleClient
from oracle_sync_tests.support.fetching import (
    ANY,
    failure,
)
from oracle_sync_tests.support.web import Handler, Web, client


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
