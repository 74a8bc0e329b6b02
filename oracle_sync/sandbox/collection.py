"""The rows of the stand-in pod, in memory, to be added to, changed and removed."""

from __future__ import annotations

import random
import threading
from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from oracle_sync.sandbox.data import (
    ATTRIBUTES,
    FIRST_KEY,
    PAIR,
    SMALLEST_GAP,
    Rows,
    make_keys,
    now_stamp,
)
from oracle_sync.sandbox.wire import dump


class Collection:
    """Invented opportunities in the order of their keys. Thread-safe."""

    def __init__(self, rows: int, seed: int) -> None:
        self._lock = threading.RLock()
        self._data = Rows(seed)
        self._random = random.Random(seed)
        self._keys = make_keys(rows, seed)
        self._highest = self._keys[-1] if rows else FIRST_KEY
        self._gone: set[int] = set()
        self._changed: dict[int, dict[str, Any]] = {}
        self._version = 0

    def __len__(self) -> int:
        return len(self._keys)

    def ids(self) -> list[int]:
        """Return every key, ascending."""
        with self._lock:
            return list(self._keys)

    def snapshot(self) -> dict[str, Any]:
        """Return what a synchronised table holds: key as text, to OptyNumber."""
        with self._lock:
            return {str(key): self.value(key, "OptyNumber") for key in self._keys}

    def value(self, key: int, attribute: str) -> Any:
        """Return one column of one row."""
        changed = self._changed.get(key)
        if changed is not None and attribute in changed:
            return changed[attribute]
        return self._data.value(key, attribute)

    def pair_texts(self, keys: Sequence[int]) -> list[str]:
        """Return each row as JSON text of its two usual fields."""
        texts = self._data.pairs(keys)
        if self._changed:
            for place, key in enumerate(keys):
                if key in self._changed:
                    row = {name: self.value(key, name) for name in PAIR}
                    texts[place] = dump(row).decode()
        return texts

    def add(
        self, n: int = 1, where: str = "end", after: int | None = None, **values: Any
    ) -> list[int]:
        """Add rows, and return their keys.

        Args:
            n: How many.
            where: `end`, above all keys there ever were; or `low`, in between, spread out.
            after: Instead: right after the row at this position, counted from 0; -1 for the front.
            values: Columns that are not invented.
        """
        self._check(values)
        with self._lock:
            count = len(self._keys)
            if after is not None:
                gaps = Counter({min(after + 1, count): n})
            elif where == "low":
                gaps = Counter((place + 1) * count // (n + 1) for place in range(n))
            elif where == "end":
                gaps = Counter({count: n})
            else:
                raise ValueError(f"Rows are added at the end or low, not {where!r}.")
            new = self._new_keys(gaps)
            if len(new) > 100:
                self._keys = type(self._keys)("q", sorted([*self._keys, *new]))
            else:
                for key in new:
                    insort(self._keys, key)
            if values:
                self._changed.update((key, dict(values)) for key in new)
            self._version += 1
            return new

    def remove(
        self,
        ids: Iterable[int | str] | None = None,
        n: int | None = None,
        positions: Iterable[int] | None = None,
    ) -> list[int]:
        """Remove rows by key, by position counted from 0, or `n` spread over the collection.

        Returns:
            The keys of the rows that were there and are gone.
        """
        with self._lock:
            count = len(self._keys)
            targets = {int(key) for key in ids or ()}
            targets.update(self._keys[place] for place in positions or () if place < count)
            if n:
                spread = {(place + 1) * count // (n + 1) for place in range(min(n, count))}
                spread = spread if n < count else set(range(count))
                targets.update(self._keys[place] for place in spread)
            removed = sorted(key for key in targets if self._place(key) is not None)
            if len(removed) > 100:
                gone = set(removed)
                self._keys = type(self._keys)("q", [key for key in self._keys if key not in gone])
            else:
                for key in removed:
                    self._keys.pop(bisect_left(self._keys, key))
            for key in removed:
                self._changed.pop(key, None)
            self._gone.update(removed)
            self._version += 1
            return removed

    def change(self, id: int | str, **values: Any) -> None:  # noqa: A002
        """Change columns of one row, and its LastUpdateDate unless that is among them.

        Raises:
            KeyError: if there is no such row.
            ValueError: if there is no such column, or it is the key.
        """
        self._check(values)
        with self._lock:
            if self._place(int(id)) is None:
                raise KeyError(id)
            stamped = {"LastUpdateDate": now_stamp()} | values
            self._changed.setdefault(int(id), {}).update(stamped)
            self._version += 1

    def find(self, number: str) -> int | None:
        """Return the key of the row with this OptyNumber, after a look at every row."""
        with self._lock:
            return next((k for k in self._keys if self.value(k, "OptyNumber") == number), None)

    def _place(self, key: int) -> int | None:
        place = bisect_left(self._keys, key)
        return place if place < len(self._keys) and self._keys[place] == key else None

    def _check(self, values: dict[str, Any]) -> None:
        for name in values:
            if name not in ATTRIBUTES or name == "OptyId":
                raise ValueError(f"{name} is not a column that can be set.")

    def _new_keys(self, gaps: Counter[int]) -> list[int]:
        """Return keys that were never used, in gaps named by the position of the row above.

        What a gap has no room for goes to the next one below; below the first row there is room.
        """
        new: list[int] = []
        spill = 0
        gap = len(self._keys)
        ahead = sorted(gaps)
        while ahead or spill:
            gap = gap - 1 if spill else ahead[-1]
            count = spill
            if ahead and ahead[-1] == gap:
                count += gaps[ahead.pop()]
            if gap == len(self._keys):
                keys = self._keys_above(count)
            elif gap == 0:
                keys = self._keys_below(count)
            else:
                keys = self._keys_between(self._keys[gap - 1], self._keys[gap], count)
            new += keys
            spill = count - len(keys)
        return sorted(new)

    def _keys_above(self, count: int) -> list[int]:
        keys = []
        for _ in range(count):
            self._highest += self._random.randrange(SMALLEST_GAP, 256 + SMALLEST_GAP)
            keys.append(self._highest)
        return keys

    def _keys_below(self, count: int) -> list[int]:
        keys: list[int] = []
        key = self._keys[0]
        while len(keys) < count:
            key -= self._random.randrange(SMALLEST_GAP, 256 + SMALLEST_GAP)
            if key not in self._gone:
                keys.append(key)
        return keys

    def _keys_between(self, below: int, above: int, count: int) -> list[int]:
        """Return up to `count` keys, spread evenly; fewer where there is no room."""
        if not count:
            return []
        stride = max(1, (above - below) // (64 * (count + 1)))
        free = [key for key in range(below + 1, above, stride) if key not in self._gone]
        count = min(count, len(free))
        return [free[(2 * n + 1) * len(free) // (2 * count)] for n in range(count)]
