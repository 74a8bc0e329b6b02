"""Ask, with one small request, whether the source has moved on from where a sync stands."""

from __future__ import annotations

import datetime as dt
import threading
from dataclasses import dataclass

from oracle_sync.config.settings import MAX_BATCH_SIZE
from oracle_sync.engine.items import read_items
from oracle_sync.engine.rows import PRECISION, moment
from oracle_sync.engine.scope import Scope
from oracle_sync.engine.source import PageRequest, Source
from oracle_sync.engine.store import State
from oracle_sync.errors import RequestRefused


@dataclass(frozen=True)
class Probe:
    """What is at the offset. `anchored` is None where there is no row to compare with.

    `found` is the token of the row before the offset, None where there is none; `total` the
    server's estimate of the number of rows, None where it gives none.
    """

    anchored: bool | None
    more: bool
    found: str | None
    total: int | None


def changed_rows(
    source: Source, state: State, lookback: dt.timedelta
) -> tuple[dict[str, str], bool] | None:
    """Return the rows that changed lately, with their dates, and whether there are more of them.

    Rows that are stored are among them. None where the source does not give them.

    Raises:
        SourceError: if there is no answer, or none that can be read.
    """
    if not source.dated or state.covered_until is None:
        return None
    since = state.covered_until - lookback
    request = PageRequest(0, MAX_BATCH_SIZE, scope=Scope(changed_since=since))
    try:
        page = source.fetch(request, threading.Event())
    except RequestRefused:
        return None
    rows = read_items(page.items, 0, source.collection)
    dates = {key: date for key, date in zip(rows.keys, rows.dates, strict=True) if date}
    if any(moment(date) < since - PRECISION for date in dates.values()):
        return None
    return dates, bool(page.has_more)


def probe(source: Source, state: State, *, count: bool = False) -> Probe:
    """Ask for the row before the offset and the one after it; with `count`, for the number too.

    Raises:
        SourceError: if there is no answer, or none that can be read.
    """
    begin = max(0, state.offset - 1)
    limit = 2 if state.offset else 1
    page = source.fetch(PageRequest(begin, limit, want_total=count), threading.Event())
    tokens = read_items(page.items, begin, source.collection).tokens
    before = tokens[:1] if state.offset else []
    anchored = None if state.anchor is None or not state.offset else before == [state.anchor]
    more = len(tokens) > len(before) or bool(page.has_more and state.offset)
    return Probe(anchored, more, before[0] if before else None, page.total)
