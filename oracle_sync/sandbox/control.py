"""The control API under `/sandbox`: looking into a running pod and moving it, without sign-in.

Belongs here: reading a request and doing what it says. Does not belong here: how it is done.
It is safe only because the server listens on loopback and nowhere else.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from oracle_sync.sandbox.faults import Fault

if TYPE_CHECKING:
    from oracle_sync.sandbox.app import PodApp

MOST_ROWS = 5_000_000
"""Rows in one request: more would be a slip of the finger."""


class Control:
    """The handlers; each answers 400 with a sentence to what it cannot do."""

    def __init__(self, app: PodApp) -> None:
        self._app = app
        self._pod = app.pod

    async def state(self, _: Request) -> Response:
        """GET /sandbox."""
        return JSONResponse(
            {
                "note": "A stand-in pod. All data is invented.",
                "rows": len(self._pod),
                "requests": self._app.requests,
                "in_flight": self._app.in_flight,
                "max_in_flight": self._app.max_in_flight,
                "faults": [fault.to_dict() for fault in self._pod.faults],
                "settings": self._pod.public(),
            }
        )

    async def rows(self, request: Request) -> Response:
        """POST and DELETE /sandbox/rows."""
        given = await _read(request)
        if request.method == "POST":
            where = given.pop("where", "end")
            after = given.pop("after", None)
            values = given.pop("values", {})
            count = _count(given.pop("add", 1))
            _nothing_left(given)
            new = self._pod.add(count, where, after, **values)
            return JSONResponse({"added": new, "rows": len(self._pod)}, 201)
        ids = given.pop("ids", None)
        positions = given.pop("positions", None)
        count = _count(given.pop("count", 0))
        _nothing_left(given)
        removed = self._pod.remove(ids=ids, n=count, positions=positions)
        return JSONResponse({"removed": removed, "rows": len(self._pod)})

    async def row(self, request: Request) -> Response:
        """PATCH /sandbox/rows/{id}."""
        key = request.path_params["id"]
        try:
            self._pod.change(key, **await _read(request))
        except KeyError:
            return JSONResponse({"error": f"There is no row {key}."}, 404)
        return JSONResponse({"changed": key})

    async def faults(self, request: Request) -> Response:
        """GET, POST and DELETE /sandbox/faults."""
        if request.method == "DELETE":
            self._pod.clear_faults()
        elif request.method == "POST":
            given = await _parse(request)
            for fault in [Fault.from_dict(one) for one in _as_list(given)]:
                self._pod.add_fault(fault)
        return JSONResponse({"faults": [fault.to_dict() for fault in self._pod.faults]})

    async def settings(self, request: Request) -> Response:
        """PATCH /sandbox/settings."""
        self._pod.configure(**await _read(request))
        return JSONResponse(self._pod.public())

    async def log(self, _: Request) -> Response:
        """GET /sandbox/log."""
        return JSONResponse(list(self._app.log)[-1_000:])


def control_routes(app: PodApp) -> list[Route]:
    """Return the routes of the control API."""
    control = Control(app)
    routes = (
        ("/sandbox", control.state, ["GET"]),
        ("/sandbox/rows", control.rows, ["POST", "DELETE"]),
        ("/sandbox/rows/{id:int}", control.row, ["PATCH"]),
        ("/sandbox/faults", control.faults, ["GET", "POST", "DELETE"]),
        ("/sandbox/settings", control.settings, ["PATCH"]),
        ("/sandbox/log", control.log, ["GET"]),
    )
    return [Route(path, _polite(handler), methods=methods) for path, handler, methods in routes]


def _polite(handler: Any) -> Any:
    async def answer(request: Request) -> Response:
        try:
            response: Response = await handler(request)
        except (ValueError, TypeError, IndexError) as error:
            return JSONResponse({"error": str(error)}, 400)
        return response

    return answer


async def _parse(request: Request) -> Any:
    try:
        return json.loads(await request.body() or b"{}")
    except (ValueError, RecursionError) as error:
        raise ValueError(f"The body is not JSON: {error}") from error


async def _read(request: Request) -> dict[str, Any]:
    given = await _parse(request)
    if not isinstance(given, dict):
        raise TypeError("The body is to be a JSON object.")
    return given


def _as_list(given: Any) -> list[Any]:
    return given if isinstance(given, list) else [given]


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST_ROWS:
        raise ValueError(f"A count of rows is a whole number from 0 to {MOST_ROWS:,}.")
    return value


def _nothing_left(given: dict[str, Any]) -> None:
    if given:
        raise ValueError(f"Not understood: {', '.join(sorted(given))}.")
