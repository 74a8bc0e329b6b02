"""An outage of a sync, what is remembered of it from tick to tick, and what people are told."""

import datetime as dt
import json
from contextlib import suppress
from dataclasses import asdict, dataclass, field


@dataclass
class Outage:
    """Failed runs of a sync, one after another; forgotten once people know that it is over.

    `run` is the first of the `runs` that failed, `error` says why, `over` is when a run succeeded
    again, and `offset` where that left the table. Times are seconds since 1970.
    """

    run: str
    since: float
    error: str
    runs: int = 1
    reported: bool = False
    over: float | None = None
    ended_by: str = ""
    offset: int | None = None

    @property
    def is_due(self) -> bool:
        """Whether there is something that people do not know yet."""
        return not self.reported or self.over is not None


@dataclass
class Watched:
    """A sync: when the last run that was looked at ended, and the outage it is in."""

    ended: float = 0.0
    outage: Outage | None = None

    def fail(self, run: str, ended: float, error: str) -> None:
        """Take note of a failed run."""
        if self.outage is None:
            self.outage = Outage(run, ended, error)
        else:
            # If its end could not be reported before this failure, it has not ended for people.
            self.outage.over = self.outage.offset = None
            self.outage.runs += 1

    def succeed(self, run: str, ended: float, offset: int | None) -> None:
        """Take note of a run that succeeded."""
        if self.outage is not None and self.outage.over is None:
            self.outage.over, self.outage.ended_by, self.outage.offset = ended, run, offset


@dataclass
class Memory:
    """What the cursor of the alert sensor holds: up to when it has looked, and each sync."""

    looked: float = 0.0
    syncs: dict[str, Watched] = field(default_factory=dict)

    @classmethod
    def read(cls, cursor: str | None) -> "Memory":
        """Return the memory in a cursor; an empty one if the cursor holds something else."""
        with suppress(ValueError, TypeError, KeyError, AttributeError, RecursionError):
            content = json.loads(cursor or "")
            syncs = {
                str(name): Watched(
                    float(known["ended"]), Outage(**known["outage"]) if known["outage"] else None
                )
                for name, known in content["syncs"].items()
            }
            return cls(float(content["looked"]), syncs)
        return cls()

    def written(self) -> str:
        """Return the text for the cursor."""
        return json.dumps(asdict(self))


def message(sync_name: str, outage: Outage) -> str:
    """Return what people are told about an outage, in lines."""
    if outage.over is None:
        return "\n".join(
            [
                f"Sync {sync_name} has been failing since {_time(outage.since)}.",
                outage.error,
                f"Run: {outage.run}",
            ]
        )
    runs = "1 run" if outage.runs == 1 else f"{outage.runs} runs"
    lines = [
        f"Sync {sync_name} has been working again since {_time(outage.over)}.",
        f"It had been failing for {duration(outage.over - outage.since)} ({runs}), since "
        f"{_time(outage.since)}"
        + (f"; it is at offset {outage.offset} now." if outage.offset is not None else "."),
    ]
    if not outage.reported:
        lines.append(f"What had happened: {outage.error}")
    return "\n".join([*lines, f"Run: {outage.ended_by}"])


def _time(timestamp: float) -> str:
    return f"{dt.datetime.fromtimestamp(timestamp, dt.UTC):%Y-%m-%d %H:%M:%S} UTC"


def duration(seconds: float) -> str:
    """Return a length of time in words, for example `1 hour 2 minutes`: two units at most."""
    left = max(1, round(seconds))
    parts = []
    for unit, size in (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1)):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {unit}{'s' if count > 1 else ''}")
    return " ".join(parts[:2])
