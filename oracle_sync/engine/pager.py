"""Walk a collection from an offset to its end, in pages that overlap by one row."""

from __future__ import annotations

from oracle_sync.engine.commits import Commit
from oracle_sync.engine.joining import Joined, Joiner
from oracle_sync.engine.requests import Position, Requests
from oracle_sync.engine.rows import Batch
from oracle_sync.engine.scope import EVERYTHING, Scope
from oracle_sync.engine.source import Page, Source
from oracle_sync.errors import BadAnswer, SyncError, TooSlow


class Pager:
    """One walk of a collection, or of the rows in a scope, which gives a batch at a time."""

    def __init__(
        self,
        source: Source,
        *,
        offset: int,
        anchor: str | None,
        batch_size: int,
        concurrency: int,
        scope: Scope = EVERYTHING,
    ) -> None:
        self._position = Position(offset, anchor)
        self._requests = Requests(source, batch_size, concurrency, scope)
        self._joiner = Joiner(self._requests, source.collection)
        self._failure: SyncError | None = None

    def close(self) -> None:
        """Drop what is in flight."""
        self._requests.close()

    @property
    def estimate(self) -> int | None:
        """Return the server's estimate of the collection's size, once it has given one."""
        return self._requests.estimate

    @property
    def shifts(self) -> int:
        """Return how many shifts were repaired on the spot."""
        return self._joiner.shifts

    @property
    def warning(self) -> str:
        """Return why the walk does not page by key although it should; empty if it does."""
        return self._requests.bases.warning

    def next(self, commit: Commit | None = None) -> Batch:
        """Return the batch that follows, the last one of a walk marked complete.

        `commit` is that of the batch before, where it is not known to have ended: only its pages
        are not stored yet. While it lags behind, pages that have come already go into the same
        batch; but half of the window is left for the pages that are fetched meanwhile.

        Raises:
            SourceError: if a page is not to be had, or contradicts itself.
            RowsMoved: if a page does not join, and no row of this walk is found near it.
            OnlyRejects: if a page of several new items holds none that can be stored.
        """
        if self._failure:
            raise self._failure
        batch = self._read(commit, 0)
        while not batch.complete and self._lags(commit) and batch.pages < self._half_window:
            try:
                batch.append(self._read(commit, batch.pages))
            except SyncError as error:
                # What came before it is good, and is committed first.
                self._failure = error
                return batch
        if not batch.complete:
            self._fill(commit, batch.pages)
        return batch

    @property
    def _half_window(self) -> int:
        return self._requests.window // 2

    def _lags(self, commit: Commit | None) -> bool:
        return bool(commit and commit.unstored_pages and self._requests.page_is_there)

    def _fill(self, commit: Commit | None, taken: int) -> None:
        unstored = commit.unstored_pages if commit else 0
        self._requests.fill(self._position, taken + unstored)

    def _read(self, commit: Commit | None, taken: int) -> Batch:
        """Take the next page, where `taken` others are in the same batch, and make one of it."""
        page = self._take(commit, taken)
        batch = self._batch(self._joiner.join(page, self._position))
        self._requests.observe(page, self._position.offset)
        return batch

    def _take(self, commit: Commit | None, taken: int) -> Page:
        while True:
            self._fill(commit, taken)
            if commit and self._requests.next_offset is None:
                # What is being written takes the whole window.
                commit.wait()
                self._fill(commit, taken)
            request, page = self._requests.take()
            if commit:
                # A commit that ends before the page comes makes room to ask for another one.
                commit.wait(page)
                if self._requests.next_offset is not None:
                    self._fill(commit, taken + 1)
            try:
                return page.result()
            except TooSlow:
                self._requests.ask_for_less(request)

    def _batch(self, joined: Joined) -> Batch:
        """Move on behind a page."""
        joined.refuse_only_rejects()
        page, rows = joined.page, joined.rows
        before = self._position.offset
        offset = page.request.offset + len(page.items)
        anchor = rows.tokens[-1] if rows.tokens else self._position.anchor
        self._position = Position(offset, anchor)
        self._joiner.remember(rows.tokens)
        ended = not self._more_after(joined)
        # Rows before the base may have moved without a sign of it: an offset has the last word.
        complete = ended and page.request.base is None
        self._requests.from_start = ended and not complete
        if self._requests.from_start:
            self._requests.bases.drop()
        if ended or self._requests.next_offset not in (None, offset - 1):
            self._requests.discard()
        return Batch(
            offset_before=before,
            offset_after=offset,
            anchor=anchor,
            received=joined.new,
            pages=1,
            complete=complete,
            shift=joined.shift,
            began=page.asked_at,
            keys=rows.keys,
            values=rows.values,
            dates=rows.dates,
            rejects=joined.fresh_rejects if joined.shift is None else rows.rejects,
        )

    def _more_after(self, joined: Joined) -> bool:
        """Return whether to go on after a page. `hasMore` false is not believed of a full page.

        Where the server does not say `hasMore`, only a page with nothing new is the end: a short
        one may as well be cut by a cap.
        """
        page, requests, offset = joined.page, self._requests, self._position.offset
        if page.has_more and not page.items:
            raise BadAnswer(
                f"The server said hasMore with an empty page at offset {page.request.offset}.",
                "Run it again; if it happens again, the finder does its own paging: try another "
                "ORACLE_FINDER.",
            )
        # After a repair a page may hold old rows alone, and more of them may follow.
        if joined.new == 0 and joined.shift is None:
            if page.has_more:
                raise BadAnswer(
                    f"The server said hasMore at offset {offset} but gave no further row for a "
                    f"request of {page.request.limit}.",
                    "It seems to serve one row per request, or to contradict itself; "
                    "oracle-sync check shows its paging.",
                )
            return False
        if page.has_more or page.has_more is None or page.full:
            # A full last page is worth one confirming request: hasMore false can come too early.
            return True
        return requests.total is not None and requests.total > offset
