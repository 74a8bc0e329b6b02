"""Define what the engine needs of a database: the state it starts from, and a writer."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from oracle_sync.engine.removal import Stretch
from oracle_sync.engine.rows import Batch, Reject


@dataclass(frozen=True)
class State:
    """One row of `sync_state`. Times are in UTC; `anchor` is None where it is not known."""

    sync_name: str
    offset: int = 0
    total_synced: int = 0
    last_sync_at: dt.datetime | None = None
    complete: bool = False
    anchor: str | None = None
    epoch: int = 0
    walk: int = 0
    refreshing: bool = False
    doubt: str | None = None
    holder: str | None = None
    held_since: dt.datetime | None = None
    source_total: int | None = None
    last_success_at: dt.datetime | None = None
    last_error: str | None = None
    last_error_at: dt.datetime | None = None
    removal_held: int | None = None
    """Rows that the last full refresh did not meet, and that stay until that is confirmed."""
    removal_held_at: dt.datetime | None = None
    fields: str | None = None
    """The attributes that the rows were filled with; None: those of the script."""


@dataclass(frozen=True)
class Written:
    """What one commit did, in rows. `refused` are those that the database would not store."""

    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    returned: int = 0
    rejected: int = 0
    refused: tuple[Reject, ...] = ()


class Store(Protocol):
    """The one writer of a sync name, as long as it holds the lock.

    Every method raises StoreError (Fenced among them) if the database does not do it; then
    nothing was changed, and `state` is what it was.
    """

    state: State

    def commit(self, batch: Batch) -> Written:
        """Write rows and the offset that follows them, both or neither.

        Rows that the database refuses are set aside.
        """

    def contains(self, key: str) -> bool:
        """Return whether the table holds a row."""

    def missing(self) -> int:
        """Return how many items the offset counts that are neither stored nor set aside.

        Counted after an anchor was adopted only, until the next refresh; else 0.
        """

    def adopt(self, anchor: str) -> None:
        """Take the row found before the offset as the anchor of a state that has none."""

    def ask_for(self, fields: str) -> None:
        """Remember the fields that the rows are filled with, of a sync that has none yet."""

    def begin_refresh(self, reason: str, fields: str | None = None) -> None:
        """Return to offset 0, to note from there which rows are met, and fill these fields."""

    def unmet(self, most: int) -> list[Stretch]:
        """Return the stretches of keys that the refresh did not meet, the longest first."""

    def finish_refresh(self, limit: int) -> int:
        """Move the rows away that were not met, if they are within `limit` percent."""

    def set_aside(self, rejects: Sequence[Reject]) -> None:
        """Keep rejected items without moving the offset."""

    def note(self, *, error: str | None = None, total: int | None = None) -> None:
        """Record how the run ended."""
