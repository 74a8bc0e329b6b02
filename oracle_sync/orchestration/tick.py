"""One tick of a sync's sensor: a look at the database and at Oracle, and what follows from it."""

import datetime as dt
from collections.abc import Iterator
from contextlib import suppress
from functools import cached_property

import dagster as dg

from oracle_sync.config.settings import Settings
from oracle_sync.config.syncs import Sync
from oracle_sync.engine.probe import changed_rows, probe
from oracle_sync.engine.store import State
from oracle_sync.errors import Locked, SettingError, StoreError, SyncError, shorten
from oracle_sync.operations.columns import stored_columns
from oracle_sync.oracle.client import OracleClient
from oracle_sync.orchestration import runs
from oracle_sync.orchestration.assets import CONFIRM_AFTER
from oracle_sync.orchestration.cursor import Cursor, FailedLooks
from oracle_sync.orchestration.failures import in_words
from oracle_sync.orchestration.names import run_tags
from oracle_sync.orchestration.pauses import Failures
from oracle_sync.orchestration.resources import DbResource, OracleResource
from oracle_sync.orchestration.run_config import run_config
from oracle_sync.orchestration.runs import RunHistory, Status, SyncRun
from oracle_sync.postgres.database import Database
from oracle_sync.postgres.reader import whoami

RETRY_SECONDS = 10
"""A tick must end within Dagster's 60 seconds, so its one request is not retried for long."""

LOOKS = 3
"""Looks that may fail in a row; then a run is asked for, whose failure people hear of."""

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


class _WishRefused(Exception):
    """The sync can't be moved, or not yet, to the offset that the cursor asks for."""


