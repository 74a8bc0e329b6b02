"""Choose the row that the requests of a walk count from when paging by key.

So that no offset grows deep, which slows some pods down.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from oracle_sync.engine.source import Base
from oracle_sync.errors import SourceError

REBASE_ROWS = 5_000
"""Distance from the first row, or from a base, beyond which another base is chosen."""

_NUMBER = re.compile(r"0|[1-9][0-9]{0,37}")
"""A key that can be a base. Text may be ordered in one way by orderBy, in another one by `>=`."""


def base_at(key: str | None, offset: int) -> Base | None:
    """Return the row as a base, if it can be one."""
    return Base(key, offset) if key and _NUMBER.fullmatch(key) else None


class Bases:
    """The base of one walk. `row_at` returns the token of the row at an offset, from a base.

    Where the server turns out not to count from a base, there is none from then on.
    """

    def __init__(self, wanted: bool, row_at: Callable[[int, Base | None], str | None]) -> None:
        self._wanted = wanted
        self._row_at = row_at
        self._base: Base | None = None
        self.warning = ""
        """Why there is none although one is wanted."""

    def choose(self, offset: int, last: int, anchor: str | None) -> Base | None:
        """Return the base for a request at `offset`; the anchor, at `last`, is the latest row."""
        start = self._base.offset if self._base else 0
        if self._wanted and offset - start > REBASE_ROWS:
            base = base_at(anchor, last)
            if base and (self._base or self._works(base)):
                self._base = base
        return self._base

    def drop(self) -> None:
        """Count from the first row again: rows have moved, or may have."""
        self._base = None

    def _works(self, base: Base) -> bool:
        try:
            if self._row_at(base.offset, base) == base.key:
                return True
            if self._row_at(base.offset, None) != base.key:
                # It has just gone, or moved, which the next page will show.
                return False
            reason = f"asked for the rows from key {base.key} on, it begins with another one."
        except SourceError as error:
            reason = str(error)
        self._wanted = False
        self.warning = (
            f"The server does not page by key, so this run continued by offset: {reason} "
            "Set ORACLE_SYNC_PAGING=offset."
        )
        return False
