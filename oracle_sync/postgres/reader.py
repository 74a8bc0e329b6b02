"""Reading `sync_state`, and who is at work; the line in `sync_history` for each change by hand.

Belongs here: reading the state and the numbers that people ask for. Does not belong here:
changing an offset, which only the one writer may do (`writer.py`).
"""

from __future__ import annotations

import getpass
import os
import socket
from dataclasses import asdict
from typing import Any

from psycopg2.extensions import connection as Connection

from oracle_sync.config.collection import Collection
from oracle_sync.engine.store import State
from oracle_sync.errors import clean
from oracle_sync.postgres.connection import many, one

COLUMNS = """
    sync_name, coalesce(current_offset, 0) AS "offset", coalesce(total_synced, 0) AS total_synced,
    last_sync_at, coalesce(is_complete, 0) <> 0 AS complete, anchor, epoch, walk, refreshing,
    doubt, holder, held_since, source_total, last_success_at, last_error, last_error_at
"""

# current_schema: two installations in schemas of one database do not lock each other out.
LOCK_KEY = "hashtextextended('oracle_sync ' || current_schema() || '.' || %(sync)s, 0)"

# Rows that Oracle counted and that lie beyond the offset; null where it gave no count.
LAG = """
    CASE WHEN source_total IS NOT NULL
    THEN greatest(0, source_total - coalesce(current_offset, 0)) END
"""
# By the database's clock, which wrote the time as well.
SINCE_SUCCESS = "extract(epoch FROM now() - last_success_at)::float8"


def read_state(connection: Connection, sync_name: str) -> State | None:
    """The row of `sync_state`, or None where this name has never been synced."""
    query = f"SELECT {COLUMNS} FROM sync_state WHERE sync_name = %(sync)s"
    row = one(connection, query, {"sync": sync_name})
    return State(**row) if row else None


def lock_holder(connection: Connection, sync_name: str) -> str | None:
    """Who is syncing under this name now, in words; None where nobody is."""
    held = one(
        connection,
        f"""
        WITH lock AS (SELECT {LOCK_KEY} AS key)
        SELECT s.holder, s.held_since, l.pid
        FROM pg_locks l
        JOIN lock ON l.objsubid = 1
            AND l.classid = ((lock.key >> 32) & 4294967295)::oid
            AND l.objid = (lock.key & 4294967295)::oid
        LEFT JOIN sync_state s ON s.sync_name = %(sync)s
        WHERE l.locktype = 'advisory' AND l.granted
          AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
        """,
        {"sync": sync_name},
    )
    if held is None:
        return None
    since = f" since {held['held_since']:%Y-%m-%d %H:%M:%S} UTC" if held["held_since"] else ""
    return f"{held['holder'] or 'another session'}{since}"


def this_process(run_id: str | None = None) -> str:
    """Who is at work here, for the lock and the history: run, host and process."""
    run = f"run {run_id}, " if run_id else ""
    return f"{run}{whoami()}, process {os.getpid()}"


def whoami() -> str:
    """user@host."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = "unknown"
    return clean(f"{user}@{socket.gethostname()}", limit=120)


def record(
    connection: Connection, before: State, to_offset: int, action: str, who: str, reason: str
) -> None:
    """Leave a line in `sync_history`."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO sync_history (sync_name, action, from_offset, to_offset, who, reason)
            VALUES (%s, %s, %s, %s, %s, %s)
            """,
            (before.sync_name, action, before.offset, to_offset, who, clean(reason, limit=1_000)),
        )


def history(connection: Connection, sync_name: str, limit: int = 50) -> list[dict[str, Any]]:
    """The last changes of the offset that were not the commit of a page, newest first."""
    return many(
        connection,
        """
        SELECT at, action, from_offset, to_offset, who, reason FROM sync_history
        WHERE sync_name = %(sync)s ORDER BY id DESC LIMIT %(limit)s
        """,
        {"sync": sync_name, "limit": limit},
    )


def status(connection: Connection, collection: Collection, sync_name: str) -> dict[str, Any] | None:
    """Everything `oracle-sync status` tells; None where this name has never been synced."""
    state = read_state(connection, sync_name)
    if state is None:
        return None
    counts = one(
        connection,
        f"""
        SELECT {LAG} AS lag, {SINCE_SUCCESS} AS seconds_since_success,
               (SELECT count(*) FROM {collection.table}) AS rows,
               (SELECT CASE WHEN count(*) > 1 THEN
                    (SELECT count(*) FROM {collection.table}
                     WHERE sync_names @> ARRAY[%(sync)s]::varchar[])
                END FROM sync_state) AS own_rows,
               (SELECT count(*) FROM {collection.removed_table}) AS removed,
               (SELECT count(*) FROM rejected_items
                WHERE sync_name = %(sync)s AND resolved_at IS NULL) AS rejected
        FROM sync_state WHERE sync_name = %(sync)s
        """,
        {"sync": sync_name},
    )
    examples = many(
        connection,
        """
        SELECT at_offset, reason FROM rejected_items
        WHERE sync_name = %(sync)s AND resolved_at IS NULL ORDER BY id DESC LIMIT 3
        """,
        {"sync": sync_name},
    )
    assert counts is not None
    if counts["own_rows"] is None:
        counts["own_rows"] = counts["rows"]
    return (
        asdict(state)
        | counts
        | {
            "table": collection.table,
            "running": lock_holder(connection, sync_name),
            "rejected_examples": examples,
        }
    )
