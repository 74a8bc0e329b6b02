"""The stand-in pod over HTTP: the resources that a client of Oracle Fusion Cloud asks for."""

from __future__ import annotations

import asyncio
import gzip
import time
from collections.abc import Callable
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from oracle_sync.sandbox.clock import DateHeader
from oracle_sync.sandbox.control import control_routes
from oracle_sync.sandbox.describe import describe, list_collection
from oracle_sync.sandbox.grammar import BadRequest
from oracle_sync.sandbox.pod import Pod
from oracle_sync.sandbox.query import Query, read_framework, read_query
from oracle_sync.sandbox.records.catalog import MAIN
from oracle_sync.sandbox.signin import grant_token, refuse
from oracle_sync.sandbox.start import write_start_page
from oracle_sync.sandbox.traffic import Traffic, whole_number
from oracle_sync.sandbox.wire import dump, error_body

VERSIONS = ("11.12.1.0", "11.13.18.05", "latest")
COMPRESSED_FROM = 1_000
"""Bytes: shorter bodies are not worth compressing."""

SIGN_IN_PAGE = """<!DOCTYPE html><html><head><title>Oracle Fusion Cloud - Sign In</title></head>
<body><form method="post"><input name="userid"><input name="password" type="password"></form>
</body></html>"""

_ERROR_TYPE = "application/vnd.oracle.adf.error+json"

Answer = Callable[[Request], Response]


