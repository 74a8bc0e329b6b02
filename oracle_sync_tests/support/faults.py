"""Faults: what a pod, or the way to it, can do wrong, declared as plain values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

ANSWERING: dict[str, frozenset[str]] = {
    "status": frozenset({"status", "retry_after", "body"}),
    "html": frozenset({"body"}),
    "maintenance": frozenset({"retry_after", "body"}),
    "redirect": frozenset({"location", "status"}),
    "reset": frozenset(),
    "text_error": frozenset({"status", "body"}),
    "echo_secret": frozenset({"status"}),
    "total_refused": frozenset(),
    "big_body": frozenset({"mb"}),
    "deep_json": frozenset({"depth"}),
    "gzip_bomb": frozenset({"mb"}),
}
"""Faults that are answered instead of a page, and their options."""

_ITEMS = frozenset({"positions", "rows"})
SPOILING: dict[str, frozenset[str]] = {
    "limit_zero": frozenset(),
    "empty_with_more": frozenset(),
    "has_more_false": frozenset(),
    "has_more_true": frozenset(),
    "no_items_key": frozenset(),
    "no_id": _ITEMS,
    "bad_value": _ITEMS | {"value", "field"},
    "duplicate_in_page": _ITEMS,
    "total_wrong": frozenset({"total"}),
    "wrong_type": frozenset({"what"}),
}
"""Faults that spoil the page, and their options."""

KINDS: dict[str, frozenset[str]] = {
    **ANSWERING,
    **SPOILING,
    # Answered late.
    "hang": frozenset({"seconds", "then"}),
    "slow": frozenset({"seconds"}),
    # Another page than the one asked for.
    "cap": frozenset({"limit"}),
    "ignore_offset": frozenset(),
    # The bytes, spoiled.
    "truncate": frozenset(),
    "bad_json": frozenset(),
    # The collection changes right after the page was made.
    "after_page": frozenset({"do"}),
}
PLACES = ("collection", "item", "describe", "token", "any")

BAD_VALUES: dict[str, Any] = {
    "nul": "before\x00after",
    "surrogate": "lone \ud800 half",
    "object": {"a": [1, {"b": None}]},
    "long": "x" * 5_000,
    "ansi": "\x1b[31mred\x1b[0m\x1b]0;title\x07",
}


class Fault:
    """One thing that goes wrong, so many times, in some place.

    Args:
        kind: One of `KINDS`.
        times: How many requests it strikes; None: all.
        skip: How many requests that it would strike pass first.
        min_offset: It strikes no request for a lower offset.
        max_offset: It strikes no request for a higher offset.
        on: Which requests: `collection`, `item`, `describe`, `token`, or `any`.
        options: What the kind needs, see `KINDS`. `positions` count within the page and `rows`
            within the collection, both from 0.

    Raises:
        ValueError: if there is no such kind, or it does not take an option.
    """

    def __init__(
        self,
        kind: str,
        times: int | None = 1,
        skip: int = 0,
        min_offset: int | None = None,
        max_offset: int | None = None,
        on: str = "collection",
        **options: Any,
    ) -> None:
        if kind not in KINDS or on not in PLACES:
            raise ValueError(f"There is no fault {kind!r} on {on!r}.")
        if unknown := sorted(options.keys() - KINDS[kind]):
            raise ValueError(f"The fault {kind} takes no option {', '.join(unknown)}.")
        self.kind = kind
        self.times = times
        self.skip = skip
        self.min_offset = min_offset
        self.max_offset = max_offset
        self.on = on
        self.options = options

    @property
    def spent(self) -> bool:
        """Whether it will strike no more."""
        return self.times is not None and self.times <= 0

    def strikes(self, place: str, offset: int, total: bool) -> bool:
        """Return whether it strikes this request, and count it if so."""
        if self.spent or self.on not in (place, "any"):
            return False
        if self.min_offset is not None and offset < self.min_offset:
            return False
        if self.max_offset is not None and offset > self.max_offset:
            return False
        if self.kind in ("total_refused", "total_wrong") and not total:
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        if self.times is not None:
            self.times -= 1
        return True


def spoil(fault: Fault, envelope: dict[str, Any]) -> None:
    """Spoil a page in place."""
    _SPOILERS[fault.kind](fault.options, envelope)


def _places(options: dict[str, Any], envelope: dict[str, Any], default: list[int]) -> list[int]:
    """Return the places, within the page, of the items that a fault is meant for."""
    count = len(envelope.get("items", ()))
    if "rows" in options:
        places = [row - envelope["offset"] for row in options["rows"]]
    else:
        places = options.get("positions", default)
    return [place for place in places if 0 <= place < count]


def _no_id(options: dict[str, Any], envelope: dict[str, Any]) -> None:
    for place in _places(options, envelope, list(range(len(envelope.get("items", ()))))):
        envelope["items"][place].pop("OptyId", None)


def _bad_value(options: dict[str, Any], envelope: dict[str, Any]) -> None:
    value = options.get("value", "nul")
    bad = BAD_VALUES.get(value, value) if isinstance(value, str) else value
    for place in _places(options, envelope, [0]):
        envelope["items"][place][options.get("field", "OptyNumber")] = bad


def _duplicate(options: dict[str, Any], envelope: dict[str, Any]) -> None:
    """Put an item in place of the one after it, so that the count stays right."""
    for place in _places(options, envelope, [0]):
        if place + 1 < len(envelope["items"]):
            envelope["items"][place + 1] = envelope["items"][place]


def _wrong_type(options: dict[str, Any], envelope: dict[str, Any]) -> None:
    if options.get("what", "items") == "items":
        envelope["items"] = {"0": "not a list"}
    elif envelope.get("items"):
        envelope["items"][0] = "not an object"


_SPOILERS: dict[str, Callable[[dict[str, Any], dict[str, Any]], object]] = {
    "limit_zero": lambda _, envelope: envelope.update(items=[], count=0, limit=0),
    "empty_with_more": lambda _, envelope: envelope.update(items=[], count=0, hasMore=True),
    "has_more_false": lambda _, envelope: envelope.update(hasMore=False),
    "has_more_true": lambda _, envelope: envelope.update(hasMore=True),
    "no_items_key": lambda _, envelope: envelope.pop("items", None),
    "no_id": _no_id,
    "bad_value": _bad_value,
    "duplicate_in_page": _duplicate,
    "wrong_type": _wrong_type,
    "total_wrong": lambda options, envelope: envelope.update(totalResults=options.get("total", 7)),
}
