"""Write the rows of a batch that PostgreSQL takes, and find the ones that it refuses."""

from __future__ import annotations

from collections import Counter
from itertools import count
from typing import Any, Protocol

import psycopg2
from psycopg2.extensions import connection as Connection

from oracle_sync.config.collection import CHANGED, Collection
from oracle_sync.engine.exact_json import read_json, write_json
from oracle_sync.engine.rows import Batch, Reject, Values
from oracle_sync.errors import clean, only_rejects

Rows = dict[str, tuple[str | None, Values]]
"""Rows by their keys: Oracle's time of the last change, and the values."""

# Data exceptions, constraints, views with a check, limits such as that of an index entry, and what
# a trigger raises.
_DATA = ("22", "23", "44", "54", "P0001")


class Execute(Protocol):
    """Run the commit statement for these rows and rejects, with some parameters changed."""

    def __call__(self, rows: Rows, rejects: list[Reject], **changed: Any) -> dict[str, Any]:
        """Return the counts of what it did."""


def refuses_data(error: psycopg2.Error) -> bool:
    """Return whether PostgreSQL refuses what was to be written, and not that it is written."""
    return (error.pgcode or "").startswith(_DATA)


def write_in_pieces(
    connection: Connection, collection: Collection, batch: Batch, rows: Rows, execute: Execute
) -> tuple[Counter[str], list[Reject]]:
    """Write rows in halves of halves down to single ones, and leave the offset where it is.

    To be called within a transaction, which the caller ends by moving the offset.

    Raises:
        OnlyRejects: if none of the batch's new rows, of which there are several, can be written.
    """
    done: Counter[str] = Counter()
    refused: list[Reject] = []
    offsets = _offsets(batch)
    with connection.cursor() as cursor:
        # What is checked at the end of a transaction would otherwise spoil all of it.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        pieces = [rows]
        while pieces:
            piece = pieces.pop()
            cursor.execute("SAVEPOINT piece")
            try:
                done.update(execute(piece, [], after=batch.offset_before, received=0, shift=None))
            except psycopg2.Error as error:
                if not refuses_data(error):
                    raise
                cursor.execute("ROLLBACK TO SAVEPOINT piece")
                if len(piece) > 1:
                    pieces += _halves(piece)
                else:
                    [(key, row)] = piece.items()
                    refused.append(_reject(collection, key, row, offsets[key], error))
            else:
                cursor.execute("RELEASE SAVEPOINT piece")
    fresh = [reject for reject in refused if reject.offset >= batch.offset_before]
    rejects = [*_without_row(batch), *fresh]
    if len(rejects) >= batch.received > 1:
        raise only_rejects(batch.received, rejects)
    return done, refused


def _halves(piece: Rows) -> list[Rows]:
    """Return both halves, the first one last: it is written next."""
    rows = list(piece.items())
    middle = len(rows) // 2
    return [dict(rows[middle:]), dict(rows[:middle])]


def _without_row(batch: Batch) -> list[Reject]:
    return [reject for reject in batch.rejects if reject.field is None]


def _offsets(batch: Batch) -> dict[str, int]:
    """Return the offset of each row, counted from the last one, between the rejects."""
    taken = {reject.offset for reject in _without_row(batch)}
    free = (offset for offset in count(batch.offset_after - 1, -1) if offset not in taken)
    return dict(zip(reversed(dict.fromkeys(batch.keys)), free, strict=False))


def _reject(
    collection: Collection,
    key: str,
    row: tuple[str | None, Values],
    offset: int,
    error: psycopg2.Error,
) -> Reject:
    """Return a refused row as an item like the one that it was read from."""
    date, values = row
    item: dict[str, Any] = {collection.key.attribute: key, CHANGED: date}
    for column, value in zip(collection.columns, values, strict=True):
        is_json = column.type == "jsonb" and value is not None
        item[column.attribute] = read_json(str(value)) if is_json else value
    words = clean(error.diag.message_primary or error)
    return Reject(offset, write_json(item), f"PostgreSQL refuses it: {words}", key, date=date)
