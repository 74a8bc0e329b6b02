"""What the rows of a collection hold at present."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from oracle_sync.sandbox.records.catalog import Resource
from oracle_sync.sandbox.records.columns import CHANGED, Columns
from oracle_sync.sandbox.records.keys import Keys, first_key
from oracle_sync.sandbox.records.stamps import Precision, read_moment, write_moment
from oracle_sync.sandbox.rows.dates import Dates
from oracle_sync.sandbox.wire import dump


class Contents:
    """Rows: invented ones, and over them the values that were set.

    Args:
        resource: Which collection.
        seed: The same seed makes the same rows.
        keys: The rows that there are at first.
        others: The keys that each collection begins with.
    """

    def __init__(
        self, resource: Resource, seed: int, keys: Keys, others: Mapping[str, Sequence[int]]
    ) -> None:
        self.resource = resource
        self.keys = keys
        self.columns = Columns(resource, seed, first_key(resource.place), others)
        self.dates = Dates(self.columns.moments)
        self.hidden: set[int] = set()
        """Rows that nobody may see at present; they are not among the keys."""
        self.version = 0
        """Rises whenever anything changes."""
        self._set: dict[int, dict[str, str]] = {}
        """The JSON text of each value that was set, by key and source of the attribute."""

    def texts(self, keys: Sequence[int], name: str, precision: Precision) -> list[str]:
        """Return the JSON text of one attribute in each row.

        Raises:
            KeyError: if there is no such attribute.
        """
        texts = self.columns.texts(keys, name)
        if name == CHANGED:
            self._print_dates(texts, keys, precision)
        elif self._set:
            source = self.columns.attributes[name].source
            for place, key in enumerate(keys):
                if key in self._set and source in self._set[key]:
                    texts[place] = self._set[key][source]
        return texts

    def _print_dates(self, texts: list[str], keys: Sequence[int], precision: Precision) -> None:
        """Put the dates of changed rows in place of the invented ones, printed as the pod does."""
        for place, (key, moment) in enumerate(zip(keys, self.dates.moments(keys), strict=True)):
            if key not in self.dates:
                if not precision.plain and moment is not None:
                    texts[place] = f'"{precision.print(moment)}"'
                continue
            given = self._set.get(key, {}).get(CHANGED)
            if given is not None and (precision.plain or moment is None):
                texts[place] = given
            elif moment is not None:
                texts[place] = f'"{precision.print(moment)}"'

    def put(self, keys: Sequence[int], values: Mapping[str, Any], moment: int | None) -> None:
        """Set values of rows, and date them; without a moment they keep their date.

        A LastUpdateDate among the values counts more than the moment.
        """
        attributes = self.columns.attributes
        texts = {attributes[name].source: dump(value).decode() for name, value in values.items()}
        if CHANGED in values:
            given = values[CHANGED]
            self.dates.set(keys, read_moment(given) if isinstance(given, str) else None)
        elif moment is not None:
            self.dates.set(keys, moment)
        dropped = {CHANGED} if moment is not None else set()
        for key in keys:
            # Rows that are set together share one dict, so it is never changed.
            old = self._set.get(key)
            if old:
                kept = {name: text for name, text in old.items() if name not in dropped}
                self._set[key] = kept | texts
            elif texts:
                self._set[key] = texts
        self.version += 1

    def insert(self, keys: Sequence[int], values: Mapping[str, Any], moment: int) -> None:
        """Add rows that were made at a moment, with some values set."""
        self.keys.insert(keys)
        self.put(keys, {"CreationDate": write_moment(moment)} | dict(values), moment)

    def remove(self, keys: Sequence[int]) -> None:
        """Remove rows for good."""
        self.keys.remove(keys)
        self.dates.forget(keys)
        for key in keys:
            self._set.pop(key, None)
        self.version += 1

    def hide(self, keys: Sequence[int]) -> None:
        """Take rows out of sight; they keep their values and dates."""
        self.keys.remove(keys)
        self.hidden.update(keys)
        self.version += 1

    def show(self, keys: Sequence[int]) -> None:
        """Bring hidden rows back."""
        self.hidden.difference_update(keys)
        self.keys.insert(keys)
        self.version += 1

    def existing(self, keys: Iterable[int]) -> list[int]:
        """Return those of the keys whose rows are there."""
        return [key for key in keys if self.keys.place(key) is not None]
