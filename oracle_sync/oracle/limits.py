"""Bound the time and size of a whole answer, from its first byte to its last trailer.

The timeout of a socket bounds silence only: a server that sends a byte now and then, or never ends
its headers, keeps a request going for ever. So the bytes are counted and timed where they are read
from the socket, below everything that http.client and urllib3 do with them.
"""

from __future__ import annotations

import io
import socket
import time
from collections.abc import Mapping
from http.client import HTTPResponse
from typing import Any

from urllib3.connectionpool import HTTPConnectionPool


class TooMuch(Exception):
    """An answer is larger than allowed."""


class Limits:
    """What the next answer may take. One for each session, which sends one request at a time.

    Attributes:
        seconds: The time from the end of the request to the end of the answer.
        size: Bytes as they come over the network.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self.size = 0


def bounded_pools(
    pools: Mapping[str, type[HTTPConnectionPool]], limits: Limits
) -> dict[str, type[HTTPConnectionPool]]:
    """Return urllib3's pools, by scheme, with connections that keep to the limits."""
    return {scheme: _bounded_pool(pool, limits) for scheme, pool in pools.items()}


def _bounded_pool(pool: type[HTTPConnectionPool], limits: Limits) -> type[HTTPConnectionPool]:
    def response(sock: socket.socket, *args: Any, **options: Any) -> HTTPResponse:
        return _Response(_BoundedSocket(sock, limits), *args, **options)  # type: ignore[arg-type]

    connection = type(
        "BoundedConnection", (pool.ConnectionCls,), {"response_class": staticmethod(response)}
    )
    return type("BoundedPool", (pool,), {"ConnectionCls": connection})


class _Response(HTTPResponse):
    def begin(self) -> None:
        """Read the headers, without what could not be parsed, which urllib3 would log as it is."""
        super().begin()
        self.msg.defects = []
        self.msg.set_payload("")


class _BoundedSocket:
    """As much of a socket as http.client needs to read an answer."""

    def __init__(self, sock: socket.socket, limits: Limits) -> None:
        self._sock = sock
        self._limits = limits

    def makefile(self, _mode: str) -> io.BufferedReader:
        """Return a file to read from."""
        return io.BufferedReader(_BoundedReader(self._sock, self._limits))


class _BoundedReader(io.RawIOBase):
    """Reads from a socket until the limits are reached."""

    def __init__(self, sock: socket.socket, limits: Limits) -> None:
        self._sock = sock
        self._silence = sock.gettimeout()
        self._file = sock.makefile("rb", buffering=0)
        self._deadline = time.monotonic() + limits.seconds
        self._left = limits.size

    def readable(self) -> bool:
        """Return that it can be read."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """Read what is there, waiting for it no longer than allowed.

        Raises:
            TimeoutError: if nothing comes for too long, or the time for the answer is over.
            TooMuch: if the answer is larger than allowed.
        """
        seconds = self._deadline - time.monotonic()
        if seconds <= 0:
            raise TimeoutError
        self._sock.settimeout(min(seconds, self._silence or seconds))
        size = self._file.readinto(buffer)
        self._left -= size or 0
        if self._left < 0:
            raise TooMuch
        return size

    def close(self) -> None:
        """Close the file, and leave the socket as it was for the next request over it."""
        if not self.closed:
            self._sock.settimeout(self._silence)
            self._file.close()
        super().close()
