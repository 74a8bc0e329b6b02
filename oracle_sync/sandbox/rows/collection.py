"""A collection that a pod serves: its rows, to be added to, changed, hidden and removed."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from operator import itemgetter
from typing import Any

from oracle_sync.sandbox.clock import Clock
from oracle_sync.sandbox.records.catalog import Resource
from oracle_sync.sandbox.records.columns import Columns
from oracle_sync.sandbox.records.keys import Keys
from oracle_sync.sandbox.records.stamps import SECOND
from oracle_sync.sandbox.rows.contents import Contents
from oracle_sync.sandbox.rows.finder import Finder
from oracle_sync.sandbox.settings import PodSettings
from oracle_sync.sandbox.wire import load


class Collection:
    """Invented rows in the order of their keys. Thread-safe.

    Args:
        resource: Which collection.
        keys: The rows that there are at first.
        seed: The same seed makes the same rows.
        others: The keys that each collection begins with.
        settings: The pod's.
        clock: The pod's.
    """

    def __init__(
        self,
        resource: Resource,
        keys: Keys,
        seed: int,
        others: Mapping[str, Sequence[int]],
        settings: PodSettings,
        clock: Clock,
    ) -> None:
        self.resource = resource
        self.settings = settings
        self.clock = clock
        self._lock = threading.RLock()
        self._contents = Contents(resource, seed, keys, others)
        self.finder = Finder(self._contents, seed)
        self._late: list[tuple[float, Callable[[], None]]] = []
        """Changes made and not yet visible, and when they will be; infinite: on demand."""

    def __len__(self) -> int:
        with self.present() as contents:
            return len(contents.keys.all)

    @property
    def columns(self) -> Columns:
        """The attributes, which can be added, renamed, retyped and dropped."""
        return self._contents.columns

    @contextmanager
    def present(self) -> Iterator[Contents]:
        """Give the rows as they are now, and keep all others from changing them meanwhile."""
        with self._lock:
            self._make_visible(self.clock.now())
            yield self._contents

    def ids(self) -> list[int]:
        """Return every key, ascending."""
        with self.present() as contents:
            return list(contents.keys.all)

    def values(self, attribute: str) -> dict[str, Any]:
        """Return one column of every row: key as text, to value; decimals keep every digit."""
        with self.present() as contents:
            keys = contents.keys.all
            texts = contents.texts(keys, attribute, self.settings.precision)
            return dict(zip(map(str, keys), map(load, texts), strict=True))

    def snapshot(self) -> dict[str, Any]:
        """Return what a synchronised table holds: key as text, to number."""
        return self.values(self.resource.number)

    def value(self, key: int, attribute: str) -> Any:
        """Return one column of one row."""
        with self.present() as contents:
            return load(contents.texts([key], attribute, self.settings.precision)[0])

    def find(self, number: str) -> int | None:
        """Return the key of the row with this number, after a look at every row."""
        numbers = self.snapshot()
        return next((int(key) for key, one in numbers.items() if str(one) == number), None)

    def add(
        self,
        n: int = 1,
        where: str = "end",
        after: int | None = None,
        *,
        late: float | None = None,
        **values: Any,
    ) -> list[int]:
        """Add rows, dated now, and return their keys.

        Args:
            n: How many.
            where: `end`, above all keys there ever were; or `low`, in between, spread out.
            after: Instead: right after the row at this position, counted from 0; -1 for the front.
            late: Seconds after which they become visible; infinite: when `publish` is called.
            values: Columns that are not invented. A LastUpdateDate dates the rows.
        """
        with self.present() as contents:
            contents.columns.demand_settable(values)
            count = len(contents.keys.all)
            if after is not None:
                gaps = Counter({min(after + 1, count): n})
            elif where == "low":
                gaps = Counter((place + 1) * count // (n + 1) for place in range(n))
            elif where == "end":
                gaps = Counter({count: n})
            else:
                raise ValueError(f"Rows are added at the end or low, not {where!r}.")
            new = contents.keys.invent(gaps)
            moment = self._row_time()
            self._do(late, lambda: contents.insert(new, values, moment))
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
        with self.present() as contents:
            keys = self._targets(contents, ids, n, positions)
            contents.remove(keys)
            return keys

    def change(
        self,
        id: int | str,  # noqa: A002
        *,
        silent: bool = False,
        late: float | None = None,
        **values: Any,
    ) -> None:
        """Change columns of one row, and its LastUpdateDate unless that is among them.

        Args:
            id: The key.
            silent: Whether the date stays as it is.
            late: Seconds after which it becomes visible; infinite: when `publish` is called.
            values: Columns and their new values.

        Raises:
            KeyError: if there is no such row.
            ValueError: if there is no such column, or it is the key.
        """
        if not self.edit([id], silent=silent, late=late, **values):
            raise KeyError(id)

    def edit(
        self,
        ids: Iterable[int | str] | None = None,
        n: int | None = None,
        positions: Iterable[int] | None = None,
        *,
        silent: bool = False,
        late: float | None = None,
        **values: Any,
    ) -> list[int]:
        """Change rows as `change` does, chosen as `remove` does; return their keys."""
        with self.present() as contents:
            contents.columns.demand_settable(values)
            keys = self._targets(contents, ids, n, positions)
            moment = None if silent else self._row_time()
            self._do(late, lambda: contents.put(contents.existing(keys), values, moment))
            return keys

    def hide(
        self,
        ids: Iterable[int | str] | None = None,
        n: int | None = None,
        positions: Iterable[int] | None = None,
    ) -> list[int]:
        """Take rows out of sight, as a lost role does, without a change of date."""
        with self.present() as contents:
            keys = self._targets(contents, ids, n, positions)
            contents.hide(keys)
            return keys

    def show(self, ids: Iterable[int | str] | None = None) -> list[int]:
        """Bring hidden rows back, or all of them, with the dates that they had."""
        with self.present() as contents:
            keys = contents.hidden.intersection(map(int, ids)) if ids else contents.hidden
            shown = sorted(keys)
            contents.show(shown)
            return shown

    def publish(self) -> None:
        """Make every late change visible now."""
        with self._lock:
            self._make_visible(float("inf"))

    def _row_time(self) -> int:
        """Return the present moment by the clock that dates rows."""
        return self.clock.now() + round(self.settings.clock_skew_seconds * SECOND)

    def _do(self, late: float | None, change: Callable[[], None]) -> None:
        if late is None:
            change()
        else:
            self._late.append((self.clock.now() + late * SECOND, change))

    def _make_visible(self, until: float) -> None:
        due = sorted((one for one in self._late if one[0] <= until), key=itemgetter(0))
        self._late = [one for one in self._late if one[0] > until]
        for _, change in due:
            change()

    @staticmethod
    def _targets(
        contents: Contents,
        ids: Iterable[int | str] | None,
        n: int | None,
        positions: Iterable[int] | None,
    ) -> list[int]:
        keys = contents.keys.all
        count = len(keys)
        targets = {int(key) for key in ids or ()}
        targets.update(keys[place] for place in positions or () if place < count)
        if n:
            spread = {(place + 1) * count // (n + 1) for place in range(min(n, count))}
            targets.update(keys[place] for place in (spread if n < count else range(count)))
        return contents.existing(sorted(targets))
