"""What tests need that start programs and look at them from outside.

Belongs here: ports, waiting, ending processes, finding those left behind. Does not belong here:
which programs.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from typing import Any

import psutil

MARK = "ORACLE_SYNC_TEST_MARK"
"""Set in the environment of what a test starts, so that whatever stays behind is found."""


def free_port() -> int:
    """A port of this machine that nobody has at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(seconds: float, what: str, found: Callable[[], Any], pause: float = 0.2) -> Any:
    """Wait for something to be true, and give it."""
    deadline = time.monotonic() + seconds
    while True:
        value = found()
        if value:
            return value
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(pause)


def family(pid: int) -> list[psutil.Process]:
    """A process and all that it started, directly or not."""
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def kill_family(process: subprocess.Popen[Any]) -> None:
    """End a process and all its own at once, as the end of a container does."""
    members = family(process.pid)
    # The first one first: it must not see its children end, and tell of it.
    for member in members:
        with contextlib.suppress(psutil.NoSuchProcess):
            member.kill()
    psutil.wait_procs(members, timeout=10)
    process.wait(10)


def stop(process: subprocess.Popen[Any], seconds: float, number: int = signal.SIGTERM) -> None:
    """Ask a process to end; after `seconds` end it and all its own."""
    if process.poll() is None:
        process.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
    kill_family(process)


def left_behind(mark: str) -> list[psutil.Process]:
    """The processes that were started, directly or not, with a test's mark."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.pid != os.getpid() and process.environ().get(MARK) == mark:
                found.append(process)
    return found
