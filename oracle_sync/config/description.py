"""Define what a pod's `describe` says of a collection: its attributes, their types, its key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

DESCRIBED_TYPES = {
    "string": "text",
    "integer": "bigint",
    "number": "numeric",
    "boolean": "boolean",
    "date": "date",
    "datetime": "timestamptz",
    "array": "jsonb",
    "object": "jsonb",
}
"""The column type for each type that `describe` is known to name."""

BIGINT_DIGITS = 18


@dataclass(frozen=True)
class Attribute:
    """One attribute of a collection. `type` is the pod's word for it, such as `datetime`.

    `gadget` is `fnd:OSN_GADGET_TYPE`, which shows a date behind the type `string`; `precision`
    is the number of digits of a number, None where the pod does not say.
    """

    name: str
    type: str
    title: str = ""
    queryable: bool = False
    gadget: str = ""
    precision: int | None = None

    @property
    def custom(self) -> bool:
        """Return whether a customer of Oracle's added it, which the end of its name shows."""
        return self.name.endswith("_c")

    @property
    def column_type(self) -> str:
        """Return PostgreSQL's type for its values; text where nothing better is known."""
        if self.type == "string" and self.gadget in ("date", "datetime"):
            return DESCRIBED_TYPES[self.gadget]
        if self.type == "integer" and (self.precision or 0) > BIGINT_DIGITS:
            return "numeric"
        return DESCRIBED_TYPES.get(self.type, "text")


@dataclass(frozen=True)
class Description:
    """What a pod says of one collection. `key` has one name where a single attribute is the key."""

    path: str
    title: str = ""
    key: tuple[str, ...] = ()
    attributes: tuple[Attribute, ...] = ()

    def attribute(self, name: str) -> Attribute | None:
        """Return one attribute; None if the pod lists none of this name."""
        return next((one for one in self.attributes if one.name == name), None)

    def as_data(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        return asdict(self)

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Description:
        """Make it from what `as_data` returned."""
        return cls(
            path=data["path"],
            title=data["title"],
            key=tuple(data["key"]),
            attributes=tuple(Attribute(**one) for one in data["attributes"]),
        )
