"""Check that a page follows what is committed, and repair where rows have moved."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from oracle_sync.config.collection import Collection
from oracle_sync.engine.items import read_items
from oracle_sync.engine.requests import Position, Requests
from oracle_sync.engine.rows import Reject, Rows
from oracle_sync.engine.source import Page
from oracle_sync.errors import BadAnswer, RowsMoved, only_rejects

REMEMBERED_ROWS = 5_000
"""Rows of this walk kept in memory, among which a small shift is looked for."""

FRUITLESS_REPAIRS = 20
"""Repairs in a row that bring no new row, after which the collection outruns this walk."""


@dataclass
class Joined:
    """A page that follows what is committed: `fresh` is the position of its first new item."""

    page: Page
    rows: Rows
    fresh: int
    shift: str | None = None

    @property
    def new(self) -> int:
        """Return how many items are new."""
        return len(self.page.items) - self.fresh

    @property
    def fresh_rejects(self) -> list[Reject]:
        """Return the rejects among the new items: older ones have been set aside already.

        Those whose row is written once more are among them: without them, the row would seem to
        have come in full by now.
        """
        start = self.page.request.offset + self.fresh
        return [one for one in self.rows.rejects if one.offset >= start or one.field is not None]

    def refuse_only_rejects(self) -> None:
        """Stop where none of the new items can be stored.

        Raises:
            OnlyRejects: with these items.
        """
        fresh = [reject for reject in self.fresh_rejects if reject.field is None]
        if fresh and (not self.rows.keys or len(fresh) == self.new > 1):
            raise only_rejects(self.new, fresh)


class Joiner:
    """Joins the pages of one walk, each to the ones before it."""

    def __init__(self, requests: Requests, collection: Collection) -> None:
        self._requests = requests
        self._collection = collection
        self._memory: deque[Sequence[str]] = deque()
        self._fruitless = 0
        self.shifts = 0
        """Shifts repaired on the spot."""

    def remember(self, tokens: Sequence[str]) -> None:
        """Keep the tokens of a page of this walk, to know them again after a shift."""
        self._memory.append(tokens)
        kept = sum(map(len, self._memory))
        while kept - len(self._memory[0]) > REMEMBERED_ROWS:
            kept -= len(self._memory.popleft())

    def join(self, page: Page, position: Position) -> Joined:
        """Return the page, once it is certain that it follows the walk's position.

        Raises:
            RowsMoved: if it does not, and no row of this walk is found near it.
            OnlyRejects: if none of its new items can be stored.
            BadAnswer: if the server contradicts itself.
        """
        rows = read_items(page.items, page.request.offset, self._collection)
        if len(set(rows.tokens)) < len(rows.tokens):
            # Where a row moves while the server reads, it comes twice, or in place of another one.
            # What comes twice again is so.
            page, rows = self._requests.again(page.request.offset, base=page.request.base)
        if position.offset == 0:
            return Joined(page, rows, 0)
        if rows.tokens and rows.tokens[0] == position.anchor:
            return Joined(page, rows, 1)
        if page.has_more and not page.items:
            return Joined(page, rows, 0)
        # Reported as such, and not as rows that have moved.
        Joined(page, rows, 1).refuse_only_rejects()
        return self._rejoin(position)

    def _rejoin(self, position: Position) -> Joined:
        """Look for a row of this walk at or before the place where the last one should be.

        Deletions move rows to the left, late inserts to the right; wherever a row is found that
        this walk has seen, everything after it follows without a gap. All by offset, so that a
        base is chosen again afterwards.
        """
        requests, last = self._requests, position.offset - 1
        requests.discard()
        requests.bases.drop()
        self.shifts += 1
        page, rows = requests.again(last)
        if rows.tokens and rows.tokens[0] == position.anchor:
            # The page was fetched before the one it follows, and the change lay between the two;
            # or two changes cancelled out, one of which may be a row that came in behind us.
            shift = f"rows moved for a moment near offset {position.offset}"
            return Joined(page, rows, 1, shift)
        seen = set().union(*self._memory)
        page, rows = self._search(page, rows, position, seen)
        self._fruitless = self._fruitless + 1 if seen.issuperset(rows.tokens) else 0
        if self._fruitless > FRUITLESS_REPAIRS:
            raise RowsMoved(
                f"Rows are added before offset {position.offset} faster than this walk proceeds."
            )
        known = max(i for i, token in enumerate(rows.tokens) if token in seen)
        shift = (
            f"rows moved before offset {position.offset}; "
            f"found again at {page.request.offset + known}"
        )
        return Joined(page, rows, known + 1, shift)

    def _search(
        self, page: Page, rows: Rows, position: Position, seen: set[str]
    ) -> tuple[Page, Rows]:
        """Go back from the page at the last offset until one holds a row of this walk."""
        last, first = position.offset - 1, rows.tokens[:1]
        offset, back = last, self._requests.limit - 1
        while not seen.intersection(rows.tokens):
            if not seen or offset == 0 or position.offset - offset > REMEMBERED_ROWS:
                raise RowsMoved(
                    f"Rows have moved: the last committed one is no longer at offset {last}, nor "
                    "near it."
                )
            offset = max(0, last - back)
            back *= 2
            page, rows = self._requests.again(offset)
            self._refuse_repetition(first, rows.tokens[:1], offset, last)
        if offset == last:
            _, following = self._requests.again(offset + 1, limit=1)
            self._refuse_repetition(first, following.tokens, offset + 1, last)
        return page, rows

    def _refuse_repetition(
        self, first: list[str], other: list[str], offset: int, last: int
    ) -> None:
        """Stop where the server gives the same row at two offsets."""
        if not first or first != other:
            return
        # A row that moves between two requests can look the same. To do so here it would have to
        # stay where it is between two looks and to move between two others, back and forth.
        for place in (offset, last, last, offset, offset, last):
            if self._requests.again(place, limit=1)[1].tokens != first:
                return
        raise BadAnswer(
            f"The server gives the same row at offset {last} and {offset}: it ignores the "
            "offset, so that pages repeat for ever.",
            "This finder does its own paging: try another ORACLE_FINDER, or none.",
        )
