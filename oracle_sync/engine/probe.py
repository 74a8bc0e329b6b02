"""Ask, with one small request, whether the source has moved on from where a sync stands."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from oracle_sync.engine.items import read_items
from oracle_sync.engine.source import PageRequest, Source
from oracle_sync.engine.store import State


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
