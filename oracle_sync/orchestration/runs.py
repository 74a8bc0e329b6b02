"""What Dagster's run records say about a sync: which runs are its own, and how they ended."""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

import dagster as dg

from oracle_sync.config.syncs import Sync
from oracle_sync.errors import SyncError, clean
from oracle_sync.orchestration.failures import LOOK, recorded_error
from oracle_sync.orchestration.names import op_name, table_key

RESTART_GAP = dt.timedelta(minutes=5)
"""How long a crashed run may wait for Dagster to start another in its place."""

Status = dg.DagsterRunStatus
Events = dg.DagsterEventType


def now() -> dt.datetime:
    """Return the time."""
    return dt.datetime.now(dt.UTC)


@dataclass(frozen=True)
class SyncRun:
    """A run that was to write the table of a sync; `step` is the key of the step that does."""

    sync_name: str
    step: str
    record: dg.RunRecord

    @property
    def id(self) -> str:
        return self.record.dagster_run.run_id

    @property
    def status(self) -> dg.DagsterRunStatus:
        return self.record.dagster_run.status

    @property
    def started(self) -> dt.datetime:
        at = self.record.start_time or self.record.create_timestamp.timestamp()
        return dt.datetime.fromtimestamp(at, dt.UTC)

    @property
    def ended(self) -> dt.datetime:
        at = self.record.end_time or self.record.update_timestamp.timestamp()
        return dt.datetime.fromtimestamp(at, dt.UTC)

    @property
    def was_restarted(self) -> bool:
        """Whether Dagster has started another run in the place of this one, which crashed."""
        return "dagster/auto_retry_run_id" in self.record.dagster_run.tags

    @property
    def awaits_restart(self) -> bool:
        """Whether Dagster is still to start another run in the place of this one."""
        due = self.record.dagster_run.tags.get("dagster/will_retry") == "true"
        return due and not self.was_restarted and now() < self.ended + RESTART_GAP


class RunHistory:
    """The runs of some syncs, whichever job they belong to: clicked ones and a user's own too."""

    def __init__(self, context: dg.SensorEvaluationContext, syncs: Sequence[Sync]) -> None:
        self._instance = context.instance
        self._repository = context.repository_def
        self._names = {table_key(sync): (sync.name, op_name(sync)) for sync in syncs}
        self._in_job: dict[str, Set[dg.AssetKey]] = {}

    def select(self, records: Iterable[dg.RunRecord]) -> Iterator[SyncRun]:
        """Return the runs that concern the syncs, with the name that each ran under."""
        for record in records:
            run = record.dagster_run
            tables = self._tables(run)
            for table, (name, step) in self._names.items():
                if table in tables:
                    yield SyncRun(_sync_name(run, step) or name, step, record)

    def _tables(self, run: dg.DagsterRun) -> Set[dg.AssetKey]:
        """Return what a run was to write; Dagster selects nothing where a whole job runs."""
        if run.asset_selection:
            return run.asset_selection
        if run.asset_check_selection or self._repository is None:
            return frozenset()
        name = run.job_name
        if name not in self._in_job:
            known = self._repository.has_job(name)
            layer = self._repository.get_job(name).asset_layer if known else None
            self._in_job[name] = frozenset(layer.executable_asset_keys if layer else ())
        return self._in_job[name]

    def error(self, run: SyncRun) -> SyncError | None:
        """Return why the sync of a failed run failed.

        None where the sync itself succeeded, and something else in the run failed.
        """
        crash = "The run ended without saying why."
        kinds = (Events.STEP_SUCCESS, Events.STEP_FAILURE, Events.RUN_FAILURE)
        for event in self._events(run, *kinds):
            if event.step_key == run.step:
                return recorded_error(event) if event.is_step_failure else None
            if event.event_type == Events.RUN_FAILURE and event.message:
                crash = clean(event.message)
        return SyncError(crash, LOOK)

    def _events(self, run: SyncRun, *kinds: dg.DagsterEventType) -> Iterator[dg.DagsterEvent]:
        """Return the events of a run that are of some kinds, oldest first."""
        page = self._instance.get_records_for_run(run.id, of_type=set(kinds), limit=1_000)
        for record in page.records:
            if record.event_log_entry.dagster_event is not None:
                yield record.event_log_entry.dagster_event

    def number(self, run: SyncRun, name: str) -> int | None:
        """Return a number from the metadata that a run left; None where it does not say."""
        for event in self._events(run, Events.ASSET_MATERIALIZATION):
            value = event.materialization.metadata.get(name)
            if event.step_key == run.step and value is not None and isinstance(value.value, int):
                return value.value
        return None

    def streak(self, runs: Iterable[SyncRun]) -> list[SyncRun]:
        """Return the failures since the last run that did not fail; both with the newest first."""
        failed = []
        for run in runs:
            if run.was_restarted:
                continue
            if run.status != Status.FAILURE or self.error(run) is None:
                break
            failed.append(run)
        return failed


def _sync_name(run: dg.DagsterRun, step: str) -> str | None:
    """Return the sync name in a run's config."""
    value: Any = run.run_config
    for part in ("ops", step, "config", "sync_name"):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value if isinstance(value, str) else None
