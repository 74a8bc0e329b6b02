"""Count, list and compare a sync's rows, and remove the ones that are gone from the source."""

from __future__ import annotations

import datetime as dt
from array import array
from collections.abc import Sequence
from typing import Any

from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from oracle_sync.config.collection import Collection
from oracle_sync.engine.rows import Rows
from oracle_sync.engine.store import Difference, TooManyRemovals
from oracle_sync.postgres.batches import rows_json
from oracle_sync.postgres.connection import many, one
from oracle_sync.postgres.queries import query
from oracle_sync.postgres.sweep import exceeds

Names = dict[str, Any]
"""The parameters that every statement may use: `sync` and `holder`."""

WINDOWS = (dt.timedelta(hours=1), dt.timedelta(days=1), dt.timedelta(days=30))
"""Stretches in which dates are looked for, one before the other; then all that is left."""

LARGEST = 2**63


class RankedKeys:
    """Keys in order, as numbers; eight bytes each where they are small enough."""

    def __init__(self, keys: list[int]) -> None:
        self._keys: Sequence[int] = keys
        if not keys or keys[-1] < LARGEST:
            self._keys = array("q", keys)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._keys)

    def key_at(self, rank: int) -> str:
        """Return the key at a place, counted from 0."""
        return str(self._keys[rank])


def scan(connection: Connection, text: str, parameters: Names) -> list[dict[str, Any]]:
    """Return the rows of a query that looks at every row of a table."""
    with connection, connection.cursor() as cursor:
        cursor.execute(query("before_scan"))
        return many(connection, text, parameters)


def ranked_keys(
    connection: Connection, collection: Collection, names: Names, until: dt.datetime
) -> RankedKeys | None:
    """Return the keys dated up to a time; None where some are not whole numbers."""
    with connection, connection.cursor() as cursor:
        cursor.execute(query("before_scan"))
        numbers = one(connection, query("keys_are_numbers", collection), names)
        if not numbers or not numbers["numbers"]:
            return None
        cursor.execute(query("keys_dated", collection), names | {"until": until})
        return RankedKeys(sorted(int(key) for (key,) in cursor))


def compare(
    connection: Connection, collection: Collection, names: Names, rows: Rows, ours: Sequence[str]
) -> list[Difference]:
    """Return how rows of ours differ from the source's; items that can't be stored don't."""
    parameters = names | {
        "rows": rows_json(zip(rows.keys, rows.dates, rows.values, strict=True)),
        "keys": list(ours),
    }
    not_stored = {reject.key for reject in rows.rejects if reject.field is None}
    return [
        Difference(row["key"], row["kind"], tuple(row["columns"]))
        for row in many(connection, query("compare", collection), parameters)
        if row["key"] not in not_stored
    ]


def remove(
    cursor: Cursor, collection: Collection, names: Names, keys: Sequence[str], limit: int
) -> int:
    """Move rows away within the transaction of the cursor; return how many went.

    Raises:
        TooManyRemovals: if they are more than `limit` percent of the sync's rows allow.
    """
    parameters = names | {"keys": list(keys)}
    cursor.execute(query("before_sweep", collection))
    cursor.execute(query("count_own", collection), names)
    (rows,) = cursor.fetchone() or (0,)
    if exceeds(limit, rows, len(keys)):
        raise TooManyRemovals(f"{len(keys)} of {rows} rows would be removed")
    cursor.execute(query("resolve_rejects_of"), parameters)
    cursor.execute(query("give_up_keys", collection), parameters)
    cursor.execute(query("remove_keys", collection), parameters)
    return cursor.rowcount
