"""Start programs, wait for what they do, end them, and find those left behind."""

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
"""Set in the environment of what a test starts, so that whatever stays behind can be found."""

PATIENCE = 400.0
"""Seconds that any one thing may take on a busy machine. It only passes when a test fails."""


def free_port() -> int:
    """Return a port of this machine that nobody uses at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(seconds: float, what: str, condition: Callable[[], Any], pause: float = 0.2) -> Any:
    """Wait for a condition to hold, and return its value.

    Args:
        seconds: How long to wait before the test fails.
        what: What is waited for, for the message of the failure.
        condition: Called again and again until it returns something true.
        pause: Seconds between two calls.
    """
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(pause)


def family(pid: int) -> list[psutil.Process]:
    """Return a process and its descendants."""
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def kill_family(process: subprocess.Popen[Any]) -> None:
    """Kill a process and its descendants at once, as the end of a container does."""
    members = family(process.pid)
    # The first one first: it must not see its children end, and report it.
    for member in members:
        with contextlib.suppress(psutil.NoSuchProcess):
            member.kill()
    psutil.wait_procs(members, timeout=60)
    process.wait(60)


def stop(process: subprocess.Popen[Any], seconds: float, number: int = signal.SIGTERM) -> None:
    """Ask a process to end; after `seconds` kill it and its descendants."""
    if process.poll() is None:
        process.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
    kill_family(process)


def left_behind(mark: str) -> list[psutil.Process]:
    """Return the processes that were started, directly or not, with a test's mark."""
    processes = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.pid != os.getpid() and process.environ().get(MARK) == mark:
                processes.append(process)
    return processes
