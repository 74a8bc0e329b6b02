"""Test the search for differences by counts: it misses none, and costs what it should."""

from __future__ import annotations

import math
import random
from bisect import bisect_left, bisect_right
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle_sync.engine.scope import Scope
from oracle_sync.engine.spans import Span, TooManyDifferences, find_spans


class Keys:
    """Keys in a list, on either side."""

    def __init__(self, keys: set[int]) -> None:
        self.sorted = sorted(keys)
        self.counts = 0

    def __len__(self) -> int:
        return len(self.sorted)

    def key_at(self, rank: int) -> str:
        return str(self.sorted[rank])

    def count(self, scopes: Sequence[Scope]) -> list[int]:
        self.counts += len(scopes)
        return [len(self.within(scope)) for scope in scopes]

    def within(self, scope: Scope) -> list[int]:
        low = bisect_left(self.sorted, int(scope.from_key)) if scope.from_key else 0
        high = bisect_right(self.sorted, int(scope.to_key)) if scope.to_key else len(self.sorted)
        return self.sorted[low:high]


def search(ours: Keys, theirs: Keys, page: int = 5, most_counts: int = 10_000) -> list[Span]:
    return find_spans(ours, len(theirs), theirs.count, page=page, most_counts=most_counts)


@given(st.sets(st.integers(1, 400)), st.data())
def test_every_key_that_is_gone_lies_in_a_span_of_a_page(
    ours: set[int], data: st.DataObject
) -> None:
    gone = data.draw(st.sets(st.sampled_from(sorted(ours)))) if ours else set()
    mine, source = Keys(ours), Keys(ours - gone)
    spans = search(mine, source)
    assert all(span.ours <= 5 for span in spans)
    covered = {key for span in spans for key in mine.within(span.scope)}
    assert gone <= covered
    assert all(len(source.within(span.scope)) == span.theirs for span in spans)


@given(st.sets(st.integers(1, 400)), st.sets(st.integers(1, 400), min_size=1))
def test_every_key_that_is_missing_lies_in_a_span(ours: set[int], more: set[int]) -> None:
    mine, source = Keys(ours), Keys(ours | more)
    covered = {key for span in search(mine, source) for key in source.within(span.scope)}
    assert more - ours <= covered


def test_equal_sides_cost_no_count() -> None:
    source = Keys(set(range(1_000)))
    assert search(Keys(set(range(1_000))), source) == []
    assert source.counts == 0


@pytest.mark.parametrize("gone", [1, 10, 100])
def test_the_cost_is_the_number_of_differences_times_the_depth(gone: int) -> None:
    keys = set(range(0, 3_000_000, 3))
    chosen = random.Random(gone).sample(sorted(keys), gone)
    mine, source = Keys(keys), Keys(keys - set(chosen))
    search(mine, source, page=499)
    assert source.counts <= gone * math.ceil(math.log2(len(keys) / 499))


def test_a_search_that_costs_more_than_reading_everything_is_given_up() -> None:
    keys = set(range(10_000))
    with pytest.raises(TooManyDifferences):
        search(Keys(keys), Keys({key for key in keys if key % 2}), page=10, most_counts=100)
