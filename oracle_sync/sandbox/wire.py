"""JSON as a pod writes it."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

_MARK = "\x00decimal "
_MARKED = re.compile(r'"\\u0000decimal ([^"]*)"')


def dump(value: Any) -> bytes:
    """Return JSON in UTF-8, with every digit of decimals.

    Text that UTF-8 cannot carry (lone surrogates) is escaped.
    """
    try:
        return _exact(json.dumps(value, ensure_ascii=False, default=_mark)).encode()
    except UnicodeEncodeError:
        return _exact(json.dumps(value, default=_mark)).encode()


def load(text: str | bytes) -> Any:
    """Return what a JSON text holds, with every digit of decimals.

    Raises:
        ValueError: if it is not JSON.
    """
    return json.loads(text, parse_float=Decimal)


def error_body(status: int, title: str, detail: str, path: str | None = None) -> bytes:
    """Return an error in the structured form."""
    description = {"detail": detail, "o:errorCode": f"CRM-{status}000"}
    if path is not None:
        description["o:errorPath"] = path
    return dump({"title": title, "status": str(status), "o:errorDetails": [description]})


def _mark(value: object) -> str:
    """Return a text in place of a decimal, which `json` cannot write."""
    if not isinstance(value, Decimal):
        raise TypeError(f"{type(value).__name__} is not a value of JSON.")
    return f"{_MARK}{value}"


def _exact(text: str) -> str:
    return _MARKED.sub(r"\1", text) if _MARKED.search(text) else text
