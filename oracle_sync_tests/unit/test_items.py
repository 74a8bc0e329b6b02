"""Reading the items of a page into columns: every type that JSON may bring, and nothing lost."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from oracle_sync.config.collection import OPPORTUNITIES
from oracle_sync.engine.items import MAX_KEY_LENGTH, read_items
from oracle_sync.engine.rows import Batch, Rows
from oracle_sync.engine.source import Page, PageRequest


def read(*items: Any, offset: int = 0) -> Rows:
    return read_items(items, offset, OPPORTUNITIES)


@pytest.mark.parametrize(
    ("key", "text"),
    [
        (300000000000001, "300000000000001"),
        ("300000000000001", "300000000000001"),
        (Decimal("300000000000001.0"), "300000000000001"),
        (Decimal("3.0E14"), "300000000000000"),
        (Decimal("3000000000000000000000.5"), "3000000000000000000000.5"),
        (Decimal("-0.0"), "0"),
        (0, "0"),
        (-7, "-7"),
        ("OPP_ä_0004", "OPP_ä_0004"),
        (Decimal("1.50"), "1.5"),
    ],
)
def test_a_key_is_stored_as_the_text_of_its_number(key: Any, text: str) -> None:
    rows = read({"OptyId": key, "OptyNumber": "N"})
    assert (rows.tokens, rows.keys, rows.rejects) == ([text], [text], [])
    assert rows.values == [("N",)]


def test_integers_and_strings_may_mix_in_a_page() -> None:
    rows = read({"OptyId": 1, "OptyNumber": "a"}, {"OptyId": "2", "OptyNumber": "b"})
    assert rows.keys == rows.tokens == ["1", "2"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("7", "7"),
        (7, "7"),
        (Decimal("7.0"), "7"),
        (Decimal("7.25"), "7.25"),
        (None, None),
        ("", ""),
    ],
)
def test_a_number_is_stored_as_text_and_null_stays_null(value: Any, text: str | None) -> None:
    assert read({"OptyId": 1, "OptyNumber": value}).values == [(text,)]


def test_a_missing_number_is_null() -> None:
    rows = read({"OptyId": 1})
    assert (rows.keys, rows.values, rows.rejects) == (["1"], [(None,)], [])


@pytest.mark.parametrize(
    "item",
    [
        {},
        {"OptyNumber": "N"},
        {"OptyId": None, "OptyNumber": "N"},
        {"OptyId": "", "OptyNumber": "N"},
        {"OptyId": True, "OptyNumber": "N"},
        {"OptyId": [1], "OptyNumber": "N"},
        {"OptyId": {"a": 1}, "OptyNumber": "N"},
        {"OptyId": "a\0b", "OptyNumber": "N"},
        {"OptyId": "a\ud800b", "OptyNumber": "N"},
        {"OptyId": "x" * (MAX_KEY_LENGTH + 1), "OptyNumber": "N"},
        {"OptyId": Decimal("1e600"), "OptyNumber": "N"},
        {"OptyId": Decimal("1e999999999"), "OptyNumber": "N"},
        {"OptyId": Decimal("1e-999999999"), "OptyNumber": "N"},
        {"OptyId": Decimal("Infinity"), "OptyNumber": "N"},
        None,
        "text",
        7,
        [],
        [1, 2],
    ],
)
def test_an_item_that_cannot_be_stored_is_kept_raw_among_good_ones(item: Any) -> None:
    good = {"OptyId": 5, "OptyNumber": "N"}
    rows = read(good, item, {"OptyId": 6, "OptyNumber": None}, offset=40)
    assert rows.keys == ["5", "6"]
    assert rows.values == [("N",), (None,)]
    assert [rows.tokens[0], rows.tokens[2]] == ["5", "6"]
    (reject,) = rows.rejects
    assert reject.offset == 41
    assert reject.reason
    json.loads(reject.raw)
    reject.raw.encode("ascii")
    assert rows.tokens[1].startswith("#")
    assert rows.tokens[1] not in (rows.tokens[0], rows.tokens[2])


def test_the_same_bad_item_has_the_same_token_and_another_one_another() -> None:
    bad, other = {"OptyId": None, "OptyNumber": "a"}, {"OptyId": None, "OptyNumber": "b"}
    assert read(bad).tokens == read(dict(reversed(bad.items()))).tokens
    assert read(bad).tokens != read(other).tokens


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        ("a\0b", "OptyNumber is a text with a NUL character or half a surrogate pair"),
        ("a\udfffb", "OptyNumber is a text with a NUL character or half a surrogate pair"),
        (True, "OptyNumber is neither text nor a number"),
        (["x"], "OptyNumber is neither text nor a number"),
    ],
)
def test_a_value_that_does_not_fit_is_null_in_its_row_and_the_item_is_kept_raw(
    number: Any, reason: str
) -> None:
    dated = {"OptyId": 6, "OptyNumber": number, "LastUpdateDate": "2026-01-02T03:04:05Z"}
    rows = read({"OptyId": 5, "OptyNumber": "N"}, dated, offset=40)
    assert (rows.tokens, rows.keys) == (["5", "6"], ["5", "6"])
    assert rows.values == [("N",), (None,)]
    assert rows.dates == [None, "2026-01-02T03:04:05Z"]
    (reject,) = rows.rejects
    assert (reject.offset, reject.key, reject.field) == (41, "6", "OptyNumber")
    assert (reject.reason, reject.date) == (reason, "2026-01-02T03:04:05Z")
    assert json.loads(reject.raw)["OptyId"] == 6


def test_fields_that_have_no_column_are_left_out() -> None:
    rows = read({"OptyId": 1, "OptyNumber": "N", "links": [{"rel": "self"}], "Name": "a\0b"})
    assert (rows.values, rows.rejects) == ([("N",)], [])


def test_an_id_twice_in_a_page_gives_two_tokens() -> None:
    rows = read({"OptyId": 1, "OptyNumber": "a"}, {"OptyId": 1, "OptyNumber": "b"})
    assert rows.tokens == ["1", "1"]
    assert rows.values == [("a",), ("b",)]


def test_an_empty_page_gives_empty_columns() -> None:
    assert read() == Rows(tokens=[])


def test_the_fast_and_the_slow_way_read_alike() -> None:
    plain = [{"OptyId": 10 + i, "OptyNumber": f"N{i}"} for i in range(5)]
    slow = read(*plain, {"OptyId": None})
    fast = read(*plain)
    assert slow.keys == fast.keys
    assert slow.values == fast.values


@pytest.mark.parametrize(
    ("items", "asked", "used", "full"),
    [(5, 5, 5, True), (5, 5, None, True), (5, 9, 5, True), (4, 5, 5, False), (5, 9, None, False)],
)
def test_a_page_is_full_by_the_limit_that_the_server_used(
    items: int, asked: int, used: int | None, full: bool
) -> None:
    assert Page(PageRequest(0, asked), [{}] * items, True, used).full is full


def test_a_batch_takes_in_the_one_that_follows_and_leaves_its_columns_alone() -> None:
    first = Batch(0, 2, "2", 2, 1, False, None, ["1", "2"], [("a",), ("b",)])
    keys = first.keys
    first.append(Batch(2, 3, "3", 1, 1, True, "moved", ["2", "3"], [("b",), ("c",)]))
    assert (first.offset_before, first.offset_after, first.anchor) == (0, 3, "3")
    assert (first.received, first.pages, first.complete, first.shift) == (3, 2, True, "moved")
    assert first.keys == ["1", "2", "2", "3"]
    assert keys == ["1", "2"]
