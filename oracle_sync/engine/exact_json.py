"""JSON without loss: a number keeps every digit it came with, which a float cannot."""

from __future__ import annotations

import json
import re
import uuid
from decimal import Decimal
from functools import partial
from typing import Any

MAX_DIGITS = 1_000
"""Digits before or after the point of a number; PostgreSQL takes more, but nobody means them."""

# The json module writes no Decimal, and nothing else without quotes. So a number is written in
# quotes behind a mark that no text can hold, because it is drawn anew in each process.
_MARK = uuid.uuid4().hex
_MARKED = re.compile(f'"{_MARK}([^"]*)"')


def read_json(text: str | bytes) -> Any:
    """Return the content of JSON text; numbers that are not whole become Decimals.

    Raises:
        ValueError: if the text is not JSON, NaN and the infinities included.
        RecursionError: if it is nested too deep.
    """
    try:
        return _loads(text)
    except json.JSONDecodeError:
        raise
    except ValueError:
        # Python makes no int of more than 4,300 digits; a Decimal may have any number of them.
        return _loads(text, parse_int=_decimal)


def write_json(content: Any, *, ensure_ascii: bool = True) -> str:
    """Return the JSON text of what `read_json` gave, keys sorted, each number with all its digits.

    Raises:
        ValueError: if a number has more than `MAX_DIGITS` digits.
    """
    text = json.dumps(
        content, default=_marked, ensure_ascii=ensure_ascii, allow_nan=False, sort_keys=True
    )
    return _MARKED.sub(r"\1", text)


def number_text(number: Decimal) -> str:
    """Return a number in plain digits; numbers that are equal give the same text.

    >>> number_text(Decimal("3.0E14")), number_text(Decimal("1.50"))
    ('300000000000000', '1.5')

    Raises:
        ValueError: if it has more than `MAX_DIGITS` digits.
    """
    _check_length(number)
    text = f"{number:f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return text if number else "0"


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except ArithmeticError:
        # An exponent of 19 digits is legal JSON. It is no reason to refuse the whole page.
        return Decimal("Infinity")


def _refuse_constant(name: str) -> Any:
    # Python's parser takes NaN and the infinities, which JSON does not have.
    raise ValueError(f"{name} is not JSON")


_loads = partial(json.loads, parse_float=_decimal, parse_constant=_refuse_constant)


def _marked(number: Any) -> str:
    if not isinstance(number, Decimal):
        raise TypeError(f"{type(number).__name__} is not JSON")
    _check_length(number)
    return f"{_MARK}{number}"


def _check_length(number: Decimal) -> None:
    if (
        not number.is_finite()
        or number.adjusted() >= MAX_DIGITS
        or int(number.as_tuple().exponent) < -MAX_DIGITS
    ):
        raise ValueError(f"a number of more than {MAX_DIGITS:,} digits")
