"""Run one sync from the stored offset to the end of the collection; refresh where that is due."""

from __future__ import annotations

import datetime as dt

from oracle_sync.engine.equality import Equality, Plan, Reached
from oracle_sync.engine.probe import probe
from oracle_sync.engine.proof import Outcome
from oracle_sync.engine.removal import MOST_LOOKUPS, NotLookedUp, rows_still_there
from oracle_sync.engine.rows import Batch
from oracle_sync.engine.source import Source
from oracle_sync.engine.store import Store, Written
from oracle_sync.engine.summary import Options, Report, Summary
from oracle_sync.engine.walk import Walker
from oracle_sync.errors import OnlyRejects, RowsMoved, SyncError, removal_held

MAX_REFRESHES = 3
"""Full refreshes that one run tries while the collection keeps moving under it."""

MAX_ROUNDS = 3
"""Times that one run walks again because rows came in, or the offset was set to them."""

DATES_DUE = "the times at which Oracle changed the rows are not known yet"

LONGEST_PAUSE = dt.timedelta(hours=1)
"""After a longer interruption a full refresh starts again: rows that it had passed may have changed
since. A crash, a restart or a maintenance window is mostly shorter, and costs no second reading."""


def run_sync(
    source: Source,
    store: Store,
    options: Options,
    report: Report = lambda _summary, _batch: None,
) -> Summary:
    """Bring the table up to date, and return what was done.

    Raises:
        SyncError: saying what happened and, in `kept`, what is safely stored.
    """
    run = _Run(source, store, options, report)
    try:
        run.to_the_end()
    except SyncError as error:
        error.kept = f"Everything up to offset {store.state.offset} is stored."
        run.note_failure(error)
        raise
    return run.summary


