"""The code location in this process, against a stand-in pod and a database."""

from __future__ import annotations

from typing import Any

import dagster as dg

from oracle_sync.definitions import build_defs
from oracle_sync.orchestration.resources import DbResource, OracleResource
from oracle_sync_tests.support.faulty_pod import FaultyServer

NAME = "oracle_opportunities"
STEP = "minimal_opportunities"
TABLE = dg.AssetKey(STEP)
JOB = "sync_opportunities"
CLICKED = "__ASSET_JOB"
"""The job of a run that somebody starts with Materialize."""


class CodeLocation:
    """What `build_defs` makes, beside definitions of a user, on a Dagster instance.

    `oracle` holds further fields of the resource, and `db_url` is where the database is. A change
    of either counts from the next run on.
    """

    def __init__(
        self, instance: dg.DagsterInstance, server: FaultyServer, url: str, *more: dg.Definitions
    ) -> None:
        self.instance = instance
        self.server = server
        self.url = self.db_url = url
        self.oracle: dict[str, Any] = {"retry_seconds": 0}
        # Made once, since that takes longer than a tick.
        self.defs = dg.Definitions.merge(build_defs(self.resources()), *more)

    def resources(self) -> dict[str, Any]:
        """Return the resources, as they lead to the pod and the database now."""
        user, password = self.server.auth
        fields = {"base_url": self.server.url, "user": user, "password": password} | self.oracle
        return {"oracle": OracleResource(**fields), "db": DbResource(url=self.db_url)}

    def execute(self, job: str = JOB, step: str = STEP, **config: Any) -> dg.ExecuteInProcessResult:
        """Run a job to its end; `config` is that of one of its steps."""
        return self.defs.resolve_job_def(job).execute_in_process(
            run_config={
                "ops": {step: {"config": config}} if config else {},
                "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
            },
            instance=self.instance,
            resources=self.resources(),
            raise_on_error=False,
        )


def failure_of(result: dg.ExecuteInProcessResult) -> Any:
    """Return the failure of a step, with its description and metadata."""
    assert not result.success
    [event] = [event for event in result.all_events if event.is_step_failure]
    data: Any = event.event_specific_data
    assert data.user_failure_data is not None, data.error
    return data.user_failure_data
