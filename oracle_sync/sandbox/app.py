"""The stand-in pod over HTTP: the resources that a client of Oracle Fusion Cloud asks for.

Belongs here: routes, answers, errors, latency, the log of requests. Does not belong here: signing
in (`signin.py`), the rows (`pod.py`), or controlling the pod (`control.py`).
"""

from __future__ import annotations

import asyncio
import gzip
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from oracle_sync.sandbox.broken import SIGN_IN_PAGE, TRANSPORT, Reset, Truncated, broken_answer
from oracle_sync.sandbox.control import control_routes
from oracle_sync.sandbox.data import ATTRIBUTES
from oracle_sync.sandbox.faults import ANSWERING, SPOILING, Fault, move_on, spoil
from oracle_sync.sandbox.page import Page, dump, error_body
from oracle_sync.sandbox.pod import Pod
from oracle_sync.sandbox.query import FINDERS, BadRequest, read_framework, read_query
from oracle_sync.sandbox.signin import grant_token, refuse

VERSIONS = ("11.12.1.0", "11.13.18.05", "latest")
COMPRESSED_FROM = 1_000
"""Bytes: shorter bodies are not worth compressing."""

_ERROR_TYPE = "application/vnd.oracle.adf.error+json"
_HOME = """<!DOCTYPE html><html lang="en"><head><title>Stand-in pod</title></head><body>
<h1>Stand-in for an Oracle Fusion Cloud pod</h1>
<p>All data here is invented. It serves tests and demos of oracle_sync, on this machine only.</p>
<p><a href="/sandbox">State</a> | <a href="/sandbox/log">Last requests</a></p></body></html>"""

Answer = Callable[[Request, list[Fault]], Response]


class PodApp:
    """The ASGI application of one pod, and what it has seen.

    Everything runs in the event loop, in no thread: it is faster, and between two requests an
    `after_page` fault can move rows without a race.
    """

    def __init__(self, pod: Pod) -> None:
        self.pod = pod
        self.requests = 0
        """How many requests for the collection there were."""
        self.in_flight = 0
        self.max_in_flight = 0
        self.log: deque[dict[str, Any]] = deque(maxlen=10_000)
        root = "/crmRestApi/resources/{version}/opportunities"
        self.asgi = Starlette(
            routes=[
                Route(root, self._collection, methods=["GET"]),
                Route(f"{root}/describe", self._describe, methods=["GET"]),
                Route(f"{root}/{{number:path}}", self._item, methods=["GET"]),
                Route("/oauth2/v1/token", self._token, methods=["POST"]),
                Route("/oam/server/sign-in", _sign_in_page, methods=["GET"]),
                Route("/", _home, methods=["GET"]),
                *control_routes(self),
            ],
            exception_handlers={404: _not_found, 405: _not_found},
        )

    async def _collection(self, request: Request) -> Response:
        self.requests += 1
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)
        try:
            return await self._guarded(request, "collection", self._page)
        finally:
            self.in_flight -= 1

    async def _describe(self, request: Request) -> Response:
        return await self._guarded(request, "describe", self._description)

    async def _item(self, request: Request) -> Response:
        return await self._guarded(request, "item", self._one)

    async def _token(self, request: Request) -> Response:
        form = await request.body()
        return await self._guarded(
            request, "token", lambda *_: grant_token(self.pod, request, form)
        )

    async def _guarded(self, request: Request, place: str, answer: Answer) -> Response:
        """Answer as a pod does: sign-in, version, faults and latency around the answer itself."""
        given = request.query_params
        offset = _number(given.get("offset"))
        entry = {
            "method": request.method,
            "path": f"{request.url.path}?{request.url.query}".rstrip("?"),
            "offset": offset,
            "limit": _number(given.get("limit")),
            "status": None,
        }
        self.log.append(entry)
        if place != "token":
            refused = refuse(self.pod, request)
            if refused is None and request.path_params["version"] not in VERSIONS:
                refused = _not_found(request)
            if refused is not None:
                entry["status"] = refused.status_code
                return refused
        total = given.get("totalResults", "").lower() == "true"
        struck = self.pod.strike(place, offset or 0, total)
        cut = await self._wait(request, struck, offset or 0)
        if cut:
            return Reset()
        response = self._respond(request, struck, answer)
        if not isinstance(response, Reset):
            entry["status"] = response.status_code
        return response

    async def _wait(self, request: Request, struck: list[Fault], offset: int) -> bool:
        """Let time pass, and say whether the connection is to be cut after it."""
        seconds = (self.pod.latency_ms + self.pod.depth_ms_per_10k * offset / 10_000) / 1000
        cut = False
        for fault in struck:
            if fault.kind in ("slow", "hang"):
                default = 1.0 if fault.kind == "slow" else 3600.0
                seconds += float(fault.options.get("seconds", default))
                cut = cut or (fault.kind == "hang" and fault.options.get("then") == "cut")
        # In slices, so that a client that has hung up is not waited for.
        transport = request.scope["extensions"][TRANSPORT]["transport"]
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0 and not transport.is_closing():
            await asyncio.sleep(min(left, 0.1))
        return cut

    def _respond(self, request: Request, struck: list[Fault], answer: Answer) -> Response:
        for fault in struck:
            if fault.kind in ANSWERING:
                return broken_answer(fault, request)
        try:
            response = answer(request, struck)
        except BadRequest as refusal:
            return _bad_request(request, refusal)
        for fault in struck:
            if fault.kind == "bad_json":
                response.body = bytes(response.body).replace(b":", b"=", 1)
            elif fault.kind == "truncate":
                return Truncated(response.body, media_type=response.media_type)
            elif fault.kind == "after_page":
                # Done before the answer leaves: a client can tell no difference, and whoever has
                # the answer may rely on the rows having moved.
                move_on(fault, self.pod)
        return _compressed(request, response)

    def _page(self, request: Request, struck: list[Fault]) -> Response:
        framework = read_framework(request.headers.get("rest-framework-version"))
        given = dict(parse_qsl(request.url.query, keep_blank_values=True))
        query = read_query(given, framework, self.pod)
        asked = query.offset
        for fault in struck:
            if fault.kind == "cap":
                query = replace(query, limit=min(query.limit, int(fault.options.get("limit", 25))))
            elif fault.kind == "ignore_offset":
                query = replace(query, offset=0)
        page = self.pod.page(query, str(request.url.replace(query="")))
        spoilers = [fault for fault in struck if fault.kind in SPOILING]
        if not spoilers and asked == query.offset:
            return _json(request, page.body(), "resourcecollection")
        envelope = page.envelope()
        for fault in spoilers:
            spoil(fault, envelope)
        envelope["offset"] = asked
        return _json(request, dump(envelope), "resourcecollection")

    def _one(self, request: Request, _: list[Fault]) -> Response:
        number = request.path_params["number"]
        key = self.pod.find(number)
        if key is None:
            return _not_found(request)
        framework = read_framework(request.headers.get("rest-framework-version"))
        given = {
            name: value
            for name, value in request.query_params.items()
            if name in ("fields", "expand", "onlyData")
        }
        query = read_query(given, framework, self.pod)
        version = request.path_params["version"]
        href = f"{request.base_url}crmRestApi/resources/{version}/opportunities"
        page = Page(self.pod, query, [key], False, None, href)
        return _json(request, dump(page.item(key)), "resourceitem")

    def _description(self, request: Request, _: list[Fault]) -> Response:
        attributes = [
            {"name": name, "type": kind, "queryable": True, "mandatory": name == "OptyId"}
            for name, kind in ATTRIBUTES.items()
        ]
        finders = [
            {
                "name": name,
                "attributes": [{"name": variable, "type": "string"} for variable in takes],
            }
            for name, takes in FINDERS.items()
        ]
        described = {"attributes": attributes, "collection": {"finders": finders}}
        return _json(
            request, dump({"Resources": {"opportunities": described}}), "resourcedescription"
        )


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() and len(text) < 19 else None