class PodApp:
    """The ASGI application of one pod, and what it has been asked.

    Everything runs in the event loop, in no thread, which is faster.
    """

    def __init__(self, pod: Pod) -> None:
        self.pod = pod
        self.traffic = Traffic()
        root = "/crmRestApi/resources/{version}"
        app = Starlette(
            routes=[
                Route(f"{root}/describe", self._describe_all, methods=["GET"]),
                Route(f"{root}/{{name}}", self._collection, methods=["GET"]),
                Route(f"{root}/{{name}}/describe", self._describe, methods=["GET"]),
                Route(f"{root}/{{name}}/{{number:path}}", self._item, methods=["GET"]),
                Route("/oauth2/v1/token", self._token, methods=["POST"]),
                Route("/oam/server/sign-in", _sign_in_page, methods=["GET"]),
                Route("/", self._home, methods=["GET"]),
                *control_routes(pod, self.traffic),
            ],
            exception_handlers={404: _not_found, 405: _not_found},
        )
        self.asgi = DateHeader(app, self._now)

    async def respond(
        self,
        request: Request,
        place: str,  # noqa: ARG002 - for a subclass that makes faults
        answer: Answer,
    ) -> Response:
        """Answer a request that is signed in, after the pod's latency.

        Args:
            request: What is asked.
            place: The resource: `collection`, `describe`, `item` or `token`.
            answer: Makes the answer, or raises BadRequest.
        """
        await pause(request, self.latency(request))
        return compressed(request, self.result(request, answer))

    def latency(self, request: Request) -> float:
        """Return the seconds that a request takes, which may grow with its offset."""
        offset = whole_number(request.query_params.get("offset")) or 0
        return (self.pod.latency_ms + self.pod.depth_ms_per_10k * offset / 10_000) / 1000

    def result(self, request: Request, answer: Answer) -> Response:
        """Return the answer, or the refusal of a request that cannot be understood."""
        try:
            return answer(request)
        except BadRequest as refusal:
            return _bad_request(request, refusal)

    def _now(self) -> int:
        return self.pod.clock.now()

    async def _collection(self, request: Request) -> Response:
        with self.traffic.count():
            return await self._logged(request, "collection", self._page)

    async def _describe(self, request: Request) -> Response:
        return await self._logged(request, "describe", self._description)

    async def _describe_all(self, request: Request) -> Response:
        return await self._logged(request, "describe", self._descriptions)

    async def _item(self, request: Request) -> Response:
        return await self._logged(request, "item", self._one)

    async def _token(self, request: Request) -> Response:
        form = await request.body()
        return await self._logged(
            request, "token", lambda asked: grant_token(self.pod, asked, form)
        )

    async def _home(self, request: Request) -> Response:
        return HTMLResponse(write_start_page(self.pod, str(request.base_url).rstrip("/")))

    async def _logged(self, request: Request, place: str, answer: Answer) -> Response:
        entry = self.traffic.record(request)
        refusal = None if place == "token" else self._refusal(request, place)
        response = refusal or await self.respond(request, place, answer)
        entry["status"] = response.status_code
        return response

    def _refusal(self, request: Request, place: str) -> Response | None:
        refusal = refuse(self.pod, request)
        if refusal is not None:
            return refusal
        known = request.path_params.get("name", MAIN) in self.pod.collections
        if request.path_params["version"] not in VERSIONS or not known:
            return _not_found(request)
        if place == "collection" and self.traffic.exceeds(self.pod.requests_per_second):
            body = error_body(429, "Too Many Requests", "Requests come faster than allowed.")
            return Response(body, 429, {"Retry-After": "1"}, "application/json")
        return None

    def _page(self, request: Request) -> Response:
        name = request.path_params["name"]
        parameters = dict(parse_qsl(request.url.query, keep_blank_values=True))
        query = self._query(request, parameters)
        page = self.pod.page(query, str(request.url.replace(query="")), name)
        return _json(request, page.body(), "resourcecollection")

    def _one(self, request: Request) -> Response:
        name = request.path_params["name"]
        key = self.pod.collections[name].find(request.path_params["number"])
        if key is None:
            return _not_found(request)
        parameters = {
            name: value
            for name, value in request.query_params.items()
            if name in ("fields", "expand", "onlyData")
        }
        query = self._query(request, parameters)
        body = self.pod.item(key, query, _address(request, name), name)
        return _json(request, body, "resourceitem")

    def _query(self, request: Request, parameters: dict[str, str]) -> Query:
        framework = read_framework(request.headers.get("rest-framework-version"))
        columns = self.pod.collections[request.path_params["name"]].columns
        return read_query(parameters, framework, self.pod, columns)

    def _description(self, request: Request) -> Response:
        return self._described(request, [request.path_params["name"]], minimal=False)

    def _descriptions(self, request: Request) -> Response:
        minimal = request.query_params.get("metadataMode") == "minimal"
        return self._described(request, list(self.pod.collections), minimal=minimal)

    def _described(self, request: Request, names: list[str], *, minimal: bool) -> Response:
        if self.pod.refuse_describe:
            body = error_body(self.pod.refuse_describe, "Refused", "describe cannot be used here.")
            return Response(body, self.pod.refuse_describe, media_type="application/json")
        resources = {}
        for name in names:
            columns, href = self.pod.collections[name].columns, _address(request, name)
            resources[name] = (
                list_collection(columns.resource, href) if minimal else describe(columns, href)
            )
        return _json(request, dump({"Resources": resources}), "resourcedescription")


async def pause(request: Request, seconds: float) -> None:
    """Let time pass, in slices, so that a client that has hung up is not waited for."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0 and not await request.is_disconnected():
        await asyncio.sleep(min(left, 0.1))


def compressed(request: Request, response: Response) -> Response:
    """Return an answer packed, if it is long and the client takes it so."""
    body = bytes(response.body)
    if len(body) <= COMPRESSED_FROM or "gzip" not in request.headers.get("accept-encoding", ""):
        response.headers["Content-Length"] = str(len(body))
        return response
    headers = {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
    packed = gzip.compress(body, 1, mtime=0)
    return Response(packed, response.status_code, headers, response.media_type)


def _address(request: Request, name: str) -> str:
    version = request.path_params["version"]
    return f"{request.base_url}crmRestApi/resources/{version}/{name}"


def _json(request: Request, body: bytes, kind: str) -> Response:
    """Answer in the type asked for; to a client that takes anything, in the pod's own type."""
    plain = "application/json" in request.headers.get("accept", "")
    return Response(
        body, media_type="application/json" if plain else f"application/vnd.oracle.adf.{kind}+json"
    )


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
