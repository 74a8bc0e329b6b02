"""Read the items of a page into rows, and set aside the ones that can't be stored."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from oracle_sync.config.collection import CHANGED, Collection, Column
from oracle_sync.engine.exact_json import write_json
from oracle_sync.engine.rows import Reject, Rows, Values
from oracle_sync.engine.values import (
    MAX_DEPTH,
    Value,
    cut,
    date_text,
    fit,
    fit_all,
    scalar_text,
    storable,
    too_deep,
)

MAX_KEY_LENGTH = 600
"""Characters of up to four bytes: PostgreSQL's btree takes index entries up to 2,700 bytes."""


def read_items(items: Sequence[Any], offset: int, collection: Collection) -> Rows:
    """Return the rows of a page that begins at `offset`.

    Pages of plain items, which nearly all are, are read a column at a time; any oddity sends the
    whole page through a slower look at each item. Fields that have no column are left out.
    """
    return _read_columns(items, collection) or _read_each(items, offset, collection)


def _read_columns(items: Sequence[Any], collection: Collection) -> Rows | None:
    columns = collection.columns
    try:
        raw_keys = [item[collection.key.attribute] for item in items]
        contents = [[item[column.attribute] for item in items] for column in columns]
    except (KeyError, TypeError):
        return None
    if not set(map(type, raw_keys)) <= {int, str}:
        return None
    fitting_keys = fit_all(raw_keys, collection.key.type)
    keys = list(map(str, raw_keys if fitting_keys is None else fitting_keys))
    if not all(keys) or max(map(len, keys), default=0) > MAX_KEY_LENGTH:
        return None
    if not storable("".join(keys)):
        return None
    values = []
    for column, content in zip(columns, contents, strict=True):
        fitting = fit_all(content, column.type)
        if fitting is None:
            return None
        values.append(fitting)
    return Rows(
        tokens=keys,
        keys=keys,
        values=list(zip(*values, strict=True)) if values else [()] * len(keys),
        dates=[date_text(item.get(CHANGED)) for item in items],
    )


def _read_each(items: Sequence[Any], offset: int, collection: Collection) -> Rows:
    rows = Rows(tokens=[])
    for position, item in enumerate(items):
        date = date_text(item.get(CHANGED)) if isinstance(item, dict) else None
        try:
            key = _key_of(item, collection.key)
        except ValueError as error:
            raw = _raw(item)
            rows.tokens.append("#" + hashlib.sha256(raw.encode()).hexdigest())
            rows.rejects.append(
                Reject(offset + position, raw, str(error), _any_key(item, collection), date=date)
            )
            continue
        values, misfits = _values_of(item, collection.columns)
        rows.tokens.append(key)
        rows.keys.append(key)
        rows.values.append(values)
        rows.dates.append(date)
        if misfits:
            reason = "; ".join(f"{name} is {words}" for name, words in misfits.items())
            field = ", ".join(misfits)
            rows.rejects.append(Reject(offset + position, _raw(item), reason, key, field, date))
    return rows


def _any_key(item: Any, collection: Collection) -> str | None:
    """Return the key of an item that can't be stored: the source has the row all the same."""
    if not isinstance(item, dict) or item.get(collection.key.attribute) is None:
        return None
    try:
        return scalar_text(item[collection.key.attribute])
    except ValueError:
        return None


def _key_of(item: Any, column: Column) -> str:
    """Return the key of an item.

    Raises:
        ValueError: saying why the item can't be stored.
    """
    if not isinstance(item, dict):
        raise ValueError("the item is not an object")
    name, content = column.attribute, item.get(column.attribute)
    if content is None or content == "":
        raise ValueError(f"{name} is missing or empty")
    try:
        key = str(fit(scalar_text(content), column.type))
    except ValueError as error:
        raise ValueError(f"{name} is {error}") from None
    if len(key) > MAX_KEY_LENGTH:
        raise ValueError(f"{name} is longer than {MAX_KEY_LENGTH} characters")
    return key


def _values_of(item: dict[str, Any], columns: Sequence[Column]) -> tuple[Values, dict[str, str]]:
    """Return the values of an item, null where one does not fit, and by attribute why not."""
    values: list[Value] = []
    misfits: dict[str, str] = {}
    for column in columns:
        try:
            values.append(fit(item.get(column.attribute), column.type))
        except ValueError as error:
            values.append(None)
            misfits[column.attribute] = str(error)
    return tuple(values), misfits


def _raw(item: Any) -> str:
    if too_deep(item):
        item = cut(item, MAX_DEPTH)
    try:
        return write_json(item)
    except ValueError:
        return json.dumps(repr(item))
