"""The sensor of a sync, in this process, and what a test does to it."""

from __future__ import annotations

import json
from typing import Any

import dagster as dg
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.definitions.sensor_definition import SensorType
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteRepositoryOrigin
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    SensorInstigatorData,
)

from oracle_sync_tests.support.code_location import CLICKED, JOB, STEP, TABLE, CodeLocation
from oracle_sync_tests.support.faulty_pod import FaultyServer
from oracle_sync_tests.support.harness import rows

SENSOR = "new_opportunities"
OTHER = "a_job_of_the_user"
Status = dg.DagsterRunStatus

_REPOSITORY = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("oracle_sync"), "__repository__")


class SensorDesk(CodeLocation):
    """The sensor, tick by tick; the cursor stays from one to the next."""

    def __init__(self, instance: dg.DagsterInstance, server: FaultyServer, url: str) -> None:
        user_job = dg.define_asset_job(OTHER, selection=[STEP])
        super().__init__(instance, server, url, dg.Definitions(jobs=[user_job]))
        self.cursor: str | None = None

    def tick(self) -> Any:
        """Return what a tick asks for, and keep its cursor."""
        sensor = self.defs.resolve_sensor_def(SENSOR)
        with dg.build_sensor_context(
            sensor_name=SENSOR,
            instance=self.instance,
            cursor=self.cursor,
            definitions=self.defs,
            resources=self.resources(),
        ) as context:
            data = sensor.evaluate_tick(context)
        self.cursor = data.cursor
        return data

    def skip(self) -> str:
        """Return why a tick asks for no run."""
        data = self.tick()
        assert not data.run_requests
        assert data.skip_message
        assert "\n" not in data.skip_message
        return str(data.skip_message)

    def request(self) -> dg.RunRequest:
        """Return the run that a tick asks for."""
        data = self.tick()
        [request] = data.run_requests
        assert not data.skip_message
        return request  # type: ignore[no-any-return]

    def run(self, **config: Any) -> bool:
        """Run the sync to its end, and return whether it succeeded."""
        return self.execute(**{"batch_size": 50} | config).success

    def record_run(
        self, status: dg.DagsterRunStatus, job: str = JOB, tags: dict[str, str] | None = None
    ) -> dg.DagsterRun:
        """Record a run in Dagster without running anything."""
        run = self.instance.create_run_for_job(
            self.defs.get_repository_def().get_job(job),
            status=Status.STARTED if status == Status.FAILURE else status,
            tags=tags,
            remote_job_origin=_REPOSITORY.get_job_origin(job),
            asset_selection=frozenset([TABLE]) if job == CLICKED else None,
        )
        if status == Status.FAILURE:
            self.instance.report_run_failed(run)
        return run

    def store_cursor(self) -> InstigatorState:
        """Have Dagster keep the cursor, as the daemon does."""
        data = SensorInstigatorData(cursor=self.cursor, sensor_type=SensorType.STANDARD)
        origin = _REPOSITORY.get_instigator_origin(SENSOR)
        state = InstigatorState(origin, InstigatorType.SENSOR, InstigatorStatus.RUNNING, data)
        return self.instance.add_instigator_state(state)

    def mirror(self) -> Any:
        """Return what the cursor shows."""
        assert self.cursor is not None
        return json.loads(self.cursor)

    def edit(self, **values: object) -> None:
        """Change values of the cursor, as a person does on the sensor's page."""
        self.cursor = json.dumps(self.mirror() | values)

    def state(self) -> tuple[Any, ...]:
        """Return offset, number of rows and epoch of the sync."""
        states = rows(self.url, "SELECT current_offset, total_synced, epoch FROM sync_state")
        return states[0] if states else ()

    def last_error(self) -> str | None:
        """Return the error that `sync_state` shows."""
        [(error,)] = rows(self.url, "SELECT last_error FROM sync_state")
        return None if error is None else str(error)

    def history(self) -> list[tuple[Any, ...]]:
        """Return every change of the offset by hand."""
        return rows(
            self.url,
            "SELECT action, from_offset, to_offset, reason FROM sync_history ORDER BY id",
        )
