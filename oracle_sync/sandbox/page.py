"""One page of the collection as it goes over the wire."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from oracle_sync.sandbox.collection import Collection
from oracle_sync.sandbox.data import ATTRIBUTES, PAIR
from oracle_sync.sandbox.query import Query
from oracle_sync.sandbox.wire import dump


@dataclass
class Page:
    """The rows that answer a query at one moment, and what the envelope says about them."""

    rows: Collection
    query: Query
    keys: list[int]
    has_more: bool
    total: int | None
    href: str
    """The address of the collection, for `links[]`."""
    omit_empty_items: bool = False

    def body(self) -> bytes:
        """Return the page as JSON. Those of the two usual fields have a short cut."""
        query = self.query
        if query.fields != PAIR or not query.only_data or query.framework >= 9 or not self.keys:
            return dump(self._envelope())
        joined = ",".join(self.rows.pair_texts(self.keys))
        return f'{{"items":[{joined}],{json.dumps(self._rest())[1:]}'.encode()

    def item(self, key: int) -> dict[str, Any]:
        """Return one row as a dict; from framework 9 on, ids and decimals are strings."""
        item: dict[str, Any] = {}
        for name in self.query.fields:
            value = self.rows.value(key, name)
            if self.query.framework >= 9 and (name == "OptyId" or ATTRIBUTES[name] == "number"):
                value = str(value) if isinstance(value, int | float) else value
            item[name] = value
        if not self.query.only_data:
            item["links"] = self._item_links(key)
        return item

    def _envelope(self) -> dict[str, Any]:
        if not self.keys and self.omit_empty_items:
            return self._rest()
        return {"items": [self.item(key) for key in self.keys]} | self._rest()

    def _rest(self) -> dict[str, Any]:
        rest: dict[str, Any] = {} if self.total is None else {"totalResults": self.total}
        rest["count"] = len(self.keys)
        rest["hasMore"] = self.has_more
        rest["limit"] = self.query.limit
        rest["offset"] = self.query.offset
        rest["links"] = [
            {"rel": "self", "href": self.href, "name": "opportunities", "kind": "collection"}
        ]
        return rest

    def _item_links(self, key: int) -> list[dict[str, str]]:
        name = self.rows.value(key, "OptyNumber") or key
        href = f"{self.href}/{name}"
        return [
            {"rel": rel, "href": href, "name": "opportunities", "kind": "item"}
            for rel in ("self", "canonical")
        ]
