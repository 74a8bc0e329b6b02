"""Find the rows in which the two sides differ by counting ranges of keys, and put them right."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

from oracle_sync.config.settings import MAX_BATCH_SIZE
from oracle_sync.engine.fetcher import Fetcher
from oracle_sync.engine.items import read_items
from oracle_sync.engine.removal import MOST_LOOKUPS, NotLookedUp, Stretch, rows_still_there
from oracle_sync.engine.rows import Rows
from oracle_sync.engine.scope import Scope
from oracle_sync.engine.source import Page, PageRequest, Source
from oracle_sync.engine.spans import TooManyDifferences, find_spans
from oracle_sync.engine.store import Difference, Store
from oracle_sync.errors import RequestRefused, TooSlow

LEAST_COUNTS = 100
"""Counts that a search may cost however small the table is."""

GONE = "gone"


class NotRepairable(Exception):
    """The ranges can't be compared; the message says why."""


class Ranges:
    """The source's rows by ranges of keys, several requests at a time."""

    def __init__(self, source: Source, concurrency: int) -> None:
        self._source = source
        self._concurrency = concurrency
        self._fetcher = Fetcher(source, concurrency)

    def close(self) -> None:
        """Drop what is in flight."""
        self._fetcher.close()

    def differing(
        self, store: Store, until: dt.datetime, theirs: int
    ) -> list[tuple[Scope, list[str]]]:
        """Return the ranges in which the source counts differently, with our keys in each.

        A range holds as many of our keys as one page does, at most.

        Args:
            store: our side.
            until: rows are counted that Oracle dated up to this time.
            theirs: how many the source has in all.

        Raises:
            NotRepairable: if they can't be found.
            SourceError: if there is no answer.
        """
        keys = store.keys(until)
        if keys is None:
            raise NotRepairable("the keys are not whole numbers")
        most = max(LEAST_COUNTS, len(keys) // MAX_BATCH_SIZE)

        def count(scopes: Sequence[Scope]) -> Iterator[int]:
            wanted = [replace(scope, changed_until=until) for scope in scopes]
            pages = [self._fetcher.submit(PageRequest(0, 1, True, scope=s)) for s in wanted]
            for page in pages:
                total = page.result().total
                if total is None:
                    raise NotRepairable("the pod does not count the rows of a range")
                yield total

        try:
            spans = find_spans(keys, theirs, count, page=MAX_BATCH_SIZE - 1, most_counts=most)
        except TooManyDifferences:
            raise NotRepairable(
                "so many rows differ that reading all of them is less work"
            ) from None
        except RequestRefused as error:
            raise NotRepairable(f"the pod refuses a condition on the key: {error}") from error
        return [
            (span.scope, [keys.key_at(rank) for rank in range(span.first, span.end)])
            for span in spans
        ]

    def read(self, scope: Scope) -> Rows:
        """Return every row of the source in a range.

        Raises:
            NotRepairable: if the pod does not heed the range.
            SourceError: if there is no answer.
        """
        whole, limit = Rows([]), MAX_BATCH_SIZE
        while True:
            try:
                page = self._fetcher.submit(PageRequest(0, limit, scope=scope)).result()
            except TooSlow:
                if limit == 1:
                    raise
                limit //= 2
                continue
            rows = read_items(page.items, len(whole.tokens), self._source.collection)
            _demand_order(whole.keys[-1:] + rows.keys, scope)
            whole.tokens += rows.tokens
            whole.keys += rows.keys
            whole.values += rows.values
            whole.dates += rows.dates
            whole.rejects += rows.rejects
            if not _more(page):
                return whole
            if not rows.keys:
                raise NotRepairable("the pod gives a page without a key")
            scope = replace(scope, from_key=None, after_key=rows.keys[-1])

    def still_there(self, stretches: Sequence[Stretch]) -> bool:
        """Return whether the source gives a row in any stretch when asked for that alone."""
        try:
            return bool(rows_still_there(self._source, stretches, self._concurrency))
        except NotLookedUp as error:
            raise NotRepairable(str(error)) from error


def differences_in(
    ranges: Ranges, store: Store, until: dt.datetime, theirs: int
) -> Iterator[tuple[Rows, list[Difference]]]:
    """Yield, for each range that differs, the source's rows and how ours differ from them."""
    for scope, ours in ranges.differing(store, until, theirs):
        rows = ranges.read(scope)
        yield rows, store.compare(rows, ours)


def put_right(
    ranges: Ranges, store: Store, until: dt.datetime, theirs: int, limit: int
) -> tuple[list[Difference], int]:
    """Compare the ranges that differ row by row, and write what the source has.

    Returns what differed, and how many rows were removed. All removals are one transaction, and
    each row that goes was asked for once more.

    Args:
        ranges: the source.
        store: our side.
        until: rows are counted that Oracle dated up to this time.
        theirs: how many the source has in all.
        limit: percent of the rows that may be removed.

    Raises:
        NotRepairable: if the source contradicts itself.
        TooManyRemovals: if more would be removed; what else differed is written.
    """
    found: list[Difference] = []
    stretches: list[Stretch] = []
    for rows, differences in differences_in(ranges, store, until, theirs):
        found += differences
        if any(difference.kind != GONE for difference in differences):
            store.overwrite(rows)
        stretches += _stretches(rows, differences)
    gone = [difference.key for difference in found if difference.kind == GONE]
    if gone and ranges.still_there(stretches[:MOST_LOOKUPS]):
        raise NotRepairable("the pod leaves out rows that it gives when asked for them alone")
    return found, store.remove(gone, limit) if gone else 0


def _stretches(rows: Rows, differences: Sequence[Difference]) -> list[Stretch]:
    """Return the gone keys of a range, those with no row of the source between them as one."""
    gone = {int(difference.key) for difference in differences if difference.kind == GONE}
    stretches: list[Stretch] = []
    open_key = None
    for key in sorted(gone | set(map(int, rows.keys))):
        if key not in gone:
            open_key = None
        elif open_key is None:
            open_key = str(key)
            stretches.append(Stretch(open_key, open_key))
        else:
            stretches[-1] = Stretch(open_key, str(key))
    return stretches


def _more(page: Page) -> bool:
    return bool(page.has_more) or page.full


def _demand_order(keys: list[str], scope: Scope) -> None:
    numbers = [int(key) for key in keys if key.isdecimal()]
    bounds = (int(scope.from_key or 0), int(scope.to_key or 10**38))
    inside = not numbers or (bounds[0] <= numbers[0] and numbers[-1] <= bounds[1])
    ascending = all(one < other for one, other in pairwise(numbers))
    if len(numbers) < len(keys) or not inside or not ascending:
        raise NotRepairable("the pod does not heed a range of keys")
