"""A server on loopback that sends the bytes a test says, and knows no HTTP."""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterable
from typing import Self

Send = Callable[[socket.socket], object]


class RawServer:
    """Reads one request after the other, and lets `send` answer each.

    A connection is closed after `send` unless `keep_alive`. All connections are cut at the end.
    """

    def __init__(
        self, send: Send, *, keep_alive: bool = False, tls: ssl.SSLContext | None = None
    ) -> None:
        self._send = send
        self._keep_alive = keep_alive
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._connections: list[socket.socket] = []
        self.requests: list[bytes] = []
        """Each request, with its body."""

    @property
    def url(self) -> str:
        scheme = "https" if self._tls else "http"
        return f"{scheme}://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, name="raw-server", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for connection in [self._listener, *self._connections]:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection = self._listener.accept()[0]
                self._connections.append(connection)
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            if self._tls:
                connection = self._tls.wrap_socket(connection, server_side=True)
            while request := _read_request(connection):
                self.requests.append(request)
                self._send(connection)
                if not self._keep_alive:
                    connection.shutdown(socket.SHUT_WR)
                    return


def _read_request(connection: socket.socket) -> bytes:
    request = b""
    while not _whole(request):
        if not (piece := connection.recv(65_536)):
            return b""
        request += piece
    return request


def _whole(request: bytes) -> bool:
    head, end, body = request.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: *(\d+)", head)
    return bool(end) and len(body) >= (int(length[1]) if length else 0)


def sender(start: bytes, endless: Iterable[bytes] = (), pause: float = 0.0) -> Send:
    """Return an answer: a start, then pieces, with a pause after each."""
    waiting = threading.Event()

    def send(connection: socket.socket) -> None:
        connection.sendall(start)
        for piece in endless:
            connection.sendall(piece)
            if pause:
                waiting.wait(pause)

    return send
