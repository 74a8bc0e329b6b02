"""The control API under `/sandbox`: looking into a running pod and changing it, without sign-in.

It is safe only because the server listens on loopback and nowhere else.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from oracle_sync.sandbox.pod import Pod
from oracle_sync.sandbox.records.catalog import MAIN
from oracle_sync.sandbox.rows.collection import Collection
from oracle_sync.sandbox.traffic import Traffic

MAX_ROWS = 5_000_000
"""Rows in one request: more would be a slip of the finger."""

A_DAY = 86_400

Handler = Callable[[Request], Awaitable[Response]]


class Control:
    """The handlers; each answers 400 with a sentence to what it cannot do."""

    def __init__(self, pod: Pod, traffic: Traffic) -> None:
        self._pod = pod
        self._traffic = traffic

    async def state(self, _: Request) -> Response:
        """GET /sandbox."""
        return JSONResponse(
            {
                "note": "A stand-in pod. All data is invented.",
                "rows": len(self._pod),
                "requests": self._traffic.requests,
                "in_flight": self._traffic.in_flight,
                "max_in_flight": self._traffic.max_in_flight,
                "settings": self._pod.public(),
            }
        )

    async def rows(self, request: Request) -> Response:
        """POST, PATCH and DELETE /sandbox/rows, or /sandbox/{collection}/rows."""
        collection = self._collection(request)
        options = await _read_object(request)
        if request.method == "POST":
            where = options.pop("where", "end")
            after = options.pop("after", None)
            values = options.pop("values", {})
            late = _seconds(options.pop("late", None))
            count = _count(options.pop("add", 1))
            _demand_empty(options)
            new = collection.add(count, where, after, late=late, **values)
            return JSONResponse({"added": new, "rows": len(collection)}, 201)
        ids = options.pop("ids", None)
        positions = options.pop("positions", None)
        count = _count(options.pop("count", 0))
        if request.method == "PATCH":
            values = options.pop("values", {})
            late = _seconds(options.pop("late", None))
            silent = bool(options.pop("silent", False))
            _demand_empty(options)
            changed = collection.edit(ids, count, positions, silent=silent, late=late, **values)
            return JSONResponse({"changed": changed, "rows": len(collection)})
        _demand_empty(options)
        removed = collection.remove(ids=ids, n=count, positions=positions)
        return JSONResponse({"removed": removed, "rows": len(collection)})

    async def row(self, request: Request) -> Response:
        """PATCH /sandbox/rows/{id}, or /sandbox/{collection}/rows/{id}."""
        collection, key = self._collection(request), request.path_params["id"]
        try:
            collection.change(key, **await _read_object(request))
        except KeyError:
            return JSONResponse({"error": f"There is no row {key}."}, 404)
        return JSONResponse({"changed": key})

    async def settings(self, request: Request) -> Response:
        """PATCH /sandbox/settings."""
        self._pod.configure(**await _read_object(request))
        return JSONResponse(self._pod.public())

    def _collection(self, request: Request) -> Collection:
        name = request.path_params.get("collection", MAIN)
        if name not in self._pod.collections:
            known = ", ".join(self._pod.collections)
            raise ValueError(f"There is no collection {name}. There are: {known}.")
        return self._pod.collections[name]

    async def log(self, _: Request) -> Response:
        """GET /sandbox/log."""
        return JSONResponse(list(self._traffic.log)[-1_000:])


def control_routes(pod: Pod, traffic: Traffic) -> list[Route]:
    """Return the routes of the control API."""
    control = Control(pod, traffic)
    routes = (
        ("/sandbox", control.state, ["GET"]),
        ("/sandbox/rows", control.rows, ["POST", "PATCH", "DELETE"]),
        ("/sandbox/rows/{id:int}", control.row, ["PATCH"]),
        ("/sandbox/{collection}/rows", control.rows, ["POST", "PATCH", "DELETE"]),
        ("/sandbox/{collection}/rows/{id:int}", control.row, ["PATCH"]),
        ("/sandbox/settings", control.settings, ["PATCH"]),
        ("/sandbox/log", control.log, ["GET"]),
    )
    return [Route(path, _with_errors(handler), methods=ms) for path, handler, ms in routes]


def _with_errors(handler: Handler) -> Handler:
    async def answer(request: Request) -> Response:
        try:
            return await handler(request)
        except (ValueError, TypeError, IndexError) as error:
            return JSONResponse({"error": str(error)}, 400)

    return answer


async def _read_object(request: Request) -> dict[str, Any]:
    try:
        content = json.loads(await request.body() or b"{}")
    except (ValueError, RecursionError) as error:
        raise ValueError(f"The body is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise TypeError("The body must be a JSON object.")
    return content


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_ROWS:
        raise ValueError(f"A count of rows is a whole number from 0 to {MAX_ROWS:,}.")
    return value


def _seconds(value: Any) -> float | None:
    if value is None:
        return None
    if type(value) in (int, float) and 0 <= value <= A_DAY:
        return float(value)
    raise ValueError(f"The seconds of late are a number from 0 to {A_DAY:,}.")


def _demand_empty(options: dict[str, Any]) -> None:
    if options:
        raise ValueError(f"Not understood: {', '.join(sorted(options))}.")
