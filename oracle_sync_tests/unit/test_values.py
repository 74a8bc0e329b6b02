"""Values of Oracle's in the columns of each type: what fits, in which form, and what does not."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from oracle_sync.engine.values import MAX_DEPTH, date_text, fit, fit_all

NOON = "2015-11-11T12:00:00+00:00"


def nested(levels: int) -> Any:
    """Return lists within lists."""
    content: Any = 1
    for _ in range(levels):
        content = [content]
    return content


FITTING = [
    ("varchar", 7, "7"),
    ("varchar", Decimal("1.50"), "1.5"),
    ("text", True, "true"),
    ("text", {"a": [Decimal("1.10")]}, '{"a": [1.10]}'),
    ("bigint", "-7", -7),
    ("bigint", Decimal("3.0E3"), 3000),
    ("bigint", 2**63 - 1, 2**63 - 1),
    ("numeric", Decimal("0.10"), "0.10"),
    ("numeric", "12345678901234567890.123456789", "12345678901234567890.123456789"),
    ("numeric", 7, 7),
    ("boolean", "Y", True),
    ("boolean", "false", False),
    ("boolean", 1, True),
    ("boolean", 0, False),
    ("date", "2015-11-11", "2015-11-11"),
    ("date", "2015-11-11T00:00:00.000+00:00", "2015-11-11"),
    ("timestamptz", NOON, NOON),
    ("timestamptz", "2015-11-11T18:32:49.123Z", "2015-11-11T18:32:49.123Z"),
    ("timestamptz", "2015-11-11", "2015-11-11"),
    ("jsonb", [1, "x", None], '[1, "x", null]'),
    ("jsonb", "C:\\u0000", '"C:\\\\u0000"'),
]


@pytest.mark.parametrize(("column_type", "content", "stored"), FITTING)
def test_a_value_that_fits_has_one_form_whichever_way_it_is_read(
    column_type: str, content: Any, stored: Any
) -> None:
    assert fit(content, column_type) == stored
    assert fit_all([content, None], column_type) in ([stored, None], None)


@pytest.mark.parametrize(
    ("column_type", "content"),
    [
        ("varchar", True),
        ("varchar", ["x"]),
        ("text", "a\0b"),
        ("text", {"a": "\ud800"}),
        ("bigint", 2**63),
        ("bigint", Decimal("1.5")),
        ("bigint", True),
        ("bigint", "12 "),
        ("numeric", "NaN"),
        ("numeric", "1,5"),
        ("numeric", True),
        ("numeric", Decimal("1e200000")),
        ("boolean", "maybe"),
        ("boolean", 2),
        ("boolean", [True]),
        ("date", NOON),
        ("date", "2015-02-30"),
        ("date", "now"),
        ("timestamptz", "infinity"),
        ("timestamptz", "2015-11-11T25:00:00Z"),
        ("timestamptz", 1447244000),
        ("jsonb", {"a": "\0"}),
        ("jsonb", nested(MAX_DEPTH + 2)),
    ],
)
def test_a_value_that_does_not_fit_is_refused_whichever_way_it_is_read(
    column_type: str, content: Any
) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        fit(content, column_type)
    assert fit_all([content], column_type) is None


def test_null_fits_every_column() -> None:
    assert fit_all([None, None], "bigint") == [None, None]
    assert fit(None, "date") is None


@pytest.mark.parametrize("content", [None, 7, "", "yesterday", "2015-13-01T00:00:00Z"])
def test_what_is_no_time_is_no_date_of_a_change(content: Any) -> None:
    assert date_text(content) is None
