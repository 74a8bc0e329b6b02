"""HTTP servers that answer what a test says, and clients of any test's server."""

from __future__ import annotations

import http.server
import json
import ssl
import threading
from collections.abc import Callable
from email.message import Message
from typing import Any, Self

from oracle_sync.config.collection import OPPORTUNITIES
from oracle_sync.config.settings import OracleSettings
from oracle_sync.oracle.client import OracleClient
from oracle_sync.sandbox import SandboxServer

RECIPE = "MyOpportunitiesFinder;RecordSet='ALLOPTIES'"
EMPTY_PAGE = {"items": [], "count": 0, "hasMore": False, "limit": 5, "offset": 0}


class Handler(http.server.BaseHTTPRequestHandler):
    """Records a request and lets the server's `answer` reply to it."""

    server: _Listener
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.requests.append((self.command, self.path, self.headers))
        self.server.answer(self)

    do_POST = do_GET
    do_CONNECT = do_GET

    def log_message(self, *_: Any) -> None:
        """Stay silent."""

    def reply(
        self, content: object, status: int = 200, headers: dict[str, str] | None = None
    ) -> None:
        """Send an object as JSON, or bytes as they are."""
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        defaults = {"Content-Type": "application/json", "Content-Length": str(len(body))}
        for name, value in (defaults | (headers or {})).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


Answer = Callable[[Handler], object]


class _Listener(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, answer: Answer) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answer = answer
        self.requests: list[tuple[str, str, Message]] = []

    def handle_error(self, *_: Any) -> None:
        """Ignore a client that hangs up."""


class Web:
    """A server on loopback, in a daemon thread; with `tls` it serves https."""

    def __init__(self, answer: Answer, tls: ssl.SSLContext | None = None) -> None:
        self._listener = _Listener(answer)
        self._scheme = "https" if tls else "http"
        if tls:
            # The handshake is left to the request's own thread.
            self._listener.socket = tls.wrap_socket(
                self._listener.socket, server_side=True, do_handshake_on_connect=False
            )
        self._thread = threading.Thread(
            target=self._listener.serve_forever, args=(0.02,), name="test-web", daemon=True
        )

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self._listener.server_address[1]}"

    @property
    def requests(self) -> list[tuple[str, str, Message]]:
        """Method, path and headers of each request."""
        return self._listener.requests

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown()
        self._listener.server_close()


def settings(where: str | SandboxServer, **changes: Any) -> OracleSettings:
    """Return the default request's settings for a server, with little patience."""
    url = where if isinstance(where, str) else where.url
    defaults: dict[str, Any] = {
        "base_url": url,
        "user": "sandbox",
        "password": "sandbox",
        "finder": RECIPE,
        "query": "RecordSet='ALL'",
        "timeout": 5,
        "retry_seconds": 10,
    }
    return OracleSettings(**defaults | changes)


def client(
    where: str | SandboxServer, on_notice: Callable[[str], None] | None = None, **changes: Any
) -> OracleClient:
    """Return a client of a server."""
    return OracleClient(settings(where, **changes), OPPORTUNITIES, on_notice or (lambda _: None))
