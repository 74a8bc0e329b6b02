"""When each row was changed last, and which rows were changed between two moments."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Collection, Sequence
from itertools import compress

from oracle_sync.sandbox.records.keys import Keys
from oracle_sync.sandbox.records.makers import LOADED
from oracle_sync.sandbox.records.stamps import Precision
from oracle_sync.sandbox.rows.without import Without


class Dates:
    """The dates of rows that were changed, in order, so that recent ones are found fast.

    Rows that nobody has changed have invented dates, all of them before `LOADED`: they matter
    only to those who ask for the time before it, and are then worked out once.
    """

    def __init__(self, invented: Callable[[Sequence[int]], list[int]]) -> None:
        self._invented = invented
        self._own: dict[int, int | None] = {}
        self._undated: set[int] = set()
        self._order: list[tuple[int, int]] = []
        """Moment and key of each row of `_own` that has a moment, ascending."""
        self._memory: tuple[object, array[int]] = (None, array("q"))

    def __contains__(self, key: int) -> bool:
        return key in self._own

    def own(self, key: int) -> int | None:
        """Return the moment of a row that was changed; None: it has no date."""
        return self._own[key]

    def set(self, keys: Sequence[int], moment: int | None) -> None:
        """Give rows a date, or none."""
        self.forget(keys)
        self._own.update(dict.fromkeys(keys, moment))
        if moment is None:
            self._undated.update(keys)
            return
        if len(keys) > 100:
            self._order += [(moment, key) for key in keys]
            self._order.sort()
            return
        for key in keys:
            insort(self._order, (moment, key))

    def forget(self, keys: Sequence[int]) -> None:
        """Forget the dates that rows were given."""
        self._undated.difference_update(keys)
        old = {
            (moment, key)
            for key in keys
            if key in self._own and (moment := self._own.pop(key)) is not None
        }
        if len(old) > 100:
            self._order = [entry for entry in self._order if entry not in old]
            return
        for entry in old:
            del self._order[bisect_left(self._order, entry)]

    def moments(self, keys: Sequence[int]) -> list[int | None]:
        """Return when each row was changed last."""
        moments: list[int | None] = [*self._invented(keys)]
        for place, key in enumerate(keys):
            if key in self._own:
                moments[place] = self._own[key]
        return moments

    def between(
        self,
        keys: Keys,
        hidden: Collection[int],
        since: int | None,
        until: int | None,
        precision: Precision,
    ) -> Sequence[int]:
        """Return the keys of the rows dated in a stretch of time, ascending.

        Args:
            keys: Those of all rows.
            hidden: Rows that have a date here and are not among `keys`.
            since: The first moment; None: from the beginning.
            until: The last moment; None: to the end. One of the two is given.
            precision: How dates are compared.
        """

        def kept(entry: tuple[int, int]) -> int:
            return precision.keep(entry[0])

        start = 0 if since is None else bisect_left(self._order, since, key=kept)
        end = len(self._order) if until is None else bisect_right(self._order, until, key=kept)
        inside = [key for _, key in self._order[start:end] if key not in hidden]
        if since is not None and since > LOADED:
            return sorted(inside)
        if since is None and until is not None and until >= LOADED:
            outside = [key for _, key in self._order[end:]]
            places = sorted(
                place
                for key in [*outside, *self._undated]
                if (place := keys.place(key)) is not None
            )
            return Without(keys.all, places) if places else keys.all
        unchanged = compress(keys.all, _tests(self._all(keys, precision), since, until))
        return sorted([*(key for key in unchanged if key not in self._own), *inside])

    def _all(self, keys: Keys, precision: Precision) -> array[int]:
        """Return the invented date of every row, worked out again only when rows come or go."""
        purpose = (keys.version, precision)
        if self._memory[0] != purpose:
            moments = map(precision.keep, self._invented(keys.all))
            self._memory = (purpose, array("q", moments))
        return self._memory[1]


def _tests(moments: array[int], since: int | None, until: int | None) -> Collection[bool]:
    # Three forms, since a million rows are tested.
    if since is None:
        assert until is not None
        return list(map(until.__ge__, moments))
    if until is None:
        return list(map(since.__le__, moments))
    return [since <= moment <= until for moment in moments]
