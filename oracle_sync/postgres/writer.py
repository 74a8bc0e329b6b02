"""The one writer of a sync: commits batches with the offset they reach, moves it, sweeps.

Belongs here: everything that changes `sync_state`, or rows, on behalf of a run. Does not belong
here: what to commit and in which order, and how the lock is held (`session.py`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import psycopg2
from psycopg2.extensions import connection as Connection

from oracle_sync.config.collection import Collection
from oracle_sync.engine.rows import Batch, Reject
from oracle_sync.engine.store import State, Written
from oracle_sync.errors import RemovalHeld, StoreRefused, SyncError
from oracle_sync.postgres import statements
from oracle_sync.postgres.reader import read_state, record
from oracle_sync.postgres.session import Session

ALWAYS_REMOVABLE = 10
"""Rows that a full refresh may remove, whatever share of the table they are."""


class Writer:
    """Has the lock of one sync name from its making until it is closed.

    Every change is fenced: it names the epoch that the lock began and the offset it starts
    from, so that a writer which lost its lock unnoticed fails and writes nothing.
    """

    def __init__(
        self,
        url: str,
        collection: Collection,
        sync_name: str,
        holder: str,
        *,
        wait: float = 0.0,
        retry_seconds: float = 60.0,
        on_wait: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Take the lock, waiting for up to `wait` seconds; `on_wait` is told who has it.

        Raises:
            Locked: if someone else still has it after that.
            StoreError: if the database can't be worked with.
        """
        self._collection = collection
        self._session = Session(
            url, sync_name, holder, wait=wait, retry_seconds=retry_seconds, on_wait=on_wait
        )
        self.state: State = self._session.entered

    def close(self) -> None:
        """Give the lock back."""
        self._session.close()

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def retries(self) -> int:
        """Times that the database had to be tried again."""
        return self._session.retries

    def contains(self, key: str) -> bool:
        """Whether the table holds a row; in a full refresh, whether that has met it."""
        query = (
            "SELECT EXISTS (SELECT FROM refresh_marks "
            "WHERE sync_name = %(sync)s AND walk = %(walk)s AND key = %(key)s) AS found"
            if self.state.refreshing
            else f"SELECT EXISTS (SELECT FROM {self._collection.table} "
            f"WHERE {self._collection.key.name} = %(key)s) AS found"
        )
        one, walk = self._session.one, self.state.walk
        return bool(
            self._session.attempt("looking for a row", lambda c: one(c, query, key=key, walk=walk))[
                "found"
            ]
        )

    def missing(self) -> int:
        """Items that the offset counts and that are neither stored nor set aside.

        Told of an adopted anchor only, until the next refresh; else 0.
        """
        query = statements.count_kept(self._collection)
        one = self._session.one
        kept = self._session.attempt("counting rows", lambda c: one(c, query))["kept"]
        return 0 if kept is None else max(0, self.state.offset - int(kept))

    def commit(self, batch: Batch) -> Written:
        """Write a batch and the offset it reaches, in one statement and so in one transaction.

        Raises:
            Fenced: if the offset or the epoch is not what this writer left; nothing is written.
            StoreError: if the database fails; nothing is written.
        """
        state, session = self.state, self._session
        keys, values, extras = _distinct(batch)
        after = replace(
            state,
            offset=batch.offset_after,
            anchor=batch.anchor,
            total_synced=state.total_synced + batch.received,
            complete=batch.complete and not state.refreshing,
            doubt=batch.shift or state.doubt,
        )
        parameters = self._fence() | {
            "before": batch.offset_before,
            "after": after.offset,
            "anchor": after.anchor,
            "received": batch.received,
            "doubt": batch.shift,
            "complete": int(after.complete),
            "keys": json.dumps(keys, ensure_ascii=False),
            "values": json.dumps(values, ensure_ascii=False),
            "extras": json.dumps(extras, ensure_ascii=False),
            "rejects": _rejects_json(batch.rejects),
            # A row that Oracle still has is not gone because its new value can't be stored.
            "met": json.dumps([r.key for r in batch.rejects if r.key]),
        }
        statement = partial(
            statements.commit,
            self._collection,
            marking=state.refreshing,
            rejecting=bool(batch.rejects),
            repairing=batch.shift is not None,
            extras=bool(extras),
        )

        def work(connection: Connection) -> Written:
            try:
                row = session.one(connection, statement(racing=False), **parameters)
            except psycopg2.errors.UniqueViolation:
                row = session.one(connection, statement(racing=True), **parameters)
            if not row["state"]:
                raise session.fenced(read_state(connection, session.sync_name))
            return Written(
                inserted=row["inserted"],
                updated=row["updated"],
                unchanged=len(keys) - row["inserted"] - row["updated"],
                returned=row["returned"],
                rejected=row["rejected"],
            )

        def landed(found: State) -> Written | None:
            moved = (state.offset, state.anchor) != (after.offset, after.anchor)
            there = (found.offset, found.anchor) == (after.offset, after.anchor)
            # That the rows are there is certain; how many of them were new no one knows any more.
            return Written(unchanged=len(keys)) if moved and there else None

        written = session.attempt(f"committing offset {after.offset}", work, landed)
        self.state = after
        return written

    def set_aside(self, rejects: Sequence[Reject]) -> None:
        """Keep rejected items without moving the offset."""
        parameters = self._fence() | {"rejects": _rejects_json(rejects)}
        self._session.attempt(
            "setting rejected items aside",
            lambda c: self._session.one(c, statements.SET_ASIDE, **parameters),
        )

    def resolve(self, reject_id: int, resolution: str) -> None:
        """Close a rejected item."""
        self._session.attempt(
            "closing a rejected item",
            lambda c: self._session.one(c, statements.RESOLVE, id=reject_id, resolution=resolution),
        )

    def note(self, *, error: str | None = None, total: int | None = None) -> None:
        """Say in `sync_state` how a run ended: its error if it failed, and Oracle's count.

        Raises:
            Fenced: if another writer has taken over.
        """
        session = self._session
        parameters = self._fence() | {"error": error, "source_total": total}

        def work(connection: Connection) -> bool:
            if not session.one(connection, statements.NOTE, **parameters)["noted"]:
                raise session.fenced(read_state(connection, session.sync_name))
            return True

        session.attempt("noting how the run ended", work)

    def adopt(self, anchor: str) -> None:
        """Take the row found before the offset as the anchor of a state that has none."""
        reason = "the offset had been set without the row before it"
        self._change(replace(self.state, anchor=anchor), "adopt", reason)

    def move(self, offset: int, action: str, reason: str) -> None:
        """Set the offset by hand (`reset` or `rewind`); rows stay.

        Raises:
            StoreRefused: if the offset lies beyond what is committed, which would skip rows.
        """
        if not 0 <= offset <= self.state.offset:
            raise StoreRefused(
                f"The offset of {self._session.sync_name} can't be set to {offset}: only 0 to "
                f"{self.state.offset} is committed, and the rows between would be skipped.",
                "Choose an offset in that range; 0 begins again, and keeps the rows.",
            )
        # A refresh that had not ended stays due; from 0 on it begins anew, with no row met.
        anew = self.state.refreshing and offset == 0
        self._change(self._from(offset, walk=self.state.walk + anew), action, reason)

    def begin_refresh(self, reason: str) -> None:
        """Begin a walk from offset 0, at whose end rows that were not seen are moved away."""
        after = self._from(0, refreshing=True, walk=self.state.walk + 1, doubt=None)
        self._change(after, "refresh", reason)

    def finish_refresh(self, limit: int) -> int:
        """Move the rows that the refresh did not see to the removed ones; give their number.

        Args:
            limit: percent of this sync's rows that may go. 100 allows every one.

        Raises:
            RemovalHeld: if more would go, or all; then nothing is removed, and the refresh ends.
        """
        before = self.state
        held: list[SyncError] = []
        after = replace(before, refreshing=False, complete=True)

        def work(connection: Connection) -> int:
            held.clear()
            parameters = self._fence() | {"sync": before.sync_name, "holder": self._session.holder}
            with connection, connection.cursor() as cursor:
                cursor.execute(statements.BEFORE_SWEEP)
                cursor.execute(statements.lock_table(self._collection))
                cursor.execute(statements.count_unseen(self._collection), parameters)
                found = cursor.fetchone()
                assert found is not None
                rows, unseen = found
                if limit < 100 and (unseen > _removable(rows, limit) or unseen == rows > 0):
                    held.append(self._held(rows, unseen, limit))
                else:
                    if unseen:
                        for statement in statements.sweep(self._collection):
                            cursor.execute(statement, parameters)
                    cursor.execute(statements.RESOLVE_REJECTS, parameters)
                cursor.execute(statements.FORGET_MARKS, parameters)
                self._set(connection, before, after)
                reason = str(held[0]) if held else f"moved {unseen} of {rows} rows away"
                who = self._session.holder
                record(connection, before, after.offset, "refreshed", who, reason)
            return int(unseen)

        def landed(found: State) -> int | None:
            return 0 if not found.refreshing else None

        removed = self._session.attempt("ending the full refresh", work, landed)
        self.state = after
        if held:
            raise held[0]
        return removed

    # ------------------------------------------------------------------------------------------

    def _fence(self) -> dict[str, Any]:
        return {"epoch": self.state.epoch, "walk": self.state.walk}

    def _from(self, offset: int, **further: Any) -> State:
        return replace(
            self.state, offset=offset, total_synced=offset, anchor=None, complete=False, **further
        )

    def _change(self, after: State, action: str, reason: str) -> None:
        before = self.state

        def work(connection: Connection) -> bool:
            with connection, connection.cursor() as cursor:
                if not after.refreshing or after.walk != before.walk:
                    cursor.execute(statements.FORGET_MARKS, {"sync": before.sync_name})
                self._set(connection, before, after)
                record(connection, before, after.offset, action, self._session.holder, reason)
            return True

        def landed(found: State) -> bool | None:
            # Done twice it would leave two lines in the history.
            same = (found.offset, found.anchor, found.walk) == (
                after.offset,
                after.anchor,
                after.walk,
            )
            return True if same else None

        self._session.attempt(f"moving to offset {after.offset}", work, landed)
        self.state = after

    def _set(self, connection: Connection, before: State, after: State) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                statements.SET_STATE,
                self._fence()
                | {
                    "sync": before.sync_name,
                    "before": before.offset,
                    "after": after.offset,
                    "total_synced": after.total_synced,
                    "complete": int(after.complete),
                    "anchor": after.anchor,
                    "walk": after.walk,
                    "refreshing": after.refreshing,
                    "doubt": after.doubt,
                },
            )
            if cursor.rowcount != 1:
                raise self._session.fenced(read_state(connection, before.sync_name))

    def _held(self, rows: int, unseen: int, limit: int) -> SyncError:
        return RemovalHeld(
            f"The full refresh did not meet {unseen} of the {rows} rows in "
            f"{self._collection.table}: more than {limit} percent, so none was removed.",
            "If they are really gone, confirm with oracle-sync sync --full-refresh "
            "--removal-limit 100; if not, look at ORACLE_FINDER and the user's role, which may "
            "see less than before.",
        )


def _removable(rows: int, limit: int) -> int:
    return max(ALWAYS_REMOVABLE, rows * limit // 100)


def _distinct(batch: Batch) -> tuple[list[str], list[str | None], list[str | None]]:
    """The batch's columns without all but the last of each key: an upsert takes none twice."""
    rows = dict(zip(batch.keys, batch.values, strict=True))
    extras = [values[1] for values in rows.values()]
    return list(rows), [values[0] for values in rows.values()], extras if any(extras) else []


def _rejects_json(rejects: Sequence[Reject]) -> str:
    distinct = {hashlib.sha256(reject.raw.encode()).hexdigest(): reject for reject in rejects}
    return json.dumps(
        [
            {"at_offset": r.offset, "raw": r.raw, "reason": r.reason, "digest": digest}
            for digest, r in distinct.items()
        ]
    )
