"""Walk once from the stored offset to the end, and store what comes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from oracle_sync.engine.commits import Commits
from oracle_sync.engine.items import read_items
from oracle_sync.engine.pager import Pager
from oracle_sync.engine.rows import Batch
from oracle_sync.engine.source import PageRequest, Source
from oracle_sync.engine.store import Store, Written
from oracle_sync.engine.summary import Options, Report, Summary
from oracle_sync.errors import RowsMoved


def store_all(
    pager: Pager,
    write: Callable[[Batch], Written],
    on_written: Callable[[Written, Batch], None],
    check: Callable[[Batch], None] = lambda _: None,
) -> None:
    """Write batch after batch, each while the next one is fetched and read.

    Args:
        pager: gives the batches.
        write: stores one.
        on_written: is called for each that is stored.
        check: raises an exception where a batch must not be stored.
    """
    commits = Commits(write, on_written)
    try:
        complete = False
        while not complete:
            batch = pager.next(commits.under_way)
            check(batch)
            complete = batch.complete
            commits.begin(batch)
        commits.settle()
    except Exception:
        # What was handed over before is stored, and reported, first.
        commits.settle()
        raise
    finally:
        commits.close()


class Walker:
    """Walks the collection, as often as a run needs it."""

    def __init__(
        self, source: Source, store: Store, options: Options, summary: Summary, report: Report
    ) -> None:
        self._source = source
        self._store = store
        self._options = options
        self._summary = summary
        self._report = report
        self._began = time.monotonic()
        self.shows_dates = False
        """Whether a walk has seen dates of Oracle's, and the pod's own time."""

    @property
    def seconds(self) -> float:
        """Return how long ago the run began."""
        return time.monotonic() - self._began

    def walk(self) -> None:
        """Walk from the stored offset to the end.

        Raises:
            RowsMoved: if the rows before the offset are not those that were stored.
            SyncError: if the source or the store fails.
        """
        self._adopt()
        state, options, summary = self._store.state, self._options, self._summary
        pager = Pager(
            self._source,
            offset=state.offset,
            anchor=state.anchor,
            batch_size=options.batch_size,
            concurrency=options.concurrency,
        )
        try:
            store_all(
                pager,
                self._store.commit,
                lambda written, batch: self._account(written, batch, pager),
            )
        finally:
            pager.close()
            summary.shifts += pager.shifts
            if pager.warning and pager.warning not in summary.warnings:
                summary.warnings.append(pager.warning)

    def _adopt(self) -> None:
        """Find the anchor of a state that has none: one that the script left, or set by hand."""
        state = self._store.state
        if state.anchor is not None or state.offset == 0:
            return
        page = self._source.fetch(PageRequest(state.offset - 1, 1), threading.Event())
        rows = read_items(page.items, state.offset - 1, self._source.collection)
        if not rows.keys or not self._store.contains(rows.keys[0]):
            raise RowsMoved(f"The row before offset {state.offset} is not one that was stored.")
        self._store.adopt(rows.keys[0])

    def _account(self, written: Written, batch: Batch, pager: Pager) -> None:
        summary, state = self._summary, self._store.state
        summary.inserted += written.inserted
        summary.updated += written.updated
        # Not the store's count: it holds the rows that only repeat what was committed as well.
        start = batch.offset_before
        refused = [reject for reject in written.refused if reject.offset >= start]
        rejected = len([one for one in batch.rejects if one.offset >= start]) + len(refused)
        not_stored = len([reject for reject in batch.rejects if reject.field is None])
        known = written.inserted + written.updated + not_stored + len(refused)
        summary.unchanged += max(0, batch.received - known)
        summary.returned += written.returned
        summary.rejected += rejected
        summary.received += batch.received
        summary.pages += batch.pages
        summary.offset_after = state.offset
        summary.total_synced = state.total_synced
        summary.refreshing = state.refreshing
        summary.complete = state.complete
        summary.expected = pager.estimate
        summary.seconds = time.monotonic() - self._began
        self.shows_dates |= batch.began is not None and any(batch.dates)
        self._report(summary, batch)
