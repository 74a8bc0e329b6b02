"""What passes between the parts of the engine: a request, a page, the rows in it, a batch.

Belongs here: plain values, and reading items into columns. Does not belong here: asking for a
page, or writing one.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Protocol

from oracle_sync.config.collection import Collection
from oracle_sync.engine.exact_json import number_text, write_json

MAX_KEY_LENGTH = 600
"""Characters of up to four bytes: PostgreSQL's btree takes index entries up to 2,700 bytes."""

_ESCAPED_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


@dataclass(frozen=True)
class Base:
    """A row to count from instead of the first one: its key, and the offset it is taken to have."""

    key: str
    offset: int


@dataclass(frozen=True)
class PageRequest:
    """Ask for `limit` items from `offset` on; `want_total` also for the estimated row count.

    `offset` counts from the first row of the collection, with a `base` too: what is sent then is
    the base's key and the distance from it. Such a request wants no total, which would be that of
    the rows from the base on.
    """

    offset: int
    limit: int
    want_total: bool = False
    base: Base | None = None

    @property
    def distance(self) -> int:
        """The offset from the base on, which is what the server has to skip."""
        return self.offset - (self.base.offset if self.base else 0)


@dataclass
class Page:
    """One answer. `limit` is what the server says it used; None where it did not say.

    `throttled` counts the times the server said 429 or 503 before it gave this answer, and
    `seconds` is how long the last, successful request took.
    """

    request: PageRequest
    items: list[Any]
    has_more: bool | None
    limit: int | None = None
    total: int | None = None
    throttled: int = 0
    seconds: float = 0.0

    @property
    def full(self) -> bool:
        """Whether the page holds as many items as it could, so that more may follow."""
        room = self.request.limit if self.limit is None else min(self.limit, self.request.limit)
        return len(self.items) >= room


class Source(Protocol):
    """Where pages come from. `fetch` is called from several threads at once."""

    @property
    def collection(self) -> Collection:
        """The collection that is read."""

    @property
    def by_key(self) -> bool:
        """Whether requests may have a base."""

    def fetch(self, request: PageRequest, stopped: threading.Event) -> Page:
        """Get one page, retrying as the source sees fit, until `stopped` is set.

        Raises:
            SourceError: if it can't be had.
        """


@dataclass(frozen=True)
class Reject:
    """An item that can't be stored: its raw JSON, where it was, why, and its key if it has one."""

    offset: int
    raw: str
    reason: str
    key: str | None = None


@dataclass
class Rows:
    """The items of a page as columns of equal length, and those that can't be stored.

    `tokens` identifies each item in order, rejects included: the key, or a hash of the item
    where it has none. Two pages are joined by comparing tokens.
    """

    tokens: list[str]
    keys: list[str] = field(default_factory=list)
    values: list[str | None] = field(default_factory=list)
    extras: list[str | None] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)


@dataclass
class Batch:
    """Rows of one or more joined pages, and the offset that they move the sync to.

    `received` counts new items, without those that only repeat what was committed. `anchor` is
    the token of the last item before `offset_after`. `complete` says that nothing followed;
    `shift` tells of rows found to have moved, so that a full refresh is due after this walk.
    """

    offset_before: int
    offset_after: int
    anchor: str | None
    received: int
    pages: int
    complete: bool
    shift: str | None = None
    keys: list[str] = field(default_factory=list)
    values: list[str | None] = field(default_factory=list)
    extras: list[str | None] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)

    def append(self, other: Batch) -> None:
        """Take in the batch that follows this one."""
        self.offset_after = other.offset_after
        self.anchor = other.anchor
        self.received += other.received
        self.pages += other.pages
        self.complete = other.complete
        self.shift = self.shift or other.shift
        # New lists: the old ones are the pager's memory of this walk as well.
        self.keys = self.keys + other.keys
        self.values = self.values + other.values
        self.extras = self.extras + other.extras
        self.rejects = self.rejects + other.rejects


