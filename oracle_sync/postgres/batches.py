"""Commit a batch: its rows, its rejects and the offset after them, all or nothing."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg2
from psycopg2.extensions import connection as Connection

from oracle_sync.config.collection import Collection
from oracle_sync.engine.rows import Batch, Reject, Values
from oracle_sync.engine.store import State, Written
from oracle_sync.postgres.pieces import Rows, refuses_data, write_in_pieces
from oracle_sync.postgres.queries import prepared, query
from oracle_sync.postgres.session import Session

RACES = 5
"""Times that other syncs may store one of a batch's new rows just before it is."""


@dataclass(frozen=True)
class Place:
    """The place that a commit moves: the statement that does so, and what it becomes."""

    statement: str
    offset: int
    anchor: str | None


def commit_batch(
    session: Session,
    connection: Connection,
    collection: Collection,
    batch: Batch,
    after: State,
    place: Place | None = None,
    *,
    keep_refused: bool = True,
) -> Written | None:
    """Write the batch; return None, and write nothing, where `sync_state` has been changed.

    Without a `place` it is the offset that moves.

    Rows that PostgreSQL refuses are set aside like other rejects, in the same transaction; without
    `keep_refused` they are only returned.

    Raises:
        OnlyRejects: if it refuses all new rows of several; nothing is written.
    """
    place = place or Place("commit_batch", after.offset, after.anchor)
    statement = prepared(place.statement, collection)
    session.prepare(connection, query("before_commits"), statement.prepare)

    def execute(rows: Rows, rejects: Sequence[Reject], **changed: Any) -> dict[str, Any]:
        parameters = _state_parameters(batch, after, place) | _content(rows, rejects) | changed
        return session.one(connection, statement.execute, **parameters)

    # Without all but the last of each key: a statement writes no row twice.
    rows = dict(zip(batch.keys, zip(batch.dates, batch.values, strict=True), strict=True))
    refused: list[Reject] = []
    try:
        done = _through_races(lambda: execute(rows, batch.rejects))
    except psycopg2.Error as error:
        if not refuses_data(error):
            raise
        with connection:
            done, refused = write_in_pieces(connection, collection, batch, rows, execute)
            kept = refused if keep_refused else []
            done.update(execute({}, [*batch.rejects, *kept]))
    if not done["state"]:
        return None
    return Written(
        inserted=done["inserted"],
        updated=done["updated"],
        unchanged=len(rows) - done["inserted"] - done["updated"] - len(refused),
        returned=done["returned"],
        rejected=done["rejected"],
        refused=tuple(refused),
    )


def _state_parameters(batch: Batch, after: State, place: Place) -> dict[str, Any]:
    return {
        "epoch": after.epoch,
        "walk": after.walk,
        # A walk alone meets every row.
        "refreshing": after.refreshing and place.statement == "commit_batch",
        "before": batch.offset_before,
        "after": place.offset,
        "anchor": place.anchor,
        "received": batch.received,
        # In a walk of the changes rows shift because they change, which is not to be reported.
        "shift": batch.shift if place.statement == "commit_batch" else None,
        "force": place.statement == "commit_repair",
        "covered_until": after.covered_until,
        "changes_began": after.changes_began,
        "complete": int(after.complete),
    }


def _content(rows: Rows, rejects: Sequence[Reject]) -> dict[str, Any]:
    return {
        "rows": rows_json((key, date, values) for key, (date, values) in rows.items()),
        "rejects": rejects_json(rejects),
        # A row that Oracle still has is not gone because its new value can't be stored.
        "met": json.dumps([reject.key for reject in rejects if reject.key]),
    }


def _through_races(execute: Callable[[], dict[str, Any]]) -> Counter[str]:
    for _ in range(RACES):
        try:
            return Counter(execute())
        except psycopg2.errors.UniqueViolation:
            # Another sync stored one of the new rows at the same moment; by now it is seen.
            continue
    return Counter(execute())


def rows_json(rows: Iterable[tuple[str, str | None, Values]]) -> str:
    """Return rows, each with its key, date and values, as JSON."""
    return json.dumps([(key, date, *values) for key, date, values in rows], ensure_ascii=False)


def rejects_json(rejects: Sequence[Reject]) -> str:
    """Return rejected items as JSON, each once; `dated` is Oracle's time of their last change."""
    distinct = {hashlib.sha256(reject.raw.encode()).hexdigest(): reject for reject in rejects}
    return json.dumps(
        [
            {
                "at_offset": r.offset,
                "raw": r.raw,
                "reason": r.reason,
                "digest": digest,
                "key": r.key,
                "field": r.field,
                "dated": r.date,
            }
            for digest, r in distinct.items()
        ]
    )
