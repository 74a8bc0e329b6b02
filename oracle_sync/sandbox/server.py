"""Running the stand-in pod: in a thread of a demo or test, or in the foreground."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import socket
import threading
import time
from types import TracebackType
from typing import Any, Self

import uvicorn

from oracle_sync.sandbox.app import PodApp
from oracle_sync.sandbox.pod import Pod

START_SECONDS = 10.0
STOP_SECONDS = 5.0


class PortTaken(OSError):
    """Another program listens on the port."""


class _Server(uvicorn.Server):
    """Checks its stop flag more often, since tests start and stop many servers."""

    async def main_loop(self) -> None:
        while not await self.on_tick(0):
            await asyncio.sleep(0.02)


class SandboxServer:
    """A pod that listens on loopback, from a daemon thread of this process.

    with SandboxServer(Pod(rows=10)) as server:
        requests.get(server.url + "/crmRestApi/resources/latest/opportunities", auth=server.auth)

    Raises:
        PortTaken: if another program listens on the port.
        ValueError: if the host is not this machine only.
    """

    app_class = PodApp
    protocol: type[asyncio.Protocol] | str = "auto"
    """How uvicorn reads HTTP."""

    def __init__(self, pod: Pod | None = None, port: int = 0, host: str = "127.0.0.1") -> None:
        _demand_loopback(host)
        self.pod = Pod() if pod is None else pod
        self._host = host
        self._port = port
        self._app = self.app_class(self.pod)
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """The base URL, without a slash at the end."""
        return f"http://{f'[{self._host}]' if ':' in self._host else self._host}:{self._port}"

    @property
    def auth(self) -> tuple[str, str]:
        """User and password, as `requests` takes them."""
        return self.pod.user, self.pod.password

    @property
    def requests(self) -> int:
        """How many requests for the collection there were."""
        return self._app.traffic.requests

    @property
    def max_in_flight(self) -> int:
        """How many requests for the collection were at most in flight at once."""
        return self._app.traffic.max_in_flight

    @property
    def log(self) -> list[dict[str, Any]]:
        """The last requests: method, path, offset, limit, status (None: not answered yet)."""
        return list(self._app.traffic.log)

    def start(self) -> Self:
        """Listen, and return when requests are answered."""
        bound = _bind(self._host, self._port)
        self._port = bound.getsockname()[1]
        config = uvicorn.Config(
            self._app.asgi,
            http=self.protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="critical",
            access_log=False,
            server_header=False,
            date_header=False,
            timeout_graceful_shutdown=1,
        )
        self._server = server = _Server(config)
        # Run in a thread, uvicorn leaves the signal handlers of the process alone.
        self._thread = threading.Thread(
            target=server.run, args=([bound],), name="sandbox-pod", daemon=True
        )
        self._thread.start()
        deadline = time.monotonic() + START_SECONDS
        while not server.started:
            if not self._thread.is_alive() or time.monotonic() > deadline:
                bound.close()
                raise RuntimeError("The stand-in pod did not start.")
            time.sleep(0.002)
        return self

    def stop(self) -> None:
        """Stop listening, and abandon requests in flight after a second."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join(STOP_SECONDS)
        self._server = self._thread = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def serve(
    port: int = 8099,
    rows: int = 150,
    latency_ms: float = 0.0,
    *,
    host: str = "127.0.0.1",
    seed: int = 1,
    stop: threading.Event | None = None,
    **settings: Any,
) -> None:
    """Run a pod in the foreground until Ctrl-C, or until `stop` is set.

    Raises:
        PortTaken: if another program listens on the port.
        ValueError: if the host is not this machine only, or a setting is wrong.
    """
    _demand_loopback(host)
    pod = Pod(rows, seed, latency_ms=latency_ms, **settings)
    stop = stop or threading.Event()
    try:
        with SandboxServer(pod, port, host) as server:
            print(f"Stand-in Oracle Fusion pod with {rows:,} rows of invented data")
            print(f"  address  {server.url}")
            print(f"  sign-in  user {pod.user}, password {pod.password}")
            print(f"  control  {server.url}/sandbox (Ctrl-C stops)", flush=True)
            # In slices: on Windows an endless wait cannot be interrupted.
            while not stop.wait(0.5):
                pass
    except KeyboardInterrupt:
        print("Stopped.", flush=True)


def _demand_loopback(host: str) -> None:
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise ValueError(f"The stand-in pod listens on loopback only, not on {host!r}.")


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    if os.name == "posix":
        # Elsewhere this option would let two programs share the port.
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
        bound.listen(2048)
    except OSError as error:
        bound.close()
        # Without the errno, since `str()` would put "[Errno 98]" before the sentence.
        raise PortTaken(f"Port {port} on {host} cannot be used: {error.strerror}.") from error
    return bound
