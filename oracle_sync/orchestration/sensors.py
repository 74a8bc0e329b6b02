"""The sensor that looks for new rows and asks for runs.

Belongs here: one look, what it says to a person, and the cursor that mirrors `sync_state`. Does
not belong here: syncing.
"""

import datetime as dt
import json
from collections.abc import Callable, Iterator, Mapping
from itertools import islice, takewhile
from typing import Any

import dagster as dg
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.scheduler.instigation import SensorInstigatorData

from oracle_sync.config.settings import Settings
from oracle_sync.config.syncs import PLAIN, Sync
from oracle_sync.engine.probe import probe
from oracle_sync.engine.store import State
from oracle_sync.errors import Locked, StoreRefused, SyncError, clean
from oracle_sync.oracle.client import OracleClient
from oracle_sync.orchestration.assets import CONFIRM_AFTER, op_name, table_key
from oracle_sync.orchestration.jobs import build_sync_job
from oracle_sync.orchestration.resources import DbResource, OracleResource
from oracle_sync.postgres.database import Database
from oracle_sync.postgres.reader import whoami

RETRY_SECONDS = 10
"""A tick must end within Dagster's 60 seconds, so its one request is not retried for long."""

FIRST_BACKOFF = dt.timedelta(minutes=1)
LONGEST_BACKOFF = dt.timedelta(hours=1)

RETRY_GAP = dt.timedelta(minutes=5)
"""How long a crashed run may wait for Dagster to start it anew; after that, we no longer do."""

LOCK_GAP = dt.timedelta(minutes=10)
"""How long a run that has started may be without the lock before it is no longer waited for."""

LOOK_BACK = 20
"""Runs that a tick looks through, of whatever job, newest first."""

UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]


def build_sensor(interval: int, *, running: bool, sync: Sync = PLAIN) -> dg.SensorDefinition:
    """The sensor `new_opportunities`; `interval` in seconds, `running`: on without a click."""

    @dg.sensor(
        name=sync.label("new_opportunities"),
        job=build_sync_job(sync),
        minimum_interval_seconds=interval,
        default_status=(
            dg.DefaultSensorStatus.RUNNING if running else dg.DefaultSensorStatus.STOPPED
        ),
        description=(
            "Looks every few seconds, with one small request, whether Oracle has rows after the "
            "stored offset, and asks for a run if so. The cursor shows sync_state; set it to a "
            "bare number to move the sync there."
        ),
    )
    def new_opportunities(
        context: dg.SensorEvaluationContext, oracle: OracleResource, db: DbResource
    ) -> dg.SensorResult | dg.SkipReason:
        before = _stored_cursor(context)
        try:
            settings = sync.settings()
            result: dg.SensorResult | dg.SkipReason = look(
                context, sync, lambda: _client(oracle, sync, settings), db.database(sync, settings)
            )
        except SyncError as error:
            result = dg.SkipReason(error.sentence())
        now = _stored_cursor(context)
        if now and now != before:
            return dg.SensorResult(
                skip_reason="The cursor was set during this tick; the next one acts on it.",
                cursor=now,
            )
        return result

    return new_opportunities


def _stored_cursor(context: dg.SensorEvaluationContext) -> str | None:
    """The cursor as it is at this moment.

    A tick's cursor is written over whatever a person has set while it was looking (Dagster 1.13).
    """
    if context.instance.schedule_storage is None:  # in memory, as for a test of the sensor
        return None
    location = context.code_location_origin
    for state in context.instance.all_instigator_state(instigator_type=InstigatorType.SENSOR):
        found = state.origin.repository_origin.code_location_origin.location_name
        if state.name == context.sensor_name and (not location or found == location.location_name):
            data = state.instigator_data
            return data.cursor if isinstance(data, SensorInstigatorData) else None
    return None


def _client(oracle: OracleResource, sync: Sync, settings: Settings) -> OracleClient:
    brief = min(oracle.settings(sync, settings).retry_seconds, RETRY_SECONDS)
    return oracle.client(sync, settings, retry_seconds=brief, timeout=20)


