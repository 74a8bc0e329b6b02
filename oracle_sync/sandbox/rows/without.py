"""A sequence with some of its places left out, without a copy of the rest."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import overload


class Without(Sequence[int]):
    """What is left of `whole`, in its order.

    Args:
        whole: Not to be changed while this is in use.
        places: Those that are left out, ascending.
    """

    def __init__(self, whole: Sequence[int], places: Sequence[int]) -> None:
        self._whole = whole
        self._places = places
        # The number of places that are left before each that is not.
        self._left = [place - count for count, place in enumerate(places)]

    def __len__(self) -> int:
        return len(self._whole) - len(self._places)

    @overload
    def __getitem__(self, index: int) -> int: ...
    @overload
    def __getitem__(self, index: slice) -> list[int]: ...
    def __getitem__(self, index: int | slice) -> int | list[int]:
        if isinstance(index, slice):
            start, stop, step = index.indices(len(self))
            if step == 1 and start < stop:
                return list(self._between(self._place(start), self._place(stop - 1) + 1))
            return [self._whole[self._place(one)] for one in range(start, stop, step)]
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        return self._whole[self._place(index % len(self))]

    def __iter__(self) -> Iterator[int]:
        return self._between(0, len(self._whole))

    def _place(self, index: int) -> int:
        return index + bisect_right(self._left, index)

    def _between(self, start: int, stop: int) -> Iterator[int]:
        inside = self._places[bisect_left(self._places, start) : bisect_left(self._places, stop)]
        for low, high in pairwise((start - 1, *inside, stop)):
            yield from self._whole[low + 1 : high]
