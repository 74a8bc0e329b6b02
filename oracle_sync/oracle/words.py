"""Turn what servers and libraries say into words that fit into a sentence."""

from __future__ import annotations

import json
import re
from urllib.parse import urlsplit

from oracle_sync.errors import clean

MAX_WORDS = 100_000
"""Bytes of a refusal that are looked at."""


def root_reason(error: BaseException) -> object:
    """Return the innermost reason: requests wraps urllib3, which wraps the system's error."""
    reason = error
    while inner := [
        one
        for one in (getattr(reason, "reason", None), *reason.args)
        if isinstance(one, BaseException)
    ]:
        reason = inner[0]
    # urllib3 writes "HTTPConnection(...): Failed to ...", and the object says nothing.
    text = re.sub(r"^\S*?(?:\([^)]*\)|object at 0x[0-9a-f]+>?)[,:] ?", "", str(reason))
    return text or type(reason).__name__


def host_of(url: str) -> str:
    """Return the host in a URL, which may be malformed."""
    try:
        return urlsplit(url).hostname or "elsewhere"
    except ValueError:
        return "elsewhere"


def server_words(body: bytes) -> str:
    """Return what the server says went wrong: structured, as plain text, or as a page's title."""
    if is_html(body):
        return html_words(body)
    text = body.decode("utf-8", "replace")
    try:
        answer = json.loads(body) if len(body) <= MAX_WORDS else None
    except (ValueError, RecursionError):
        return clean(text)
    if not isinstance(answer, dict):
        return clean(text)
    details = answer.get("o:errorDetails")
    described = [
        " ".join(str(detail[name]) for name in ("detail", "o:errorPath") if detail.get(name))
        for detail in (details if isinstance(details, list) else [])
        if isinstance(detail, dict)
    ]
    general = [answer.get(name) for name in ("title", "detail", "error_description", "error")]
    return clean("; ".join(dict.fromkeys(str(part) for part in [*general, *described] if part)))


def is_html(body: bytes) -> bool:
    """Return whether an answer is a page for people."""
    return body[:1_000].lstrip()[:1] == b"<"


def html_words(body: bytes) -> str:
    """Return an HTML page in words, with its title if it has one."""
    title = re.search(rb"<title[^>]*>(.{0,200}?)</title>", body[:MAX_WORDS], re.I | re.S)
    words = clean(title.group(1).decode("utf-8", "replace"))[:80] if title else ""
    return f'an HTML page ("{words}")' if words else "an HTML page"