class Tick:
    """One look of the sensor."""

    def __init__(
        self,
        context: dg.SensorEvaluationContext,
        sync: Sync,
        oracle: OracleResource,
        db: DbResource,
    ) -> None:
        self._context = context
        self._sync = sync
        self._oracle = oracle
        self._db = db
        self._history = RunHistory(context, [sync])
        self._state: State | None = None

    def result(self) -> dg.SensorResult | dg.SkipReason:
        """Look, and ask for a run or say why not; what fails is counted in the cursor."""
        try:
            cursor = Cursor.read(self._context.cursor)
        except SettingError as error:
            return dg.SkipReason(error.sentence())
        running = self._unfinished_run()
        failures = Failures.of(cursor.failed, self._history, list(self._runs(ENDED)))
        pause = failures.pause()
        try:
            return self._look(cursor, running, failures.looks, pause)
        except _WishRefused as refused:
            return dg.SkipReason(str(refused))
        except Exception as error:
            failure = in_words(error, "The look")
            if running or pause:
                return dg.SkipReason(pause or failure.sentence())
            return self._failed(cursor, failures.looks.count + 1, failure)

    def _look(
        self, cursor: Cursor, running: SyncRun | None, failed: FailedLooks, pause: str | None
    ) -> dg.SensorResult:
        state = self._database.state(self._sync.name) or State(self._sync.name)
        if cursor.wanted is not None:
            if running:
                raise _WishRefused(
                    f"The cursor asks for offset {cursor.wanted}; it will be moved there when run "
                    f"{running.id[:8]} has ended."
                )
            state = self._move(state, cursor.wanted)
        self._state = state
        mirror = cursor.mirror(state, failed)
        if running:
            reason = f"Run {running.id[:8]} is at offset {state.offset}."
            return dg.SensorResult(skip_reason=reason, cursor=mirror)
        if pause:
            return dg.SensorResult(skip_reason=pause, cursor=mirror)
        due = _due_without_a_look(state)
        if due is None:
            due = self._due(state)
            mirror = cursor.mirror(state, FailedLooks())
        if due is None:
            return dg.SensorResult(skip_reason=_up_to_date(state), cursor=mirror)
        return dg.SensorResult(run_requests=[self._request(due, state.offset)], cursor=mirror)

    def _failed(self, cursor: Cursor, count: int, failure: SyncError) -> dg.SensorResult:
        """Count a look that failed; ask for a run where it was not the first ones.

        The run fails for the same reason: in `sync_state`, the metrics and an alert.
        """
        sentence = failure.sentence()
        if isinstance(failure, StoreError):
            sentence = f"{sentence} So Oracle was not asked either."
        failed = FailedLooks(count, runs.now(), shorten(sentence, 400))
        # A wish that was fulfilled in this tick must not stay one.
        kept = cursor.mirror(self._state, failed) if self._state else cursor.keep(failed)
        if count < LOOKS:
            return dg.SensorResult(skip_reason=sentence, cursor=kept)
        due = f"{count} looks in a row have failed: a run shows why"
        return dg.SensorResult(run_requests=[self._request(due)], cursor=kept)

    @cached_property
    def _settings(self) -> Settings:
        return self._sync.settings()

    @cached_property
    def _database(self) -> Database:
        return self._db.database(self._sync, self._settings)

    def _client(self) -> OracleClient:
        sync, settings = self._sync, self._settings
        brief = min(self._oracle.settings(sync, settings).retry_seconds, RETRY_SECONDS)
        return self._oracle.client(sync, settings, retry_seconds=brief, timeout=20)

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
        with suppress(SyncError):
            return self._database.holder(self._sync.name) is None
        return False

    def _move(self, state: State, offset: int) -> State:
        if offset == state.offset:
            return state
        if offset > state.offset:
            # Known without the lock, which would be taken at each tick until someone mends it.
            raise _WishRefused(
                f"The cursor asks for offset {offset}, but only 0 to {state.offset} is committed, "
                "and the rows between would be skipped; nothing was changed. Set the cursor to an "
                "offset in that range, or clear it."
            )
        try:
            holder = f"sensor cursor, {whoami()}"
            with self._database.writer(state.sync_name, holder) as writer:
                writer.move(offset, "rewind", "the sensor's cursor was set by hand")
                return writer.state
        except Locked as error:
            raise _WishRefused(
                f"The cursor asks for offset {offset}, but {error.sentence()}"
            ) from error

    def _request(self, due: str, offset: int | None = None) -> dg.RunRequest:
        # No run_key: a failed run would spend it, and nothing would be asked for again.
        name = self._sync.name
        tags = run_tags(name, shorten(due, 200))
        if offset is not None:
            tags["oracle_sync/offset"] = str(offset)
        return dg.RunRequest(run_config=run_config(self._sync, {"sync_name": name}), tags=tags)

    def _due(self, state: State) -> str | None:
        """Ask Oracle, and return why a run is due, if one is."""
        client = self._client()
        columns = stored_columns(self._sync, client.settings, self._database)
        if columns is None:
            return "Oracle has to be asked for the types of the columns"
        client.collection = columns.collection
        filled = state.fields or self._sync.collection.attribute_list
        if state.offset and filled != client.collection.attribute_list:
            # A field that was added is missing in every row; one that was dropped is marked.
            return "the fields asked for have changed"
        seen = probe(client, state)
        if seen.anchored is False:
            return f"rows moved: the row before offset {state.offset} is another one"
        if seen.more:
            return f"new rows after offset {state.offset}" if state.offset else "the first sync"
        return "rows have changed" if self._has_changes(client, state) else None

    def _has_changes(self, client: OracleClient, state: State) -> bool:
        if self._settings.oracle.changes == "off":
            return False
        seen = changed_rows(client, state, dt.timedelta(seconds=self._settings.lookback))
        if seen is None:
            return False
        dates, more = seen
        return more or not self._database.are_stored(state.sync_name, dates)


def _up_to_date(state: State) -> str:
    """Return what a tick says that found nothing new."""
    parts = [f"Up to date at offset {state.offset}"]
    if state.covered_until:
        parts.append(f"changes covered until {state.covered_until:%H:%M:%S} UTC")
    if state.proven_at:
        parts.append(f"shown equal at {state.proven_at:%H:%M:%S} UTC")
    return f"{', '.join(parts)}."


def _due_without_a_look(state: State) -> str | None:
    """Return why a run is due whatever Oracle has, if one is."""
    if state.doubt:
        return f"a proof or a full refresh is due: {state.doubt}"
    if state.refilling:
        return f"{', '.join(state.refilling_fields)} are not in every row yet"
    if state.refreshing or (state.offset and not state.complete):
        return f"an unfinished sync continues from offset {state.offset}"
    if state.last_error:
        return "the last run failed: another one shows whether it works again"
    if state.last_success_at and runs.now() - state.last_success_at > CONFIRM_AFTER:
        # Before Oracle is asked: if it does not answer, people hear of a failed run.
        return "no run for an hour: one confirms that all is well"
    return None
