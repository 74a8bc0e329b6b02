"""Reading `sync_state`, and who is at work; the line in `sync_history` for each change by hand.

Belongs here: reading the state and the numbers that people ask for. Does not belong here:
changing an offset, which only the one writer may do (`writer.py`).
"""

from __future__ import annotations

import datetime as dt
import getpass
import os
import socket
from dataclasses import dataclass

from psycopg2.extensions import connection as Connection

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
    return holder_text(held["holder"], held["held_since"])


def holder_text(holder: str | None, since: dt.datetime | None) -> str:
    """Return who holds a lock, in words."""
    text = f" since {since:%Y-%m-%d %H:%M:%S} UTC" if since else ""
    return f"{holder or 'another session'}{text}"


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


@dataclass(frozen=True)
class Change:
    """A line of `sync_history`: a change of an offset that was not the commit of a page."""

    at: dt.datetime
    action: str
    from_offset: int
    to_offset: int
    who: str
    reason: str


def history(connection: Connection, sync_name: str, limit: int = 50) -> list[Change]:
    """Return the latest changes of a sync's offset, newest first."""
    lines = many(
        connection,
        """
        SELECT at, action, from_offset, to_offset, who, reason FROM sync_history
        WHERE sync_name = %(sync)s ORDER BY id DESC LIMIT %(limit)s
        """,
        {"sync": sync_name, "limit": limit},
    )
    return [Change(**line) for line in lines]
