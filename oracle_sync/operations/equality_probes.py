"""Try whether a pod gives what equality is shown with: rows by their date, and counts of them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace

from oracle_sync.engine.bases import base_at
from oracle_sync.engine.items import read_items
from oracle_sync.engine.proof import clock
from oracle_sync.engine.rows import PRECISION, Rows, moment
from oracle_sync.engine.scope import Scope
from oracle_sync.engine.source import Page, PageRequest
from oracle_sync.errors import RequestRefused
from oracle_sync.operations.steps import Step
from oracle_sync.oracle.client import OracleClient

CHANGES, EQUALITY = "changes", "equality"

SAMPLE = 25
"""Rows of which one is taken to try conditions on."""

_LOST = "Changed and deleted rows wait for a full refresh: schedule one."

ATTEMPTS = 2
"""Times that the halves are counted: rows may come or go between two counts."""


class _NotGiven(Exception):
    """The pod does not give what is probed; the message says what it does instead."""


def equality_steps(client: OracleClient, *, changes: str, lookback: dt.timedelta) -> Iterator[Step]:
    """Say whether changes are read by their date, and whether counts show equality.

    Args:
        client: asks the pod.
        changes: ORACLE_SYNC_CHANGES. Only where it is `on` is it a failure to get less.
        lookback: how far before the pod's time nothing can still appear.
    """
    if changes == "off":
        yield Step(
            CHANGES,
            None,
            "not read by date, so that equality is not shown either: ORACLE_SYNC_CHANGES is off",
            "Changed and deleted rows wait for a full refresh; auto has them at each look.",
        )
        return
    page = client.fetch(PageRequest(0, SAMPLE))
    rows = read_items(page.items, 0, client.collection)
    if not rows.keys:
        return
    trouble = _key_trouble(client, rows.keys)
    if trouble:
        advice = "A run says whether it reads changes; rows that differ need a full refresh."
        yield Step(CHANGES, None, f"not tried, since {trouble}", advice)
        return
    try:
        yield Step(CHANGES, True, _probe_dates(client, page, rows))
    except _NotGiven as missing:
        result = f"not read by date, so that equality is not shown either: {missing}"
        yield Step(CHANGES, False if changes == "on" else None, result, _LOST)
        return
    assert page.date is not None
    try:
        yield Step(EQUALITY, True, _probe_counts(client, page.date - lookback))
    except _NotGiven as missing:
        advice = "Changed rows are read; deleted ones wait for a full refresh: schedule one."
        yield Step(EQUALITY, None, f"not shown by counts: {missing}", advice)


def _key_trouble(client: OracleClient, keys: list[str]) -> str:
    """Return why a row cannot be asked for by its key; empty if it can."""
    if not all(base_at(key, 0) for key in keys):
        return "the keys are not whole numbers"
    try:
        given = _keys(client, Scope(from_key=keys[-1], to_key=keys[-1]))
    except _NotGiven as refused:
        return str(refused)
    return "" if given == keys[-1:] else "the pod does not heed a condition on the key"


def _probe_dates(client: OracleClient, page: Page, rows: Rows) -> str:
    """Return what there is, if conditions on the date let through the rows that they should.

    One known row is asked for, by its key and bounds around its date.
    """
    if not client.dated:
        raise _NotGiven("the pod refuses the field LastUpdateDate")
    if page.date is None:
        raise _NotGiven("the pod's answers carry no Date header")
    pairs = zip(rows.keys, rows.dates, strict=True)
    dated = [(moment(date), date, key) for key, date in pairs if date]
    if not dated:
        raise _NotGiven("the rows have no LastUpdateDate")
    # The row that has rested for longest is the least likely to change meanwhile.
    date, printed, key = min(dated)
    row = Scope(from_key=key, to_key=key)
    bounds = (
        ("its date or later", replace(row, changed_since=date), True),
        ("its date or earlier", replace(row, changed_until=date + PRECISION), True),
        ("a later date", replace(row, changed_since=date + PRECISION), False),
        ("an earlier date", replace(row, changed_until=date - PRECISION), False),
    )
    for words, scope, wanted in bounds:
        if (key in _keys(client, scope)) != wanted:
            does = "leaves out" if wanted else "gives"
            raise _NotGiven(
                f"asked for {words}, the pod {does} the row with key {key}, dated {printed}"
            )
    fractions = any(date.microsecond for date, _, _ in dated)
    unit = "millisecond" if fractions else "second"
    return f"read by date, which the pod prints to the {unit}"


def _keys(client: OracleClient, scope: Scope) -> list[str]:
    try:
        page = client.fetch(PageRequest(0, 1, scope=scope))
    except RequestRefused as error:
        raise _NotGiven(f"the pod refuses a condition: {error}") from error
    return read_items(page.items, 0, client.collection).keys


def _probe_counts(client: OracleClient, until: dt.datetime) -> str:
    """Return what there is, if two halves of the key range are counted right.

    A total that is capped, estimated or off by a number is not.
    """
    for _ in range(ATTEMPTS):
        whole, seconds = _count(client, Scope(changed_until=until))
        if not whole:
            raise _NotGiven(f"no row is dated up to {clock(until)}")
        place = whole // 2
        middle = _key_at(client, place, until)
        lower, _ = _count(client, Scope(changed_until=until, to_key=middle))
        upper, _ = _count(client, Scope(changed_until=until, after_key=middle))
        halves = f"two halves of the keys, {lower} and {upper} rows,"
        if lower == place + 1 and lower + upper == whole:
            return f"shown by counts: {halves} sum to {whole}; a count takes {seconds:.2f} s"
    reason = "do not sum to" if lower + upper != whole else "are not those that it gives, of"
    raise _NotGiven(f"the pod counts wrong: {halves} {reason} {whole}")


def _count(client: OracleClient, scope: Scope) -> tuple[int, float]:
    """Return how many rows the pod counts, and the seconds that took."""
    try:
        page = client.fetch(PageRequest(0, 1, want_total=True, scope=scope))
    except RequestRefused as error:
        raise _NotGiven(f"the pod refuses a condition: {error}") from error
    if page.total is None:
        raise _NotGiven("the pod does not say how many rows there are")
    return page.total, page.seconds


def _key_at(client: OracleClient, place: int, until: dt.datetime) -> str:
    page = client.fetch(PageRequest(place, 1, scope=Scope(changed_until=until)))
    keys = read_items(page.items, place, client.collection).keys
    if not keys:
        raise _NotGiven(
            f"the pod counts wrong: it gives no row at offset {place}, which its number includes"
        )
    return keys[0]
