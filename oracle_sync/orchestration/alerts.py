"""The sensor that tells people, through a webhook, that a sync fails or works again."""

import datetime as dt
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress

import dagster as dg

from oracle_sync.config.settings import Settings, load
from oracle_sync.config.syncs import PLAIN, Sync
from oracle_sync.errors import SettingError, SyncError, shorten
from oracle_sync.orchestration import runs
from oracle_sync.orchestration.failures import LOOK
from oracle_sync.orchestration.outages import Memory, Watched, message
from oracle_sync.orchestration.runs import RunHistory, SyncRun
from oracle_sync.orchestration.webhook import send

SENSOR = "sync_alerts"

LOOK_BACK = dt.timedelta(days=1)
"""What ended longer ago is not news: at the first tick, and after the sensor was off."""

OVERLAP = dt.timedelta(minutes=2)
"""How far each tick looks back behind the one before: clocks differ, and commits take time."""

MOST_RUNS = 200
"""Runs that a tick looks at; the others are left to the next."""

SEND_SECONDS = 30
"""A tick must end within Dagster's 60 seconds; what is not sent by then is left to the next."""


def build_alert_sensor(
    syncs: Sequence[Sync] = (PLAIN,), *, interval: int = 30, running: bool
) -> dg.SensorDefinition:
    """Return the sensor `sync_alerts`.

    Args:
        syncs: whose runs are watched, also those under other names that share their table.
        interval: seconds between two ticks, at least.
        running: whether it is on without a click, as where ORACLE_SYNC_ALERT_WEBHOOK is set.
    """

    @dg.sensor(
        name=SENSOR,
        minimum_interval_seconds=interval,
        default_status=(
            dg.DefaultSensorStatus.RUNNING if running else dg.DefaultSensorStatus.STOPPED
        ),
        description=(
            "Tells the webhook of ORACLE_SYNC_ALERT_WEBHOOK when runs of a sync begin to fail, "
            "and when one succeeds again: once each. What can't be delivered is tried again at "
            "the next tick."
        ),
    )
    def sync_alerts(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        try:
            settings = load()
            if not settings.alert_webhook:
                raise SettingError(
                    "ORACLE_SYNC_ALERT_WEBHOOK is not set, so nobody is told of failing syncs."
                )
        except SettingError as error:
            return dg.SkipReason(error.sentence())
        _learn_secrets(syncs)
        return _Tick(context, syncs, settings).result()

    return sync_alerts


class _Tick:
    """One look at the runs that ended, and what there is to report."""

    def __init__(
        self, context: dg.SensorEvaluationContext, syncs: Sequence[Sync], settings: Settings
    ) -> None:
        self._context = context
        self._history = RunHistory(context, syncs)
        self._webhook = settings.alert_webhook
        self._memory = Memory.read(context.cursor)
        self._deadline = time.monotonic() + SEND_SECONDS
        self._now = runs.now()
        self._reported: list[str] = []
        self._trouble: SyncError | None = None

    def result(self) -> dg.SensorResult:
        """Look, report, and remember."""
        memory = self._memory
        horizon = (self._now - LOOK_BACK).timestamp()
        # After a day without a look an outage that is over is not news; one that lasts is.
        was_off = memory.looked < horizon
        memory.looked = max(memory.looked, horizon)
        for name, sync in self._changed():
            if not was_off:
                self._report(name, sync)
        for name, sync in memory.syncs.items():
            if was_off and sync.outage and sync.outage.over and not sync.outage.reported:
                sync.outage = None
            self._report(name, sync)
        return dg.SensorResult(skip_reason=self._summary(), cursor=memory.written())

    def _changed(self) -> Iterator[tuple[str, Watched]]:
        """Take note of each run that ended, oldest first, and give the sync it changes."""
        records = self._context.instance.get_run_records(
            dg.RunsFilter(
                statuses=[runs.Status.SUCCESS, runs.Status.FAILURE],
                updated_after=dt.datetime.fromtimestamp(self._memory.looked, dt.UTC),
            ),
            limit=MOST_RUNS,
            order_by="update_timestamp",
            ascending=True,
        )
        up_to = records[-1].update_timestamp if len(records) == MOST_RUNS else self._now - OVERLAP
        for run in sorted(self._history.select(records), key=lambda run: run.ended):
            if run.awaits_restart:
                up_to = min(up_to, run.record.update_timestamp - OVERLAP)
            elif not run.was_restarted:
                sync = self._memory.syncs.setdefault(run.sync_name, Watched())
                if self._note(sync, run):
                    yield run.sync_name, sync
        self._memory.looked = max(self._memory.looked, up_to.timestamp())

    def _note(self, sync: Watched, run: SyncRun) -> bool:
        """Take note of how a run ended; return whether it had not been looked at yet."""
        ended = run.ended.timestamp()
        if ended <= sync.ended:
            return False
        sync.ended = ended
        error = self._history.error(run) if run.status == runs.Status.FAILURE else None
        if error is not None:
            sync.fail(run.id, ended, _words(error))
        elif sync.outage is not None and not self._history.number(run, "removal_held"):
            # Rows that are known to be too many are still there: nothing works again yet.
            sync.succeed(run.id, ended, self._history.number(run, "offset_after"))
        return True

    def _report(self, name: str, sync: Watched) -> None:
        """Send what is due about a sync; it stays due where that fails."""
        outage = sync.outage
        if outage is None or not outage.is_due or self._trouble is not None:
            return
        try:
            if time.monotonic() > self._deadline:
                raise SyncError("The alert webhook answers slowly.")
            send(self._webhook, message(name, outage))
        except SyncError as error:
            self._trouble = error
            self._context.log.warning(error.sentence())
            return
        self._reported.append(f"{name} {'works again' if outage.over else 'is failing'}")
        if outage.over is None:
            outage.reported = True
        else:
            sync.outage = None

    def _summary(self) -> str:
        """Return the tick in a sentence or two."""
        reported = f"Reported: {', '.join(self._reported)}." if self._reported else ""
        if self._trouble is not None:
            trouble = f"{self._trouble.sentence()} It will be tried again at the next tick."
            return f"{reported} {trouble}".strip()
        if reported:
            return reported
        failing = sorted(name for name, sync in self._memory.syncs.items() if sync.outage)
        if len(failing) > 1:
            return f"{', '.join(failing)} are still failing; already reported."
        if failing:
            return f"{failing[0]} is still failing; already reported."
        return "No sync is failing."


def _words(error: SyncError) -> str:
    what = " ".join(filter(None, (error.what, error.kept)))
    return f"{shorten(what, 500)}\nWhat to do: {shorten(error.advice or LOOK, 500)}"


def _learn_secrets(syncs: Sequence[Sync]) -> None:
    """Read the settings of the syncs, since a failed step's own words may hold their secrets."""
    for sync in syncs:
        with suppress(SettingError):
            sync.settings()
