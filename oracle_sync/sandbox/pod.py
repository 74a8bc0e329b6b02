"""The stand-in pod: its collections, its clock, its tokens, and the pages that it answers with."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from typing import Any

from oracle_sync.sandbox.clock import Clock
from oracle_sync.sandbox.conditions import Condition, Term
from oracle_sync.sandbox.page import Page, write_items
from oracle_sync.sandbox.query import Query
from oracle_sync.sandbox.records.catalog import MAIN, RESOURCES
from oracle_sync.sandbox.records.keys import Keys, first_key
from oracle_sync.sandbox.records.stamps import DAY, read_moment
from oracle_sync.sandbox.rows.collection import Collection
from oracle_sync.sandbox.rows.finder import View
from oracle_sync.sandbox.settings import PodSettings

_CLOSE_DATE = "EffectiveDate"
"""The attribute by which the finder's window lets opportunities through."""


class Pod(PodSettings, Collection):
    """A pod with invented data. It is the collection of its opportunities, and has the others.

    Args:
        rows: How many opportunities there are at first.
        seed: The same seed makes the same rows.
        collections: How many rows each of the other collections has at first.
        settings: Any of `PodSettings`.

    Raises:
        ValueError: if there is no such collection or setting.
    """

    def __init__(
        self,
        rows: int = RESOURCES[MAIN].rows,
        seed: int = 1,
        *,
        collections: Mapping[str, int] | None = None,
        **settings: Any,
    ) -> None:
        PodSettings.__init__(self)
        self.configure(**settings)
        counts = {name: resource.rows for name, resource in RESOURCES.items()} | {MAIN: rows}
        for name, count in (collections or {}).items():
            if name not in counts:
                raise ValueError(f"There is no collection {name}. There are: {', '.join(counts)}.")
            counts[name] = count
        keys = {
            name: Keys(count, seed, first_key(RESOURCES[name].place))
            for name, count in counts.items()
        }
        # Copies, since a reference to a row may outlive the row, as it does in a real pod.
        others = {name: one.all[:] for name, one in keys.items()}
        clock = Clock()
        Collection.__init__(self, RESOURCES[MAIN], keys[MAIN], seed, others, self, clock)
        self.collections: dict[str, Collection] = {
            name: self
            if name == MAIN
            else Collection(RESOURCES[name], keys[name], seed, others, self, clock)
            for name in RESOURCES
        }
        self._tokens: dict[str, float] = {}

    def page(self, query: Query, href: str = "", name: str = MAIN) -> Page:
        """Return the page of a collection that answers a query now."""
        collection = self.collections[name]
        with collection.present() as contents:
            stretch = collection.finder.find(query, self._view(query))
            items = write_items(contents, stretch.keys, query, self.precision, href)
        total = self.total(stretch.count) if query.total else None
        return Page(items, query, name, href, stretch.has_more, total, self.omit_empty_items)

    def item(self, key: int, query: Query, href: str, name: str = MAIN) -> bytes:
        """Return one row of a collection as JSON."""
        with self.collections[name].present() as contents:
            return write_items(contents, [key], query, self.precision, href)[0].encode()

    def _view(self, query: Query) -> View:
        """Return what a request may see: through its finder, perhaps not everything."""
        if not query.scoped:
            return View(self.precision)
        window: list[Term] = []
        for operator, text in ((">=", self.window_from), ("<=", self.window_to)):
            if text:
                window.append(Condition(_CLOSE_DATE, operator, (self._day(text),)))
        return View(self.precision, self.visible_share, tuple(window))

    def _day(self, text: str) -> int:
        """Return the moment at which a day begins: a date, or so many days from today."""
        moment = read_moment(text)
        if moment is not None and not text.lstrip("+-").isdecimal():
            return moment
        return (self.clock.now() // DAY + int(text)) * DAY

    def issue_token(self) -> str:
        """Return a new bearer token, valid for `token_seconds`."""
        token = secrets.token_urlsafe(24)
        with self._lock:
            self._tokens[token] = time.monotonic() + self.token_seconds
        return token

    def accepts_token(self, token: str) -> bool:
        """Return whether a bearer token is valid now."""
        with self._lock:
            return (bool(self.token) and token == self.token) or (
                self._tokens.get(token, 0.0) > time.monotonic()
            )

    def revoke_tokens(self) -> None:
        """Let every token that was issued expire at once."""
        with self._lock:
            self._tokens.clear()
