"""Show by one count on each side that the table equals the source."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from oracle_sync.engine.scope import Scope
from oracle_sync.engine.source import PageRequest, Source
from oracle_sync.errors import RequestRefused

if TYPE_CHECKING:
    from oracle_sync.engine.store import Store

SECOND, MILLISECOND = dt.timedelta(seconds=1), dt.timedelta(milliseconds=1)
"""The units in which pods print dates; some print a date with no fraction to the second."""


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


def count_both(
    source: Source, store: Store, lookback: dt.timedelta, until: dt.datetime | None = None
) -> Proof:
    """Count, on both sides, the rows that Oracle dated up to a time that is safely covered.

    Every row that the source still has with such a date was stored, with exactly that date. So the
    source's rows are among ours, and equal numbers mean the same rows with the same content.

    Args:
        source: one side.
        store: the other.
        lookback: how far before `covered_until` nothing can still appear.
        until: the time, where it is that of a count before; None: the latest that is safe.

    Raises:
        SourceError: if there is no answer.
    """
    covered = store.state.covered_until
    if covered is None:
        return Proof(Outcome.UNKNOWN, _why_not_covered(source))
    if until is None:
        until = choose_bound(covered - lookback, store.dates_before)
    ours = store.count(until)
    if ours.undated:
        return Proof(Outcome.UNKNOWN, f"{ours.undated} rows have no date of Oracle's", until)
    try:
        page = source.fetch(
            PageRequest(0, 1, want_total=True, scope=Scope(changed_until=until)), threading.Event()
        )
    except RequestRefused as error:
        return Proof(Outcome.UNKNOWN, f"the pod refuses to count by date: {error}", until)
    if page.total is None:
        return Proof(Outcome.UNKNOWN, "the pod does not say how many rows there are", until)
    if page.total == ours.all == 0:
        return Proof(Outcome.UNKNOWN, f"no row is dated up to {clock(until)}", until)
    at = page.date or covered
    return Proof(
        Outcome.EQUAL if page.total == ours.all else Outcome.DIFFERENT,
        until=until,
        at=at,
        ours=ours.all,
        theirs=page.total,
        rejected=ours.rejected,
        seconds=page.seconds,
        ahead=max(0.0, (ours.latest - at).total_seconds()) if ours.latest else 0.0,
    )


def _why_not_covered(source: Source) -> str:
    if not source.dated:
        return "changes are not read by their date here"
    return "the dates of the rows, or the pod's own time, are not known yet"


def choose_bound(
    latest: dt.datetime, dates_before: Callable[[dt.datetime], Iterable[dt.datetime]]
) -> dt.datetime:
    """Return the latest time up to `latest` that no row's date is close to.

    A pod may keep finer dates than it prints, cut or rounded. Two units of the printed precision
    away from each date, both sides agree on which rows are dated before.

    Args:
        latest: the latest that it may be.
        dates_before: returns our dates up to a time, each once, the latest first.
    """
    bound = latest.replace(microsecond=latest.microsecond // 1000 * 1000)
    for date in dates_before(latest + 2 * SECOND):
        if date + 2 * SECOND < bound:
            break
        margin = 2 * (MILLISECOND if date.microsecond else SECOND)
        if abs(date - bound) <= margin:
            bound = date - margin - MILLISECOND
            bound = bound.replace(microsecond=bound.microsecond // 1000 * 1000)
    return bound
