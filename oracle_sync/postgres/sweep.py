"""Move the rows away that a full refresh did not meet, unless they are too many."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from psycopg2.extensions import cursor as Cursor

from oracle_sync.config.collection import Collection
from oracle_sync.errors import RemovalHeld
from oracle_sync.postgres.queries import query

ALWAYS_REMOVABLE = 10
"""Rows that a full refresh may remove, whatever share of the table they are."""


@dataclass(frozen=True)
class Swept:
    """How many rows a sync had, how many of them were not met, and why they stayed if they did."""

    rows: int
    unmet: int
    held: RemovalHeld | None

    def __str__(self) -> str:
        return str(self.held or f"moved {self.unmet} of {self.rows} rows away")


def sweep(cursor: Cursor, collection: Collection, parameters: dict[str, Any], limit: int) -> Swept:
    """Remove what was not met, within the transaction of the cursor.

    Args:
        cursor: of the transaction that ends the refresh.
        collection: whose table it is.
        parameters: `sync`, `walk` and `holder`.
        limit: percent of this sync's rows that may go. 100 allows every one.
    """
    cursor.execute(query("before_sweep", collection))
    cursor.execute(query("count_unmet", collection), parameters)
    counts = cursor.fetchone()
    assert counts is not None
    rows, unmet = counts
    held = _held(rows, unmet, limit, collection)
    if held is None:
        for name in ("give_up_unmet", "remove_unmet") if unmet else ():
            cursor.execute(query(name, collection), parameters)
        cursor.execute(query("resolve_unmet_rejects"), parameters)
    cursor.execute(query("forget_marks"), parameters)
    return Swept(rows, unmet, held)


def _held(rows: int, unmet: int, limit: int, collection: Collection) -> RemovalHeld | None:
    allowed = unmet <= max(ALWAYS_REMOVABLE, rows * limit // 100) and not unmet == rows > 0
    if limit == 100 or allowed:
        return None
    return RemovalHeld(
        f"The full refresh did not meet {unmet} of the {rows} rows in {collection.table}: more "
        f"than {limit} percent, so none was removed.",
        "If they are really gone, confirm with oracle-sync sync --full-refresh --removal-limit "
        "100; if not, look at ORACLE_FINDER and the user's role, which may see less than before.",
    )
