"""Define what a comparison of the table with the source came to, and say it in words."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

WORTH_SAYING = 5.0
"""Seconds by which two clocks have to differ to be mentioned."""


class Outcome(StrEnum):
    """What a comparison came to."""

    EQUAL = "equal"
    DIFFERENT = "different"
    CHANGING = "changing"
    """The counts differ, and so do the rows from one moment to the next."""
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Proof:
    """A comparison of the two sides: its outcome, and what it rests on.

    Attributes:
        outcome: what it came to.
        reason: why it is not known, or what was found; empty where the two sides are equal.
        until: the rows that Oracle dated up to this time were counted.
        at: Oracle's time at which they were.
        ours: rows of the table, those set aside as rejects among them.
        theirs: rows in Oracle.
        rejected: how many of ours are set aside.
        seconds: how long Oracle took to count.
        ahead: seconds by which the latest date of a row was later than `at`.
        refreshed: whether a full refresh has not helped.
    """

    outcome: Outcome
    reason: str = ""
    until: dt.datetime | None = None
    at: dt.datetime | None = None
    ours: int | None = None
    theirs: int | None = None
    rejected: int = 0
    seconds: float = 0.0
    ahead: float = 0.0
    refreshed: bool = False

    @property
    def surplus(self) -> int:
        """Return how many rows more we have than the source."""
        return (self.ours or 0) - (self.theirs or 0)

    @property
    def equal(self) -> bool:
        """Return whether the two sides were shown to be equal."""
        return self.outcome == Outcome.EQUAL

    @property
    def differs(self) -> bool:
        """Return whether the two sides counted differently."""
        return self.outcome in (Outcome.DIFFERENT, Outcome.CHANGING)

    def sentence(self) -> str:
        """Return what it came to, in words."""
        if self.outcome == Outcome.UNKNOWN:
            return f"Not compared with Oracle: {self.reason}."
        if self.equal:
            aside = f", {self.rejected} of them set aside here" if self.rejected else ""
            return (
                f"Equal to Oracle as of {clock(self.until)}: {self.ours} rows on both sides{aside}."
                + self._ahead_in_words()
            )
        return (
            f"Not shown equal to Oracle: of the rows dated up to {clock(self.until)}, "
            f"{self.ours} are here and {self.theirs} there; {self.reason}."
        )

    def _ahead_in_words(self) -> str:
        if self.ahead < WORTH_SAYING:
            return ""
        return f" Rows are dated up to {self.ahead:.0f} s after the pod's own clock."

    def as_data(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        return asdict(self) | {
            name: time.isoformat() if (time := getattr(self, name)) else None
            for name in ("until", "at")
        }

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Proof:
        """Make it from what `as_data` returned."""
        times = {
            name: dt.datetime.fromisoformat(data[name]) if data[name] else None
            for name in ("until", "at")
        }
        return cls(**{**data, **times, "outcome": Outcome(data["outcome"])})


def clock(moment: dt.datetime | None) -> str:
    """Return a time as messages show it."""
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC" if moment else "an unknown time"
