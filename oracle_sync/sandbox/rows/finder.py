"""Finding the rows that answer a query, and their order."""

from __future__ import annotations

import random
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress
from math import gcd
from typing import Any, TypeGuard

from oracle_sync.sandbox.conditions import (
    RANGES,
    Condition,
    Term,
    Value,
    attributes_of,
    comparable,
    passing,
)
from oracle_sync.sandbox.query import Query
from oracle_sync.sandbox.records.columns import CHANGED
from oracle_sync.sandbox.records.stamps import Precision
from oracle_sync.sandbox.rows.contents import Contents

_SHUFFLED = 5_000
"""Up to so many rows an undefined order is a real shuffle; above it, one that costs a page only."""


@dataclass(frozen=True)
class View:
    """What of a collection a request may see, and how it sees dates."""

    precision: Precision
    share: float = 1.0
    """The share of rows, 0 to 1."""
    window: tuple[Term, ...] = ()
    """What a row must pass beside what the query demands."""


@dataclass(frozen=True)
class Stretch:
    """The rows of one page, and how many rows there are in all."""

    keys: list[int]
    has_more: bool
    count: int


class Finder:
    """Finds rows, and remembers those that the last conditions let through."""

    def __init__(self, contents: Contents, seed: int) -> None:
        self._contents = contents
        self._random = random.Random(seed)
        self._memory: dict[object, Sequence[int]] = {}

    def find(self, query: Query, view: View) -> Stretch:
        """Return the page of rows that a query asks for."""
        key = self._contents.resource.key
        rows, low, high = self._select(query, view)
        start = min(low + query.offset, high)
        end = min(start + query.limit, high)
        if not query.order:
            keys = self._undefined(rows[low:high], start - low, end - low)
        elif query.order[0] == (key, False):
            keys = list(rows[start:end])
        elif query.order[0] == (key, True):
            keys = [rows[high - 1 - place] for place in range(start - low, end - low)]
        else:
            keys = list(self._sorted(query, view, rows[low:high])[start - low : end - low])
        return Stretch(keys, end < high, high - low)

    def _select(self, query: Query, view: View) -> tuple[Sequence[int], int, int]:
        """Return rows in the order of their keys, and the bounds of those that pass."""
        key = self._contents.resource.key
        ranges = [term for term in query.terms if _is_range(term, key)]
        others = (*(term for term in query.terms if not _is_range(term, key)), *view.window)
        rows: Sequence[int] = self._contents.keys.all
        if others or view.share < 1:
            remembered = self._recall(others, view)
            if remembered is None:
                remembered = self._remember(self._pass(others, view), others, view)
            rows = remembered
        low, high = 0, len(rows)
        for condition in ranges:
            first, last = condition.bounds()
            low = low if first is None else max(low, bisect_left(rows, first))
            high = high if last is None else min(high, bisect_right(rows, last))
        return rows, low, max(low, high)

    def _pass(self, terms: tuple[Term, ...], view: View) -> Sequence[int]:
        """Return the rows that pass the terms and that the view shows."""
        contents = self._contents
        since: int | None = None
        until: int | None = None
        others = []
        for term in terms:
            if not _is_range(term, CHANGED):
                others.append(term)
                continue
            first, last = term.bounds()
            since = max((one for one in (since, first) if one is not None), default=None)
            until = min((one for one in (until, last) if one is not None), default=None)
        keys: Sequence[int] = contents.keys.all
        if since is not None or until is not None:
            keys = contents.dates.between(
                contents.keys, contents.hidden, since, until, view.precision
            )
        if view.share < 1:
            keys = list(compress(keys, contents.columns.visible(keys, view.share)))
        if not others:
            return keys
        names = {name for term in others for name in attributes_of(term)}
        values = {name: self._values(keys, name, view) for name in names}
        results = zip(*(passing(term, values, len(keys)) for term in others), strict=True)
        return list(compress(keys, map(all, results)))

    def _values(self, keys: Sequence[int], name: str, view: View) -> Sequence[Value | None]:
        if name == CHANGED:
            moments = self._contents.dates.moments(keys)
            return [None if one is None else view.precision.keep(one) for one in moments]
        attribute = self._contents.columns.attributes[name]
        texts = self._contents.texts(keys, name, view.precision)
        return [comparable(attribute, text) for text in texts]

    def _undefined(self, rows: Sequence[int], start: int, end: int) -> list[int]:
        """Return a stretch of an order that differs from request to request."""
        count = len(rows)
        if count <= _SHUFFLED:
            shuffled = list(rows)
            self._random.shuffle(shuffled)
            return shuffled[start:end]
        # A stride that shares no factor with the count passes every row once.
        stride = self._random.randrange(count // 3, count)
        while gcd(stride, count) > 1:
            stride += 1
        first = self._random.randrange(count)
        return [rows[(first + place * stride) % count] for place in range(start, end)]

    def _sorted(self, query: Query, view: View, keys: Sequence[int]) -> Sequence[int]:
        unique = any(name == self._contents.resource.key for name, _ in query.order)
        purpose = (query.order, query.terms, view)
        remembered = self._recall(*purpose) if unique else None
        if remembered is not None:
            return remembered
        rows = list(keys)
        if not unique:
            # Rows that are equal in the order asked for come as the database pleases.
            self._random.shuffle(rows)
        for name, descending in reversed(query.order):
            ranks = {
                key: _rank(value)
                for key, value in zip(rows, self._values(rows, name, view), strict=True)
            }
            rows.sort(key=ranks.__getitem__, reverse=descending)
        return self._remember(rows, *purpose) if unique else rows

    def _recall(self, *purpose: object) -> Sequence[int] | None:
        """Return what was worked out before, if nothing has changed since."""
        return self._memory.get((*self._version, *purpose))

    def _remember(self, rows: Sequence[int], *purpose: object) -> Sequence[int]:
        if len(self._memory) > 8:
            self._memory.clear()
        self._memory[(*self._version, *purpose)] = rows
        return rows

    @property
    def _version(self) -> tuple[int, int]:
        return self._contents.version, self._contents.columns.version


def _is_range(term: Term, attribute: str) -> TypeGuard[Condition]:
    return isinstance(term, Condition) and term.attribute == attribute and term.operator in RANGES


def _rank(value: Value | None) -> tuple[bool, Any, str]:
    """Return what orders a value: numbers before texts, empty ones last."""
    text = isinstance(value, str)
    return value is None, 0 if text or value is None else value, str(value) if text else ""
