"""The sensor that looks for new rows and asks for runs."""

import datetime as dt
from collections.abc import Callable, Iterator
from functools import partial

import dagster as dg

from oracle_sync.config.settings import Settings
from oracle_sync.config.syncs import PLAIN, Sync
from oracle_sync.engine.probe import probe
from oracle_sync.engine.store import State
from oracle_sync.errors import Locked, StoreRefused, SyncError, shorten
from oracle_sync.oracle.client import OracleClient
from oracle_sync.orchestration import runs
from oracle_sync.orchestration.assets import CONFIRM_AFTER
from oracle_sync.orchestration.cursor import mirror, stored_cursor, wanted_offset
from oracle_sync.orchestration.jobs import build_sync_job
from oracle_sync.orchestration.names import run_tags, sensor_name
from oracle_sync.orchestration.resources import DbResource, OracleResource
from oracle_sync.orchestration.run_config import run_config
from oracle_sync.orchestration.runs import RunHistory, Status, SyncRun
from oracle_sync.postgres.database import Database
from oracle_sync.postgres.reader import whoami

RETRY_SECONDS = 10
"""A tick must end within Dagster's 60 seconds, so its one request is not retried for long."""

FIRST_BACKOFF = dt.timedelta(minutes=1)
LONGEST_BACKOFF = dt.timedelta(hours=1)

LOCK_GAP = dt.timedelta(minutes=10)
"""How long a run that has started may be without the lock before it is no longer waited for."""

LOOK_BACK = 20
"""Runs that a tick looks through, of whichever job, newest first."""

UNFINISHED = [
    Status.QUEUED,
    Status.NOT_STARTED,
    Status.STARTING,
    Status.STARTED,
    Status.CANCELING,
]
ENDED = [Status.SUCCESS, Status.FAILURE, Status.CANCELED]


