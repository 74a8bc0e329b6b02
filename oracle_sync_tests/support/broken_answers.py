"""Answers that break on purpose, and those that no working pod would give."""

from __future__ import annotations

import gzip
import os
import socket
import struct
import time
from collections.abc import AsyncIterator, Callable
from email.utils import formatdate
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from oracle_sync.sandbox.app import SIGN_IN_PAGE
from oracle_sync.sandbox.wire import error_body
from oracle_sync_tests.support.faults import Fault

TRANSPORT = "oracle_sync_tests.transport"
"""The name of the ASGI extension that holds the connection."""

_MAINTENANCE_PAGE = """<!DOCTYPE html><html><head><title>Scheduled Maintenance</title></head>
<body><h1>Service Unavailable</h1><p>The service is down for maintenance.</p></body></html>"""
_ZEROS = gzip.compress(bytes(1_000_000), 1)
_BLOCK = b"x" * 1_000_000


class Reset(Response):
    """Cuts the connection without an answer, so hard that the peer sees a reset."""

    def __init__(self) -> None:
        super().__init__(status_code=0)

    async def __call__(self, scope: Scope, receive: Receive, _: Send) -> None:
        """Cut, and wait until the server has noticed."""
        transport = scope["extensions"][TRANSPORT]["transport"]
        if transport.is_closing():
            return
        # With a linger of 0 seconds a close sends RST instead of FIN. The event loops differ in
        # what their socket objects allow, so the option is set on a duplicate.
        with socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno())) as own:
            own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
        await _disconnected(receive)


class Truncated(Response):
    """Announces the whole body, sends half of it, and closes the connection."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send half and close."""
        start = {"type": "http.response.start", "status": self.status_code}
        await send(start | {"headers": self.raw_headers})
        half = bytes(self.body)[: len(self.body) // 2]
        await send({"type": "http.response.body", "body": half, "more_body": True})
        scope["extensions"][TRANSPORT]["transport"].close()
        await _disconnected(receive)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def broken_answer(fault: Fault, request: Request) -> Response:
    """Return what an answering fault sends in place of a page."""
    return _ANSWERS[fault.kind](fault.options, request)


def _status(options: dict[str, Any], _: Request) -> Response:
    status = int(options.get("status", 500))
    headers = _retry_after(options)
    if "body" in options:
        return PlainTextResponse(options["body"], status, headers)
    content = error_body(status, "Stand-in fault", f"The request was answered {status} on purpose.")
    return Response(content, status, headers, "application/json")


def _retry_after(options: dict[str, Any]) -> dict[str, str]:
    """Return seconds as a number, `date:<seconds>` as a date so far ahead, other text as it is."""
    if "retry_after" not in options:
        return {}
    text = str(options["retry_after"])
    if text.startswith("date:"):
        text = formatdate(time.time() + float(text[5:]), usegmt=True)
    return {"Retry-After": text}


def _html(options: dict[str, Any], _: Request) -> Response:
    return HTMLResponse(options.get("body", SIGN_IN_PAGE))


def _maintenance(options: dict[str, Any], _: Request) -> Response:
    return HTMLResponse(options.get("body", _MAINTENANCE_PAGE), 503, _retry_after(options))


def _redirect(options: dict[str, Any], request: Request) -> Response:
    location = options.get("location", f"{str(request.base_url).rstrip('/')}/oam/server/sign-in")
    return Response(status_code=int(options.get("status", 302)), headers={"Location": location})


def _text_error(options: dict[str, Any], _: Request) -> Response:
    body = "JBO-27014: \x1b[31mAttribute\x1b[0m is required\x00\x07\r\n2026-01-01 INFO all is well"
    return PlainTextResponse(options.get("body", body), int(options.get("status", 400)))


def _echo_secret(options: dict[str, Any], request: Request) -> Response:
    sent = request.headers.get("authorization", "")
    status = int(options.get("status", 500))
    detail = f"Cannot handle the header Authorization: {sent}"
    return Response(error_body(status, detail, detail), status, media_type="application/json")


def _total_refused(_options: dict[str, Any], _request: Request) -> Response:
    detail = "The parameter totalResults cannot be used here."
    content = error_body(400, "Bad Request", detail, "totalResults")
    return Response(content, 400, media_type="application/json")


def _big_body(options: dict[str, Any], _: Request) -> Response:
    count = int(options.get("mb", 100))
    head, tail = b'{"items":[],"pad":"', b'"}'

    async def parts() -> AsyncIterator[bytes]:
        yield head
        for _block in range(count):
            yield _BLOCK
        yield tail

    length = len(head) + count * len(_BLOCK) + len(tail)
    headers = {"Content-Length": str(length)}
    return StreamingResponse(parts(), headers=headers, media_type="application/json")


def _deep_json(options: dict[str, Any], _: Request) -> Response:
    depth = int(options.get("depth", 100_000))
    content = b'{"items":' + b"[" * depth + b"]" * depth + b',"count":0,"hasMore":false}'
    return Response(content, media_type="application/json")


def _gzip_bomb(options: dict[str, Any], _: Request) -> Response:
    # Gzip members may follow one another, so a megabyte of zeros is packed once and repeated.
    headers = {"Content-Encoding": "gzip"}
    count = int(options.get("mb", 100))
    return Response(_ZEROS * count, headers=headers, media_type="application/json")


_ANSWERS: dict[str, Callable[[dict[str, Any], Request], Response]] = {
    "status": _status,
    "html": _html,
    "maintenance": _maintenance,
    "redirect": _redirect,
    "reset": lambda _options, _request: Reset(),
    "text_error": _text_error,
    "echo_secret": _echo_secret,
    "total_refused": _total_refused,
    "big_body": _big_body,
    "deep_json": _deep_json,
    "gzip_bomb": _gzip_bomb,
}
