"""Keys of rows: those a collection begins with, and new ones, none of them used twice."""

from __future__ import annotations

import random
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from itertools import accumulate

KEY_BASE = 300_000_000_000_000
"""Keys have 15 digits; those of the next collection begin `_APART` higher."""

SMALLEST_GAP = 20
"""Keys lie this far apart at least, so that rows can be slipped in between later."""

_APART = 100_000_000_000
_OFFSET = 1_234_567


def first_key(place: int) -> int:
    """Return the key with which the collection at this place of the catalog begins."""
    return KEY_BASE + place * _APART + _OFFSET


class Keys:
    """Every key of a collection, ascending, with those that may not be used again."""

    def __init__(self, rows: int, seed: int, first: int) -> None:
        # Irregular gaps, the same for the same seed.
        gaps = random.Random(seed).randbytes(rows)
        self.all = array("q", accumulate(map(SMALLEST_GAP.__add__, gaps), initial=first))
        self.all.pop()
        self.version = 0
        """Rises whenever rows come or go."""
        self._random = random.Random(seed)
        self._highest = self.all[-1] if rows else first
        self._used: set[int] = set()

    def place(self, key: int) -> int | None:
        """Return the position of a key; None where there is no such row."""
        place = bisect_left(self.all, key)
        return place if place < len(self.all) and self.all[place] == key else None

    def invent(self, gaps: Counter[int]) -> list[int]:
        """Return keys that were never used, in gaps named by the position of the row above.

        What a gap has no room for goes to the next one below; below the first row there is room.
        """
        new: list[int] = []
        spill = 0
        gap = len(self.all)
        ahead = sorted(gaps)
        while ahead or spill:
            gap = gap - 1 if spill else ahead[-1]
            count = spill
            if ahead and ahead[-1] == gap:
                count += gaps[ahead.pop()]
            if gap == len(self.all):
                keys = self._above(count)
            elif gap == 0:
                keys = self._below(count)
            else:
                keys = self._between(self.all[gap - 1], self.all[gap], count)
            new += keys
            spill = count - len(keys)
        self._used.update(new)
        return sorted(new)

    def insert(self, new: Sequence[int]) -> None:
        """Add keys to those of rows that are there."""
        self.version += 1
        if len(new) > 100:
            self.all = array("q", sorted([*self.all, *new]))
            return
        for key in new:
            self.all.insert(bisect_left(self.all, key), key)

    def remove(self, old: Sequence[int]) -> None:
        """Remove keys, each of which is there."""
        self.version += 1
        self._used.update(old)
        if len(old) > 100:
            gone = set(old)
            self.all = array("q", [key for key in self.all if key not in gone])
            return
        for key in old:
            self.all.pop(bisect_left(self.all, key))

    def _above(self, count: int) -> list[int]:
        keys = []
        for _ in range(count):
            self._highest += self._random.randrange(SMALLEST_GAP, 256 + SMALLEST_GAP)
            keys.append(self._highest)
        return keys

    def _below(self, count: int) -> list[int]:
        keys: list[int] = []
        key = self.all[0]
        while len(keys) < count:
            key -= self._random.randrange(SMALLEST_GAP, 256 + SMALLEST_GAP)
            if key not in self._used:
                keys.append(key)
        return keys

    def _between(self, below: int, above: int, count: int) -> list[int]:
        """Return up to `count` keys, spread evenly; fewer where there is no room."""
        if not count:
            return []
        stride = max(1, (above - below) // (64 * (count + 1)))
        free = [key for key in range(below + 1, above, stride) if key not in self._used]
        count = min(count, len(free))
        return [free[(2 * n + 1) * len(free) // (2 * count)] for n in range(count)]
