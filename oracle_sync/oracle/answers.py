"""Make a page out of an answer: check its status, its JSON, and whether that is a page at all."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from urllib3.exceptions import InvalidHeader
from urllib3.util.retry import Retry

from oracle_sync.engine.exact_json import read_json
from oracle_sync.engine.source import Page, PageRequest
from oracle_sync.errors import BadAnswer, SignInRefused, TooSlow, Unavailable, clean
from oracle_sync.oracle.failures import BAD_BODY_ATTEMPTS, LOOK, name_refusal
from oracle_sync.oracle.retries import Again
from oracle_sync.oracle.sizes import count_values
from oracle_sync.oracle.transport import Reply, Request
from oracle_sync.oracle.words import host_of, html_words, is_html, server_words


@dataclass(frozen=True)
class Answer:
    """The JSON content of a successful answer, and the server's time when it gave it."""

    content: Any
    date: dt.datetime | None


def read_answer(reply: Reply, request: Request) -> Any:
    """Return the JSON content of a successful answer to a request.

    Raises:
        Again: if another attempt may bring a better one.
        SourceError: if the server refuses, or answers with something else.
    """
    place, most = request.place, request.size.values
    if reply.status != 200:
        raise _refusal(reply, place)
    if is_html(reply.body):
        words = html_words(reply.body)
        raise BadAnswer(
            f"The server answered with {words} instead of JSON ({place}).",
            "An expired session, a maintenance page or a wrong ORACLE_BASE_URL answer so: "
            "open that address in a browser.",
            status=200,
        )
    try:
        if count_values(reply.body) > most:
            raise ValueError(f"it holds more than {most:,} values")
        return read_json(reply.body)
    except (ValueError, RecursionError) as error:
        what = f"The server's JSON can't be read: {clean(error)} ({place})."
        raise Again(BadAnswer(what, LOOK, status=200), attempts=BAD_BODY_ATTEMPTS) from None


def read_page(content: Any, request: PageRequest, place: str) -> Page:
    """Return the page in an answer's content.

    Raises:
        BadAnswer: if it is not a page.
    """
    if not isinstance(content, dict):
        raise BadAnswer(f"The server's JSON is not a page: it is not an object ({place}).", LOOK)
    items = content.get("items", [])
    if not isinstance(items, list):
        raise BadAnswer(f"The server's `items` is not a list ({place}).", LOOK)
    if len(items) > request.limit:
        raise BadAnswer(
            f"The server sent {len(items)} items where at most {request.limit} were asked for "
            f"({place}).",
            LOOK,
        )
    if "items" not in content and content.get("count"):
        raise BadAnswer(
            f"The server counts {clean(content['count'])} items and sends none ({place}).", LOOK
        )
    limit = _count(content.get("limit"))
    if limit == 0:
        raise BadAnswer(
            f"The server says that it used a limit of 0 ({place}), which leads nowhere.", LOOK
        )
    return Page(
        request=request,
        items=items,
        has_more=_boolean(content.get("hasMore")),
        limit=limit,
        total=_count(content.get("totalResults")) if request.want_total else None,
    )


def _refusal(reply: Reply, place: str) -> Exception:
    """Return the error, or the further attempt, that a status other than 200 calls for."""
    status = reply.status
    if 300 <= status < 400:
        target = host_of(clean(reply.headers.get("Location", "")))
        return SignInRefused(
            f"The server redirects to {target} ({status}, {place}): mostly to a sign-in page. "
            "It was not followed, so that no credentials go astray.",
            "Check ORACLE_BASE_URL, and whether the user may sign in at all.",
            status=status,
        )
    words = server_words(reply.body).rstrip(". ")
    error = name_refusal(
        status, f"Oracle answered {status} ({place})" + (f": {words}." if words else ".")
    )
    if isinstance(error, TooSlow):
        return Again(error, attempts=2)
    if isinstance(error, Unavailable):
        return Again(error, pause=_retry_after(reply.headers.get("Retry-After")))
    return error


def read_date(reply: Reply) -> dt.datetime | None:
    """Return the server's time when it answered, in UTC; None where it gives none that is one."""
    try:
        date = parsedate_to_datetime(reply.headers.get("Date", ""))
        # Without a zone it is UTC, which a header is in anyway.
        return date.replace(tzinfo=date.tzinfo or dt.UTC).astimezone(dt.UTC)
    except (ValueError, OverflowError):
        return None


def _retry_after(value: str | None) -> float | None:
    """Return seconds, from a number or an HTTP date; None where there is none that makes sense."""
    if not value:
        return None
    try:
        return max(0.0, Retry().parse_retry_after(value))
    except (InvalidHeader, ValueError, OverflowError):
        return None


def _count(content: Any) -> int | None:
    """Return a count; None for anything else, or for more than an offset can be."""
    if isinstance(content, str) and re.fullmatch(r"[0-9]{1,18}", content):
        content = int(content)
    if isinstance(content, bool) or not isinstance(content, int) or not 0 <= content < 2**31:
        return None
    return content


def _boolean(content: Any) -> bool | None:
    """Return a truth value, which may come as text; None for anything else."""
    if isinstance(content, str):
        return {"true": True, "false": False}.get(content.lower())
    return content if isinstance(content, bool) else None
