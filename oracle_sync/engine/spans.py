"""Find where two ordered sets of keys differ, by counting stretches of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from oracle_sync.engine.scope import Scope


class OurKeys(Protocol):
    """Our keys in order, as they were when the search began; whole numbers, as text."""

    def __len__(self) -> int:
        """Return how many there are."""

    def key_at(self, rank: int) -> str:
        """Return the key at a place, counted from 0."""


@dataclass(frozen=True)
class Span:
    """A stretch of all keys there can be, bounded by our own, and our keys in it.

    It begins with our key at `first`, or with the lowest key there can be where that is 0, and
    ends before our key at `end`. `theirs` is how many keys the source counts in it.
    """

    first: int
    end: int
    theirs: int
    scope: Scope

    @property
    def ours(self) -> int:
        """Return how many of our keys it holds."""
        return self.end - self.first

    @property
    def differs(self) -> bool:
        """Return whether the two sides count differently."""
        return self.ours != self.theirs


class TooManyDifferences(Exception):
    """The search would cost more than reading everything."""


def find_spans(
    keys: OurKeys,
    theirs: int,
    count: Callable[[Sequence[Scope]], Iterable[int]],
    *,
    page: int,
    most_counts: int,
) -> list[Span]:
    """Return the spans of at most `page` of our keys in which the source counts differently.

    Each round halves the spans that differ and counts their left halves; what the right half
    holds follows from the whole. So k differing keys cost about k * log2(len(keys) / page) counts.

    Args:
        keys: ours.
        theirs: how many keys the source counts in all.
        count: returns the source's count for each scope, in order; it may ask for several at once.
        page: keys that one request can compare.
        most_counts: counts that the search may cost.

    Raises:
        TooManyDifferences: if it would cost more.
    """
    whole = Span(0, len(keys), theirs, Scope())
    open_spans = [whole] if whole.differs else []
    leaves: list[Span] = []
    while open_spans:
        leaves += [span for span in open_spans if span.ours <= page]
        open_spans = [span for span in open_spans if span.ours > page]
        most_counts -= len(open_spans)
        if most_counts < 0:
            raise TooManyDifferences
        halves = [_left_half(keys, span) for span in open_spans]
        counts = count([half.scope for half in halves])
        open_spans = [
            part
            for span, half, counted in zip(open_spans, halves, counts, strict=True)
            for part in _split(keys, span, half, counted)
            if part.differs
        ]
    return sorted(leaves, key=lambda span: span.first)


def _left_half(keys: OurKeys, span: Span) -> Span:
    middle = (span.first + span.end) // 2
    return Span(span.first, middle, 0, _bounds(keys, span.first, middle))


def _split(keys: OurKeys, span: Span, half: Span, counted: int) -> Iterable[Span]:
    yield Span(half.first, half.end, counted, half.scope)
    right = _bounds(keys, half.end, span.end)
    yield Span(half.end, span.end, span.theirs - counted, right)


def _bounds(keys: OurKeys, first: int, end: int) -> Scope:
    return Scope(
        from_key=keys.key_at(first) if first > 0 else None,
        to_key=str(int(keys.key_at(end)) - 1) if end < len(keys) else None,
    )
