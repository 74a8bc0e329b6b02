"""Ask for pages ahead of a walk, or once more, within the number that may be in flight."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass

from oracle_sync.config.settings import MAX_BATCH_SIZE
from oracle_sync.engine.bases import Bases
from oracle_sync.engine.fetcher import Fetcher, Window
from oracle_sync.engine.items import read_items
from oracle_sync.engine.rows import Rows
from oracle_sync.engine.scope import EVERYTHING, Scope
from oracle_sync.engine.source import Base, Page, PageRequest, Source
from oracle_sync.errors import TooSlow


@dataclass(frozen=True)
class Position:
    """Where a walk stands: the offset, and the token of the item before it."""

    offset: int
    anchor: str | None


class Requests:
    """The pages that were asked for and not taken yet, in order, and the threads that fetch them.

    Each request begins with the last row of the one before it, so that their pages can be joined.
    At most `concurrency` pages are asked for and not stored at any time, so that this is also the
    most that has to be asked for again after a crash.
    """

    def __init__(
        self, source: Source, batch_size: int, concurrency: int, scope: Scope = EVERYTHING
    ) -> None:
        self._collection = source.collection
        self._scope = scope
        self._batch_size = min(batch_size, MAX_BATCH_SIZE)
        self._window = Window(concurrency)
        self._fetcher = Fetcher(source, concurrency)
        self._pending: deque[tuple[PageRequest, Future[Page]]] = deque()
        self._want_total = True
        self.limit = min(batch_size + 1, MAX_BATCH_SIZE)
        """How many rows a page is asked for."""
        self.total: int | None = None
        """The server's estimate of the collection's size, as long as it may be right."""
        self.estimate: int | None = None
        """The last estimate that the server has given."""
        self.from_start = True
        """Whether the next request counts from the first row: whatever moved before it shows."""
        # A base is another bound on the key, and what has changed is never deep.
        self.bases = Bases(source.by_key and scope == EVERYTHING, self._row_at)

    def close(self) -> None:
        """Drop what is in flight."""
        self.discard()
        self._fetcher.close()

    @property
    def window(self) -> int:
        """Return how many pages may be asked for and not stored now."""
        return self._window.size

    @property
    def next_offset(self) -> int | None:
        """Return where the page begins that is taken next; None if none was asked for."""
        return self._pending[0][0].offset if self._pending else None

    @property
    def page_is_there(self) -> bool:
        """Return whether the page that is taken next has come already."""
        return bool(self._pending) and self._pending[0][1].done()

    def fill(self, position: Position, unstored: int) -> None:
        """Ask ahead, as far as the window and the likely end of the collection allow.

        Args:
            position: where the walk stands.
            unstored: pages that were taken and are not stored yet.
        """
        while len(self._pending) + unstored < self._window.size:
            request = self._plan(position)
            beyond = self.total is not None and request.offset + 1 >= self.total
            if self._pending and (beyond or self.from_start):
                return
            self._pending.append((request, self._fetcher.submit(request)))

    def take(self) -> tuple[PageRequest, Future[Page]]:
        """Return the next request and the page to come for it."""
        return self._pending.popleft()

    def again(
        self, offset: int, limit: int | None = None, base: Base | None = None
    ) -> tuple[Page, Rows]:
        """Return the page at `offset` as it is now.

        Raises:
            SourceError: if there is no such page to be had.
        """
        while True:
            request = PageRequest(offset, limit or self.limit, base=base, scope=self._scope)
            try:
                # By way of the fetcher: what was discarded may still be in flight, and counts.
                page = self._fetcher.submit(request).result()
            except TooSlow:
                if limit is not None:
                    raise
                self.ask_for_less(request)
            else:
                self._heed_cap(page)
                return page, read_items(page.items, offset, self._collection)

    def ask_for_less(self, request: PageRequest) -> None:
        """Halve the pages after one that took the server too long.

        Raises:
            TooSlow: if they can't be made any smaller.
        """
        if request.limit <= 2:
            raise TooSlow(
                f"The server took too long over {request.limit} rows at offset {request.offset}."
            )
        self.discard()
        self.limit = max(2, request.limit // 2)

    def observe(self, page: Page, reached: int) -> None:
        """Learn from a page after which the walk stands at offset `reached`."""
        self._window.observe(page)
        self._heed_cap(page)
        if page.total is not None:
            self.total = self.estimate = page.total
            rows_to_come = max(0, page.total - reached)
            if rows_to_come > self.limit - 1 and not page.throttled:
                self._window.open()
        if page.has_more and self.total is not None and reached >= self.total:
            # The estimate is too low, and worth nothing more for planning.
            self.total = None

    def discard(self) -> None:
        """Forget the pages that were asked for ahead."""
        for _, future in self._pending:
            future.cancel()
        self._pending.clear()

    def _heed_cap(self, page: Page) -> None:
        if page.limit is not None and 1 < page.limit < page.request.limit:
            self.limit = min(self.limit, page.limit)

    def _plan(self, position: Position) -> PageRequest:
        """Return the request after the last one asked for: it begins with that one's last row."""
        want_total, self._want_total = self._want_total, False
        if self._pending:
            last = self._pending[-1][0]
            offset = last.offset + last.limit - 1
            base = self._base_for(offset, position)
            return PageRequest(offset, self.limit, base=base, scope=self._scope)
        if position.offset == 0:
            limit = min(self._batch_size, self.limit)
            return PageRequest(0, limit, want_total, scope=self._scope)
        offset = position.offset - 1
        base = self._base_for(offset, position)
        return PageRequest(offset, self.limit, want_total, base, self._scope)

    def _base_for(self, offset: int, position: Position) -> Base | None:
        if self.from_start:
            return None
        return self.bases.choose(offset, position.offset - 1, position.anchor)

    def _row_at(self, offset: int, base: Base | None) -> str | None:
        _, rows = self.again(offset, 1, base)
        return rows.tokens[0] if rows.tokens else None
