"""One attribute of a collection: what a pod says of it, and how its values are made."""

from __future__ import annotations

import re
from dataclasses import dataclass

from oracle_sync.sandbox.records.makers import Maker, choice, day_after, time_after, whole

TYPES = ("string", "integer", "number", "boolean", "date", "datetime", "array", "object")
"""The types that a pod gives to attributes."""


@dataclass(frozen=True)
class Attribute:
    """An attribute of a collection."""

    name: str
    type: str
    make: Maker
    id: bool = False
    """Whether it holds a key, its own row's or another's: from framework 9 on a string."""
    mandatory: bool = False
    updatable: bool = True
    gadget: str = ""
    """The control that shows it: `date` on a string that holds a date."""
    max_length: int | None = None
    precision: int | None = None
    origin: str = ""
    """What its values belong to, where that is not its name."""

    @property
    def source(self) -> str:
        """What its values belong to: stays when it is renamed, changes with its type."""
        return self.origin or self.name

    @property
    def title(self) -> str:
        """What people call it: `LastUpdateDate` is the Last Update Date."""
        words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", self.name.removesuffix("_c"))
        return words.replace("_", " ")

    @property
    def queryable(self) -> bool:
        """Whether `q` and `orderBy` may name it."""
        return self.type not in ("array", "object")

    @property
    def is_time(self) -> bool:
        """Whether its values are compared as moments."""
        return self.type in ("date", "datetime")


def make_attribute(name: str, type: str, origin: str) -> Attribute:  # noqa: A002
    """Return an attribute that is added while a pod runs, with values made for its type.

    Raises:
        ValueError: if the name or the type cannot be one.
    """
    if type not in TYPES:
        raise ValueError(f"There is no type {type!r}. There are: {', '.join(TYPES)}.")
    if not name.isidentifier() or not name.isascii():
        raise ValueError(f"{name!r} cannot be the name of an attribute.")
    return Attribute(name, type, _MAKERS[type], origin=origin)


_MAKERS: dict[str, Maker] = {
    "string": choice("first", "second", "third", None),
    "integer": whole(0, 999),
    "number": choice(0.5, 12.25, 1_000.1, -3, None),
    "boolean": choice(True, False, None),
    "date": day_after(400),
    "datetime": time_after(400),
    "array": choice([], ["one"], ["one", "two"], None),
    "object": choice({}, {"code": "A", "level": 1}, None),
}
