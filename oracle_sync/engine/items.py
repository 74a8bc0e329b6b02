"""Read the items of a page into rows, and set aside the ones that can't be stored."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from oracle_sync.config.collection import Collection
from oracle_sync.engine.exact_json import number_text, write_json
from oracle_sync.engine.rows import Reject, Rows, Values

MAX_KEY_LENGTH = 600
"""Characters of up to four bytes: PostgreSQL's btree takes index entries up to 2,700 bytes."""

MAX_DEPTH = 100
"""Levels of objects and lists in an item: far fewer than Python's JSON writer stands."""

_ESCAPED_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


def read_items(items: Sequence[Any], offset: int, collection: Collection) -> Rows:
    """Return the rows of a page that begins at `offset`.

    Pages of plain items, which nearly all are, are read a column at a time; any oddity sends the
    whole page through a slower look at each item.
    """
    return _read_columns(items, collection) or _read_each(items, offset, collection)


def _read_columns(items: Sequence[Any], collection: Collection) -> Rows | None:
    try:
        raw_keys = [item[collection.key.attribute] for item in items]
        columns = [[item[column.attribute] for item in items] for column in collection.columns]
    except (KeyError, TypeError):
        return None
    key_types = set(map(type, raw_keys))
    if not key_types <= {int, str} or max(map(len, items), default=0) > 1 + len(columns):
        return None
    keys: list[str] = list(map(str, raw_keys)) if int in key_types else raw_keys
    if not all(keys) or max(map(len, keys), default=0) > MAX_KEY_LENGTH:
        return None
    for column in columns:
        if not set(map(type, column)) <= {str, type(None)}:
            return None
        if not _storable("".join(filter(None, column))):
            return None
    if not _storable("".join(keys)):
        return None
    return Rows(tokens=keys, keys=keys, values=list(zip(*columns, [None] * len(keys), strict=True)))


def _read_each(items: Sequence[Any], offset: int, collection: Collection) -> Rows:
    rows = Rows(tokens=[])
    for position, item in enumerate(items):
        try:
            key, values = _read_one(item, collection)
        except ValueError as error:
            raw = _raw(item)
            rows.tokens.append("#" + hashlib.sha256(raw.encode()).hexdigest())
            rows.rejects.append(Reject(offset + position, raw, str(error), _key(item, collection)))
        else:
            rows.tokens.append(key)
            rows.keys.append(key)
            rows.values.append(values)
    return rows


def _key(item: Any, collection: Collection) -> str | None:
    """Return the key of an item that can't be stored: the source has the row all the same."""
    if not isinstance(item, dict):
        return None
    try:
        return _text(item, collection.key.attribute)
    except ValueError:
        return None


def _read_one(item: Any, collection: Collection) -> tuple[str, Values]:
    """Return the key and the values of one item.

    Raises:
        ValueError: saying why it can't be stored.
    """
    if not isinstance(item, dict):
        raise ValueError("the item is not an object")
    if _too_deep(item):
        raise ValueError(f"the item is nested deeper than {MAX_DEPTH} levels")
    name = collection.key.attribute
    key = _text(item, name)
    if not key:
        raise ValueError(f"{name} is missing or empty")
    if len(key) > MAX_KEY_LENGTH:
        raise ValueError(f"{name} is longer than {MAX_KEY_LENGTH} characters")
    values = (_text(item, column.attribute) for column in collection.columns)
    return key, (*values, _extra(item, collection))


def _extra(item: dict[str, Any], collection: Collection) -> str | None:
    """Return the fields that have no column, as JSON; None where there are none.

    Raises:
        ValueError: saying why they can't be stored.
    """
    known = {
        collection.key.attribute,
        "links",
        *(column.attribute for column in collection.columns),
    }
    further = {name: content for name, content in item.items() if name not in known}
    if not further:
        return None
    extra = write_json(further, ensure_ascii=False)
    if _ESCAPED_NUL.search(extra) or not _storable(extra):
        raise ValueError("a further field holds a NUL character or half a surrogate pair")
    return extra


def _raw(item: Any) -> str:
    if _too_deep(item):
        item = _cut(item, MAX_DEPTH)
    try:
        return write_json(item)
    except ValueError:
        return json.dumps(repr(item))


def _too_deep(item: Any) -> bool:
    level = [item]
    for _ in range(MAX_DEPTH):
        level = [inner for outer in level for inner in _contents(outer) if _contents(inner)]
        if not level:
            return False
    return True


def _contents(content: Any) -> Iterable[Any]:
    if isinstance(content, dict):
        return content.values()
    return content if isinstance(content, list) else ()


def _cut(content: Any, levels: int) -> Any:
    if not _contents(content):
        return content
    if levels == 0:
        return "(nested too deep, and cut here)"
    if isinstance(content, dict):
        return {name: _cut(inner, levels - 1) for name, inner in content.items()}
    return [_cut(inner, levels - 1) for inner in content]


def _text(item: dict[str, Any], name: str) -> str | None:
    """Return a field as text: from framework version 9 on, numbers may arrive as strings."""
    content = item.get(name)
    if content is None:
        return None
    if isinstance(content, bool) or not isinstance(content, (str, int, Decimal)):
        raise ValueError(f"{name} is neither text nor a number")
    text = number_text(content) if isinstance(content, Decimal) else str(content)
    if not _storable(text):
        raise ValueError(f"{name} holds a NUL character or half a surrogate pair")
    return text


def _storable(text: str) -> bool:
    """Return whether PostgreSQL takes the text: no NUL, no lone surrogate; JSON allows both."""
    if "\0" in text:
        return False
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
