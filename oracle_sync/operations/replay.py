"""Tries the rejected items again, after what refused them has been mended.

Belongs here: reading `rejected_items` back. Does not belong here: what makes an item storable
(`sync/page.py`), and writing (`writer.py`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from oracle_sync.engine.page import Batch, Rows, read_items
from oracle_sync.postgres.connection import many
from oracle_sync.postgres.database import Database
from oracle_sync.postgres.writer import Writer


@dataclass
class Replayed:
    """How many rejected items were stored, had come meanwhile in a good form, or are still bad."""

    stored: int = 0
    superseded: int = 0
    refused: list[str] = field(default_factory=list)


def replay(database: Database, sync_name: str, holder: str) -> Replayed:
    """Store each open rejected item that can be stored now.

    An item's `raw` may have been corrected by hand in the table. One whose row has come in the
    meantime is closed, and never overwrites that newer row.

    Raises:
        Locked: if a sync of this name is at work.
        StoreError: if the database fails; what was stored until then is stored.
    """
    done = Replayed()
    with database.writer(sync_name, holder) as writer:
        items = _open(database, sync_name)
        read = [
            read_items([json.loads(item["raw"])], item["at_offset"], database.collection)
            for item in items
        ]
        # Not the writer's `contains`, which in an unfinished full refresh tells what that has met:
        # rows not met yet are newer all the same, and rejected items are met without being stored.
        there = _stored(database, [key for rows in read for key in rows.keys])
        for item, rows in zip(items, read, strict=True):
            _replay_one(writer, item, rows, there, done)
    return done


def _replay_one(
    writer: Writer, item: dict[str, Any], rows: Rows, there: set[str], done: Replayed
) -> None:
    if rows.rejects:
        done.refused.append(f"offset {item['at_offset']}: {rows.rejects[0].reason}")
        return
    if rows.keys[0] in there:
        done.superseded += 1
        writer.resolve(item["id"], "its row had come in the meantime")
        return
    state = writer.state
    writer.commit(
        Batch(
            offset_before=state.offset,
            offset_after=state.offset,
            anchor=state.anchor,
            received=0,
            pages=0,
            complete=state.complete,
            keys=rows.keys,
            values=rows.values,
            extras=rows.extras,
        )
    )
    # Killed before this line, a second replay finds the row there, and closes the item.
    writer.resolve(item["id"], "stored by a replay")
    there.add(rows.keys[0])
    done.stored += 1


def _stored(database: Database, keys: list[str]) -> set[str]:
    c = database.collection
    with database.connection("looking for rows") as connection:
        found = many(
            connection,
            f"SELECT {c.key.name} AS key FROM {c.table} WHERE {c.key.name} = ANY(%(keys)s)",
            {"keys": keys},
        )
        return {row["key"] for row in found}


def _open(database: Database, sync_name: str) -> list[dict[str, Any]]:
    with database.connection("reading rejected items") as connection:
        return many(
            connection,
            """
            SELECT id, at_offset, raw::text AS raw FROM rejected_items
            WHERE sync_name = %(sync)s AND resolved_at IS NULL ORDER BY id
            """,
            {"sync": sync_name},
        )
