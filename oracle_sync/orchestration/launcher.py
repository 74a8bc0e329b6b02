"""Dagster's own run launcher, which also tells the daemon of runs that ended without a word.

What becomes of such a run, `run_monitoring` and `run_retries` in `dagster.yaml` say.
"""

from __future__ import annotations

import socket

import psutil
from dagster import DagsterEventType, DagsterRun, DefaultRunLauncher
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.launcher.base import CheckRunHealthResult, WorkerStatus
from dagster._grpc.types import GetCurrentRunsResult
from dagster._serdes import deserialize_value

HOST_TAG = "oracle_sync/host"
"""Of a run that no code server was given: the host that its process is on."""


class SyncRunLauncher(DefaultRunLauncher):
    """Runs are processes of the code server, and end with its container or unit.

    Then nobody is left who could say that they failed: under Dagster's own launcher they count as
    running for ever, and with them the place in the pool is taken. The code server that comes
    after knows which runs are its own.
    """

    @property
    def supports_check_run_worker_health(self) -> bool:
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Whether a run still has its process; asked by the daemon."""
        client = self._get_grpc_client_for_termination(run.run_id)  # type: ignore[no-untyped-call]
        if client is None:  # started otherwise, as by `oracle-sync sync`
            here = run.tags.get(HOST_TAG) == socket.gethostname()
            return self._by_process(run) if here else CheckRunHealthResult(WorkerStatus.RUNNING)
        try:
            told = deserialize_value(client.get_current_runs(), GetCurrentRunsResult)
        except DagsterUserCodeUnreachableError:
            # Behind a port, perhaps only the network is down: decided when it answers again. A
            # socket is of this machine, and the next code server has another one.
            if client.socket:
                return self._by_process(run)
            return CheckRunHealthResult(WorkerStatus.RUNNING, "the code server does not answer")
        if run.run_id in told.current_runs:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(
            WorkerStatus.NOT_FOUND, "the code server was started anew, and the run ended with it"
        )

    def _by_process(self, run: DagsterRun) -> CheckRunHealthResult:
        """Check a run on this machine by its process, which its first event names."""
        ended = CheckRunHealthResult(WorkerStatus.NOT_FOUND, "its process has ended")
        for entry in self._instance.all_logs(run.run_id, of_type=DagsterEventType.RUN_START):
            pid = entry.dagster_event.pid if entry.dagster_event else None
            if pid is None:
                continue
            try:
                process = psutil.Process(pid)
                if process.create_time() > entry.timestamp:  # another one has its number now
                    return ended
                if process.status() == psutil.STATUS_ZOMBIE:
                    return ended
            except psutil.NoSuchProcess:
                return ended
        return CheckRunHealthResult(WorkerStatus.RUNNING)
