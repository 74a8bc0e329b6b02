"""Walks a collection from an offset to its end, in pages that overlap by one row.

Belongs here: which pages to ask for, how many ahead, whether each joins what is committed, where
the end is. Does not belong here: HTTP, SQL, and what to do about a shift that can't be repaired.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from typing import Any

from oracle_sync.config.settings import MAX_BATCH_SIZE
from oracle_sync.engine.bases import Bases
from oracle_sync.engine.fetcher import Fetcher, Window
from oracle_sync.engine.page import Base, Batch, Page, PageRequest, Reject, Rows, Source, read_items
from oracle_sync.errors import BadAnswer, OnlyRejects, RowsMoved, SyncError, TooSlow, clean

REMEMBERED_ROWS = 5_000
"""Rows of this walk kept in memory, among which a small shift is looked for."""

FRUITLESS_REPAIRS = 20
"""Repairs in a row that bring no new row, after which the collection outruns this walk."""


@dataclass
class _Joined:
    """A page that follows what is committed: `fresh` is the position of its first new item."""

    page: Page
    rows: Rows
    fresh: int
    shift: str | None = None


class Pager:
    """One walk. Iterating gives batches; asking for the next one says that the last is committed.

    Or that it is being committed: then `writing` has to be set first, and says when it is done.
    At most `concurrency` pages are asked for and not committed at any time, so that this is also
    the most that has to be asked for again after a crash.
    """

    def __init__(
        self,
        source: Source,
        *,
        offset: int,
        anchor: str | None,
        batch_size: int,
        concurrency: int,
    ) -> None:
        self._collection = source.collection
        self._offset = offset
        self._anchor = anchor
        self._batch_size = batch_size
        self._window = Window(concurrency)
        self._fetcher = Fetcher(source, concurrency)
        self._pending: deque[tuple[PageRequest, Future[Page]]] = deque()
        self._taken = 0
        self._limit = min(batch_size + 1, MAX_BATCH_SIZE)
        self._seen: deque[list[str]] = deque()
        self._seen_rows = 0
        self._fruitless = 0
        self._confirming = False
        self._want_total = True
        self._total: int | None = None
        self.estimate: int | None = None
        """The server's estimate of the collection's size, once it has given one."""
        self.shifts = 0
        """Shifts repaired on the spot."""
        self.pages = 0
        self.writing: Future[Any] | None = None
        """The commit of the last batch, where it goes on while the next one is made."""
        self._written = 0
        self.bases = Bases(source.by_key, self._row_at)

    def close(self) -> None:
        """Drop what is in flight."""
        self._discard()
        self._fetcher.close()

    def batches(self) -> Iterator[Batch]:
        """Batches in order, the last one marked complete.

        Raises:
            SourceError: if a page can't be had, or can't be.
            RowsMoved: if a page does not join, and no row of this walk is found near it.
            OnlyRejects: if a page of several new items holds none that can be stored.
        """
        while True:
            batch = self._next()
            failure: SyncError | None = None
            # Where writing lags behind, pages that are there already go into the same transaction,
            # but half of the window is left to the fetching that goes on meanwhile.
            while not batch.complete and self._lags() and batch.pages < self._window.size // 2:
                try:
                    batch.append(self._next())
                except SyncError as error:
                    # What came before it is good, and is committed first.
                    failure = error
                    break
            if not batch.complete and not failure:
                self._fill()
            self._taken, self._written = 0, batch.pages
            yield batch
            if failure:
                raise failure
            if batch.complete:
                return

    def _lags(self) -> bool:
        return self._busy() and bool(self._pending) and self._pending[0][1].done()

    def _busy(self) -> bool:
        return self.writing is not None and not self.writing.done()

    def _next(self) -> Batch:
        """Take the next page, and make a batch of it."""
        self._fill()
        if not self._pending and self.writing is not None:
            # What is being written takes the whole window.
            wait((self.writing,))
            self._fill()
        request, future = self._pending.popleft()
        self._taken += 1
        if self.writing is not None:
            # A commit that ends before the page comes makes room to ask for another one.
            wait((future, self.writing), return_when=FIRST_COMPLETED)
            if self._pending:
                self._fill()
        try:
            page = future.result()
        except TooSlow:
            self._taken -= 1
            self._ask_for_less(request)
            return self._next()
        joined = self._join(page)
        self.pages += 1
        self._window.observe(page)
        batch = self._batch(joined)
        if page.total is not None:
            self._total = self.estimate = page.total
            if self._remaining_pages() > 1 and not page.throttled:
                self._window.open()
        if page.has_more and self._total is not None and self._offset >= self._total:
            # The estimate is too low, and worth nothing more for planning.
            self._total = None
        return batch

    def _batch(self, joined: _Joined) -> Batch:
        page, rows = joined.page, joined.rows
        new = len(page.items) - joined.fresh
        self._refuse_only_rejects(joined)
        before = self._offset
        self._offset = page.request.offset + len(page.items)
        if rows.tokens:
            self._anchor = rows.tokens[-1]
            self._remember(rows.tokens)
        if page.limit is not None and 1 < page.limit < page.request.limit:
            self._limit = min(self._limit, page.limit)
        ended = not self._more_after(joined)
        # Rows before the base may have moved without a sign of it: the last word is an offset's.
        complete = ended and page.request.base is None
        self._confirming = ended and not complete
        if self._confirming:
            self.bases.drop()
        misplaced = bool(self._pending) and self._pending[0][0].offset != self._offset - 1
        if ended or misplaced:
            self._discard()
        return Batch(
            offset_before=before,
            offset_after=self._offset,
            anchor=self._anchor,
            received=new,
            pages=1,
            complete=complete,
            shift=joined.shift,
            keys=rows.keys,
            values=rows.values,
            extras=rows.extras,
            rejects=self._fresh_rejects(joined) if joined.shift is None else rows.rejects,
        )

    def _more_after(self, joined: _Joined) -> bool:
        """Whether to go on after a page. `hasMore` false is not believed of a full page.

        Where the server does not say `hasMore`, only a page with nothing new is the end: a short
        one may as well be cut by a cap.
        """
        page, new = joined.page, len(joined.page.items) - joined.fresh
        if page.has_more and not page.items:
            raise BadAnswer(
                f"The server said hasMore with an empty page at offset {page.request.offset}.",
                "Run it again; if it stays so, the finder pages in a way of its own: try another "
                "ORACLE_FINDER.",
            )
        # After a repair a page may hold old rows alone, and more of them may follow.
        if new == 0 and joined.shift is None:
            if page.has_more:
                raise BadAnswer(
                    f"The server said hasMore at offset {self._offset} but gave no further row "
                    f"for a request of {page.request.limit}.",
                    "It seems to serve one row per request, or to contradict itself; "
                    "oracle-sync check shows its paging.",
                )
            return False
        if page.has_more or page.has_more is None or page.full:
            # A full last page is worth one confirming request: hasMore false can come too early.
            return True
        return self._total is not None and self._total > self._offset

    def _join(self, page: Page) -> _Joined:
        """Check that a page follows the last committed row, else repair."""
        rows = read_items(page.items, page.request.offset, self._collection)
        if len(set(rows.tokens)) < len(rows.tokens):
            # Where a row moves while the server reads, it comes twice, or in place of another one.
            # What comes twice again is so.
            page, rows = self._refetch(page.request.offset, base=page.request.base)
        if self._offset == 0:
            return _Joined(page, rows, 0)
        if rows.tokens and rows.tokens[0] == self._anchor:
            return _Joined(page, rows, 1)
        if page.has_more and not page.items:
            return _Joined(page, rows, 0)
        # Told as such, and not as rows that have moved.
        self._refuse_only_rejects(_Joined(page, rows, 1))
        return self._rejoin()

    def _rejoin(self) -> _Joined:
        """Look for a row of this walk at or before the place where the last one should be.

        Deletions move rows to the left, late inserts to the right; wherever a row is found that
        this walk has seen, everything after it follows without a gap. All by offset, so that a
        base is found anew afterwards.
        """
        self._discard()
        self.bases.drop()
        page, rows = self._refetch(self._offset - 1)
        if rows.tokens and rows.tokens[0] == self._anchor:
            # The page was fetched before the one it follows, and the change lay between the two;
            # or two changes cancelled out, one of which may be a row that came in behind us.
            self.shifts += 1
            return _Joined(page, rows, 1, f"rows moved for a moment near offset {self._offset}")
        self.shifts += 1
        seen = set().union(*self._seen)
        first, offset, back = rows.tokens[:1], page.request.offset, self._limit - 1
        while not seen.intersection(rows.tokens):
            if not seen or offset == 0 or self._offset - offset > REMEMBERED_ROWS:
                raise RowsMoved(
                    f"Rows have moved: the last committed one is no longer at offset "
                    f"{self._offset - 1}, nor near it."
                )
            offset = max(0, self._offset - 1 - back)
            back *= 2
            page, rows = self._refetch(offset)
            self._refuse_repetition(first, rows.tokens[:1], offset)
        if offset == self._offset - 1:
            _, probe = self._refetch(offset + 1, limit=1)
            self._refuse_repetition(first, probe.tokens, offset + 1)
        last = max(i for i, token in enumerate(rows.tokens) if token in seen)
        self._fruitless = self._fruitless + 1 if seen.issuperset(rows.tokens) else 0
        if self._fruitless > FRUITLESS_REPAIRS:
            raise RowsMoved(
                f"Rows are added before offset {self._offset} faster than this walk goes on."
            )
        shift = f"rows moved before offset {self._offset}; found again at {offset + last}"
        return _Joined(page, rows, last + 1, shift)

    def _refuse_repetition(self, first: list[str], other: list[str], offset: int) -> None:
        if not first or first != other:
            return
        # A row that moves between two requests can look the same; not so in the other order too.
        _, there = self._refetch(offset, limit=1)
        _, here = self._refetch(self._offset - 1, limit=1)
        if here.tokens and here.tokens == there.tokens:
            raise BadAnswer(
                f"The server gives the same row at offset {self._offset - 1} and {offset}: it "
                "ignores the offset, so that pages repeat for ever.",
                "This finder pages in a way of its own: try another ORACLE_FINDER, or none.",
            )

    def _refuse_only_rejects(self, joined: _Joined) -> None:
        page, rows = joined.page, joined.rows
        new = len(page.items) - joined.fresh
        fresh = self._fresh_rejects(joined)
        if fresh and (not rows.keys or len(fresh) == new > 1):
            raise OnlyRejects(
                f"None of the {new} new items at offset {fresh[0].offset} can be stored: "
                f"{clean(fresh[0].reason)}.",
                fresh,
            )

    @staticmethod
    def _fresh_rejects(joined: _Joined) -> list[Reject]:
        """Rejects that are new: the row that a page overlaps with has been told already."""
        start = joined.page.request.offset + joined.fresh
        return [reject for reject in joined.rows.rejects if reject.offset >= start]

    def _refetch(
        self, offset: int, limit: int | None = None, base: Base | None = None
    ) -> tuple[Page, Rows]:
        while True:
            request = PageRequest(offset, limit or self._limit, base=base)
            try:
                # By way of the fetcher: what was discarded may still be in flight, and counts.
                page = self._fetcher.submit(request).result()
            except TooSlow:
                if limit is not None:
                    raise
                self._ask_for_less(request)
            else:
                return page, read_items(page.items, offset, self._collection)

    def _remember(self, tokens: list[str]) -> None:
        self._seen.append(tokens)
        self._seen_rows += len(tokens)
        while self._seen_rows - len(self._seen[0]) > REMEMBERED_ROWS:
            self._seen_rows -= len(self._seen.popleft())

    def _remaining_pages(self) -> int:
        """Pages still to come by the server's estimate."""
        rows = max(0, (self._total or 0) - self._offset)
        return -(-rows // (self._limit - 1))

    def _fill(self) -> None:
        """Ask ahead, as far as the window and the likely end of the collection allow."""
        while len(self._pending) + self._unstored() < self._window.size:
            request = self._plan()
            likely_end = self._total is not None and request.offset + 1 >= self._total
            if self._pending and (likely_end or self._confirming):
                return
            self._pending.append((request, self._fetcher.submit(request)))

    def _unstored(self) -> int:
        """Pages taken from the window and not stored yet, as far as is known."""
        return self._taken + (self._written if self._busy() else 0)

    def _plan(self) -> PageRequest:
        """The request after the last one asked for: it begins with that one's last row."""
        want_total, self._want_total = self._want_total, False
        if self._pending:
            last = self._pending[-1][0]
            offset = last.offset + last.limit - 1
            return PageRequest(offset, self._limit, base=self._base_for(offset))
        if self._offset == 0:
            return PageRequest(0, min(self._batch_size, self._limit), want_total)
        offset = self._offset - 1
        return PageRequest(offset, self._limit, want_total, self._base_for(offset))

    def _base_for(self, offset: int) -> Base | None:
        """What a request counts from.

        For the first one of a walk and for the one that confirms its end this is the first row:
        whatever moved before them shows.
        """
        if self.pages == 0 or self._confirming:
            return None
        return self.bases.choose(offset, self._offset - 1, self._anchor)

    def _row_at(self, offset: int, base: Base | None) -> str | None:
        _, rows = self._refetch(offset, 1, base)
        return rows.tokens[0] if rows.tokens else None

    def _ask_for_less(self, request: PageRequest) -> None:
        """Halve the pages after one that took the server too long."""
        if request.limit <= 2:
            raise TooSlow(
                f"The server took too long over {request.limit} rows at offset {request.offset}."
            )
        self._discard()
        self._limit = max(2, request.limit // 2)

    def _discard(self) -> None:
        for _, future in self._pending:
            future.cancel()
        self._pending.clear()
