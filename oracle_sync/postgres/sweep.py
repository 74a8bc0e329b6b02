"""Move the rows away that a full refresh did not meet, unless they are too many."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from psycopg2.extensions import cursor as Cursor

from oracle_sync.config.collection import Collection
from oracle_sync.postgres.queries import query

ALWAYS_REMOVABLE = 10
"""Rows that a full refresh may remove, whatever share of the table they are, unless none may."""


@dataclass(frozen=True)
class Swept:
    """What became of the rows that a full refresh did not meet.

    `removed` of them moved away, and `left` stay for other syncs that see them; or, where `held`
    is a number, so many were not met that none was touched.
    """

    removed: int = 0
    left: int = 0
    held: int | None = None

    def __str__(self) -> str:
        if self.held is not None:
            return f"{self.held} rows were not met and stay, since they are too many"
        left = f"; {self.left} stay for other syncs" if self.left else ""
        return f"moved {self.removed} rows away{left}"


def sweep(cursor: Cursor, collection: Collection, parameters: dict[str, Any], limit: int) -> Swept:
    """Remove what was not met, within the transaction of the cursor.

    Args:
        cursor: of the transaction that ends the refresh.
        collection: whose table it is.
        parameters: `sync`, `walk` and `holder`.
        limit: percent of this sync's rows that may go. 100 allows every one, 0 none.
    """
    cursor.execute(query("before_sweep", collection))
    cursor.execute(query("count_unmet", collection), parameters)
    counts = cursor.fetchone()
    assert counts is not None
    swept = _swept(cursor, collection, parameters, limit, *counts)
    cursor.execute(query("forget_marks"), parameters)
    return swept


def exceeds(limit: int, rows: int, leaving: int) -> bool:
    """Return whether so many of a sync's rows may not leave without a confirmation."""
    most = max(ALWAYS_REMOVABLE, rows * limit // 100) if limit else 0
    return limit < 100 and (leaving > most or leaving == rows > 0)


def _swept(
    cursor: Cursor,
    collection: Collection,
    parameters: dict[str, Any],
    limit: int,
    rows: int,
    unmet: int,
) -> Swept:
    if exceeds(limit, rows, unmet):
        return Swept(held=unmet)
    cursor.execute(query("resolve_unmet_rejects"), parameters)
    if not unmet:
        return Swept()
    cursor.execute(query("give_up_unmet", collection), parameters)
    left = cursor.rowcount
    cursor.execute(query("remove_unmet", collection), parameters)
    return Swept(cursor.rowcount, left)
