"""What `q` demands of a row: comparisons, and groups of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from math import ceil, floor
from operator import eq, ge, gt, le, lt, ne
from typing import Any

from oracle_sync.sandbox.records.attribute import Attribute
from oracle_sync.sandbox.records.stamps import read_moment
from oracle_sync.sandbox.wire import load

Value = int | Decimal | str
"""A value as it is compared; moments are whole numbers."""

_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "=": eq,
    "!=": ne,
    "<>": ne,
    ">": gt,
    ">=": ge,
    "<": lt,
    "<=": le,
}
OPERATORS = frozenset(_OPERATORS)
IN, LIKE, NULL = "in", "like", "null"
"""Operators that framework 2 and later have, too."""

RANGES = frozenset({"=", ">", ">=", "<", "<="})
"""Operators that leave one stretch of an order."""


@dataclass(frozen=True)
class Condition:
    """One comparison of `q`, such as `OptyId > 123`."""

    attribute: str
    operator: str
    values: tuple[Value, ...]
    """One to compare with; several for `in`, none for `null`."""

    def holds(self, value: Value | None) -> bool:
        """Return whether a row with this value passes; an empty field passes `null` only."""
        if value is None or self.operator == NULL:
            return value is None and self.operator == NULL
        if self.operator == IN:
            return value in self.values
        other = self.values[0]
        if self.operator == LIKE:
            return _pattern(str(other)).fullmatch(str(value)) is not None
        if isinstance(value, str) != isinstance(other, str):
            return False
        return _OPERATORS[self.operator](value, other)

    def bounds(self) -> tuple[int | None, int | None]:
        """Return the first and the last whole number that a range lets through."""
        value = self.values[0]
        assert isinstance(value, int | Decimal)
        low, high = floor(value), ceil(value)
        return {
            "=": (high, low),
            ">": (low + 1, None),
            ">=": (high, None),
            "<": (None, high - 1),
            "<=": (None, low),
        }[self.operator]


@dataclass(frozen=True)
class Group:
    """Several demands: any of them is enough, or all must hold; none at all always hold."""

    any: bool
    terms: tuple[Condition | Group, ...]
    negated: bool = False


Term = Condition | Group


def attributes_of(term: Term) -> set[str]:
    """Return the attributes that a term looks at."""
    if isinstance(term, Condition):
        return {term.attribute}
    return {name for one in term.terms for name in attributes_of(one)}


def passing(term: Term, values: Mapping[str, Sequence[Value | None]], count: int) -> list[bool]:
    """Return for each of `count` rows whether it passes, given the values of each attribute."""
    if isinstance(term, Condition):
        return [term.holds(value) for value in values[term.attribute]]
    if not term.terms:
        return [True] * count
    columns = zip(*(passing(one, values, count) for one in term.terms), strict=True)
    return [(any(row) if term.any else all(row)) != term.negated for row in columns]


def comparable(attribute: Attribute, text: str) -> Value | None:
    """Return the value in a JSON text as it is compared; None where it is empty."""
    value = load(text)
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | Decimal):
        return value
    if attribute.is_time and isinstance(value, str):
        return read_moment(value)
    return value if isinstance(value, str) else text


@lru_cache(100)
def _pattern(like: str) -> re.Pattern[str]:
    parts = (
        ".*" if letter == "%" else "." if letter == "_" else re.escape(letter) for letter in like
    )
    return re.compile("".join(parts), re.DOTALL)
