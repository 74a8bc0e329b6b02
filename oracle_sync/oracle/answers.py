"""Reading what came back: headers, bodies and errors of any shape, in words and values.

Belongs here: functions of the answer alone. Does not belong here: asking, or asking again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from urllib3.exceptions import InvalidHeader
from urllib3.util.retry import Retry


def root_reason(error: BaseException) -> object:
    """The innermost reason: requests wraps urllib3, which wraps the system's."""
    seen = error
    while True:
        inner = getattr(seen, "reason", None) or (seen.args[0] if seen.args else None)
        if not isinstance(inner, BaseException):
            break
        seen = inner
    text = str(seen)
    # urllib3 writes "HTTPConnection(...): Failed to ...", and the object says nothing.
    return (
        re.sub(r"^\S*?(?:\([^)]*\)|object at 0x[0-9a-f]+>?)[,:] ?", "", text) or type(seen).__name__
    )


def host_of(url: str) -> str:
    """The host in a URL, which may be broken."""
    try:
        return urlsplit(url).hostname or "elsewhere"
    except ValueError:
        return "elsewhere"


def retry_after(value: str | None) -> float | None:
    """Seconds, from a number or an HTTP date; None where there is none that makes sense."""
    if not value:
        return None
    try:
        return max(0.0, Retry().parse_retry_after(value))
    except (InvalidHeader, ValueError, OverflowError):
        return None


def server_words(body: bytes, cleaned: Callable[[object, int], str]) -> str:
    """What the server says went wrong: structured, plain text, or a page's title."""
    if is_html(body):
        return html_words(body, cleaned)
    text = body[:20_000].decode("utf-8", "replace")
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return text
    if not isinstance(answer, dict):
        return text
    details = answer.get("o:errorDetails")
    told = [
        " ".join(str(detail[name]) for name in ("detail", "o:errorPath") if detail.get(name))
        for detail in (details if isinstance(details, list) else [])
        if isinstance(detail, dict)
    ]
    first = [answer.get(name) for name in ("title", "detail", "error_description", "error")]
    return "; ".join(dict.fromkeys(str(part) for part in [*first, *told] if part))


def is_html(body: bytes) -> bool:
    """Whether an answer is a page for people."""
    return body[:1_000].lstrip()[:1] == b"<"


def html_words(body: bytes, cleaned: Callable[[object, int], str]) -> str:
    """An HTML page in words: its title, if it has one."""
    title = re.search(rb"<title[^>]*>(.{0,200}?)</title>", body[:50_000], re.I | re.S)
    words = cleaned(title.group(1).decode("utf-8", "replace"), 80) if title else ""
    return f'an HTML page ("{words}")' if words else "an HTML page"


def whole(content: Any) -> int | None:
    """A count out of JSON; None for what is none, or is more than an offset can be."""
    if isinstance(content, str) and re.fullmatch(r"[0-9]{1,18}", content):
        content = int(content)
    if isinstance(content, bool) or not isinstance(content, int) or not 0 <= content < 2**31:
        return None
    return content


def boolean(content: Any) -> bool | None:
    """A truth value out of JSON, or out of its text; None for what is none."""
    if isinstance(content, str):
        return {"true": True, "false": False}.get(content.lower())
    return content if isinstance(content, bool) else None
