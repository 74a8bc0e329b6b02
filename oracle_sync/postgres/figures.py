"""Numbers of every sync of a schema at once, for whoever watches from outside.

Belongs here: one cheap reading, which changes nothing. Does not belong here: what one sync's
status tells a person (`state.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psycopg2
from psycopg2.extensions import connection as Connection

from oracle_sync.config.collection import Collection
from oracle_sync.postgres.connection import many
from oracle_sync.postgres.reader import LAG, LOCK_KEY, SINCE_SUCCESS

COUNTED = 1_000_000
"""Rows up to which a table is counted, in a tenth of a second; beyond, PostgreSQL's own estimate
(`reltuples`, brought up to date by autovacuum) has to do."""

TIMEOUT_MS = 5_000
"""A scrape is given up by Prometheus after ten seconds."""


@dataclass(frozen=True)
class Figures:
    """A row for each sync name; and how many rows each table holds, about."""

    syncs: list[dict[str, Any]]
    tables: dict[str, int]


def figures(connection: Connection, collection: Collection) -> Figures:
    """Read everything; no syncs and no tables where nothing has been synced yet."""
    names = (collection.table, collection.removed_table)
    counts = ", ".join(f"{_count(name)} AS {name}" for name in names)
    key = LOCK_KEY.replace("%(sync)s", "s.sync_name")
    try:
        with connection.cursor() as cursor:
            cursor.execute(f"SET statement_timeout = {TIMEOUT_MS}")
        syncs = many(
            connection,
            f"""
            WITH locks AS MATERIALIZED (
                SELECT classid::bigint << 32 | objid::bigint AS key FROM pg_locks
                WHERE locktype = 'advisory' AND granted AND objsubid = 1 AND database =
                    (SELECT oid FROM pg_database WHERE datname = current_database())
            ), removed AS (
                SELECT sync_name, count(*) AS removed FROM {collection.removed_table} GROUP BY 1
            ), rejected AS (
                SELECT sync_name, count(*) AS rejected FROM rejected_items
                WHERE resolved_at IS NULL GROUP BY 1
            )
            SELECT s.sync_name, coalesce(s.current_offset, 0) AS "offset", s.source_total,
                {LAG} AS lag, {SINCE_SUCCESS} AS seconds_since_success,
                coalesce(s.is_complete, 0) <> 0 AS complete, s.refreshing,
                s.doubt IS NOT NULL AS refresh_due, s.last_error IS NOT NULL AS last_run_failed,
                coalesce(removed.removed, 0) AS removed,
                coalesce(rejected.rejected, 0) AS rejected,
                EXISTS (SELECT FROM locks WHERE locks.key = {key}) AS running
            FROM sync_state s
            LEFT JOIN removed USING (sync_name)
            LEFT JOIN rejected USING (sync_name)
            ORDER BY s.sync_name
            """,
            {},
        )
        [tables] = many(connection, f"SELECT {counts}", {})
    except psycopg2.errors.UndefinedTable:
        return Figures([], {})
    return Figures(syncs, tables)


def _count(table: str) -> str:
    estimate = f"(SELECT reltuples FROM pg_class WHERE oid = '{table}'::regclass)"
    return (
        f"(SELECT CASE WHEN {estimate} > {COUNTED} THEN {estimate}::bigint "
        f"ELSE (SELECT count(*) FROM {table}) END)"
    )
