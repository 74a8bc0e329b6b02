"""Turn the attributes that are asked for into typed columns of a table."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from oracle_sync.config.collection import Collection, Column, snake_case
from oracle_sync.config.description import Attribute, Description
from oracle_sync.config.names import nearest
from oracle_sync.errors import SettingError

OURS = (
    "id",
    "synced_at",
    "sync_names",
    "source_updated_at",
    "sync_name",
    "removed_at",
    "removed_by",
)
"""Columns that a data table, or its table of removed rows, has beside Oracle's."""

SYSTEM = ("tableoid", "xmin", "cmin", "xmax", "cmax", "ctid")
"""Columns that every table of PostgreSQL has (manual, 5.6 System Columns)."""

LONGEST_NAME = 63
"""Bytes of a name in PostgreSQL; it cuts longer ones in silence."""

TYPES = ("varchar", "text", "bigint", "numeric", "boolean", "date", "timestamptz", "jsonb")
"""The types that a column can have."""

ALL, ALL_CUSTOM = "*", "*_c"

_ATTRIBUTE = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,199}")


def is_attribute(name: str) -> bool:
    """Return whether a text can be the name of an attribute."""
    return _ATTRIBUTE.fullmatch(name) is not None


def read_fields(text: str) -> tuple[str, ...]:
    """Return the attributes that ORACLE_FIELDS names, each once, in order.

    Raises:
        SettingError: naming what can't be an attribute.
    """
    names = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    for name in names:
        if name not in (ALL, ALL_CUSTOM) and not is_attribute(name):
            raise SettingError(
                f"ORACLE_FIELDS names {name[:60]!r}, which cannot be an attribute of Oracle's.",
                "Name attributes, separated by commas; *_c stands for all custom ones, * for all.",
            )
    return names


def column_name(attribute: str) -> str:
    """Return the column for an attribute: `LastUpdateDate` becomes `last_update_date`."""
    name = snake_case(attribute)
    if len(name) > LONGEST_NAME:
        digest = hashlib.sha256(attribute.encode()).hexdigest()[:8]
        name = f"{name[: LONGEST_NAME - 9]}_{digest}"
    return f"{name}_" if name in OURS or name in SYSTEM else name


def needs_description(
    fields: Sequence[str], collection: Collection, types: Mapping[str, str] | None = None
) -> bool:
    """Return whether `describe` has to be asked: for types, or for what a star stands for."""
    return not set(fields) <= {*collection.attributes, *(types or {})}


def resolve_columns(
    collection: Collection,
    fields: Sequence[str],
    description: Description | None,
    types: Mapping[str, str] | None = None,
) -> Collection:
    """Return the collection with a column for each attribute asked for.

    A column that the collection declares keeps its name and type. The type of any other comes
    from `types`, else from the description, else it is text.

    Args:
        collection: the declaration.
        fields: attributes, as `read_fields` returns them.
        description: what the pod says; None where it does not answer.
        types: types by attribute that outrank the pod's.

    Raises:
        SettingError: if a star is asked for and there is no description, if two attributes would
            share a column, if a type is not one of TYPES, or if it is that of no attribute.
    """
    types = dict(types or {})
    for attribute, type_name in types.items():
        if type_name not in TYPES:
            raise SettingError(
                f"The type of {attribute} is {type_name[:40]!r}, which a column cannot have here.",
                f"Choose one of {', '.join(TYPES)}.",
            )
    names = [collection.key.attribute, *_expand(collection, fields, description)]
    for attribute in types.keys() - set(names):
        raise SettingError(
            f"A type is given for {attribute}, which is not among the fields of {collection.path}"
            f"{nearest(attribute, names)}",
            "Correct it in types, or add it to the fields.",
        )
    declared = {column.attribute: column for column in collection.columns}
    columns = tuple(
        replace(declared[name], type=types.get(name, declared[name].type))
        if name in declared
        else _column(name, description.attribute(name) if description else None, types.get(name))
        for name in names
        if name != collection.key.attribute
    )
    _demand_distinct(collection.key, columns)
    return replace(collection, columns=columns)


def _expand(
    collection: Collection, fields: Sequence[str], description: Description | None
) -> Sequence[str]:
    if not {ALL, ALL_CUSTOM} & set(fields):
        return fields
    if description is None:
        raise SettingError(
            f"ORACLE_FIELDS holds a star, and the pod does not describe {collection.path}, so "
            "that nothing says which attributes there are.",
            "Name the attributes one by one.",
        )
    names: dict[str, None] = {}
    for field in fields:
        if field in (ALL, ALL_CUSTOM):
            matching = (one for one in description.attributes if field == ALL or one.custom)
            names |= dict.fromkeys(one.name for one in matching)
        else:
            names[field] = None
    return list(names)


def _column(name: str, attribute: Attribute | None, type_name: str | None) -> Column:
    described = attribute.column_type if attribute else "text"
    title = attribute.title if attribute else ""
    return Column(name, column_name(name), type_name or described, title)


def _demand_distinct(key: Column, columns: Sequence[Column]) -> None:
    owners = {key.name: key.attribute}
    for column in columns:
        other = owners.setdefault(column.name, column.attribute)
        if other != column.attribute:
            raise SettingError(
                f"{other} and {column.attribute} would both be the column {column.name}.",
                "Leave one of them out of ORACLE_FIELDS.",
            )