class _Run:
    def __init__(self, source: Source, store: Store, options: Options, report: Report) -> None:
        self._source = source
        self._store = store
        self._options = options
        self._report = report
        state = store.state
        self.summary = Summary(state.sync_name, state.offset, state.offset, state.total_synced)
        self._moved: str | None = None
        self._walker = Walker(source, store, options, self.summary, report)
        self._equality = Equality(
            source,
            store,
            Plan(
                changes=options.changes,
                lookback=dt.timedelta(seconds=options.lookback),
                batch_size=options.batch_size,
                concurrency=options.concurrency,
                limit=options.removal_limit,
                proof=options.proof,
            ),
            self._account_changes,
        )

    def to_the_end(self) -> None:
        """Walk; refresh where asked for, or where it turns out that rows have moved."""
        store, summary = self._store, self.summary
        confirming = self._options.confirm_removal and store.state.removal_held
        if store.state.refreshing and self._pause() > LONGEST_PAUSE:
            self._refresh(
                "the one before was interrupted for so long that rows it had passed may have "
                "changed since"
            )
        elif store.state.refilling and not store.state.refreshing:
            self._refresh(f"to fill {store.state.refilling} in every row")
        elif (self._options.full_refresh or confirming) and not store.state.refreshing:
            self._refresh("to remove the rows that were held" if confirming else "asked for")
        reached, rounds = Reached(), 0
        while True:
            received = summary.received
            self._walk_to_the_end()
            if store.state.refreshing and not self._sure_of_removals():
                continue
            if store.state.refreshing:
                summary.removed += store.finish_refresh(self._options.removal_limit)
                summary.refreshing, summary.complete = False, True
            doubt = DATES_DUE if self._dates_are_due() else self._doubt()
            if reached.settled and not doubt and summary.received == received:
                # The walk has confirmed the offset that was set; nothing came in since.
                break
            reached = self._reach_equality(doubt)
            if (reached.settled or reached.inserted) and rounds < MAX_ROUNDS:
                rounds += 1
                continue
            due = self._refresh_due(doubt, reached)
            if due is None:
                break
            if summary.refreshes >= MAX_REFRESHES:
                summary.warnings.append(
                    f"Rows moved during each of {summary.refreshes} full refreshes. Every row "
                    "that was there all the time is stored; of rows added or removed meanwhile "
                    "that is not certain. The next run refreshes again."
                )
                break
            self._refresh(due)
        self._end()

    def _doubt(self) -> str | None:
        """Return why the rows before the offset may not be those of the source."""
        doubt, self._moved = self._moved or self._store.state.doubt, None
        # Rows that came in before an adopted anchor are not shown by that row alone.
        if doubt is None and self._store.missing() > 0:
            return "the table has fewer rows than the offset counts"
        return doubt

    def _dates_are_due(self) -> bool:
        """Return whether rows were stored before their dates were asked for."""
        return self._walker.shows_dates and self._store.state.covered_until is None

    def _reach_equality(self, doubt: str | None) -> Reached:
        if self._options.changes == "off" or doubt == DATES_DUE:
            return Reached()
        summary = self.summary
        summary.reading_changes = True
        reached = self._equality.reach(doubt, refreshed=summary.refreshes > 0)
        summary.reading_changes = False
        summary.inserted += reached.inserted
        summary.updated += reached.updated
        summary.removed += reached.removed
        summary.proof = reached.proof
        summary.offset_after = self._store.state.offset
        return reached

    def _refresh_due(self, doubt: str | None, reached: Reached) -> str | None:
        """Return why only a full refresh can help now; None where it can't, or need not."""
        proof = reached.proof
        if proof and proof.equal and (reached.settled or not doubt):
            return None
        if doubt:
            # Of a source that never rests, the next run knows more than another reading.
            return None if proof and proof.outcome == Outcome.CHANGING else doubt
        if proof is None or proof.outcome != Outcome.DIFFERENT or reached.repairable:
            return None
        return None if proof.refreshed or self._store.state.removal_held else proof.sentence()

    def note_failure(self, error: SyncError) -> None:
        """Leave the error in `sync_state`, where `status` shows it."""
        try:
            if isinstance(error, OnlyRejects):
                self._store.set_aside(error.rejects)
            self._store.note(error=error.sentence()[:1_000])
        except SyncError:
            # The first error is what the user has to see; this one mostly has the same cause.
            return

    def _end(self) -> None:
        summary = self.summary
        if summary.offset_after == 0:
            summary.warnings.append(
                "Oracle gave no rows at all. An empty answer is as likely outside the user's or "
                "the finder's scope as an empty collection: check ORACLE_FINDER and the user's "
                "role."
            )
        if summary.rejected:
            summary.warnings.append(
                f"{summary.rejected} items could not be stored, or not in full, and were set aside "
                "in rejected_items, with the reason."
            )
        held = self._store.state.removal_held
        if held:
            summary.removal_held = held
            error = removal_held(held, self._source.collection.table)
            summary.warnings.append(error.sentence())
        if summary.proof and not summary.proof.equal:
            summary.warnings.append(summary.proof.sentence())
        self._store.note(total=summary.expected)

    def _pause(self) -> dt.timedelta:
        """Return how long ago the last commit of this sync was; 0 if there was none."""
        last = self._store.state.last_sync_at
        if last is None:
            return dt.timedelta()
        return dt.datetime.now(dt.UTC) - last.replace(tzinfo=dt.UTC)

    def _refresh(self, reason: str) -> None:
        self.summary.refreshes += 1
        self._store.begin_refresh(reason)

    def _walk_to_the_end(self) -> None:
        """Walk; where rows may be removed afterwards, look a second time whether it is the end."""
        reached = None
        while True:
            self._walk()
            state = self._store.state
            if not state.refreshing or state.offset == reached:
                return
            seen = probe(self._source, state)
            if not seen.more or seen.anchored is False:
                # Where rows move at this very moment, the next run finds that out.
                return
            reached = state.offset

    def _sure_of_removals(self) -> bool:
        """Look up the rows that were not met; begin again where the source still has some.

        Raises:
            RowsMoved: if that has been the case in each of several refreshes.
        """
        stretches = self._store.unmet(MOST_LOOKUPS)
        if not stretches:
            return True
        try:
            found = rows_still_there(self._source, stretches, self._options.concurrency)
        except NotLookedUp as error:
            self.summary.warnings.append(
                f"Rows that are gone were not looked up by key before they were removed: {error}."
            )
            return True
        if not found:
            return True
        reason = "the source still has rows that the refresh did not meet"
        if self.summary.refreshes >= MAX_REFRESHES:
            raise RowsMoved(f"In each of {MAX_REFRESHES} full refreshes {reason}; none is removed.")
        self._refresh(reason)
        return False

    def _walk(self) -> None:
        """Walk from the stored offset to the end; from the start again where rows have moved."""
        while True:
            try:
                self._walker.walk()
                return
            except RowsMoved as moved:
                if self._options.changes != "off" and self._equality.can_settle:
                    self._moved = str(moved)
                    return
                if self.summary.refreshes >= MAX_REFRESHES:
                    raise
                self._refresh(str(moved))

    def _account_changes(self, written: Written, batch: Batch) -> None:
        self.summary.changes += batch.received
        self.summary.rejected += len(batch.rejects) + len(written.refused)
        self.summary.seconds = self._walker.seconds
        self._report(self.summary, batch)
