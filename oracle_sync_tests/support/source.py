"""An in-process source of pages with the habits, good and bad, of an Oracle pod."""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from oracle_sync.config.collection import OPPORTUNITIES
from oracle_sync.engine.scope import Scope
from oracle_sync.engine.source import Page, PageRequest
from oracle_sync.errors import RequestRefused, TooSlow

FIRST_ID = 300_000_000_000_000

Hook = Callable[[int, PageRequest], None]


def item(key: int, number: str | None = "") -> dict[str, Any]:
    """Return a plain item, whose number follows from the key unless given."""
    return {"OptyId": key, "OptyNumber": f"N{key}" if number == "" else number}


class ListSource:
    """Rows in a dict, served in the order of their keys. Every attribute may change at any time.

    `on_request` is called with the count of requests and the request, before the answer is made
    and under the lock: what it does to the collection happens between two requests. `errors`
    are raised in order of requests (None: no error); `too_slow_above` is the greatest limit that
    the server can serve in time.
    """

    def __init__(self, rows: int | Iterable[int] = 0, *, step: int = 10, cap: int = 499) -> None:
        keys = (FIRST_ID + step * i for i in range(rows)) if isinstance(rows, int) else rows
        self.items: dict[int, Any] = {key: item(key) for key in keys}
        self.collection = OPPORTUNITIES
        self.cap = cap
        self.says_limit = True
        self.total: Callable[[int], int | None] = lambda rows: rows
        self.has_more: Callable[[bool, bool], bool | None] = lambda more, full: more
        self.ignore_offset = False
        self.by_key = False
        self.dated = True
        self.sorted_by_key = True
        self.shown: Callable[[Any], Any] = lambda item: item
        self.clock: Callable[[], dt.datetime | None] = lambda: None
        self.refuse_dates = False
        self.ignore_dates = False
        self.refuse_base = False
        self.ignore_base = False
        self.empty_with_more_at: int | None = None
        self.too_slow_above: int | None = None
        self.errors: list[BaseException | None] = []
        self.on_request: Hook = lambda n, request: None
        self.latency = 0.0
        self.asked: list[PageRequest] = []
        self.in_flight = 0
        self.most_in_flight = 0
        self._lock = threading.RLock()

    @property
    def requests(self) -> int:
        return len(self.asked)

    @property
    def keys(self) -> list[int]:
        return sorted(self.items)

    def table(self) -> dict[str, str | None]:
        """Return what the table should hold: id and number of each plain item."""
        return {str(key): self.items[key]["OptyNumber"] for key in self.keys}

    def append(self, count: int = 1, step: int = 10) -> None:
        """Rows with the greatest keys, as new opportunities have."""
        last = max(self.items, default=FIRST_ID)
        for i in range(1, count + 1):
            self.items[last + step * i] = item(last + step * i)

    def insert(self, position: int) -> None:
        """Insert a row with a key between those at `position` and the one before."""
        after = self.keys[position]
        key = next(k for k in range(after - 1, 0, -1) if k not in self.items)
        self.items[key] = item(key)

    def delete(self, position: int) -> None:
        del self.items[self.keys[position]]

    def fetch(self, request: PageRequest, stopped: threading.Event) -> Page:
        with self._lock:
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            if self.latency:
                time.sleep(self.latency)
            with self._lock:
                self.asked.append(request)
                error = self.errors.pop(0) if self.errors else None
                self.on_request(self.requests, request)
                if error is not None:
                    raise error
                return self._answer(request)
        finally:
            with self._lock:
                self.in_flight -= 1

    def _answer(self, request: PageRequest) -> Page:
        if self.too_slow_above is not None and request.limit > self.too_slow_above:
            raise TooSlow(f"504 for {request.limit} rows", status=504)
        keys = self.keys
        if request.base is not None:
            if self.refuse_base:
                raise RequestRefused("400 for a condition on the key", status=400)
            if not self.ignore_base:
                keys = [key for key in keys if key >= int(request.base.key)]
        keys = self._dated(self._ranged(keys, request.scope), request.scope)
        offset = 0 if self.ignore_offset else request.distance
        limit = min(request.limit, self.cap)
        items = [self.shown(self.items[key]) for key in keys[offset : offset + limit]]
        more = self.has_more(offset + len(items) < len(keys), len(items) >= limit)
        if self.empty_with_more_at is not None and request.offset >= self.empty_with_more_at:
            items, more = [], True
        total = self.total(len(keys)) if request.want_total else None
        page = Page(request, items, more, limit if self.says_limit else None, total)
        page.date = self.clock()
        return page

    def _ranged(self, keys: list[int], scope: Scope) -> list[int]:
        if not (scope.from_key or scope.after_key or scope.to_key):
            return keys
        if self.refuse_base:
            raise RequestRefused("400 for a condition on the key", status=400)
        if self.ignore_base:
            return keys
        low = max(int(scope.from_key or 0), int(scope.after_key or -1) + 1)
        high = int(scope.to_key or 10**38)
        return [key for key in keys if low <= key <= high]

    def _dated(self, keys: list[int], scope: Scope) -> list[int]:
        since, until = scope.changed_since, scope.changed_until
        if since is None and until is None:
            return keys
        if self.refuse_dates:
            raise RequestRefused("400 for a condition on the date", status=400)
        if self.ignore_dates:
            return keys
        dates = {key: self.date_of(key) for key in keys}
        return [
            key
            for key, date in dates.items()
            if date and (since is None or date >= since) and (until is None or date <= until)
        ]

    def date_of(self, key: int) -> dt.datetime | None:
        """Return when a row changed, as the server keeps it."""
        date = self.items[key].get("LastUpdateDate")
        return dt.datetime.fromisoformat(date) if date else None
