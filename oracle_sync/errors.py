"""Every error a user can meet, classed by what to do next, each one sentence and one advice.

Belongs here: the tree, the table from HTTP status to reaction, and the removal of secrets from
text. Does not belong here: detecting an error, retrying, or printing it.

    SyncError
    +-- SettingError         fix a setting
    +-- SourceError          Oracle, or the way to it
    |   +-- Unavailable      wait: it was retried for as long as allowed
    |   |   +-- TooSlow      ask for less: 504, or no answer in time
    |   +-- SignInRefused    sign in: 401, 403, a sign-in page
    |   +-- RequestRefused   fix a setting: 400, 404 and the like
    |   +-- BadAnswer        look at the server: not JSON, not a page, contradicts itself
    +-- RowsMoved            the collection shifted beyond repair: a full refresh is needed
    +-- OnlyRejects          look at the items: a page held nothing that can be stored
    +-- RemovalHeld          look, then confirm: a refresh would remove too much
    +-- StoreError           the database
    |   +-- NothingSynced    sync first: there is no database yet
    |   +-- StoreUnavailable wait: it was retried for as long as allowed
    |   +-- StoreRefused     fix the database: read-only, no rights, full disk
    |   +-- Locked           wait: someone else is syncing under this name
    |   +-- Fenced           stop: someone else has taken over
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Any

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-_])")
_CREDENTIALS = re.compile(
    r"(?i)\b(?:(basic|bearer)\s+[A-Za-z0-9._~+/=-]{6,}|(?<=://)[^/\s@:]*:[^/\s@]*(?=@))"
)


def clean(text: object, secrets: tuple[str, ...] = (), limit: int = 300) -> str:
    """Make foreign text safe to show: one line, at most `limit` characters, no secret in it.

    Control characters and terminal escapes are dropped, since they could forge log lines;
    each of `secrets`, and whatever looks like credentials, is replaced by `***`.
    """
    whole, window = str(text), limit * 20
    cut = _one_line(whole[:window])
    # On one line already, since an escape in the middle would hide a secret from the search; and
    # the longest first, since one secret may be a part of another.
    hidden = sorted({_one_line(secret) for secret in secrets} - {""}, key=len, reverse=True)
    if hidden and len(whole) > window:
        cut = cut[: -len(hidden[0])]  # the window may end within a secret
    for secret in hidden:
        cut = cut.replace(secret, "***")
    cut = _CREDENTIALS.sub("***", cut)
    return cut if len(cut) <= limit else cut[: limit - 3] + "..."


def _one_line(text: str) -> str:
    return " ".join(_CONTROL.sub(" ", _ANSI.sub("", text)).split())


class SyncError(Exception):
    """What happened and where (`str(error)`), and what to do about it (`error.advice`).

    `status` is the HTTP status, where there was one. `kept` says what is safe, and is added by
    the engine, which alone knows it.
    """

    advice = ""

    def __init__(self, what: str, advice: str = "", *, status: int | None = None) -> None:
        super().__init__(what)
        self.advice = advice or self.advice
        self.status = status
        self.kept = ""

    def sentence(self) -> str:
        """What happened, what was kept, and what to do, on one line."""
        return " ".join(part for part in (str(self), self.kept, self.advice) if part)


class SettingError(SyncError):
    """A setting is missing or can't be."""


class SourceError(SyncError):
    """Oracle, or the way to it."""


class Unavailable(SourceError):
    """Retried for as long as allowed, without success."""

    advice = "Nothing to mend here as a rule: run it again later; it goes on from where it stopped."


class TooSlow(Unavailable):
    """The server, or something before it, gave up on the request for taking too long."""

    advice = "Ask for less at a time: a smaller batch size, or fewer fields (ORACLE_FIELDS)."


class SignInRefused(SourceError):
    """The server does not accept who is asking."""

    advice = (
        "Check ORACLE_USER and ORACLE_PASSWORD (or ORACLE_TOKEN, or the ORACLE_CLIENT_* settings)."
    )


class RequestRefused(SourceError):
    """The server understood and will not answer this request."""


class BadAnswer(SourceError):
    """An answer that is not what was asked for, or that contradicts itself."""


class RowsMoved(SyncError):
    """The collection shifted by more than could be repaired on the spot."""

    advice = "A full refresh puts it right: oracle-sync sync --full-refresh."


class OnlyRejects(SyncError):
    """Nothing in a page could be stored, so passing over it would lose rows in silence.

    `rejects` are those items; they are set aside, though the offset does not move.
    """

    advice = (
        "Check ORACLE_FIELDS, and look at rejected_items. Single bad items are set aside by "
        "themselves where they stand among good ones: a larger batch size helps."
    )

    def __init__(self, what: str, rejects: list[Any]) -> None:
        super().__init__(what)
        self.rejects = rejects


class RemovalHeld(SyncError):
    """A full refresh would have removed more than the limit, so it removed nothing."""


class StoreError(SyncError):
    """The database."""


class NothingSynced(StoreError):
    """There is no database yet, and this command does not make one."""

    advice = "Start with oracle-sync sync; or set DATABASE_URL, or ORACLE_SYNC_HOME, to what is."


class StoreUnavailable(StoreError):
    """The database was retried for as long as allowed, without success."""

    advice = "Check that PostgreSQL is running and that DATABASE_URL leads to it; then run again."


class StoreRefused(StoreError):
    """The database answered, and refused."""


class Locked(StoreError):
    """Another run is syncing under the same name."""

    advice = "Wait for it to end, or stop it; one run at a time works under one sync name."


class Fenced(StoreError):
    """Another writer has taken over the sync name; this one wrote nothing more."""

    advice = "Nothing to do: the other run goes on from the last committed offset."


class Reaction(Enum):
    """What a client does with an HTTP status."""

    RETRY = "retry"
    SMALLER = "ask for less"
    SIGN_IN = "sign in"
    REFUSED = "give up"


# 408, 429 and 5xx pass by themselves; 504 is Oracle's cut after five minutes, for which the
# remedy is a smaller page.
_REACTIONS = {
    401: Reaction.SIGN_IN,
    403: Reaction.SIGN_IN,
    407: Reaction.SIGN_IN,
    408: Reaction.RETRY,
    425: Reaction.RETRY,
    429: Reaction.RETRY,
    500: Reaction.RETRY,
    502: Reaction.RETRY,
    503: Reaction.RETRY,
    504: Reaction.SMALLER,
}

_ADVICE = {
    400: "Check ORACLE_FINDER, ORACLE_QUERY, ORACLE_FIELDS and ORACLE_ORDER_BY: the server's "
    "words name what it dislikes. An empty ORACLE_QUERY or ORACLE_FINDER is not sent.",
    403: "The user lacks a privilege on this resource, or the network is blocked: ask the "
    "administrator of the pod.",
    404: "Check ORACLE_BASE_URL and ORACLE_API_VERSION.",
}


def reaction(status: int) -> Reaction:
    """What to do about an HTTP status that is no success."""
    return _REACTIONS.get(status, Reaction.RETRY if status >= 500 else Reaction.REFUSED)


def from_status(status: int, what: str) -> SourceError:
    """The error for an HTTP status; `what` says what happened and where, already cleaned."""
    kinds: dict[Reaction, type[SourceError]] = {
        Reaction.RETRY: Unavailable,
        Reaction.SMALLER: TooSlow,
        Reaction.SIGN_IN: SignInRefused,
        Reaction.REFUSED: RequestRefused,
    }
    return kinds[reaction(status)](what, _ADVICE.get(status, ""), status=status)
