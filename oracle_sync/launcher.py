"""Dagster's own run launcher, which also tells the daemon of runs that died with their code server.

Belongs here: that one question. Does not belong here: what becomes of such a run, which
`run_monitoring` and `run_retries` in `dagster.yaml` say.
"""

from __future__ import annotations

from dagster import DagsterRun, DefaultRunLauncher
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.launcher.base import CheckRunHealthResult, WorkerStatus
from dagster._grpc.types import GetCurrentRunsResult
from dagster._serdes import deserialize_value


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
        """Whether the code server that was given the run has it; asked by the daemon."""
        client = self._get_grpc_client_for_termination(run.run_id)  # type: ignore[no-untyped-call]
        if client is None:  # started otherwise, as by `oracle-sync sync`
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        try:
            told = deserialize_value(client.get_current_runs(), GetCurrentRunsResult)
        except DagsterUserCodeUnreachableError:
            # Perhaps only the network is down. Decided when it answers again.
            return CheckRunHealthResult(WorkerStatus.RUNNING, "the code server does not answer")
        if run.run_id in told.current_runs:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(
            WorkerStatus.NOT_FOUND, "the code server was started anew, and the run ended with it"
        )
