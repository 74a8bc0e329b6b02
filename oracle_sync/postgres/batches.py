"""Turn a batch into the parameters of the commit statement, and run it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import psycopg2
from psycopg2.extensions import connection as Connection

from oracle_sync.config.collection import Collection
from oracle_sync.engine.rows import Batch, Reject
from oracle_sync.engine.store import State, Written
from oracle_sync.postgres.queries import prepared, query
from oracle_sync.postgres.session import Session

RACES = 5
"""Times that other syncs may store one of a batch's new rows just before it is."""


def commit_parameters(batch: Batch, after: State) -> dict[str, Any]:
    """Return what the commit statement needs to reach the state `after`."""
    # Without all but the last of each key: a statement writes no row twice.
    rows = dict(zip(batch.keys, batch.values, strict=True))
    return {
        "epoch": after.epoch,
        "walk": after.walk,
        "refreshing": after.refreshing,
        "before": batch.offset_before,
        "after": after.offset,
        "anchor": after.anchor,
        "received": batch.received,
        "shift": batch.shift,
        "complete": int(after.complete),
        "rows": json.dumps([(key, *values) for key, values in rows.items()], ensure_ascii=False),
        "row_count": len(rows),
        "rejects": rejects_json(batch.rejects),
        # A row that Oracle still has is not gone because its new value can't be stored.
        "met": json.dumps([reject.key for reject in batch.rejects if reject.key]),
    }


def commit_batch(
    session: Session, connection: Connection, collection: Collection, parameters: dict[str, Any]
) -> Written | None:
    """Write the batch; return None, and write nothing, where `sync_state` has been changed."""
    row = _execute(session, connection, collection, parameters)
    if not row["state"]:
        return None
    return Written(
        inserted=row["inserted"],
        updated=row["updated"],
        unchanged=parameters["row_count"] - row["inserted"] - row["updated"],
        returned=row["returned"],
        rejected=row["rejected"],
    )


def _execute(
    session: Session, connection: Connection, collection: Collection, parameters: dict[str, Any]
) -> dict[str, Any]:
    statement = prepared("commit_batch", collection)
    session.prepare(connection, f"{query('before_commits')}; {statement.prepare}")
    for _ in range(RACES):
        try:
            return session.one(connection, statement.execute, **parameters)
        except psycopg2.errors.UniqueViolation:
            # Another sync stored one of the new rows at the same moment; by now it is seen.
            continue
    return session.one(connection, statement.execute, **parameters)


def rejects_json(rejects: Sequence[Reject]) -> str:
    """Return rejected items as JSON, each once."""
    distinct = {hashlib.sha256(reject.raw.encode()).hexdigest(): reject for reject in rejects}
    return json.dumps(
        [
            {
                "at_offset": r.offset,
                "raw": r.raw,
                "reason": r.reason,
                "digest": digest,
                "key": r.key,
            }
            for digest, r in distinct.items()
        ]
    )
