"""The stand-in pod: its rows, and the page of them that answers a query."""

from __future__ import annotations

import secrets
import time
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from math import gcd
from typing import Any

from oracle_sync.sandbox.collection import Collection
from oracle_sync.sandbox.data import ATTRIBUTES
from oracle_sync.sandbox.page import Page
from oracle_sync.sandbox.query import Query
from oracle_sync.sandbox.settings import PodSettings

_SHUFFLED = 5_000
"""Up to so many rows an undefined order is a real shuffle; above it, one that costs a page only."""


class Pod(PodSettings, Collection):
    """A collection of invented opportunities, in the order of their keys. Thread-safe.

    Args:
        rows: How many there are at first.
        seed: The same seed makes the same rows.
        settings: Any of `PodSettings`.
    """

    def __init__(self, rows: int = 150, seed: int = 1, **settings: Any) -> None:
        PodSettings.__init__(self)
        self.configure(**settings)
        Collection.__init__(self, rows, seed)
        self._memory: dict[object, Sequence[int]] = {}
        self._tokens: dict[str, float] = {}

    def page(self, query: Query, href: str = "") -> Page:
        """Return the page that answers a query now."""
        with self._lock:
            rows, low, high = self._select(query)
            start = min(low + query.offset, high)
            end = min(start + query.limit, high)
            if not query.order:
                keys = self._undefined(rows[low:high], start - low, end - low)
            elif query.order[0] == ("OptyId", False):
                keys = list(rows[start:end])
            elif query.order[0] == ("OptyId", True):
                keys = [rows[high - 1 - place] for place in range(start - low, end - low)]
            else:
                keys = list(self._sorted(query, rows[low:high])[start - low : end - low])
            total = max(0, high - low + self.total_error) if query.total else None
            return Page(self, query, keys, end < high, total, href, self.omit_empty_items)

    def _select(self, query: Query) -> tuple[Sequence[int], int, int]:
        """Return rows in the order of their keys, and the bounds of those that pass."""
        others = tuple(c for c in query.conditions if c.attribute != "OptyId" or "!" in c.operator)
        hidden = query.scoped and self.visible_share < 1
        rows: Sequence[int] = self._keys
        if others or hidden:
            share = self.visible_share if hidden else 1.0
            purpose = ("selected", others, share)
            remembered = self._recall(purpose)
            if remembered is None:
                remembered = self._memory[self._version, *purpose] = [
                    key
                    for key in self._keys
                    if (not hidden or self._data.draw(key, 9) % 10_000 < share * 10_000)
                    and all(c.holds(self.value(key, c.attribute)) for c in others)
                ]
            rows = remembered
        low, high = 0, len(rows)
        for condition in query.conditions:
            if condition.attribute == "OptyId" and "!" not in condition.operator:
                key: Any = condition.value
                if condition.operator in (">", ">=", "="):
                    side = bisect_right if condition.operator == ">" else bisect_left
                    low = max(low, side(rows, key))
                if condition.operator in ("<", "<=", "="):
                    side = bisect_left if condition.operator == "<" else bisect_right
                    high = min(high, side(rows, key))
        return rows, low, max(low, high)

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

    def _sorted(self, query: Query, keys: Sequence[int]) -> Sequence[int]:
        unique = any(name == "OptyId" for name, _ in query.order)
        purpose = ("sorted", query.order, query.conditions, query.scoped, self.visible_share)
        remembered = self._recall(purpose) if unique else None
        if remembered is not None:
            return remembered
        rows = list(keys)
        if not unique:
            # Rows that are equal in the order asked for come as the database pleases.
            self._random.shuffle(rows)
        for name, descending in reversed(query.order):
            rows.sort(key=lambda key: self._rank(key, name), reverse=descending)
        if unique:
            self._memory[self._version, *purpose] = rows
        return rows

    def _rank(self, key: int, name: str) -> tuple[bool, float, str]:
        value = self.value(key, name)
        number = isinstance(value, int | float) and ATTRIBUTES[name] in ("integer", "number")
        return value is None, value if number else 0, "" if number else str(value)

    def _recall(self, purpose: tuple[object, ...]) -> Sequence[int] | None:
        """Return what was worked out before, if no row has moved since."""
        if len(self._memory) > 8:
            self._memory.clear()
        return self._memory.get((self._version, *purpose))

    def issue_token(self) -> str:
        """Return a new bearer token, valid for `token_seconds`."""
        token = secrets.token_urlsafe(24)
        with self._lock:
            self._tokens[token] = time.monotonic() + self.token_seconds
        return token

    def accepts_token(self, token: str) -> bool:
        """Return whether a bearer token is valid now."""
        with self._lock:
            return (bool(self.token) and token == self.token) or (
                self._tokens.get(token, 0.0) > time.monotonic()
            )

    def revoke_tokens(self) -> None:
        """Let every token that was issued expire at once."""
        with self._lock:
            self._tokens.clear()
