"""One page of the collection as it goes over the wire, in a fast form and an editable one.

Belongs here: the shape of pages, items and errors. Does not belong here: which rows are on a
page (`pod.py`), or breaking it on purpose (`faults.py`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from oracle_sync.sandbox.data import ATTRIBUTES
from oracle_sync.sandbox.query import Query

if TYPE_CHECKING:
    from oracle_sync.sandbox.pod import Pod

PAIR = ("OptyId", "OptyNumber")
"""The two fields that nearly every client asks for; these pages have a short cut."""


@dataclass
class Page:
    """The rows that answer a query at one moment, and what the envelope says about them."""

    pod: Pod
    query: Query
    keys: list[int]
    has_more: bool
    total: int | None
    href: str
    """The address of the collection, for `links[]`."""

    def body(self) -> bytes:
        """Return the page as JSON."""
        query = self.query
        if query.fields != PAIR or not query.only_data or query.framework >= 9 or not self.keys:
            return dump(self.envelope())
        rest = self._rest()
        joined = ",".join(self.pod.pair_texts(self.keys))
        return f'{{"items":[{joined}],{json.dumps(rest)[1:]}'.encode()

    def envelope(self) -> dict[str, Any]:
        """Return the page as a dict, to be looked into or spoiled."""
        envelope: dict[str, Any] = {"items": self.items()}
        if not self.keys and self.pod.omit_empty_items:
            del envelope["items"]
        return envelope | self._rest()

    def items(self) -> list[Any]:
        """Return the items as dicts."""
        return [self.item(key) for key in self.keys]

    def item(self, key: int) -> dict[str, Any]:
        """Return one row as a dict; from framework 9 on, ids and decimals are strings."""
        item: dict[str, Any] = {}
        for name in self.query.fields:
            value = self.pod.value(key, name)
            if self.query.framework >= 9 and (name == "OptyId" or ATTRIBUTES[name] == "number"):
                value = str(value) if isinstance(value, int | float) else value
            item[name] = value
        if not self.query.only_data:
            item["links"] = self._item_links(key)
        return item

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
        name = self.pod.value(key, "OptyNumber") or key
        href = f"{self.href}/{name}"
        return [
            {"rel": rel, "href": href, "name": "opportunities", "kind": "item"}
            for rel in ("self", "canonical")
        ]


def dump(value: Any) -> bytes:
    """Write JSON in UTF-8; text that UTF-8 cannot carry (lone surrogates) is escaped."""
    try:
        return json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return json.dumps(value).encode()


def error_body(status: int, title: str, detail: str, path: str | None = None) -> bytes:
    """Write an error in the structured form."""
    described = {"detail": detail, "o:errorCode": f"CRM-{status}000"}
    if path is not None:
        described["o:errorPath"] = path
    return dump({"title": title, "status": str(status), "o:errorDetails": [described]})
