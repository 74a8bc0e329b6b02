"""Store changed rows, count and compare with the source, and repair what differs."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace

from psycopg2.extensions import connection as Connection

from oracle_sync.engine.proof import Proof
from oracle_sync.engine.rows import Batch, Rows
from oracle_sync.engine.store import Count, Difference, State, Written
from oracle_sync.postgres.batches import Place, commit_batch
from oracle_sync.postgres.connection import many
from oracle_sync.postgres.equality import WINDOWS, RankedKeys, compare, ranked_keys, remove
from oracle_sync.postgres.keeper import Keeper
from oracle_sync.postgres.queries import query
from oracle_sync.postgres.reader import read_state, record

EPOCH = dt.datetime(1, 1, 1, tzinfo=dt.UTC)
"""Before every date there can be."""


class Equalizer(Keeper):
    """What the part of a run that follows the walk needs of the database."""

    def begin_pass(self, since: dt.datetime) -> None:
        """Begin to read what changed since a time, or begin again."""
        after = replace(
            self.state, pass_since=since, pass_offset=0, pass_anchor=None, changes_began=None
        )
        self._keep("beginning to read changes", after)

    def commit_changes(self, batch: Batch) -> Written:
        """Write rows and the place that the pass has reached, in one transaction.

        Raises:
            OnlyRejects: if PostgreSQL refuses all new rows of several; nothing is written.
            Fenced: if another writer has taken over; nothing is written.
            StoreError: if the database fails; nothing is written.
        """
        before, session = self.state, self._session
        after = replace(
            before,
            pass_offset=batch.offset_after,
            pass_anchor=batch.anchor,
            changes_began=before.changes_began or batch.began,
        )
        place = Place("commit_changes", after.pass_offset, after.pass_anchor)

        def work(connection: Connection) -> Written:
            written = commit_batch(session, connection, self._collection, batch, after, place)
            if written is None:
                raise session.fenced(read_state(connection, session.sync_name))
            return written

        def landed(found: State) -> Written | None:
            reached = (after.pass_offset, after.pass_anchor)
            moved = (before.pass_offset, before.pass_anchor) != reached
            there = (found.pass_offset, found.pass_anchor) == reached
            return Written(unchanged=len(set(batch.keys))) if moved and there else None

        written = session.attempt("storing changed rows", work, landed)
        self.state = after
        return written

    def end_pass(self) -> None:
        """Note that changes are covered until this pass began."""
        state = self.state
        after = replace(
            state,
            covered_until=state.changes_began or state.covered_until,
            changes_began=None,
            pass_since=None,
            pass_offset=0,
            pass_anchor=None,
        )
        self._keep("noting how far changes are read", after)

    def dates_before(self, moment: dt.datetime) -> Iterator[dt.datetime]:
        """Yield the dates of our rows up to a time, each once, the latest first."""
        high, text = moment, query("dates_between", self._collection)
        for window in (*WINDOWS, None):
            low = high - window if window else EPOCH
            parameters = self._session.names | {"low": low, "high": high}
            for row in self._scan("looking for dates", text, parameters):
                yield row["date"]
            high = low

    def count(self, until: dt.datetime) -> Count:
        """Count our rows that Oracle dated up to a time."""
        text = query("count_dated", self._collection)
        (row,) = self._scan("counting rows", text, self._session.names | {"until": until})
        return Count(**row)

    def keys(self, until: dt.datetime) -> RankedKeys | None:
        """Return the keys of those rows in order; None where they are not whole numbers."""
        session = self._session
        return session.attempt(
            "listing the keys",
            lambda c: ranked_keys(c, self._collection, session.names, until),
        )

    def compare(self, rows: Rows, ours: Sequence[str]) -> list[Difference]:
        """Compare rows of the source, and those of ours that should be among them."""
        session = self._session
        return session.attempt(
            "comparing rows", lambda c: compare(c, self._collection, session.names, rows, ours)
        )

    def overwrite(self, rows: Rows) -> Written:
        """Write what the source says of rows, even where its date went back."""
        state, session = self.state, self._session
        batch = Batch(
            offset_before=0,
            offset_after=len(rows.tokens),
            anchor=None,
            received=len(rows.tokens),
            pages=1,
            complete=False,
            keys=rows.keys,
            values=rows.values,
            dates=rows.dates,
            rejects=rows.rejects,
        )
        place = Place("commit_repair", 0, None)

        def work(connection: Connection) -> Written:
            written = commit_batch(session, connection, self._collection, batch, state, place)
            if written is None:
                raise session.fenced(read_state(connection, session.sync_name))
            return written

        return session.attempt("repairing rows", work)

    def remove(self, keys: Sequence[str], limit: int) -> int:
        """Move rows away, in one transaction, if they are within `limit` percent.

        Raises:
            TooManyRemovals: if they are not; then nothing is changed.
            Fenced: if another writer has taken over.
        """
        before, session = self.state, self._session

        def work(connection: Connection) -> int:
            with connection, connection.cursor() as cursor:
                removed = remove(cursor, self._collection, session.names, keys, limit)
                self._set(connection, before, before)
            return removed

        return session.attempt("removing rows that are gone", work)

    def settle(self, reason: str, *, solved: bool) -> bool:
        """Set offset and anchor to the rows there are; return whether their keys allow that."""
        before, session = self.state, self._session
        text = query("standing_of_rows", self._collection)

        def work(connection: Connection) -> State | None:
            with connection, connection.cursor() as cursor:
                cursor.execute(query("before_scan"))
                (row,) = many(connection, text, session.names)
                if not row["numbers"]:
                    return None
                after = replace(
                    before,
                    offset=row["offset_reached"],
                    total_synced=row["offset_reached"],
                    anchor=row["anchor"],
                    doubt=None if solved else reason,
                )
                self._set(connection, before, after)
                action = "settle" if solved else "repair"
                record(connection, before, after.offset, action, session.holder, reason)
            return after

        def landed(found: State) -> State | None:
            there = (found.offset, found.anchor, found.doubt)
            moved = there != (before.offset, before.anchor, before.doubt)
            return found if moved else None

        after = session.attempt("setting the offset to the rows there are", work, landed)
        self.state = after or before
        return after is not None

    def note_proof(self, proof: Proof) -> None:
        """Remember a comparison."""
        at, rows = (proof.at, proof.ours) if proof.equal else (None, None)
        self._one(
            "noting the comparison",
            "note_proof",
            **self._fence(),
            proof=json.dumps(proof.as_data()),
            at=at,
            rows=rows,
        )
        state = self.state
        self.state = replace(
            state,
            proof=proof,
            proven_at=at or state.proven_at,
            proven_rows=state.proven_rows if rows is None else rows,
        )
