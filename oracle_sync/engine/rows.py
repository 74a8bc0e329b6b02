"""Define what the engine hands to the store: rows as a key and values, rejects, and batches."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field

from oracle_sync.engine.values import Value

Values = tuple[Value, ...]
"""What a row holds besides its key, in the order of `Collection.columns`."""


PRECISION = dt.timedelta(seconds=2)
"""Two units of the coarsest precision in which a pod prints dates."""


def moment(date: str) -> dt.datetime:
    """Return a date of Oracle's as a time; one without a zone is in UTC."""
    time = dt.datetime.fromisoformat(date)
    return time.replace(tzinfo=time.tzinfo or dt.UTC)


@dataclass(frozen=True)
class Reject:
    """An item that can't be stored, or not in full: its raw JSON, where it was, and why.

    `key` is that of its row, if it has one. `field` names the attributes that do not fit their
    columns, which are null in a row that is stored otherwise; None: no row is stored. `date` is
    Oracle's time of the last change.
    """

    offset: int
    raw: str
    reason: str
    key: str | None = None
    field: str | None = None
    date: str | None = None


@dataclass
class Rows:
    """The items of a page: keys, and the values of each, and the items that can't be stored.

    `dates` holds Oracle's time of each row's last change; None where the item has none.
    `tokens` identifies each item in order, rejects included: the key, or a hash of the item
    where it has none. Two pages are joined by comparing tokens.
    """

    tokens: list[str]
    keys: list[str] = field(default_factory=list)
    values: list[Values] = field(default_factory=list)
    dates: list[str | None] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)


@dataclass
class Batch:
    """Rows of one or more joined pages, and the offset that they move the sync to.

    `received` counts new items, without those that only repeat what was committed. `anchor` is
    the token of the last item before `offset_after`. `complete` says that nothing followed;
    `shift` says how rows had moved, so that a full refresh is due after this walk. `began` is the
    source's time at which it was asked for the first page; None where it does not say.
    """

    offset_before: int
    offset_after: int
    anchor: str | None
    received: int
    pages: int
    complete: bool
    shift: str | None = None
    keys: list[str] = field(default_factory=list)
    values: list[Values] = field(default_factory=list)
    dates: list[str | None] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    began: dt.datetime | None = None

    def append(self, other: Batch) -> None:
        """Take in the batch that follows this one."""
        self.offset_after = other.offset_after
        self.anchor = other.anchor
        self.received += other.received
        self.pages += other.pages
        self.complete = other.complete
        self.shift = self.shift or other.shift
        # New lists: the old ones may be the pager's memory of this walk as well.
        self.keys = self.keys + other.keys
        self.values = self.values + other.values
        self.dates = self.dates + other.dates
        begin = other.offset_before
        self.rejects = self.rejects + [one for one in other.rejects if one.offset >= begin]
