"""The sensor that tells people, through a webhook, of a sync that fails and that works again.

Belongs here: what an outage is, what is said of it, and saying it once. Does not belong here:
asking for runs (`sensors.py`), and numbers for dashboards (`metrics.py`).
"""

import datetime as dt
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any

import dagster as dg
import requests

from oracle_sync.config.database_url import secrets_of
from oracle_sync.config.settings import Settings, load
from oracle_sync.config.syncs import PLAIN, Sync
from oracle_sync.errors import SettingError, SyncError, clean
from oracle_sync.oracle.words import host_of, root_reason
from oracle_sync.orchestration.assets import ASSET

SENSOR = "sync_alerts"

LOOK_BACK = dt.timedelta(days=1)
"""What ended longer ago is no news: at the first tick, and after the sensor was off."""

OVERLAP = dt.timedelta(minutes=2)
"""How far each look reaches back behind the last one: clocks differ, and commits take time."""

RETRY_GAP = dt.timedelta(minutes=5)
"""How long a crashed run may wait for Dagster to start it anew; then it counts as failed."""

MOST_RUNS = 200
"""Runs that a tick looks at; further ones are left to the next."""

SEND_SECONDS = 30
"""A tick must end within Dagster's 60 seconds; what is not sent by then is left to the next."""

TIMEOUT = (5.0, 10.0)

Events = dg.DagsterEventType


@dataclass
class Outage:
    """Failed runs of a sync, one after another. It is forgotten once its end has been told."""

    run: str
    since: float
    what: str
    runs: int = 1
    told: bool = False
    over: float | None = None
    ended_by: str = ""
    offset: int | None = None


@dataclass
class Known:
    """What is known of a sync: when its last run ended, and the outage it is in."""

    ended: float = 0.0
    outage: Outage | None = None


@dataclass
class Memory:
    """What the sensor's cursor holds between two ticks."""

    looked: float = 0.0
    syncs: dict[str, Known] = field(default_factory=dict)

    @classmethod
    def read(cls, cursor: str | None) -> "Memory":
        """The memory in a cursor; an empty one where that holds something else."""
        with suppress(ValueError, TypeError, KeyError, AttributeError, RecursionError):
            content = json.loads(cursor or "")
            syncs = {
                str(name): Known(
                    float(known["ended"]), Outage(**known["outage"]) if known["outage"] else None
                )
                for name, known in content["syncs"].items()
            }
            return cls(float(content["looked"]), syncs)
        return cls()

    def written(self) -> str:
        """The text for the cursor."""
        return json.dumps(asdict(self))


