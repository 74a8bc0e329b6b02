"""Tries the rejected items again, after what refused them has been mended.

Belongs here: reading `rejected_items` back. Does not belong here: what makes an item storable
(`sync/page.py`), and writing (`writer.py`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from oracle_sync.storage.connection import many
from oracle_sync.storage.database import Database
from oracle_sync.storage.writer import Writer
from oracle_sync.sync.page import Batch, read_items


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
        for item in _open(database, sync_name):
            _replay_one(database, writer, item, done)
    return done


def _replay_one(database: Database, writer: Writer, item: dict[str, Any], done: Replayed) -> None:
    rows = read_items([json.loads(item["raw"])], item["at_offset"], database.collection)
    if rows.rejects:
        done.refused.append(f"offset {item['at_offset']}: {rows.rejects[0].reason}")
        return
    if writer.contains(rows.keys[0]):
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
    done.stored += 1


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
