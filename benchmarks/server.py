"""The source of the benchmarks: the rows of the stand-in pod, in pages that are made once.

It knows one order, two fields and a password, and ignores the finder.
"""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import re
import socket
import sys
from collections.abc import Callable, Iterable

from oracle_sync.sandbox import Pod
from oracle_sync.sandbox.query import Query

PAIR = ("OptyId", "OptyNumber")
USER = PASSWORD = "sandbox"  # noqa: S105 - of invented data, on loopback
_SIGNED_IN = b"Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode())
_NUMBER = re.compile(rb"[?&](limit|offset|rows|latency_ms)=(\d+)")
_HEADER = re.compile(rb"^(authorization|accept-encoding):[ \t]*(.*?)[ \t]*\r?$", re.I | re.M)


class Source:
    """The rows, the answers prepared from them, and counts of requests."""

    def __init__(self, rows: int) -> None:
        self.pod = Pod(rows)
        self.latency = 0.0
        self.requests = 0
        self.in_flight = self.max_in_flight = 0
        self._answers: dict[tuple[int, int, bool, bool], bytes] = {}

    def prepare(self, limit: int, strides: Iterable[int]) -> None:
        """Prepare the pages that a walk will request."""
        for stride in strides:
            for offset in range(0, len(self.pod), stride):
                self.page(offset, limit, total=False, packed=True)

    def page(self, offset: int, limit: int, *, total: bool, packed: bool) -> bytes:
        """Return a whole answer, head and body."""
        key = (offset, min(limit, 499), total, packed)
        if key not in self._answers:
            query = Query(offset, key[1], PAIR, (("OptyId", False),), only_data=True, total=total)
            body = self.pod.page(query).body()
            self._answers[key] = _answer(
                gzip.compress(body, 6, mtime=0) if packed else body, packed
            )
        return self._answers[key]

    def control(self, path: bytes, numbers: dict[str, int]) -> bytes:
        """Obey a command, and return the counts, which `/bench/begin` sets to 0."""
        if path.startswith(b"/bench/begin"):
            self.latency = numbers.get("latency_ms", 0) / 1000
            self.requests = self.max_in_flight = 0
        elif path.startswith(b"/bench/add"):
            self.pod.add(numbers["rows"])
            self._answers.clear()
        elif path.startswith(b"/bench/prepare"):
            self.prepare(numbers["limit"], (numbers["limit"], numbers["limit"] - 1))
        counts = {"requests": self.requests, "max_in_flight": self.max_in_flight}
        return _answer(json.dumps(counts | {"rows": len(self.pod)}).encode(), packed=False)


class Connection(asyncio.Protocol):
    """One connection of a client that waits for each answer before it asks again."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport for the answers."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer once the head is complete; no contestant sends a body."""
        self._received += data
        if not self._received.endswith(b"\r\n\r\n"):
            return
        head, self._received = self._received, b""
        path = head.split(b" ", 2)[1]
        numbers = {name.decode(): int(value) for name, value in _NUMBER.findall(path)}
        if path.startswith(b"/bench/"):
            self._transport.write(self._source.control(path, numbers))
            return
        headers = {name.lower(): value for name, value in _HEADER.findall(head)}
        self._ask(path, numbers, headers)

    def _ask(self, path: bytes, numbers: dict[str, int], headers: dict[bytes, bytes]) -> None:
        source = self._source
        if headers.get(b"authorization") != _SIGNED_IN:
            self._transport.write(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")
            return
        source.requests += 1
        source.in_flight += 1
        source.max_in_flight = max(source.max_in_flight, source.in_flight)
        packed = b"gzip" in headers.get(b"accept-encoding", b"")
        total = b"totalResults=true" in path
        answer = source.page(
            numbers.get("offset", 0), numbers.get("limit", 25), total=total, packed=packed
        )
        if source.latency:
            asyncio.get_running_loop().call_later(source.latency, self._give, answer)
        else:
            self._give(answer)

    def _give(self, answer: bytes) -> None:
        self._source.in_flight -= 1
        self._transport.write(answer)


def _answer(body: bytes, packed: bool) -> bytes:
    encoding = "Content-Encoding: gzip\r\n" if packed else ""
    head = (
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
        f"{encoding}Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def _serve(rows: int, started: Callable[[str], None]) -> None:
    source = Source(rows)
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(source), "127.0.0.1", family=socket.AF_INET
    )
    started(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    # The pipe closes, and this ends, with the process that started it.
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), lambda url: print(url, flush=True)))
