"""Read `sync_state`, and who is at work; keep and read the history of changed offsets."""

from __future__ import annotations

import datetime as dt
import getpass
import os
import socket
from dataclasses import dataclass
from typing import Any

from psycopg2.extensions import connection as Connection

from oracle_sync.engine.proof import Proof
from oracle_sync.engine.store import State
from oracle_sync.errors import shorten
from oracle_sync.postgres.connection import many, one
from oracle_sync.postgres.queries import query


def read_state(connection: Connection, sync_name: str) -> State | None:
    """Return the row of `sync_state`, or None where this name has never been synced."""
    row = one(connection, query("read_state"), {"sync": sync_name})
    return state_of(row) if row else None


def state_of(row: dict[str, Any]) -> State:
    """Return a row of `sync_state` as a State."""
    proof = row.pop("proof")
    return State(**row, proof=Proof.from_data(proof) if proof else None)


def lock_holder(connection: Connection, sync_name: str) -> str | None:
    """Return who is syncing under this name now, in words; None where nobody is."""
    held = one(connection, query("lock_holder"), {"sync": sync_name})
    if held is None:
        return None
    return holder_text(held["holder"], held["held_since"])


def holder_text(holder: str | None, since: dt.datetime | None) -> str:
    """Return who holds a lock, in words."""
    text = f" since {since:%Y-%m-%d %H:%M:%S} UTC" if since else ""
    return f"{holder or 'another session'}{text}"


def this_process(run_id: str | None = None) -> str:
    """Return who is at work here, for the lock and the history: run, host and process."""
    run = f"run {run_id}, " if run_id else ""
    return f"{run}{whoami()}, process {os.getpid()}"


def whoami() -> str:
    """Return user@host."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = "unknown"
    return shorten(f"{user}@{socket.gethostname()}", 120)


def record(
    connection: Connection, before: State, to_offset: int, action: str, who: str, reason: str
) -> None:
    """Leave a line in `sync_history`."""
    with connection.cursor() as cursor:
        cursor.execute(
            query("record"),
            {
                "sync": before.sync_name,
                "action": action,
                "before": before.offset,
                "after": to_offset,
                "holder": who,
                "reason": shorten(reason, 1_000),
            },
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
    lines = many(connection, query("history"), {"sync": sync_name, "limit": limit})
    return [Change(**line) for line in lines]
