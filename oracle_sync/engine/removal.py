"""Look up by key, before rows are removed, whether the source really has them no more."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from oracle_sync.engine.fetcher import Fetcher
from oracle_sync.engine.items import read_items
from oracle_sync.engine.scope import Scope
from oracle_sync.engine.source import PageRequest, Source
from oracle_sync.errors import RequestRefused

MOST_LOOKUPS = 100
"""Stretches of keys that are looked up, the longest first: the end of a page that was cut off is
one stretch, and so many requests are few beside a full refresh."""

_WHOLE_NUMBER = re.compile(r"[0-9]{1,38}")


@dataclass(frozen=True)
class Stretch:
    """Keys that a full refresh did not meet, from the first to the last, with none met between."""

    first: str
    last: str


class NotLookedUp(Exception):
    """The source takes no condition on the key; the message says why."""


def rows_still_there(source: Source, stretches: Sequence[Stretch], concurrency: int) -> int:
    """Return in how many of the stretches the source still has a row.

    Raises:
        NotLookedUp: if the source takes no condition on the key.
        SourceError: if an answer is not to be had.
    """
    if not all(_WHOLE_NUMBER.fullmatch(key) for s in stretches for key in (s.first, s.last)):
        raise NotLookedUp("the keys are not whole numbers")
    fetcher = Fetcher(source, concurrency)
    try:
        pages = [
            fetcher.submit(PageRequest(0, 1, scope=Scope(from_key=s.first, to_key=s.last)))
            for s in stretches
        ]
        return sum(
            _shows_a_row(read_items(page.result().items, 0, source.collection).tokens, stretch)
            for page, stretch in zip(pages, stretches, strict=True)
        )
    except RequestRefused as error:
        raise NotLookedUp(f"the pod refuses a condition on the key: {error}") from error
    finally:
        fetcher.close()


def _shows_a_row(tokens: list[str], stretch: Stretch) -> bool:
    if not tokens:
        return False
    # An item without a key has another token, and lies where the pod says it does.
    key = tokens[0]
    if _WHOLE_NUMBER.fullmatch(key) and not int(stretch.first) <= int(key) <= int(stretch.last):
        raise NotLookedUp("the pod does not heed a condition on the key")
    return True
