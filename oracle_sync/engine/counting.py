"""Show by one count on each side that the table equals the source."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable, Iterable

from oracle_sync.engine.proof import Outcome, Proof, clock
from oracle_sync.engine.scope import Scope
from oracle_sync.engine.source import PageRequest, Source
from oracle_sync.engine.store import Store
from oracle_sync.errors import RequestRefused

SECOND, MILLISECOND = dt.timedelta(seconds=1), dt.timedelta(milliseconds=1)
"""The units in which pods print dates; some print a date with no fraction to the second."""


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
