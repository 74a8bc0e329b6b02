"""How each sync stands: its row of `sync_state`, and what the tables hold of it.

`oracle-sync status`, the checks of the table and the exporter read the same query, so that a
number means the same in each of them.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, fields
from typing import Any

import psycopg2
from psycopg2.extensions import connection as Connection

from oracle_sync.config.collection import Collection
from oracle_sync.engine.store import State
from oracle_sync.postgres.columns import Unfilled, unfilled_columns
from oracle_sync.postgres.connection import many, one
from oracle_sync.postgres.descriptions import read_description
from oracle_sync.postgres.queries import query
from oracle_sync.postgres.reader import holder_text, state_of

COUNTED = 1_000_000
"""Rows up to which `table_rows` counts a table, in a tenth of a second. For a larger one it takes
PostgreSQL's own estimate (`reltuples`, which autovacuum keeps up to date)."""

EXAMPLES = 3
"""Rejected items that a status names."""


@dataclass(frozen=True)
class Standing:
    """How one sync stands, in numbers that are cheap to read however large the table is.

    Attributes:
        state: its row of `sync_state`.
        lag: rows that Oracle counted and that lie beyond the offset; None without such a count.
        seconds_since_success: by the database's clock; None before the first success.
        seconds_since_proof: since the two sides were last shown equal; None: never.
        removed: rows of this sync that are gone from Oracle and kept aside.
        rejected: items that could not be stored and are not resolved.
        running: who holds the lock, in words; None where nobody does.
    """

    state: State
    lag: int | None
    seconds_since_success: float | None
    seconds_since_proof: float | None
    removed: int
    rejected: int
    running: str | None


@dataclass(frozen=True)
class RejectedItem:
    """An item that could not be stored."""

    at_offset: int
    reason: str


@dataclass(frozen=True)
class Status(Standing):
    """How one sync stands, with its rows counted.

    Attributes:
        table: name of the table.
        rows: rows in the table, whichever sync sees them.
        own_rows: rows that this sync sees.
        rejected_examples: the latest rejected items, a few of them.
        unfilled: columns of fields that are not asked for any more.
        described_at: when the pod was asked what its attributes are; None: it was not.
        description_refusal: why the pod does not say; None where it does.
        missing: attributes that Oracle refuses.
    """

    table: str
    rows: int
    own_rows: int
    rejected_examples: tuple[RejectedItem, ...]
    unfilled: tuple[Unfilled, ...] = ()
    described_at: dt.datetime | None = None
    description_refusal: str | None = None
    missing: tuple[str, ...] = ()


@dataclass(frozen=True)
class Details:
    """A status, the whole name of the table, and the latest rows: key, values, time."""

    status: Status
    table_name: str
    latest: list[tuple[Any, ...]]


def standings(
    connection: Connection, collection: Collection, sync_name: str | None = None
) -> list[Standing]:
    """Return how each sync stands, in the order of their names, or only the one that is named.

    Where there are no tables there are no syncs either, and none are made.
    """
    text = f"""
        WITH locks AS MATERIALIZED ({query("locks")}),
        removed AS (
            SELECT sync_name, count(*) AS removed FROM {collection.removed_table} GROUP BY 1
        ), rejected AS (
            SELECT sync_name, count(*) AS rejected FROM rejected_items
            WHERE resolved_at IS NULL GROUP BY 1
        )
        SELECT {query("state_columns")},
            CASE WHEN source_total IS NOT NULL
                THEN greatest(0, source_total - greatest(current_offset, 0)) END AS lag,
            extract(epoch FROM now() - last_success_at)::float8 AS seconds_since_success,
            extract(epoch FROM now() - proven_at)::float8 AS seconds_since_proof,
            coalesce(removed, 0) AS removed, coalesce(rejected, 0) AS rejected,
            {query("lock_key")} IN (SELECT key FROM locks) AS running
        FROM sync_state s
        LEFT JOIN removed USING (sync_name)
        LEFT JOIN rejected USING (sync_name)
        WHERE %(sync)s IS NULL OR sync_name = %(sync)s
        ORDER BY sync_name
        """
    try:
        rows = many(connection, text, {"sync": sync_name})
    except psycopg2.errors.UndefinedTable:
        return []
    return [_standing(row) for row in rows]


def status(connection: Connection, collection: Collection, sync_name: str) -> Status | None:
    """Return how a sync stands, with its rows counted; None where it has never been synced."""
    found = standings(connection, collection, sync_name)
    if not found:
        return None
    counts = one(
        connection,
        f"""
        SELECT count(*) AS rows,
            count(*) FILTER (WHERE {query("own_rows")}) AS own_rows
        FROM {collection.table} t
        """,
        {"sync": sync_name},
    )
    examples = many(
        connection,
        """
        SELECT at_offset, reason FROM rejected_items
        WHERE sync_name = %(sync)s AND resolved_at IS NULL ORDER BY id DESC LIMIT %(examples)s
        """,
        {"sync": sync_name, "examples": EXAMPLES},
    )
    kept = read_description(connection, collection.path)
    assert counts is not None
    return Status(
        **vars(found[0]),
        **counts,
        table=collection.table,
        rejected_examples=tuple(RejectedItem(**item) for item in examples),
        unfilled=unfilled_columns(connection, collection.table),
        described_at=kept.described_at if kept else None,
        description_refusal=kept.refusal if kept else None,
        missing=kept.missing if kept else (),
    )


def table_rows(connection: Connection, collection: Collection) -> dict[str, int]:
    """Return about how many rows each table holds: counted, or estimated above `COUNTED` rows.

    Tables that are not there are left out, and not made.
    """
    names = (collection.table, collection.removed_table)
    try:
        return one(connection, f"SELECT {', '.join(map(_about, names))}", {}) or {}
    except psycopg2.errors.UndefinedTable:
        return {}


def _about(table: str) -> str:
    estimate = f"(SELECT reltuples FROM pg_class WHERE oid = '{table}'::regclass)"
    return (
        f"(SELECT CASE WHEN {estimate} > {COUNTED} THEN {estimate}::bigint "
        f"ELSE (SELECT count(*) FROM {table}) END) AS {table}"
    )


def _standing(row: dict[str, Any]) -> Standing:
    state = state_of({field.name: row.pop(field.name) for field in fields(State)})
    running = holder_text(state.holder, state.held_since) if row.pop("running") else None
    return Standing(state=state, running=running, **row)
