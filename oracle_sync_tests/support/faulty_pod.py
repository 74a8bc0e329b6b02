"""A stand-in pod that misbehaves when a test says so."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qs, urlencode

from starlette.requests import Request
from starlette.responses import Response
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from oracle_sync.sandbox import Pod, SandboxServer
from oracle_sync.sandbox.app import Answer, PodApp, compressed, pause
from oracle_sync.sandbox.traffic import whole_number
from oracle_sync.sandbox.wire import dump, load
from oracle_sync_tests.support.broken_answers import TRANSPORT, Reset, Truncated, broken_answer
from oracle_sync_tests.support.faults import ANSWERING, SPOILING, Fault, spoil


class FaultyPod(Pod):
    """A pod with faults in store, tried in the order in which they were added."""

    def __init__(
        self, rows: int = 150, seed: int = 1, faults: Iterable[Fault] = (), **settings: Any
    ) -> None:
        super().__init__(rows, seed, **settings)
        self._faults = list(faults)

    def add_fault(self, kind: str, **options: Any) -> None:
        """Add a fault, see `Fault`."""
        fault = Fault(kind, **options)
        with self._lock:
            self._faults.append(fault)

    def clear_faults(self) -> None:
        """Let nothing go wrong any more."""
        with self._lock:
            self._faults.clear()

    def strike(self, place: str, offset: int, total: bool) -> list[Fault]:
        """Return the faults that strike a request; one that answers it keeps later ones back."""
        faults: list[Fault] = []
        with self._lock:
            for fault in self._faults:
                if fault.strikes(place, offset, total):
                    faults.append(fault)
                    if fault.kind in ANSWERING:
                        break
            self._faults = [fault for fault in self._faults if not fault.spent]
        return faults


class FaultyApp(PodApp):
    """Answers as a pod does, except where a fault strikes.

    Everything runs in the event loop, so between two requests an `after_page` fault can move rows
    without a race.
    """

    pod: FaultyPod

    async def respond(self, request: Request, place: str, answer: Answer) -> Response:
        parameters = request.query_params
        offset = whole_number(parameters.get("offset")) or 0
        total = parameters.get("totalResults", "").lower() == "true"
        faults = self.pod.strike(place, offset, total)
        delay, cut = _delay(faults)
        await pause(request, self.latency(request) + delay)
        if cut:
            return Reset()
        for fault in faults:
            if fault.kind in ANSWERING:
                return broken_answer(fault, request)
        response = self.result(_other_page(request, faults), answer)
        _spoil_body(response, faults, offset)
        for fault in faults:
            if fault.kind == "after_page":
                # Done before the answer leaves: a client can tell no difference, and whoever has
                # the answer may rely on the rows having moved.
                change_rows(self.pod, fault.options["do"])
        if any(fault.kind == "truncate" for fault in faults):
            return Truncated(response.body, media_type=response.media_type)
        return compressed(request, response)


class _CuttableProtocol(HttpToolsProtocol):
    """Hands the connection to the application, which cuts it for some faults."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {TRANSPORT: {"transport": self.transport}}


class FaultyServer(SandboxServer):
    """A faulty pod that listens on loopback."""

    app_class = FaultyApp
    protocol = _CuttableProtocol
    pod: FaultyPod

    def __init__(self, pod: FaultyPod | None = None) -> None:
        super().__init__(FaultyPod() if pod is None else pod)


def change_rows(pod: Pod, do: Any) -> None:
    """Call back with the pod, or add and remove rows as a dict of actions says."""
    if callable(do):
        do(pod)
        return
    for action, value in do.items():
        if action == "remove":
            pod.remove(n=value)
        elif action == "remove_low":
            pod.remove(positions=range(value))
        elif action in ("add_low", "add_end"):
            pod.add(value, where=action[4:])
        elif action == "revoke_tokens":
            pod.revoke_tokens()
        elif action == "set":
            pod.configure(**value)
        else:
            raise ValueError(f"There is no action {action}.")


def _delay(faults: list[Fault]) -> tuple[float, bool]:
    """Return the seconds that an answer is late, and whether the connection is cut after them."""
    seconds, cut = 0.0, False
    for fault in faults:
        if fault.kind == "slow":
            seconds += float(fault.options.get("seconds", 1.0))
        elif fault.kind == "hang":
            seconds += float(fault.options.get("seconds", 3600.0))
            cut = cut or fault.options.get("then") == "cut"
    return seconds, cut


def _other_page(request: Request, faults: list[Fault]) -> Request:
    """Return the request that is answered, which faults may make another one."""
    parameters = {name: texts[0] for name, texts in parse_qs(request.url.query).items()}
    for fault in faults:
        if fault.kind == "cap":
            most = int(fault.options.get("limit", 25))
            parameters["limit"] = str(min(int(parameters.get("limit", 25)), most))
        elif fault.kind == "ignore_offset":
            parameters["offset"] = "0"
        else:
            continue
        scope = {**request.scope, "query_string": urlencode(parameters).encode()}
        request = Request(scope, request.receive)
    return request


def _spoil_body(response: Response, faults: list[Fault], offset: int) -> None:
    kinds = {fault.kind for fault in faults}
    if response.status_code == 200 and kinds & {*SPOILING, "ignore_offset"}:
        envelope = load(bytes(response.body))
        envelope["offset"] = offset
        for fault in faults:
            if fault.kind in SPOILING:
                spoil(fault, envelope)
        response.body = dump(envelope)
    if "bad_json" in kinds:
        response.body = bytes(response.body).replace(b":", b"=", 1)
