"""What the daemon is told of runs whose process, or whose code server, is gone."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.events import DagsterEvent
from dagster._core.launcher.base import WorkerStatus
from dagster._core.storage.tags import GRPC_INFO_TAG

from oracle_sync.orchestration.launcher import HOST_TAG, SyncRunLauncher

LOCAL = {HOST_TAG: socket.gethostname()}


@dg.job
def nothing() -> None: ...


@pytest.fixture
def launcher(tmp_path: Path) -> Iterator[SyncRunLauncher]:
    with dg.DagsterInstance.ephemeral(tempdir=str(tmp_path)) as instance:
        made = SyncRunLauncher()
        made.register_instance(instance)
        yield made


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    started = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield started
    started.kill()
    started.communicate()


def told(
    launcher: SyncRunLauncher, tags: dict[str, str], pid: int | None, at: float | None = None
) -> WorkerStatus:
    """Return the status of a run with such tags, which named its process when it started."""
    instance = launcher._instance
    run = instance.create_run_for_job(nothing, tags=tags, status=dg.DagsterRunStatus.STARTED)
    event = DagsterEvent(dg.DagsterEventType.RUN_START.value, job_name="nothing", pid=pid)
    instance.report_dagster_event(event, run.run_id, timestamp=at)
    return launcher.check_run_worker_health(run).status


def served_at(folder: Path) -> dict[str, str]:
    """Return the tags of a run whose code server's socket nobody listens on any more."""
    return {GRPC_INFO_TAG: json.dumps({"host": "localhost", "socket": str(folder / "gone")})}


def test_a_run_of_the_command_line_counts_as_ended_with_its_process(
    launcher: SyncRunLauncher, process: subprocess.Popen[bytes]
) -> None:
    assert told(launcher, LOCAL, process.pid) == WorkerStatus.RUNNING
    process.kill()
    # Nobody has asked for its status yet: it is a zombie.
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert told(launcher, LOCAL, process.pid) == WorkerStatus.NOT_FOUND
    process.wait()
    assert told(launcher, LOCAL, process.pid) == WorkerStatus.NOT_FOUND


def test_a_number_that_another_process_has_now_is_not_taken_for_the_run(
    launcher: SyncRunLauncher, process: subprocess.Popen[bytes]
) -> None:
    assert told(launcher, LOCAL, process.pid, time.time() - 3600) == WorkerStatus.NOT_FOUND


@pytest.mark.parametrize("tags", [{}, {HOST_TAG: "another-host"}])
def test_a_run_of_another_host_is_let_be(launcher: SyncRunLauncher, tags: dict[str, str]) -> None:
    assert told(launcher, tags, 2**22 + 1) == WorkerStatus.RUNNING


def test_a_run_outlives_its_code_server_on_the_same_machine(
    launcher: SyncRunLauncher, process: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    assert told(launcher, served_at(tmp_path), process.pid) == WorkerStatus.RUNNING
    process.kill()
    process.wait()
    assert told(launcher, served_at(tmp_path), process.pid) == WorkerStatus.NOT_FOUND


def test_a_code_server_behind_a_port_that_does_not_answer_proves_nothing(
    launcher: SyncRunLauncher,
) -> None:
    tags = {GRPC_INFO_TAG: json.dumps({"host": "127.0.0.1", "port": 9})}
    assert told(launcher, tags, 2**22 + 1) == WorkerStatus.RUNNING
