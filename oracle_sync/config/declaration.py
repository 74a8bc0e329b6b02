"""Turn what a user writes of a collection into a `Collection`, or say what is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from oracle_sync.config.collection import COLLECTIONS, Collection, Column, snake_case
from oracle_sync.config.columns import TYPES, column_name
from oracle_sync.config.names import nearest
from oracle_sync.errors import SettingError, shorten

KEY_TYPES = ("bigint", "numeric", "text", "varchar")
"""The types that a key's column can have."""

# Dagster takes tags of up to 63 characters.
_PATH = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,62}")
_ATTRIBUTE = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,199}")
# PostgreSQL cuts names at 63 bytes; `removed_` stands before it. Two underscores part the key of
# an asset in the name of its step.
_TABLE = re.compile(r"(?!.*__)[a-z][a-z0-9_]{0,54}")
_OURS = re.compile(r"(oracle|removed|sync)_.*|rejected_items|refresh_marks|collection_descriptions")


def declare_collection(
    path: str, key: str = "", *, table: str = "", types: Mapping[str, str] | None = None
) -> Collection:
    """Return the collection of a path: a known one, or any other by its key attribute.

    Args:
        path: the last part of the resource's path, such as `accounts`.
        key: the attribute that identifies a row; empty: that of the known collection. Its column
            is `bigint` where its name ends in `Id`, else `text`, unless `types` says otherwise.
        table: name of the table; empty: that of the known collection, else the path's.
        types: PostgreSQL types by attribute that outrank those that the pod describes.

    Raises:
        SettingError: if one of them is not possible.
    """
    types = dict(types or {})
    collection = _declared(path, key)
    key_type = types.get(collection.key.attribute, collection.key.type)
    _demand_types(types, collection.key.attribute)
    collection = replace(collection, key=replace(collection.key, type=key_type))
    if table:
        collection = replace(collection, table=table, removed_table=f"removed_{table}")
    _demand_table(collection.table)
    return collection


def _declared(path: str, key: str) -> Collection:
    known = COLLECTIONS.get(path)
    if not _PATH.fullmatch(path):
        raise SettingError(
            f"collection is {shorten(path, 60)!r}, which cannot be a collection of Oracle's.",
            "Write it as it stands in the path, such as accounts.",
        )
    if known and key in ("", known.key.attribute):
        return known
    if not key:
        raise SettingError(
            f"{path} is not one of the collections whose key is known{nearest(path, COLLECTIONS)}",
            f"Name its key attribute (key, or ORACLE_KEY): oracle-sync describe {path} shows it.",
        )
    if not _ATTRIBUTE.fullmatch(key):
        raise SettingError(
            f"key is {shorten(key, 60)!r}, which cannot be an attribute of Oracle's.",
            "Name one attribute, such as PartyId.",
        )
    column = Column(
        key,
        column_name(key),
        "bigint" if key.endswith("Id") else "text",
        f"{key} in Oracle, unique",
    )
    if known:
        others = tuple(one for one in known.columns if one.attribute != key)
        return replace(known, key=column, columns=others)
    table = snake_case(path)
    return Collection(path, column, (), table, f"removed_{table}")


def _demand_types(types: Mapping[str, str], key: str) -> None:
    for attribute, type_name in types.items():
        allowed = KEY_TYPES if attribute == key else TYPES
        if type_name not in allowed:
            which = "the key " if attribute == key else ""
            raise SettingError(
                f"The type of {which}{shorten(attribute, 60)} is {shorten(type_name, 40)!r}"
                f"{nearest(type_name, allowed)}",
                f"Choose one of {', '.join(allowed)}.",
            )


def _demand_table(table: str) -> None:
    if not _TABLE.fullmatch(table) or _OURS.fullmatch(table):
        raise SettingError(
            f"table is {shorten(table, 80)!r}, which a table of a collection cannot be called.",
            "Choose up to 55 small letters, digits and single underscores, a letter first. Names "
            "that begin with oracle_, removed_ or sync_, and those of oracle_sync's other tables, "
            "are taken.",
        )