def look(
    context: dg.SensorEvaluationContext,
    sync: Sync,
    client: Callable[[], OracleClient],
    database: Database,
) -> dg.SensorResult | dg.SkipReason:
    """One tick.

    Raises:
        SyncError: if Oracle or the database can't be asked; nothing has moved then.
    """
    state = database.state(sync.name) or State(sync.name)
    wish = _wished_offset(context.cursor)
    if isinstance(wish, str):
        return dg.SkipReason(wish)
    running = _unfinished_run(context, sync, database)
    if wish is not None:
        if running:
            return dg.SkipReason(
                f"The cursor asks for offset {wish}; it will be moved there when run "
                f"{running.run_id[:8]} has ended."
            )
        state = _move(database, state, wish)
    cursor = _cursor(state)
    if running:
        return dg.SensorResult(
            skip_reason=f"Run {running.run_id[:8]} is at offset {state.offset}.", cursor=cursor
        )
    waiting = _backing_off(context, sync, state)
    if waiting:
        return dg.SensorResult(skip_reason=waiting, cursor=cursor)
    reason, refresh = _news(state, client)
    if reason is None:
        return dg.SensorResult(skip_reason=f"Up to date at offset {state.offset}.", cursor=cursor)
    return dg.SensorResult(run_requests=[_request(sync, state, reason, refresh)], cursor=cursor)


def _news(state: State, client: Callable[[], OracleClient]) -> tuple[str | None, bool]:
    """Why a run is due, if one is, and whether it has to be a full refresh."""
    if state.doubt:
        return f"a full refresh is due: {state.doubt}", True
    if state.refreshing or (state.offset and not state.complete):
        return f"an unfinished sync goes on from offset {state.offset}", False
    if state.last_error:
        return "the last run failed: another one shows whether it works again", False
    if state.last_success_at and _now() - state.last_success_at > CONFIRM_AFTER:
        # Before Oracle is asked: where it does not answer, a failed run is what people hear of.
        return "no run for an hour: one confirms that all is well", False
    seen = probe(client(), state)
    if seen.anchored is False:
        return f"rows moved: the row before offset {state.offset} is another one", True
    if seen.more:
        new = f"new rows after offset {state.offset}" if state.offset else "the first sync"
        return new, False
    return None, False


def _request(sync: Sync, state: State, reason: str, refresh: bool) -> dg.RunRequest:
    # No run_key: it would be spent by a failed run, and this one never asked for again.
    config = {"sync_name": state.sync_name, "full_refresh": refresh}
    return dg.RunRequest(
        run_config={"ops": {op_name(sync): {"config": config}}},
        tags={
            "oracle_sync/sync_name": state.sync_name,
            "oracle_sync/offset": str(state.offset),
            "oracle_sync/reason": clean(reason, limit=200),
        },
    )


def _cursor(state: State) -> str:
    return json.dumps(
        {
            "offset": state.offset,
            "total_synced": state.total_synced,
            "complete": state.complete,
            "sync_name": state.sync_name,
        }
    )


def _wished_offset(cursor: str | None) -> int | str | None:
    """The offset a person has set, None for our own mirror, or why the cursor can't be read."""
    text = (cursor or "").strip()
    if not text:
        return None
    if text.isascii() and text.isdigit() and len(text) < 10:
        return int(text)
    try:
        mirror = json.loads(text)
    except (ValueError, RecursionError):
        mirror = None
    if isinstance(mirror, dict) and "offset" in mirror:
        return None
    return (
        f"The cursor {clean(text, limit=60)!r} is neither a number nor what this sensor writes, "
        "and was left alone. Set it to an offset such as 0, or clear it."
    )


