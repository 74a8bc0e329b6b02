"""Moving the offset of a sync back by hand, and dropping a sync."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from oracle_sync.errors import SettingError
from oracle_sync.postgres.database import Database


@dataclass(frozen=True)
class Move:
    """The offset before and after it was moved."""

    before: int
    after: int


def move(
    database: Database,
    sync_name: str,
    offset: int,
    reason: str,
    *,
    holder: str,
    wait: float = 0.0,
    on_wait: Callable[[str], None] = lambda _: None,
) -> Move:
    """Set the offset back; 0 is a reset. Rows are kept, and the history says who and why.

    Args:
        database: where the sync's tables are.
        sync_name: whose offset it is.
        offset: from 0 to the stored one.
        reason: kept in the history.
        holder: who moves it, as the history and those who wait for the lock are to see it.
        wait: seconds to wait for a run that is at work.
        on_wait: called with who that is.

    Raises:
        SettingError: if the sync name has no state, or the reason is empty.
        Locked: if a run is still at work after `wait` seconds.
        StoreError: if the offset lies beyond the stored one, or the database fails.
    """
    if not reason.strip():
        raise SettingError("The reason is empty.", "Say why the offset is moved.")
    database.demand_known(sync_name)
    with database.writer(sync_name, holder, wait=wait, on_wait=on_wait) as writer:
        before = writer.state.offset
        writer.move(offset, "rewind" if offset else "reset", reason)
    return Move(before, offset)


def forget(database: Database, sync_name: str, holder: str) -> int:
    """Remove a sync's state, rejected items and claims on rows; return how many it claimed.

    Raises:
        SettingError: if the sync name has no state.
        Locked: if a run of this name is at work.
        StoreError: if the database fails; then nothing is changed.
    """
    database.demand_known(sync_name)
    with database.writer(sync_name, holder) as writer:
        return writer.forget()
