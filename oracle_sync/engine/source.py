"""Define what the engine asks of Oracle: a request, the page that answers it, and the interface."""

from __future__ import annotations

import datetime as dt
import threading
from dataclasses import dataclass
from typing import Any, Protocol

from oracle_sync.config.collection import Collection
from oracle_sync.engine.scope import EVERYTHING, Scope


@dataclass(frozen=True)
class Base:
    """A row to count from instead of the first one: its key, and the offset it is taken to have."""

    key: str
    offset: int


@dataclass(frozen=True)
class PageRequest:
    """Ask for `limit` items from `offset` on; `want_total` also for the estimated row count.

    `scope` bounds the rows; `offset` counts from the first of them. With a `base`, the server is
    sent the base's key and the distance from it. Such a request wants no total, which would be
    that of the rows from the base on.
    """

    offset: int
    limit: int
    want_total: bool = False
    base: Base | None = None
    scope: Scope = EVERYTHING

    @property
    def distance(self) -> int:
        """Return the number of rows that the server has to skip."""
        return self.offset - (self.base.offset if self.base else 0)


@dataclass
class Page:
    """One answer. `limit` is what the server says it used; None where it did not say.

    `throttled` counts the times the server said 429 or 503 before it gave this answer, and
    `seconds` is how long the last, successful request took. `date` is the server's own time when
    it answered, in UTC; None where it does not say.
    """

    request: PageRequest
    items: list[Any]
    has_more: bool | None
    limit: int | None = None
    total: int | None = None
    throttled: int = 0
    seconds: float = 0.0
    date: dt.datetime | None = None

    @property
    def full(self) -> bool:
        """Return whether the page holds as many items as it could, so that more may follow."""
        room = self.request.limit if self.limit is None else min(self.limit, self.request.limit)
        return len(self.items) >= room

    @property
    def asked_at(self) -> dt.datetime | None:
        """Return the server's time when it got the request, or a little before."""
        return self.date and self.date - dt.timedelta(seconds=self.seconds)


class Source(Protocol):
    """Where pages come from. `fetch` is called from several threads at once."""

    collection: Collection
    """The collection that is read, with the columns that are asked for."""

    @property
    def by_key(self) -> bool:
        """Return whether requests may have a base."""

    @property
    def dated(self) -> bool:
        """Return whether items carry the time of their last change, as far as is known."""

    @property
    def sorted_by_key(self) -> bool:
        """Return whether the whole collection comes in the ascending order of its keys."""

    def fetch(self, request: PageRequest, stopped: threading.Event) -> Page:
        """Return one page, retrying as the source sees fit, until `stopped` is set.

        Raises:
            SourceError: if there is no such page to be had.
        """
