"""Start, announce and stop Dagster's own development server, with this project's storage."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import requests

from oracle_sync.config.environment import demand_agreement
from oracle_sync.config.settings import load
from oracle_sync.config.syncs import declared
from oracle_sync.errors import SettingError, shorten
from oracle_sync.operations.address import demand_free, shown
from oracle_sync.orchestration.instance import dagster_home, dagster_url
from oracle_sync.postgres.dagster_tables import demand_usable

if TYPE_CHECKING:
    import psutil

# Ctrl-C on a terminal goes to the whole group. In a session of its own Dagster gets it once, from
# us, and stops its processes in order.
_POSIX = os.name == "posix"

_STOPS = (signal.SIGINT, signal.SIGTERM)

STOP_SECONDS = 40.0
"""Dagster gives its processes about half a minute to end before it kills them."""


def serve_ui(host: str, port: int, say: Callable[[str], object]) -> int:
    """Run `dagster dev` until Ctrl-C or a termination signal, and return the exit status.

    The status is 1 where Dagster ended by itself, as it does when one of its processes was
    killed. Its own would be 0 even then.

    Raises:
        SettingError: if the address can't be listened on, or a setting is invalid.
        StoreError: if Dagster's storage can't be reached.
    """
    demand_free(host, port)
    demand_agreement()
    settings = load()
    # This process keeps the embedded server up until Dagster's have ended.
    demand_usable(settings)
    dagster_url(settings)
    workspace = dagster_home(settings) / "workspace.yaml"
    if not workspace.is_file():
        raise SettingError(
            f"There is no {shorten(str(workspace))}.",
            "Copy the project's there, or leave DAGSTER_HOME unset.",
        )
    environment = os.environ | {"DAGSTER_HOME": str(workspace.parent)}
    # dg dev, which Dagster recommends instead, is for development alone and needs its package.
    command = [sys.executable, "-W", "ignore:Function `dev_command` is superseded"]
    command += ["-m", "dagster", "dev", "-w", str(workspace)]
    command += ["--host", host, "--port", str(port), "--log-level", "error"]
    url, first = shown(host, port), declared()[0]
    asset = "/".join(first.path(first.collection.table))
    say(f"Starting the Dagster UI on {url} (Ctrl-C stops it) ...")
    # Set before the start: where SIGINT is ignored, as in a shell's background, Dagster would
    # inherit that, and never hear that it should stop.
    previous = {number: signal.signal(number, _interrupt) for number in _STOPS}
    process = subprocess.Popen(command, env=environment, start_new_session=_POSIX)
    stopping = threading.Event()
    threading.Thread(target=_announce, args=(url, asset, say, stopping), daemon=True).start()
    try:
        process.wait()
        say(
            "Dagster ended by itself; the lines above say why. What its runs committed is kept. "
            "Start oracle-sync dev again to continue from there."
        )
        return 1
    except KeyboardInterrupt:
        say("Stopping ...")
        return 0
    finally:
        stopping.set()
        for number, handler in previous.items():
            signal.signal(number, handler)
        _stop(process)


def _interrupt(_signal: int, _frame: object) -> None:
    raise KeyboardInterrupt


def _announce(
    url: str, asset: str, say: Callable[[str], object], stopping: threading.Event
) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not stopping.wait(0.3):
        with contextlib.suppress(OSError):  # as every failed request is one
            requests.get(f"{url}/server_info", timeout=2).raise_for_status()
            say(f"Ready: {url}/assets/{asset}")
            return


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Have Dagster end its processes, and see that none of them stays."""
    import psutil

    # Not the embedded server: it stops with its last user.
    family = [child for child in _family(process.pid) if "postgres" not in child.name()]
    if process.poll() is None:
        process.send_signal(signal.SIGINT if _POSIX else signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
    if process.poll() is None:
        process.kill()
        process.wait()
    _, alive = psutil.wait_procs(family, timeout=5)
    for child in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()
    psutil.wait_procs(alive, timeout=5)


def _family(pid: int) -> list[psutil.Process]:
    """Return the processes that Dagster has started, even after it has ended."""
    import psutil

    if not _POSIX:
        with contextlib.suppress(psutil.NoSuchProcess):
            return psutil.Process(pid).children(recursive=True)
        return []
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if process.pid != pid and os.getsid(process.pid) == pid:
                found.append(process)
    return found