def build_alert_sensor(
    syncs: Sequence[Sync] = (PLAIN,), *, interval: int = 30, running: bool
) -> dg.SensorDefinition:
    """The sensor `sync_alerts`.

    Args:
        syncs: whose runs are watched, also those under other names that share their table.
        interval: seconds between two ticks, at least.
        running: on without a click; for where ORACLE_SYNC_ALERT_WEBHOOK is set.
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
                raise SettingError("ORACLE_SYNC_ALERT_WEBHOOK is not set, so nobody can be told.")
        except SettingError as error:
            return dg.SkipReason(error.sentence())
        return Watch(context, syncs, settings).tick()

    return sync_alerts


class Watch:
    """One tick: reads the runs that ended, and tells what is news."""

    def __init__(
        self,
        context: dg.SensorEvaluationContext,
        syncs: Sequence[Sync],
        settings: Settings,
    ) -> None:
        self._context = context
        self._assets = {dg.AssetKey(sync.path(ASSET)): sync.name for sync in syncs}
        self._secrets = _secrets(settings, syncs)
        self._webhook = settings.alert_webhook
        self._memory = Memory.read(context.cursor)
        self._deadline = time.monotonic() + SEND_SECONDS
        self._now = _now()
        self._told: list[str] = []
        self._trouble: SyncError | None = None

    def tick(self) -> dg.SensorResult:
        """Look, tell, and remember."""
        memory = self._memory
        horizon = (self._now - LOOK_BACK).timestamp()
        # Outages that are over are no news after a day without a look; one that goes on is.
        late = memory.looked < horizon
        memory.looked = max(memory.looked, horizon)
        for name in self._news():
            if not late:
                self._tell(name)
        for name, known in memory.syncs.items():
            if late and known.outage and known.outage.over and not known.outage.told:
                known.outage = None
            self._tell(name)
        return dg.SensorResult(skip_reason=self._summary(), cursor=memory.written())

    def _news(self) -> Iterator[str]:
        """Bring the memory up to date, run by run in the order of their ends; give whose it is."""
        statuses = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]
        since = dt.datetime.fromtimestamp(self._memory.looked, dt.UTC)
        records = self._context.instance.get_run_records(
            dg.RunsFilter(statuses=statuses, updated_after=since),
            limit=MOST_RUNS,
            order_by="update_timestamp",
            ascending=True,
        )
        full = len(records) == MOST_RUNS
        upto = records[-1].update_timestamp if full else self._now - OVERLAP
        for record in sorted(records, key=_ended):
            run = record.dagster_run
            waits = _awaits_retry(run)
            if waits is not None and (not waits or self._is_recent(record)):
                upto = min(upto, record.update_timestamp - OVERLAP) if waits else upto
                continue
            for key, name in self._synced(run):
                if self._learn(name, "__".join(key.path), record):
                    yield name
        self._memory.looked = max(self._memory.looked, upto.timestamp())

    def _is_recent(self, record: dg.RunRecord) -> bool:
        ended = dt.datetime.fromtimestamp(_ended(record), dt.UTC)
        return self._now < ended + RETRY_GAP

    def _synced(self, run: dg.DagsterRun) -> Iterator[tuple[dg.AssetKey, str]]:
        """The watched assets that a run of whatever job was to write, with their sync names."""
        for key, default in self._assets.items():
            # None, or empty, where a whole job runs.
            selected = run.asset_selection or self._in_job(run.job_name)
            if key not in selected:
                continue
            name: Any = run.run_config
            for part in ("ops", "__".join(key.path), "config", "sync_name"):
                name = name.get(part) if isinstance(name, Mapping) else None
            yield key, str(name or default)

    def _in_job(self, name: str) -> set[dg.AssetKey]:
        repository = self._context.repository_def
        if repository is None or not repository.has_job(name):
            return set()
        return set(repository.get_job(name).asset_layer.executable_asset_keys)

    def _learn(self, name: str, step: str, record: dg.RunRecord) -> bool:
        """Take note of how a run ended; whether that is news."""
        known, ended = self._memory.syncs.setdefault(name, Known()), _ended(record)
        if ended <= known.ended:
            return False
        known.ended = ended
        run_id, outage = record.dagster_run.run_id, known.outage
        failed = record.dagster_run.status == dg.DagsterRunStatus.FAILURE
        what = self._failure(run_id, step) if failed else None
        if what is None:
            if outage is not None and outage.over is None:
                outage.over, outage.ended_by = ended, run_id
                outage.offset = self._offset(run_id, step)
            return outage is not None
        if outage is None:
            known.outage = Outage(run_id, ended, what)
        else:
            # An end that could not be told before the next failure is none to who is told.
            outage.over = outage.offset = None
            outage.runs += 1
        return True

    def _events(self, run_id: str, *kinds: dg.DagsterEventType) -> Iterator[dg.DagsterEvent]:
        found = self._context.instance.get_records_for_run(run_id, of_type=set(kinds), limit=1_000)
        for record in found.records:
            if record.event_log_entry.dagster_event is not None:
                yield record.event_log_entry.dagster_event

    def _failure(self, run_id: str, step: str) -> str | None:
        """Why a run failed, in lines; None where its sync succeeded, and something else failed."""
        crash = "The run ended without a word of why."
        for event in self._events(
            run_id, Events.STEP_SUCCESS, Events.STEP_FAILURE, Events.RUN_FAILURE
        ):
            if event.step_key == step and event.event_type == Events.STEP_SUCCESS:
                return None
            if event.step_key == step and event.event_type == Events.STEP_FAILURE:
                return self._step_failure(event.event_specific_data)
            if event.event_type == Events.RUN_FAILURE and event.message:
                crash = event.message
        return f"{self._clean(crash)}\nWhat to do: {_LOOK}"

    def _step_failure(self, data: Any) -> str:
        failure = getattr(data, "user_failure_data", None)
        facts = getattr(failure, "metadata", None) or {}
        words = {name: self._clean(value.value) for name, value in facts.items()}
        if words.get("what happened"):
            told = [words["what happened"], words.get("what is safe", "")]
            return f"{' '.join(filter(None, told))}\nWhat to do: {words.get('what to do') or _LOOK}"
        error = getattr(data, "error", None)
        message = getattr(getattr(error, "cause", None) or error, "message", "")
        return f"{self._clean(message) or 'The step failed.'}\nWhat to do: {_LOOK}"

    def _offset(self, run_id: str, step: str) -> int | None:
        for event in self._events(run_id, Events.ASSET_MATERIALIZATION):
            value = event.materialization.metadata.get("offset_after")
            if event.step_key == step and value is not None and isinstance(value.value, int):
                return value.value
        return None

    def _tell(self, name: str) -> None:
        """Send what is due on a sync; it stays due where that fails."""
        known = self._memory.syncs[name]
        outage = known.outage
        if outage is None or (outage.told and outage.over is None):
            return
        if self._trouble is not None:
            return
        try:
            if time.monotonic() > self._deadline:
                raise SyncError("The webhook answers slowly.")
            self._send(_text(name, outage))
        except SyncError as error:
            self._trouble = error
            self._context.log.warning(error.sentence())
            return
        self._told.append(f"{name} {'works again' if outage.over else 'fails'}")
        if outage.over is None:
            outage.told = True
        else:
            known.outage = None

    def _send(self, text: str) -> None:
        host = host_of(self._webhook)
        try:
            with requests.post(
                self._webhook,
                json={"text": text},
                timeout=TIMEOUT,
                allow_redirects=False,
                stream=True,  # whatever it answers, only the status counts
            ) as response:
                status = response.status_code
        except (requests.RequestException, ValueError) as error:
            # Not the exception's own words, which hold the URL and with it the token.
            why = clean(root_reason(error), self._secrets, 120)
            raise SyncError(f"The alert webhook at {host} can't be reached: {why}.") from None
        if not 200 <= status < 300:
            raise SyncError(
                f"The alert webhook at {host} answered {status}.",
                "Check ORACLE_SYNC_ALERT_WEBHOOK.",
            )

    def _summary(self) -> str:
        """The tick in a sentence or two."""
        said = f"Told: {', '.join(self._told)}." if self._told else ""
        if self._trouble is not None:
            lost = f"{self._trouble.sentence()} It is tried again at the next tick."
            return f"{said} {lost}".strip()
        failing = sorted(name for name, known in self._memory.syncs.items() if known.outage)
        if said:
            return said
        if failing:
            return f"Nothing new; told already that {', '.join(failing)} fails."
        return "Nothing to tell: no sync fails."

    def _clean(self, text: object) -> str:
        return clean(text, self._secrets, 500)


_LOOK = "Look at the run's log in the Dagster UI."


def _text(name: str, outage: Outage) -> str:
    """The message, in Slack's format."""
    since = _time(outage.since)
    if outage.over is None:
        lines = [f"The sync {name} fails since {since}.", outage.what, f"Run: {outage.run}"]
    else:
        runs = "1 run" if outage.runs == 1 else f"{outage.runs} runs"
        lines = [
            f"The sync {name} works again since {_time(outage.over)}.",
            f"It had failed for {_duration(outage.over - outage.since)} ({runs}), since {since}"
            + (f"; it is at offset {outage.offset} now." if outage.offset is not None else "."),
        ]
        if not outage.told:
            lines.append(f"What had happened: {outage.what}")
        lines.append(f"Run: {outage.ended_by}")
    text = "\n".join(lines)
    # Slack takes these three for markup, and asks for no further escapes.
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _time(timestamp: float) -> str:
    return f"{dt.datetime.fromtimestamp(timestamp, dt.UTC):%Y-%m-%d %H:%M:%S} UTC"


def _duration(seconds: float) -> str:
    """A length of time as a person says it: two units at most."""
    left = max(1, round(seconds))
    parts = []
    for unit, size in (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1)):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {unit}{'s' if count > 1 else ''}")
    return " ".join(parts[:2])


def _awaits_retry(run: dg.DagsterRun) -> bool | None:
    """Whether Dagster is still to start a crashed run anew (False: it has); None: it won't."""
    if run.tags.get("dagster/will_retry") != "true":
        return None
    return "dagster/auto_retry_run_id" not in run.tags


def _ended(record: dg.RunRecord) -> float:
    return record.end_time or record.update_timestamp.timestamp()


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def _secrets(settings: Settings, syncs: Sequence[Sync]) -> tuple[str, ...]:
    """What no message and no tick may show."""
    # Of the webhook also the part after the host: errors name it alone.
    path = settings.alert_webhook.partition("://")[2].partition("/")[2]
    found = [settings.alert_webhook, path]
    for sync in syncs:
        with suppress(SettingError):
            own = sync.settings()
            found += own.oracle.secrets
            found += secrets_of(own.database_url) + secrets_of(own.dagster_database_url)
    return tuple(found)
