"""Check that a value of Oracle's fits its column, and give it the form that the store takes."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

from oracle_sync.engine.exact_json import number_text, write_json

Value = str | int | bool | None
"""What a column holds: JSON's own types, with numbers that are not whole, and JSON itself, as text
that PostgreSQL reads."""

MAX_DEPTH = 100
"""Levels of objects and lists in a value: far fewer than Python's JSON writer stands."""

_BIGINT = range(-(2**63), 2**63)
_WHOLE = re.compile(r"[+-]?[0-9]{1,19}")
_NUMBER = re.compile(r"[+-]?[0-9]{1,999}(?:[.][0-9]{1,999})?(?:[eE][+-]?[0-9]{1,2})?")
_BOOLEANS: dict[Any, bool] = {
    **dict.fromkeys(("true", "y", "yes", "1"), True),
    **dict.fromkeys(("false", "n", "no", "0"), False),
}
_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.][0-9]{1,9})?)?(?:Z|[+-][0-9]{2}:?[0-9]{2})?)?"
)
_MIDNIGHT = re.compile(r"T00:00:00(?:[.]0+)?(?:Z|[+-]00:?00)?")
_ESCAPED_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


def storable(text: str) -> bool:
    """Return whether PostgreSQL takes the text: no NUL, no lone surrogate; JSON allows both."""
    if "\0" in text:
        return False
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def date_text(content: Any) -> str | None:
    """Return a time of Oracle's as it is, if PostgreSQL reads it; None for anything else."""
    if not isinstance(content, str) or not _TIME.fullmatch(content):
        return None
    try:
        dt.datetime.fromisoformat(content)
    except ValueError:
        return None
    return content


def too_deep(item: Any) -> bool:
    """Return whether a value is nested deeper than `MAX_DEPTH` levels."""
    level = [item]
    for _ in range(MAX_DEPTH):
        level = [inner for outer in level for inner in _contents(outer) if _contents(inner)]
        if not level:
            return False
    return True


def _contents(content: Any) -> Iterable[Any]:
    if isinstance(content, dict):
        return content.values()
    return content if isinstance(content, list) else ()


def cut(content: Any, levels: int) -> Any:
    """Return a value without what is nested deeper than so many levels."""
    if not _contents(content):
        return content
    if levels == 0:
        return "(nested too deep, and cut here)"
    if isinstance(content, dict):
        return {name: cut(inner, levels - 1) for name, inner in content.items()}
    return [cut(inner, levels - 1) for inner in content]


def fit(content: Any, column_type: str) -> Value:
    """Return a value in the form for a column of a PostgreSQL type; null fits each of them.

    Raises:
        ValueError: saying what it is not.
    """
    return None if content is None else _FIT.get(column_type, _text)(content)


def fit_all(column: list[Any], column_type: str) -> list[Value] | None:
    """Return the values of a whole page in one column, quickly; None where one needs a look."""
    types = set(map(type, column)) - {type(None)}
    if not types:
        return column
    if column_type in ("text", "varchar"):
        plain = types == {str} and storable("".join(filter(None, column)))
        return column if plain else None
    if types == {_PLAIN.get(column_type)} and column_type != "bigint":
        return column
    try:
        one = _FIT[column_type]
        return [None if content is None else one(content) for content in column]
    except (ValueError, KeyError):
        return None


def scalar_text(content: Any) -> str:
    """Return a text or a number as text: from framework version 9 on, numbers may be strings.

    Raises:
        ValueError: if it is neither, or PostgreSQL does not take it.
    """
    if isinstance(content, bool) or not isinstance(content, (str, int, Decimal)):
        raise ValueError("neither text nor a number")
    text = number_text(content) if isinstance(content, Decimal) else str(content)
    if not storable(text):
        raise ValueError("a text with a NUL character or half a surrogate pair")
    return text


def _text(content: Any) -> str:
    if isinstance(content, bool):
        return "true" if content else "false"
    return _json(content) if isinstance(content, (dict, list)) else scalar_text(content)


def _bigint(content: Any) -> int:
    if isinstance(content, str) and _WHOLE.fullmatch(content):
        content = int(content)
    elif isinstance(content, Decimal) and content.is_finite() and content == content.to_integral():
        content = int(number_text(content))
    if type(content) is not int or content not in _BIGINT:
        raise ValueError("not a whole number of 64 bits")
    return content


def _numeric(content: Any) -> str | int:
    if isinstance(content, Decimal):
        number_text(content)
        return str(content)
    if type(content) is int or (isinstance(content, str) and _NUMBER.fullmatch(content)):
        return content
    raise ValueError("not a number")


def _boolean(content: Any) -> bool:
    if isinstance(content, bool):
        return content
    known = _BOOLEANS.get(str(content).lower()) if isinstance(content, (str, int)) else None
    if known is None:
        raise ValueError("neither true nor false")
    return known


def _time(content: Any) -> str:
    text = date_text(content)
    if text is None:
        raise ValueError("not a time")
    return text


def _date(content: Any) -> str:
    text = date_text(content)
    if text is None or (len(text) > 10 and not _MIDNIGHT.fullmatch(text[10:])):
        raise ValueError("not a date")
    return text[:10]


def _json(content: Any) -> str:
    if too_deep(content):
        raise ValueError(f"nested deeper than {MAX_DEPTH} levels")
    text = write_json(content, ensure_ascii=False)
    if _ESCAPED_NUL.search(text) or not storable(text):
        raise ValueError("a text with a NUL character or half a surrogate pair")
    return text


_FIT: dict[str, Callable[[Any], Value]] = {
    "varchar": scalar_text,
    "text": _text,
    "bigint": _bigint,
    "numeric": _numeric,
    "boolean": _boolean,
    "date": _date,
    "timestamptz": _time,
    "jsonb": _json,
}
_PLAIN = {"numeric": int, "boolean": bool}
"""The type of Python's that fits a column as it is, whatever the value."""
