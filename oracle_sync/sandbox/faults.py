"""Faults: what a pod, or the way to it, can do wrong, declared as plain values.

Belongs here: the kinds, when one strikes, and how it spoils a page. Does not belong here:
answering (`app.py`, `broken.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from oracle_sync.sandbox.pod import Pod

_ROWS = frozenset({"positions", "rows"})
KINDS: dict[str, frozenset[str]] = {
    # Answered instead of a page.
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
    # Answered late.
    "hang": frozenset({"seconds", "then"}),
    "slow": frozenset({"seconds"}),
    # Another page than the one asked for.
    "cap": frozenset({"limit"}),
    "ignore_offset": frozenset(),
    # The page, spoiled.
    "limit_zero": frozenset(),
    "empty_with_more": frozenset(),
    "has_more_false": frozenset(),
    "has_more_true": frozenset(),
    "no_items_key": frozenset(),
    "no_id": _ROWS,
    "bad_value": _ROWS | {"value", "field"},
    "duplicate_in_page": _ROWS,
    "total_wrong": frozenset({"total"}),
    "wrong_type": frozenset({"what"}),
    # The bytes, spoiled.
    "truncate": frozenset(),
    "bad_json": frozenset(),
    # The collection moves right after the page was made.
    "after_page": frozenset({"do"}),
}
"""Every kind of fault and the options it takes."""

ANSWERING = frozenset(list(KINDS)[:11])
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
        times: How many requests it strikes; None for ever.
        skip: How many requests it would strike are let pass first.
        min_offset: Strikes no request for a lower offset.
        max_offset: Strikes no request for a higher offset.
        on: Which requests: `collection`, `item`, `describe`, `token`, or `any`.
        options: What the kind needs, see `KINDS`. `positions` count within the page and `rows`
            within the collection, both from 0.

    Raises:
        ValueError: if the kind is not known, or does not take an option.
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
        if not isinstance(kind, str) or kind not in KINDS:
            raise ValueError(f"There is no fault {kind!r}. Known are: {', '.join(KINDS)}.")
        if unknown := sorted(options.keys() - KINDS[kind]):
            raise ValueError(f"The fault {kind} takes no option {', '.join(unknown)}.")
        if on not in PLACES:
            raise ValueError(f"A fault strikes one of {', '.join(PLACES)}, not {on!r}.")
        self.kind = kind
        self.times = times
        self.skip = skip
        self.min_offset = min_offset
        self.max_offset = max_offset
        self.on = on
        self.options = options
        self.fired = 0

    def __repr__(self) -> str:
        return f"Fault({', '.join(f'{name}={value!r}' for name, value in self.to_dict().items())})"

    @property
    def spent(self) -> bool:
        """Whether it will strike no more."""
        return self.times is not None and self.times <= 0

    def strikes(self, place: str, offset: int, total: bool) -> bool:
        """Say whether it strikes this request, and count it if so."""
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
        self.fired += 1
        return True

    def to_dict(self) -> dict[str, Any]:
        """Return what is left of it, ready for JSON; a callback is only mentioned."""
        options = {
            name: "<callback>" if callable(value) else value for name, value in self.options.items()
        }
        plain = {
            "times": self.times,
            "skip": self.skip,
            "min_offset": self.min_offset,
            "max_offset": self.max_offset,
            "on": self.on,
        }
        return {"kind": self.kind} | plain | options

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Fault:
        """Read what `to_dict` wrote, or what a person did: only `kind` is needed.

        Raises:
            ValueError: if it is not a fault.
        """
        if not isinstance(given, Mapping) or "kind" not in given:
            raise ValueError("A fault is an object with a kind.")
        for name in ("times", "skip", "min_offset", "max_offset"):
            value = given.get(name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
                raise ValueError(f"{name} of a fault is a whole number.")
        return cls(**given)


def spoil(fault: Fault, envelope: dict[str, Any]) -> None:
    """Spoil a page in place, if it is a kind that does."""
    change = _SPOILERS.get(fault.kind)
    if change is not None:
        change(fault.options, envelope)


def move_on(fault: Fault, pod: Pod) -> None:
    """Do what an `after_page` fault asks for: call back, or move rows as its `do` says."""
    do = fault.options.get("do", {})
    if callable(do):
        do(pod)
        return
    for action, value in do.items():
        if action == "remove":
            pod.remove(n=value)
        elif action == "remove_low":
            pod.remove(positions=range(value))
        elif action == "remove_ids":
            pod.remove(ids=value)
        elif action in ("add_low", "add_end"):
            pod.add(value, where=action[4:])
        elif action == "revoke_tokens":
            pod.revoke_tokens()
        elif action == "set":
            pod.configure(**value)
        else:
            raise ValueError(f"after_page cannot {action}.")


def _chosen(options: dict[str, Any], envelope: dict[str, Any], default: list[int]) -> list[int]:
    """Return the places, within the page, of the items that a fault is meant for."""
    count = len(envelope.get("items", ()))
    if "rows" in options:
        places = [row - envelope["offset"] for row in options["rows"]]
    else:
        places = options.get("positions", default)
    return [place for place in places if 0 <= place < count]


def _empty(envelope: dict[str, Any]) -> None:
    envelope.update(items=[], count=0)


def _limit_zero(_: dict[str, Any], envelope: dict[str, Any]) -> None:
    _empty(envelope)
    envelope["limit"] = 0


def _empty_with_more(_: dict[str, Any], envelope: dict[str, Any]) -> None:
    _empty(envelope)
    envelope["hasMore"] = True


def _no_id(options: dict[str, Any], envelope: dict[str, Any]) -> None:
    for place in _chosen(options, envelope, list(range(len(envelope.get("items", ()))))):
        envelope["items"][place].pop("OptyId", None)


def _bad_value(options: dict[str, Any], envelope: dict[str, Any]) -> None:
    value = options.get("value", "nul")
    bad = BAD_VALUES.get(value, value) if isinstance(value, str) else value
    for place in _chosen(options, envelope, [0]):
        envelope["items"][place][options.get("field", "OptyNumber")] = bad


def _duplicate(options: dict[str, Any], envelope: dict[str, Any]) -> None:
    """Let an item take the place of the one after it, so that the count stays right."""
    for place in _chosen(options, envelope, [0]):
        if place + 1 < len(envelope["items"]):
            envelope["items"][place + 1] = envelope["items"][place]


def _wrong_type(options: dict[str, Any], envelope: dict[str, Any]) -> None:
    if options.get("what", "items") == "items":
        envelope["items"] = {"0": "not a list"}
    elif envelope.get("items"):
        envelope["items"][0] = "not an object"


def _total_wrong(options: dict[str, Any], envelope: dict[str, Any]) -> None:
    envelope["totalResults"] = options.get("total", 7)


_SPOILERS: dict[str, Callable[[dict[str, Any], dict[str, Any]], None]] = {
    "limit_zero": _limit_zero,
    "empty_with_more": _empty_with_more,
    "has_more_false": lambda _, envelope: envelope.update(hasMore=False),
    "has_more_true": lambda _, envelope: envelope.update(hasMore=True),
    "no_items_key": lambda _, envelope: envelope.pop("items", None),
    "no_id": _no_id,
    "bad_value": _bad_value,
    "duplicate_in_page": _duplicate,
    "wrong_type": _wrong_type,
    "total_wrong": _total_wrong,
}
SPOILING = frozenset(_SPOILERS)
