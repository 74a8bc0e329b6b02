"""JSON as a pod writes it."""

from __future__ import annotations

import json
from typing import Any


def dump(value: Any) -> bytes:
    """Return JSON in UTF-8; text that UTF-8 cannot carry (lone surrogates) is escaped."""
    try:
        return json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return json.dumps(value).encode()


def error_body(status: int, title: str, detail: str, path: str | None = None) -> bytes:
    """Return an error in the structured form."""
    description = {"detail": detail, "o:errorCode": f"CRM-{status}000"}
    if path is not None:
        description["o:errorPath"] = path
    return dump({"title": title, "status": str(status), "o:errorDetails": [description]})