def read_items(items: Sequence[Any], offset: int, collection: Collection) -> Rows:
    """Read the items of a page that begins at `offset` into columns.

    Pages of plain items, which nearly all are, are read a column at a time; any oddity sends the
    whole page through a slower look at each item.
    """
    return _read_columns(items, collection) or _read_each(items, offset, collection)


def _read_columns(items: Sequence[Any], collection: Collection) -> Rows | None:
    key_field, value_field = collection.key.attribute, collection.columns[0].attribute
    try:
        raw_keys = [item[key_field] for item in items]
        values = [item[value_field] for item in items]
    except (KeyError, TypeError):
        return None
    key_types = set(map(type, raw_keys))
    if not key_types <= {int, str} or not set(map(type, values)) <= {str, type(None)}:
        return None
    keys: list[str] = list(map(str, raw_keys)) if int in key_types else raw_keys
    if not all(keys) or max(map(len, keys), default=0) > MAX_KEY_LENGTH:
        return None
    if max(map(len, items), default=0) > 2:
        return None
    if not _storable("".join(keys)) or not _storable("".join(filter(None, values))):
        return None
    return Rows(tokens=keys, keys=keys, values=values, extras=[None] * len(keys))


def _read_each(items: Sequence[Any], offset: int, collection: Collection) -> Rows:
    rows = Rows(tokens=[])
    for position, item in enumerate(items):
        try:
            key, value, extra = _read_one(item, collection)
        except ValueError as error:
            raw = _raw(item)
            rows.tokens.append("#" + hashlib.sha256(raw.encode()).hexdigest())
            rows.rejects.append(Reject(offset + position, raw, str(error), _key(item, collection)))
        else:
            rows.tokens.append(key)
            rows.keys.append(key)
            rows.values.append(value)
            rows.extras.append(extra)
    return rows


def _key(item: Any, collection: Collection) -> str | None:
    """The key of an item that is otherwise no good: the row is at the source all the same."""
    if not isinstance(item, dict):
        return None
    try:
        return _text(item.get(collection.key.attribute), collection.key.attribute)
    except ValueError:
        return None


def _read_one(item: Any, collection: Collection) -> tuple[str, str | None, str | None]:
    """Key, value and extra fields of one item.

    Raises:
        ValueError: saying why it can't be stored.
    """
    if not isinstance(item, dict):
        raise ValueError("the item is not an object")
    key = _text(item.get(collection.key.attribute), collection.key.attribute)
    if not key:
        raise ValueError(f"{collection.key.attribute} is missing or empty")
    if len(key) > MAX_KEY_LENGTH:
        raise ValueError(f"{collection.key.attribute} is longer than {MAX_KEY_LENGTH} characters")
    value = _text(item.get(collection.columns[0].attribute), collection.columns[0].attribute)
    known = (collection.key.attribute, collection.columns[0].attribute, "links")
    further = {name: content for name, content in item.items() if name not in known}
    if not further:
        return key, value, None
    extra = write_json(further, ensure_ascii=False)
    if _ESCAPED_NUL.search(extra) or not _storable(extra):
        raise ValueError("a further field holds a NUL character or half a surrogate pair")
    return key, value, extra


def _raw(item: Any) -> str:
    try:
        return write_json(item)
    except ValueError:
        return json.dumps(repr(item))


def _text(content: Any, name: str) -> str | None:
    """A field's content as text: from framework version 9 on, numbers may arrive as strings."""
    if content is None:
        return None
    if isinstance(content, bool) or not isinstance(content, (str, int, Decimal)):
        raise ValueError(f"{name} is neither text nor a number")
    text = number_text(content) if isinstance(content, Decimal) else str(content)
    if not _storable(text):
        raise ValueError(f"{name} holds a NUL character or half a surrogate pair")
    return text


def _storable(text: str) -> bool:
    """Whether PostgreSQL's text type takes it: no NUL, no lone surrogate, both legal in JSON."""
    if "\0" in text:
        return False
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
