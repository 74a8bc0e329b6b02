"""The attributes of a collection as they are at present, and their values in unchanged rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from oracle_sync.sandbox.records.attribute import Attribute, make_attribute
from oracle_sync.sandbox.records.catalog import Resource
from oracle_sync.sandbox.records.makers import Dice, moments_updated

CHANGED = "LastUpdateDate"
"""The attribute with the time of the last change, in every collection."""


class Columns:
    """Attributes that can be added, renamed, retyped and dropped while a pod runs."""

    def __init__(
        self, resource: Resource, seed: int, first_key: int, keys: Mapping[str, Sequence[int]]
    ) -> None:
        self.resource = resource
        self._fixed = {resource.key, resource.number, CHANGED}
        self._dice_by_name: dict[str, Dice] = {}
        self._dice = Dice(seed, resource.name, first_key, keys)
        self._attributes = {one.name: one for one in resource.attributes}
        self.version = 0
        """Rises whenever an attribute changes."""

    @property
    def attributes(self) -> Mapping[str, Attribute]:
        """Every attribute by its name, in the order in which a pod sends them."""
        return self._attributes

    def texts(self, keys: Sequence[int], name: str) -> list[str]:
        """Return the JSON text of one attribute in each row.

        Raises:
            KeyError: if there is no such attribute.
        """
        attribute = self._attributes[name]
        return attribute.make(keys, self._dice_of(attribute.source))

    def moments(self, keys: Sequence[int]) -> list[int]:
        """Return when each row was changed last."""
        return moments_updated(keys, self._dice_of(CHANGED))

    def visible(self, keys: Sequence[int], share: float) -> list[bool]:
        """Return for each row whether it is in a share of all rows, 0 to 1, the same for ever."""
        return [throw % 10_000 < share * 10_000 for throw in self._dice_of("visible").throw(keys)]

    def add(self, name: str, type: str) -> None:  # noqa: A002
        """Add an attribute, with values of its type in every row.

        Raises:
            ValueError: if there is one already, or its name or type cannot be.
        """
        self._demand_new(name)
        self._replace(None, make_attribute(name, type, self._new_source(name)))

    def rename(self, name: str, new_name: str) -> None:
        """Rename an attribute; its values stay.

        Raises:
            ValueError: if there is no such attribute, or the new name cannot be one.
        """
        attribute = self._changeable(name)
        self._demand_new(new_name)
        make_attribute(new_name, attribute.type, "")
        self._replace(name, replace(attribute, name=new_name, origin=attribute.source))

    def retype(self, name: str, type: str) -> None:  # noqa: A002
        """Give an attribute another type, and values of that type.

        Raises:
            ValueError: if there is no such attribute or type.
        """
        self._changeable(name)
        self._replace(name, make_attribute(name, type, self._new_source(name)))

    def drop(self, name: str) -> None:
        """Remove an attribute.

        Raises:
            ValueError: if there is no such attribute, or the pod cannot do without it.
        """
        self._changeable(name)
        self._replace(name, None)

    def demand_settable(self, names: Iterable[str]) -> None:
        """Raise ValueError if one of the names is not an attribute that rows can be given."""
        for name in names:
            if name not in self._attributes or name == self.resource.key:
                raise ValueError(f"{name} is not a column that can be set.")

    def _changeable(self, name: str) -> Attribute:
        if name not in self._attributes:
            raise ValueError(f"There is no attribute {name}.")
        if name in self._fixed:
            raise ValueError(f"The pod cannot do without {name}.")
        return self._attributes[name]

    def _demand_new(self, name: str) -> None:
        if name in self._attributes:
            raise ValueError(f"There is an attribute {name} already.")

    def _new_source(self, name: str) -> str:
        return f"{name}, version {self.version + 1}"

    def _replace(self, name: str | None, attribute: Attribute | None) -> None:
        """Put an attribute in place of another, of none, or none in its place."""
        attributes = [attribute if one.name == name else one for one in self._attributes.values()]
        if name is None:
            attributes.append(attribute)
        # A new dict, since a request may be reading the old one.
        self._attributes = {one.name: one for one in attributes if one is not None}
        self.version += 1

    def _dice_of(self, name: str) -> Dice:
        dice = self._dice_by_name.get(name)
        if dice is None:
            dice = replace(self._dice, name=f"{self._dice.name}.{name}")
            self._dice_by_name[name] = dice
        return dice