def _move(database: Database, state: State, offset: int) -> State:
    if offset == state.offset:
        return state
    if offset > state.offset:
        # Known without the lock, which would be taken at each tick until someone mends it.
        raise StoreRefused(
            f"The cursor asks for offset {offset}, but only 0 to {state.offset} is committed, and "
            "the rows between would be skipped; nothing was changed.",
            "Set the cursor to an offset in that range, or clear it.",
        )
    try:
        with database.writer(state.sync_name, f"sensor cursor, {whoami()}") as writer:
            writer.move(offset, "rewind", "the sensor's cursor was set by hand")
            return writer.state
    except Locked as error:
        raise Locked(f"The cursor asks for offset {offset}, but {error}", error.advice) from error


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def _jobs(context: dg.SensorEvaluationContext, key: dg.AssetKey) -> set[str]:
    """Names of the jobs that write the table, a user's own among them."""
    repository = context.repository_def
    jobs = repository.get_all_jobs() if repository else []
    return {j.name for j in jobs if key in j.asset_layer.executable_asset_keys}


def _records(
    context: dg.SensorEvaluationContext, sync: Sync, statuses: list[dg.DagsterRunStatus]
) -> Iterator[dg.RunRecord]:
    """The newest runs of this sync, of whatever job, also those clicked in the UI."""
    table, runs = table_key(sync), dg.RunsFilter(statuses=statuses)
    jobs = _jobs(context, table)
    for record in context.instance.get_run_records(runs, limit=LOOK_BACK):
        run = record.dagster_run
        # None, or empty, where a whole job runs, or checks alone.
        selected = run.asset_selection
        ours = table in selected if selected else run.job_name in jobs
        if not selected and run.asset_check_selection:
            continue
        name: Any = run.run_config
        for key in ("ops", op_name(sync), "config", "sync_name"):
            name = name.get(key) if isinstance(name, Mapping) else None
        if ours and (name or sync.name) == sync.name:
            yield record


def _unfinished_run(
    context: dg.SensorEvaluationContext, sync: Sync, database: Database
) -> dg.DagsterRun | None:
    """A run that is at work on the table, or will be."""
    for record in _records(context, sync, UNFINISHED):
        if not _abandoned(record, sync, database):
            return record.dagster_run
    # A crashed run counts as failed for a moment before Dagster starts it anew.
    for record in islice(_records(context, sync, [dg.DagsterRunStatus.FAILURE]), 1):
        tags = record.dagster_run.tags
        due = tags.get("dagster/will_retry") == "true" and "dagster/auto_retry_run_id" not in tags
        if due and _now() < _ended(record) + RETRY_GAP:
            return record.dagster_run
    return None


def _abandoned(record: dg.RunRecord, sync: Sync, database: Database) -> bool:
    """Whether a run has started long ago and yet nobody is at work on the table.

    So it is where its process was killed on a machine that Dagster's daemon can't look at.
    """
    if record.dagster_run.status != dg.DagsterRunStatus.STARTED:
        return False
    started = record.start_time or record.create_timestamp.timestamp()
    since = _now() - dt.datetime.fromtimestamp(started, dt.UTC)
    return since > LOCK_GAP and database.holder(sync.name) is None


def _backing_off(context: dg.SensorEvaluationContext, sync: Sync, state: State) -> str | None:
    """Why not to ask again yet, after failures: the pause doubles with each, up to an hour."""
    failure = dg.DagsterRunStatus.FAILURE
    ended = _records(context, sync, ENDED)
    failed = list(takewhile(lambda record: record.dagster_run.status == failure, ended))
    if not failed:
        return None
    pause = min(FIRST_BACKOFF * 2 ** (len(failed) - 1), LONGEST_BACKOFF)
    again = _ended(failed[0]) + pause
    if _now() >= again:
        return None
    runs = "The last run" if len(failed) == 1 else f"The last {len(failed)} runs"
    why = f": {clean(state.last_error, limit=400)}" if state.last_error else "."
    return (
        f"Next try at {again:%H:%M:%S} UTC. {runs} failed "
        f"(see run {failed[0].dagster_run.run_id[:8]}){why}"
    )


def _ended(record: dg.RunRecord) -> dt.datetime:
    ended = record.end_time or record.update_timestamp.timestamp()
    return dt.datetime.fromtimestamp(ended, dt.UTC)