def build_sensor(interval: int, *, running: bool, sync: Sync = PLAIN) -> dg.SensorDefinition:
    """Return the sensor of a sync, such as `new_opportunities`.

    Args:
        interval: seconds between two ticks, at least.
        running: whether it is on without a click.
        sync: whose rows it looks for.
    """

    @dg.sensor(
        name=sensor_name(sync),
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
    def new_rows(
        context: dg.SensorEvaluationContext, oracle: OracleResource, db: DbResource
    ) -> dg.SensorResult | dg.SkipReason:
        before = stored_cursor(context)
        try:
            settings = sync.settings()
            client = partial(_client, oracle, sync, settings)
            result = _Tick(context, sync, client, db.database(sync, settings)).result()
        except SyncError as error:
            result = dg.SkipReason(error.sentence())
        now = stored_cursor(context)
        if now and now != before:
            return dg.SensorResult(
                skip_reason="The cursor was set during this tick; the next one acts on it.",
                cursor=now,
            )
        return result

    return new_rows


def _client(oracle: OracleResource, sync: Sync, settings: Settings) -> OracleClient:
    brief = min(oracle.settings(sync, settings).retry_seconds, RETRY_SECONDS)
    return oracle.client(sync, settings, retry_seconds=brief, timeout=20)


class _Tick:
    """One look of the sensor."""

    def __init__(
        self,
        context: dg.SensorEvaluationContext,
        sync: Sync,
        client: Callable[[], OracleClient],
        database: Database,
    ) -> None:
        self._context = context
        self._sync = sync
        self._client = client
        self._database = database
        self._history = RunHistory(context, [sync])

    def result(self) -> dg.SensorResult | dg.SkipReason:
        """Look, and ask for a run or say why not.

        Raises:
            SyncError: if Oracle or the database can't be asked; nothing has moved then.
        """
        wanted = wanted_offset(self._context.cursor)
        state = self._database.state(self._sync.name) or State(self._sync.name)
        running = self._unfinished_run()
        if running and wanted is not None:
            return dg.SkipReason(
                f"The cursor asks for offset {wanted}; it will be moved there when run "
                f"{running.id[:8]} has ended."
            )
        if wanted is not None:
            state = self._move(state, wanted)
        cursor = mirror(state)
        if running:
            reason = f"Run {running.id[:8]} is at offset {state.offset}."
            return dg.SensorResult(skip_reason=reason, cursor=cursor)
        pause = self._pause(state)
        if pause:
            return dg.SensorResult(skip_reason=pause, cursor=cursor)
        request = self._request(state)
        if request is None:
            reason = f"Up to date at offset {state.offset}."
            return dg.SensorResult(skip_reason=reason, cursor=cursor)
        return dg.SensorResult(run_requests=[request], cursor=cursor)

    def _runs(self, statuses: list[dg.DagsterRunStatus]) -> Iterator[SyncRun]:
        """Return the newest runs under the sync's own name."""
        filters = dg.RunsFilter(statuses=statuses)
        records = self._context.instance.get_run_records(filters, limit=LOOK_BACK)
        for run in self._history.select(records):
            if run.sync_name == self._sync.name:
                yield run

    def _unfinished_run(self) -> SyncRun | None:
        """Return a run that is at work on the table, or will be."""
        for run in self._runs(UNFINISHED):
            if not self._is_abandoned(run):
                return run
        # A crashed run counts as failed for a moment before Dagster starts another.
        newest = next(self._runs([Status.FAILURE]), None)
        return newest if newest and newest.awaits_restart else None

    def _is_abandoned(self, run: SyncRun) -> bool:
        """Return whether a run started long ago and yet nobody is at work on the table.

        Its process was killed on a machine that Dagster's daemon can't look at.
        """
        if run.status != Status.STARTED or runs.now() - run.started <= LOCK_GAP:
            return False
        return self._database.holder(self._sync.name) is None

    def _move(self, state: State, offset: int) -> State:
        if offset == state.offset:
            return state
        if offset > state.offset:
            # Known without the lock, which would be taken at each tick until someone mends it.
            raise StoreRefused(
                f"The cursor asks for offset {offset}, but only 0 to {state.offset} is committed, "
                "and the rows between would be skipped; nothing was changed.",
                "Set the cursor to an offset in that range, or clear it.",
            )
        try:
            holder = f"sensor cursor, {whoami()}"
            with self._database.writer(state.sync_name, holder) as writer:
                writer.move(offset, "rewind", "the sensor's cursor was set by hand")
                return writer.state
        except Locked as error:
            raise Locked(
                f"The cursor asks for offset {offset}, but {error}", error.advice
            ) from error

    def _pause(self, state: State) -> str | None:
        """Return why no run is asked for yet after failures: each one doubles the pause."""
        failed = self._history.streak(self._runs(ENDED))
        if not failed:
            return None
        pause = min(FIRST_BACKOFF * 2 ** (len(failed) - 1), LONGEST_BACKOFF)
        again = failed[0].ended + pause
        if runs.now() >= again:
            return None
        subject = "The last run" if len(failed) == 1 else f"The last {len(failed)} runs"
        error = f": {shorten(state.last_error, 400)}" if state.last_error else "."
        return (
            f"Next try at {again:%H:%M:%S} UTC. {subject} failed "
            f"(see run {failed[0].id[:8]}){error}"
        )

    def _request(self, state: State) -> dg.RunRequest | None:
        reason, full_refresh = self._reason(state)
        if reason is None:
            return None
        # No run_key: a failed run would spend it, and nothing would be asked for again.
        values = {"sync_name": state.sync_name, "full_refresh": full_refresh}
        tags = run_tags(state.sync_name, shorten(reason, 200))
        return dg.RunRequest(
            run_config=run_config(self._sync, values),
            tags=tags | {"oracle_sync/offset": str(state.offset)},
        )

    def _reason(self, state: State) -> tuple[str | None, bool]:
        """Return why a run is due, if one is, and whether it has to be a full refresh."""
        if state.doubt:
            return f"a full refresh is due: {state.doubt}", True
        if state.refreshing or (state.offset and not state.complete):
            return f"an unfinished sync continues from offset {state.offset}", False
        if state.last_error:
            return "the last run failed: another one shows whether it works again", False
        if state.last_success_at and runs.now() - state.last_success_at > CONFIRM_AFTER:
            # Before Oracle is asked: if it does not answer, people hear of a failed run.
            return "no run for an hour: one confirms that all is well", False
        client = self._client()
        if state.fields is not None and state.fields != client.fields:
            # A field that was added is missing in every row; one that was dropped grows stale.
            return "the fields asked for have changed", False
        seen = probe(client, state)
        if seen.anchored is False:
            return f"rows moved: the row before offset {state.offset} is another one", True
        if seen.more:
            new = f"new rows after offset {state.offset}" if state.offset else "the first sync"
            return new, False
        return None, False
