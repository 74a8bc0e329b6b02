"""Write on behalf of one sync: batches with the offset they reach, and moves of the offset."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from psycopg2.extensions import connection as Connection

from oracle_sync.config.collection import Collection
from oracle_sync.config.columns import resolve_columns
from oracle_sync.engine.removal import Stretch
from oracle_sync.engine.rows import Batch, Reject
from oracle_sync.engine.store import State, Written
from oracle_sync.errors import StoreRefused, removal_held
from oracle_sync.postgres.batches import commit_batch, rejects_json
from oracle_sync.postgres.columns import Fitted, filled_collection, fit_tables, set_fields
from oracle_sync.postgres.connection import many, one
from oracle_sync.postgres.equalizer import Equalizer
from oracle_sync.postgres.queries import query
from oracle_sync.postgres.reader import read_state, record, state_of
from oracle_sync.postgres.session import Session
from oracle_sync.postgres.sweep import Swept, sweep


class Writer(Equalizer):
    """The one writer of a sync name, from construction until `close()`.

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
        new_sync: bool = False,
    ) -> None:
        """Take the lock, waiting for up to `wait` seconds; `on_wait` hears who has it.

        `new_sync` says that the name may be new although other syncs share the table.

        Raises:
            Locked: if someone else still has it after that.
            SettingError: if the name is new, and that is not meant.
            StoreError: if the database fails.
        """
        session = Session(
            url,
            collection,
            sync_name,
            holder,
            wait=wait,
            retry_seconds=retry_seconds,
            on_wait=on_wait,
            new_sync=new_sync,
        )
        super().__init__(session, collection)

    def close(self) -> None:
        """Give the lock back."""
        self._session.close()

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def retries(self) -> int:
        """Return how often the database had to be tried again."""
        return self._session.retries

    def contains(self, key: str) -> bool:
        """Return whether the table holds a row; in a full refresh, whether that has met it."""
        name = "was_met" if self.state.refreshing else "contains"
        found = self._one("looking for a row", name, key=key, walk=self.state.walk)
        return bool(found["found"])

    def missing(self) -> int:
        """Return how many items the offset counts that are neither stored nor set aside.

        Counted after an anchor was adopted only, until the next refresh; else 0.
        """
        kept = self._one("counting rows", "count_kept")["kept"]
        return 0 if kept is None else max(0, self.state.offset - int(kept))

    def commit(self, batch: Batch) -> Written:
        """Write a batch and the offset it reaches, in one transaction.

        Rows that PostgreSQL refuses are set aside.

        Raises:
            OnlyRejects: if it refuses all new rows of several; nothing is written.
            Fenced: if the offset or the epoch is not what this writer left; nothing is written.
            StoreError: if the database fails; nothing is written.
        """
        return self._commit(batch, keep_refused=True)

    def commit_again(self, batch: Batch) -> Written:
        """Write rows that had been set aside; the ones that are refused are only returned."""
        return self._commit(batch, keep_refused=False)

    def _commit(self, batch: Batch, *, keep_refused: bool) -> Written:
        before, session = self.state, self._session
        after = replace(
            before,
            offset=batch.offset_after,
            anchor=batch.anchor,
            total_synced=before.total_synced + batch.received,
            complete=batch.complete and not before.refreshing,
            doubt=batch.shift or before.doubt,
            **_coverage(before, batch),
        )

        def work(connection: Connection) -> Written:
            written = commit_batch(
                session, connection, self._collection, batch, after, keep_refused=keep_refused
            )
            if written is None:
                raise session.fenced(read_state(connection, session.sync_name))
            return written

        def landed(found: State) -> Written | None:
            moved = (before.offset, before.anchor) != (after.offset, after.anchor)
            there = (found.offset, found.anchor) == (after.offset, after.anchor)
            # That the rows are there is certain; how many of them were new no one knows any more.
            return Written(unchanged=len(set(batch.keys))) if moved and there else None

        written = session.attempt(f"committing offset {after.offset}", work, landed)
        self.state = after
        return written

    def set_aside(self, rejects: Sequence[Reject]) -> None:
        """Keep rejected items without moving the offset."""
        self._one(
            "setting rejected items aside",
            "set_aside",
            **self._fence(),
            rejects=rejects_json(rejects),
        )

    def resolve(self, reject_id: int, resolution: str) -> None:
        """Close a rejected item."""
        self._one("closing a rejected item", "resolve_reject", id=reject_id, resolution=resolution)

    def note(self, *, error: str | None = None, total: int | None = None) -> None:
        """Record in `sync_state` how a run ended: its error if it failed, and Oracle's count.

        Raises:
            Fenced: if another writer has taken over.
        """
        session = self._session
        parameters = self._fence() | {"error": error, "source_total": total}

        def work(connection: Connection) -> bool:
            if not session.one(connection, query("note_end"), **parameters)["noted"]:
                raise session.fenced(read_state(connection, session.sync_name))
            return True

        session.attempt("noting how the run ended", work)

    def forget(self) -> int:
        """Remove the sync's state, and its claims on rows; return how many it claimed.

        The rows stay. Those that no other sync claims belong to whichever refreshes next.
        """
        before, session = self.state, self._session

        def work(connection: Connection) -> int:
            with connection, connection.cursor() as cursor:
                cursor.execute(query("give_up_claims", self._collection), session.names)
                claimed = cursor.rowcount
                cursor.execute(query("forget_rejects"), session.names)
                cursor.execute(query("forget_marks"), session.names)
                record(connection, before, 0, "forget", session.holder, f"gave up {claimed} rows")
                cursor.execute(query("forget_state"), self._fence() | session.names)
                if cursor.rowcount != 1:
                    raise session.fenced(read_state(connection, before.sync_name))
            return claimed

        return session.attempt("forgetting the sync", work)

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
        # A refresh that had not ended stays due; from 0 on it begins again, with no row met.
        restarted = self.state.refreshing and offset == 0
        self._change(self._at(offset, walk=self.state.walk + restarted), action, reason)

    def use_columns(self, collection: Collection, declared: Collection) -> Fitted:
        """Fill these columns from here on: the tables are brought to them, and the state too.

        Attributes that rows may not have yet are remembered until a full refresh has ended.

        Args:
            collection: with the columns.
            declared: the same collection as it is declared, whose columns the script filled.

        Returns:
            The collection with the types that the tables have.

        Raises:
            StoreRefused: if a column that is there can't become what is wanted.
        """
        session = self._session

        def work(connection: Connection) -> tuple[Fitted, State]:
            with connection:
                state = read_state(connection, session.sync_name)
                if state is None:
                    raise session.fenced(None)
                filled = set((state.fields or declared.attribute_list).split(","))
                gone = filled - set(collection.attributes)
                dropped = resolve_columns(declared, sorted(gone), None).columns
                fitted = fit_tables(connection, collection, dropped)
                parameters = self._fence() | session.names | set_fields(state, filled, fitted)
                row = one(connection, query("set_fields"), parameters)
                if row is None:
                    raise session.fenced(state)
            return fitted, state_of(row)

        fitted, self.state = session.attempt("preparing the columns", work)
        self._collection = fitted.collection
        return fitted

    def use_filled_columns(self) -> Collection:
        """Write the columns that the rows are filled with, and return the collection with them.

        The writer was made with the collection as it is declared.
        """
        declared, fields = self._collection, self.state.fields
        self._collection = self._session.attempt(
            "reading the columns", lambda c: filled_collection(c, declared, fields)
        )
        return self._collection

    def begin_refresh(self, reason: str) -> None:
        """Begin a walk from offset 0, at whose end rows that were not met are moved away."""
        after = self._at(
            0,
            refreshing=True,
            walk=self.state.walk + 1,
            doubt=None,
            changes_began=None,
            pass_since=None,
            pass_offset=0,
            pass_anchor=None,
        )
        self._change(after, "refresh", reason)

    def unmet(self, most: int) -> list[Stretch]:
        """Return the stretches of keys that the refresh did not meet, the longest first.

        Args:
            most: how many of them.
        """
        session, text = self._session, query("unmet_stretches", self._collection)
        parameters = self._fence() | session.names | {"most": most}

        def work(connection: Connection) -> list[Stretch]:
            with connection, connection.cursor() as cursor:
                cursor.execute(query("before_scan"))
                return [Stretch(**row) for row in many(connection, text, parameters)]

        return session.attempt("looking for rows that were not met", work)

    def finish_refresh(self, limit: int) -> int:
        """Move the rows that the refresh did not meet to the removed ones; return their number.

        Args:
            limit: percent of this sync's rows that may go. 100 allows every one.

        Raises:
            RemovalHeld: if more would go, or all; then nothing is removed, the refresh ends, and
                the state remembers how many are held.
        """
        before, session = self.state, self._session

        def work(connection: Connection) -> Swept:
            with connection, connection.cursor() as cursor:
                swept = sweep(cursor, self._collection, self._fence() | session.names, limit)
                self._set(connection, before, _after(before, swept))
                record(connection, before, before.offset, "refreshed", session.holder, str(swept))
            return swept

        def landed(found: State) -> Swept | None:
            # How many rows were removed no one knows any more; that some are held is known.
            return None if found.refreshing else Swept(held=found.removal_held)

        swept = session.attempt("ending the full refresh", work, landed)
        self.state = _after(before, swept)
        if swept.held is not None:
            raise removal_held(swept.held, self._collection.table)
        return swept.removed

    def _at(self, offset: int, **further: Any) -> State:
        return replace(
            self.state, offset=offset, total_synced=offset, anchor=None, complete=False, **further
        )

    def _change(self, after: State, action: str, reason: str) -> None:
        before, session = self.state, self._session

        def work(connection: Connection) -> bool:
            with connection, connection.cursor() as cursor:
                if not after.refreshing or after.walk != before.walk:
                    cursor.execute(query("forget_marks"), session.names)
                self._set(connection, before, after)
                record(connection, before, after.offset, action, session.holder, reason)
            return True

        def landed(found: State) -> bool | None:
            # Done twice it would leave two lines in the history.
            done = (found.offset, found.anchor, found.walk)
            return True if done == (after.offset, after.anchor, after.walk) else None

        session.attempt(f"moving to offset {after.offset}", work, landed)
        self.state = after


def _after(before: State, swept: Swept) -> State:
    """Return the state that the end of a full refresh leaves."""
    return replace(
        before,
        refreshing=False,
        complete=True,
        removal_held=swept.held,
        covered_until=before.covered_until or before.changes_began,
        changes_began=None,
        refilling=None,
    )


def _coverage(before: State, batch: Batch) -> dict[str, Any]:
    """Return how far changes are covered after a batch of a walk.

    A walk from 0 to the end has every change until it began. What is covered already stays, also
    in a full refresh: to read more of the changes than needed does no harm.
    """
    if before.covered_until or before.pass_since:
        return {}
    began = before.changes_began or (batch.began if batch.offset_before == 0 else None)
    ended = batch.complete and not before.refreshing
    return {"covered_until": began if ended else None, "changes_began": None if ended else began}
