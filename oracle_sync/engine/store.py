"""Define what the engine needs of a database: the state it starts from, and a writer."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from oracle_sync.engine.proof import Proof
from oracle_sync.engine.removal import Stretch
from oracle_sync.engine.rows import Batch, Reject, Rows
from oracle_sync.engine.spans import OurKeys


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
    """The attributes that the rows are filled with; None: those of the script."""
    refilling: str | None = None
    """Those of them that some rows may not have yet, so that a full refresh is due or at work."""
    covered_until: dt.datetime | None = None
    """Oracle's time before which every change is stored; None: not known."""
    changes_began: dt.datetime | None = None
    """Oracle's time at which the walk from 0 or the pass that is under way began."""
    pass_since: dt.datetime | None = None
    """From when on the pass under way reads changes; None: there is none."""
    pass_offset: int = 0
    pass_anchor: str | None = None
    proven_at: dt.datetime | None = None
    """Oracle's time at which the two sides were last shown to be equal."""
    proven_rows: int | None = None
    proof: Proof | None = None
    """The last comparison."""

    @property
    def refilling_fields(self) -> list[str]:
        """Return the attributes that some rows may not have yet."""
        return self.refilling.split(",") if self.refilling else []


@dataclass(frozen=True)
class Written:
    """What one commit did, in rows. `refused` are those that the database would not store."""

    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    returned: int = 0
    rejected: int = 0
    refused: tuple[Reject, ...] = ()


@dataclass(frozen=True)
class Count:
    """Our rows up to a date, and the latest date there is. `undated` rows have none at all.

    `rejected` counts the items that were set aside and have no row.
    """

    rows: int
    rejected: int
    undated: int
    latest: dt.datetime | None

    @property
    def all(self) -> int:
        """Return how many rows the source should have."""
        return self.rows + self.rejected


@dataclass(frozen=True)
class Difference:
    """A row that is not the same on both sides.

    `kind` is `gone` (ours alone), `missing` (theirs alone) or `changed`, with the columns.
    """

    key: str
    kind: str
    columns: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.key} {self.kind}" + (f" ({', '.join(self.columns)})" if self.columns else "")


class TooManyRemovals(Exception):
    """So many rows would be removed that someone has to look first."""


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

    def begin_refresh(self, reason: str) -> None:
        """Return to offset 0, to note from there which rows are met."""

    def unmet(self, most: int) -> list[Stretch]:
        """Return the stretches of keys that the refresh did not meet, the longest first."""

    def finish_refresh(self, limit: int) -> int:
        """Move the rows away that were not met, if they are within `limit` percent."""

    def begin_pass(self, since: dt.datetime) -> None:
        """Begin to read what changed since a time, or begin again."""

    def commit_changes(self, batch: Batch) -> Written:
        """Write rows and the place that the pass has reached, both or neither."""

    def end_pass(self) -> None:
        """Note that changes are covered until this pass began."""

    def dates_before(self, moment: dt.datetime) -> Iterable[dt.datetime]:
        """Return our rows' dates up to a time, each once, the latest first."""

    def count(self, until: dt.datetime) -> Count:
        """Count our rows that Oracle dated up to a time."""

    def keys(self, until: dt.datetime) -> OurKeys | None:
        """Return the keys of those rows in order; None where they are not whole numbers."""

    def compare(self, rows: Rows, ours: Sequence[str]) -> list[Difference]:
        """Compare rows of the source, and those of ours that should be among them."""

    def overwrite(self, rows: Rows) -> Written:
        """Write what the source says of rows, even where its date went back."""

    def remove(self, keys: Sequence[str], limit: int) -> int:
        """Move rows away, if they are within `limit` percent; return how many went.

        Raises:
            TooManyRemovals: if they are not; then nothing is changed.
        """

    def settle(self, reason: str, *, solved: bool) -> bool:
        """Set offset and anchor to the rows there are; return whether their keys allow that.

        `solved` says that they were shown to be the source's, so that no doubt is left.
        """

    def note_proof(self, proof: Proof) -> None:
        """Remember a comparison."""

    def set_aside(self, rejects: Sequence[Reject]) -> None:
        """Keep rejected items without moving the offset."""

    def note(self, *, error: str | None = None, total: int | None = None) -> None:
        """Record how the run ended."""
