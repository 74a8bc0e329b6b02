"""Storing rejected items after all, once what refused them has been put right."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from oracle_sync.engine.exact_json import read_json
from oracle_sync.engine.items import read_items
from oracle_sync.engine.rows import Batch, Rows
from oracle_sync.postgres.connection import many, one
from oracle_sync.postgres.database import Database
from oracle_sync.postgres.queries import query
from oracle_sync.postgres.writer import Writer


@dataclass
class Replayed:
    """What became of the rejected items.

    Attributes:
        stored: how many are rows of the table now.
        superseded: how many were closed, since the table has their row by now.
        refused: offset and reason of each one that still can't be stored.
    """

    stored: int = 0
    superseded: int = 0
    refused: list[str] = field(default_factory=list)

    def sentence(self) -> str:
        """Return all of it in one sentence."""
        return (
            f"{self.stored} stored, {self.superseded} already in the table by now, "
            f"{len(self.refused)} still refused."
        )


def replay(database: Database, sync_name: str, holder: str) -> Replayed:
    """Store each open rejected item that can be stored now.

    An item's `raw` may have been corrected by hand in the table. Where the row of its key has
    changed since the item was set aside, the item is closed and the row is left as it is.

    Raises:
        SettingError: if the sync name has no state.
        Locked: if a run of this name is at work.
        StoreError: if the database fails; what was stored until then is stored.
    """
    database.demand_known(sync_name)
    done = Replayed()
    with database.writer(sync_name, holder) as writer:
        collection = writer.use_filled_columns()
        items = _open_items(database, sync_name)
        read = [
            read_items([read_json(item["raw"])], item["at_offset"], collection) for item in items
        ]
        for item, rows in zip(items, read, strict=True):
            newer = bool(rows.keys) and _row_is_newer(database, rows.keys[0], item["id"])
            _replay_one(writer, item, rows, newer, done)
    return done


def _replay_one(
    writer: Writer, item: dict[str, Any], rows: Rows, row_is_newer: bool, done: Replayed
) -> None:
    if rows.rejects:
        done.refused.append(f"offset {item['at_offset']}: {rows.rejects[0].reason}")
        return
    if row_is_newer:
        done.superseded += 1
        writer.resolve(item["id"], "its row has changed since")
        return
    state = writer.state
    written = writer.commit_again(
        Batch(
            offset_before=state.offset,
            offset_after=state.offset,
            anchor=state.anchor,
            received=0,
            pages=0,
            complete=state.complete,
            keys=rows.keys,
            values=rows.values,
            dates=rows.dates,
        )
    )
    if written.refused:
        done.refused.append(f"offset {item['at_offset']}: {written.refused[0].reason}")
        return
    # After a kill before this line, the next replay finds a newer row and closes the item.
    writer.resolve(item["id"], "stored by a replay")
    done.stored += 1


def _row_is_newer(database: Database, key: str, item: int) -> bool:
    """Return whether the row of a key has changed since an item was set aside."""
    with database.connection("looking for a row") as connection:
        found = one(
            connection,
            query("row_is_newer", database.collection),
            {"key": key, "item": item},
        )
        return found is not None


def _open_items(database: Database, sync_name: str) -> list[dict[str, Any]]:
    with database.connection("reading rejected items") as connection:
        return many(
            connection,
            """
            SELECT id, at_offset, raw::text AS raw FROM rejected_items
            WHERE sync_name = %(sync)s AND resolved_at IS NULL ORDER BY id
            """,
            {"sync": sync_name},
        )