def _json(request: Request, body: bytes, kind: str) -> Response:
    """Answer in the type asked for; to whoever takes anything, a pod sends a type of its own."""
    plain = "application/json" in request.headers.get("accept", "")
    return Response(
        body, media_type="application/json" if plain else f"application/vnd.oracle.adf.{kind}+json"
    )


def _compressed(request: Request, response: Response) -> Response:
    body = bytes(response.body)
    if len(body) <= COMPRESSED_FROM or "gzip" not in request.headers.get("accept-encoding", ""):
        response.headers["Content-Length"] = str(len(body))
        return response
    headers = {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
    packed = gzip.compress(body, 1, mtime=0)
    return Response(packed, response.status_code, headers, response.media_type)


def _bad_request(request: Request, refusal: BadRequest) -> Response:
    """Answer 400: up to framework 3 in plain text, unless the client takes the structured form."""
    version = request.headers.get("rest-framework-version", "1")
    modern = version in set("456789")
    if not modern and _ERROR_TYPE not in request.headers.get("accept", ""):
        return Response(refusal.detail, 400, media_type="text/plain")
    body = error_body(400, "Bad Request", refusal.detail, refusal.path)
    return Response(body, 400, media_type=_ERROR_TYPE)


def _not_found(request: Request, error: Exception | None = None) -> Response:
    status = getattr(error, "status_code", 404)
    title = "Not Found" if status == 404 else "Method Not Allowed"
    body = error_body(status, title, f"{request.method} {request.url.path} is not served here.")
    return Response(body, status, media_type="application/json")


async def _sign_in_page(_: Request) -> Response:
    return HTMLResponse(SIGN_IN_PAGE)


async def _home(_: Request) -> Response:
    return HTMLResponse(_HOME)
