"""Makers of columns: each writes the JSON texts of one attribute for a page of rows at once.

A value depends on the seed, the attribute and the row's key only, so rows need no memory. Texts
rather than values, since a page is put together from them, and since they keep every digit.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache

from oracle_sync.sandbox.records.stamps import (
    DAY,
    SECOND,
    to_moment,
    write_day,
    write_forms,
    write_moment,
)

PRIME = 1_073_741_789
"""The greatest one below 2**30, a digit of Python's whole numbers: dividing by it is fast."""

_OPENED = to_moment(datetime(2015, 11, 11, 18, 32, 49, tzinfo=UTC))
LOADED = _OPENED + 309_000_000 * SECOND
"""A moment that no row that nobody has changed is dated after."""

NULL = "null"


@dataclass(frozen=True)
class Dice:
    """What a maker draws from: numbers that are the same for the same seed, name and key."""

    seed: int
    name: str
    """The collection and attribute that the numbers are for."""
    first_key: int
    keys: Mapping[str, Sequence[int]] = field(default_factory=dict, compare=False)
    """The keys that each collection began with."""

    def throw(self, keys: Sequence[int], turn: int = 0) -> list[int]:
        """Return a number of 30 bits for each key."""
        factor, shift = self.factors(turn)
        return [(key * factor + shift) % PRIME for key in keys]

    def factors(self, turn: int = 0) -> tuple[int, int]:
        """Return what `throw` multiplies keys by and adds, for makers that write it out."""
        return _draw_factors(f"{self.seed}/{self.name}/{turn}")


@lru_cache(1_000)
def _draw_factors(purpose: str) -> tuple[int, int]:
    source = random.Random(purpose)
    return source.randrange(1 << 28, PRIME), source.randrange(PRIME)


Maker = Callable[[Sequence[int], Dice], list[str]]


def choice(*values: object) -> Maker:
    """Make one of some values, None among them where a field may be empty."""
    texts = [json.dumps(value, ensure_ascii=False) for value in values]

    def make(keys: Sequence[int], dice: Dice) -> list[str]:
        return [texts[throw % len(texts)] for throw in dice.throw(keys)]

    return make


def empty_at(empty: int, maker: Maker) -> Maker:
    """Make null in one of `empty` rows, and in the others what `maker` makes."""

    def make(keys: Sequence[int], dice: Dice) -> list[str]:
        throws = dice.throw(keys, turn=9)
        return [
            text if throw % empty else NULL
            for text, throw in zip(maker(keys, dice), throws, strict=True)
        ]

    return make


def key_itself(keys: Sequence[int], _: Dice) -> list[str]:
    """Make the key."""
    return list(map(str, keys))


def numbered(prefix: str) -> Maker:
    """Make a number that people use: digits, or in a few rows letters before them."""

    def make(keys: Sequence[int], dice: Dice) -> list[str]:
        below = dice.first_key - 1_000
        return [
            f'"{key - below}"' if throw % 20 else f'"{prefix}_{key - below:06}"'
            for key, throw in zip(keys, dice.throw(keys), strict=True)
        ]

    return make


def whole(low: int, high: int, step: int = 1) -> Maker:
    """Make whole numbers from `low` to `high`, both included."""
    count = (high - low) // step + 1

    def make(keys: Sequence[int], dice: Dice) -> list[str]:
        # Two throws, since one has 30 bits only.
        if count <= PRIME:
            return [str(low + throw % count * step) for throw in dice.throw(keys)]
        pairs = zip(dice.throw(keys), dice.throw(keys, turn=1), strict=True)
        return [str(low + (one * PRIME + other) % count * step) for one, other in pairs]

    return make


def money(below: int) -> Maker:
    """Make amounts with two decimals, written as a float is."""

    def make(keys: Sequence[int], dice: Dice) -> list[str]:
        return [repr(throw % (below * 100) / 100) for throw in dice.throw(keys)]

    return make


def exact(decimals: int) -> Maker:
    """Make numbers with more digits than a float holds, and so many decimals."""

    def make(keys: Sequence[int], dice: Dice) -> list[str]:
        pairs = zip(dice.throw(keys), dice.throw(keys, turn=1), strict=True)
        return [
            f"{'-' if one % 5 == 0 else ''}{one + 1}{other:010}.{other % 10**decimals:0{decimals}}"
            for one, other in pairs
        ]

    return make


def tiny(keys: Sequence[int], dice: Dice) -> list[str]:
    """Make small ratios, some of them written with an exponent."""
    return [
        f"{throw % 10_000}E-7" if throw % 3 == 0 else f"0.{throw:010}" for throw in dice.throw(keys)
    ]


def moments_created(keys: Sequence[int], first_key: int) -> list[int]:
    """Return when rows were made: ten years at most after the first, however high a key."""
    return [_OPENED + (key - first_key) * 2 % 300_000_000 * SECOND for key in keys]


def moments_updated(keys: Sequence[int], dice: Dice) -> list[int]:
    """Return when rows that nobody has changed since were changed last."""
    # Only where the fraction is printed, in one form of three, is there one.
    return [
        made + (throw % 9_000_000 * SECOND) + (throw % 1_000 * 1_000 if throw % 3 == 1 else 0)
        for made, throw in zip(moments_created(keys, dice.first_key), dice.throw(keys), strict=True)
    ]


def created(keys: Sequence[int], dice: Dice) -> list[str]:
    """Make the time at which a row was made."""
    return write_forms(moments_created(keys, dice.first_key), dice.throw(keys))


def updated(keys: Sequence[int], dice: Dice) -> list[str]:
    """Make the time of the last change."""
    return write_forms(moments_updated(keys, dice), dice.throw(keys))


def day_after(days: int) -> Maker:
    """Make dates up to so many days after the row was made."""

    def make(keys: Sequence[int], dice: Dice) -> list[str]:
        moments = moments_created(keys, dice.first_key)
        return [
            f'"{write_day(moment // DAY + throw % days)}"'
            for moment, throw in zip(moments, dice.throw(keys), strict=True)
        ]

    return make


def time_after(days: int, zone: str = "") -> Maker:
    """Make times up to so many days after the row was made, in three forms or in one zone."""

    def make(keys: Sequence[int], dice: Dice) -> list[str]:
        throws = dice.throw(keys)
        pairs = zip(moments_created(keys, dice.first_key), throws, strict=True)
        moments = [moment + throw % (days * 86_400) * SECOND for moment, throw in pairs]
        if zone:
            return [f'"{write_moment(moment, zone=zone)}"' for moment in moments]
        return write_forms(moments, throws)

    return make


def reference(collection: str) -> Maker:
    """Make keys of rows of another collection; null where it began with none."""

    def make(keys: Sequence[int], dice: Dice) -> list[str]:
        others = dice.keys[collection]
        if not others:
            return [NULL] * len(keys)
        return [str(others[throw % len(others)]) for throw in dice.throw(keys)]

    return make
