"""Storing rejected items after all, once what refused them has been put right."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from oracle_sync.engine.exact_json import read_json
from oracle_sync.engine.items import read_items
from oracle_sync.engine.rows import Batch, Rows
from oracle_sync.postgres.connection import many
from oracle_sync.postgres.database import Database
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

    An item's `raw` may have been corrected by hand in the table. Where the table has the item's
    row by now, the item is closed and the row is left as it is, since it is newer.

    Raises:
        SettingError: if the sync name has no state.
        Locked: if a run of this name is at work.
        StoreError: if the database fails; what was stored until then is stored.
    """
    database.demand_known(sync_name)
    done = Replayed()
    with database.writer(sync_name, holder) as writer:
        items = _open_items(database, sync_name)
        read = [
            read_items([read_json(item["raw"])], item["at_offset"], database.collection)
            for item in items
        ]
        # Not the writer's `contains`: during an unfinished full refresh it answers for the rows
        # that the refresh has met, and the others are newer than the items as well.
        stored = _stored_keys(database, [key for rows in read for key in rows.keys])
        for item, rows in zip(items, read, strict=True):
            _replay_one(writer, item, rows, stored, done)
    return done


def _replay_one(
    writer: Writer, item: dict[str, Any], rows: Rows, stored: set[str], done: Replayed
) -> None:
    if rows.rejects:
        done.refused.append(f"offset {item['at_offset']}: {rows.rejects[0].reason}")
        return
    if rows.keys[0] in stored:
        done.superseded += 1
        writer.resolve(item["id"], "the table has its row by now")
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
        )
    )
    # After a kill before this line, the next replay finds the row and closes the item.
    writer.resolve(item["id"], "stored by a replay")
    stored.add(rows.keys[0])
    done.stored += 1


def _stored_keys(database: Database, keys: list[str]) -> set[str]:
    c = database.collection
    with database.connection("looking for rows") as connection:
        found = many(
            connection,
            f"SELECT {c.key.name} AS key FROM {c.table} WHERE {c.key.name} = ANY(%(keys)s)",
            {"keys": keys},
        )
        return {row["key"] for row in found}


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
