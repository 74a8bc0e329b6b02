"""No digit of a number is lost between the JSON that came in and the JSON that is stored."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle_sync.engine.exact_json import MAX_DIGITS, number_text, read_json, write_json

NUMBERS = st.from_regex(
    r"-?(0|[1-9][0-9]{0,40})(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,2})?", fullmatch=True
)
SCALARS = st.none() | st.booleans() | st.integers() | st.text() | NUMBERS.map(Decimal)
CONTENT = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20
)


@given(NUMBERS)
def test_every_number_is_written_as_the_number_that_was_read(text: str) -> None:
    assert Decimal(write_json(read_json(text))) == Decimal(text)


@given(CONTENT)
def test_content_of_any_shape_comes_back_equal(content: Any) -> None:
    assert read_json(write_json(content)) == content
    assert read_json(write_json(content, ensure_ascii=False)) == content


@given(NUMBERS, NUMBERS)
def test_two_numbers_have_the_same_text_exactly_if_they_are_equal(one: str, other: str) -> None:
    same = number_text(Decimal(one)) == number_text(Decimal(other))
    assert same is (Decimal(one) == Decimal(other))


@given(NUMBERS)
def test_the_text_of_a_number_has_neither_exponent_nor_needless_zeros(text: str) -> None:
    plain = number_text(Decimal(text))
    assert Decimal(plain) == Decimal(text)
    assert "E" not in plain
    assert plain == "0" or not ("." in plain and plain.endswith("0"))
    assert plain != "-0"


def test_whole_numbers_stay_ints_of_any_size() -> None:
    number = 3 * 10**30 + 1
    assert read_json(f"[{number}]") == [number]
    assert type(read_json(b"7")) is int


@pytest.mark.parametrize(
    "text", ["NaN", "Infinity", "-Infinity", "[1, NaN]", "[1", "", "1.", "\xff"]
)
def test_what_only_resembles_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"JSON|Expecting|data|codec"):
        read_json(text.encode("latin-1"))


@pytest.mark.parametrize(
    "text", ["1e99999999999999999999", "9" * 5_000, "1e2000", "1e-2000", "0." + "1" * 2_000]
)
def test_a_number_too_long_to_be_meant_is_read_but_not_written(text: str) -> None:
    (number,) = read_json(f"[{text}]")
    with pytest.raises(ValueError, match=f"more than {MAX_DIGITS:,} digits"):
        write_json({"Revenue": number})
    with pytest.raises(ValueError, match="digits"):
        number_text(number)
