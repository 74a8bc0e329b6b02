"""Every error that a user can meet, classed by what to do about it; and how to show foreign text.

Errors are classed by what helps, and by nothing else:

    SyncError
    +-- Unexpected           report it: no code was written for this
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
    |   +-- NothingSynced    sync first: there are no tables yet
    |   +-- StoreUnavailable wait: it was retried for as long as allowed
    |   +-- StoreRefused     fix the database: read-only, no rights, full disk
    |   +-- Locked           wait: someone else is syncing under this name
    |   +-- Fenced           stop: someone else has taken over
"""

from __future__ import annotations

import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from oracle_sync.redaction import GROWTH, known_secrets, one_line, redact

_PACKAGE = Path(__file__).parent


def clean(text: object, limit: int = 300) -> str:
    """Return foreign text on one line of at most `limit` characters, without a secret.

    For the words of servers and libraries alone: a secret may be a word that we use too.
    """
    whole, secrets = str(text), known_secrets()
    # A secret that the end cuts in two is not recognised, so what is shown ends before it.
    margin = GROWTH * max(map(len, secrets), default=0)
    window = 20 * limit + margin
    line = redact(whole[:window], secrets)
    if len(whole) > window:
        line = line[: max(0, len(line) - margin)]
    return shorten(line, limit)


def shorten(text: str, limit: int = 300) -> str:
    """Return our own words, or a user's, on one line of at most `limit` characters."""
    line = one_line(text)
    return line if len(line) <= limit else line[: limit - 3] + "..."


class SyncError(Exception):
    """What happened (`what`), what it means for the data (`kept`), and what to do (`advice`).

    `status` is the HTTP status, where there was one. The engine sets `kept`, since it alone knows
    what is stored.
    """

    kept = ""
    advice = ""

    def __init__(self, what: str, advice: str = "", *, status: int | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.advice = advice or self.advice
        self.status = status

    def sentence(self) -> str:
        """Return what happened, what it means and what to do, on one line."""
        return " ".join(part for part in (self.what, self.kept, self.advice) if part)

    def as_data(self) -> dict[str, Any]:
        """Return the error as plain values, for `from_data` in another process."""
        return {
            "kind": type(self).__name__,
            "what": self.what,
            "kept": self.kept,
            "advice": self.advice,
            "status": self.status,
        }

    @staticmethod
    def from_data(data: Mapping[str, Any]) -> SyncError:
        """Return the error that `as_data` described; a kind that is not known is a SyncError."""
        kind = _kinds(SyncError).get(data["kind"], SyncError)
        error = kind(data["what"])
        error.kept, error.advice, error.status = data["kept"], data["advice"], data["status"]
        return error


def _kinds(root: type[SyncError]) -> dict[str, type[SyncError]]:
    kinds = {root.__name__: root}
    for kind in root.__subclasses__():
        kinds |= _kinds(kind)
    return kinds


class Unexpected(SyncError):
    """An exception that no code was written for."""

    kept = (
        "Rows and offset are written together: every row up to the offset that oracle-sync status "
        "shows is stored."
    )
    advice = (
        "This is a fault of oracle_sync or of something below it: please report this message. "
        "Trying again does no harm."
    )


def unexpected(error: BaseException, doing: str) -> Unexpected:
    """Return the error for an exception that no code was written for.

    Args:
        error: the exception, as it was caught.
        doing: what failed, as the beginning of a sentence: "The run".
    """
    words = clean(error, 200)
    return Unexpected(
        f"{doing} failed unexpectedly: {type(error).__name__} in {_place(error)}"
        + (f": {words}" if words else ".")
    )


def _place(error: BaseException) -> str:
    """Return the innermost line of this package that an exception passed through."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if Path(frame.filename).is_relative_to(_PACKAGE)] or frames
    if not ours:
        return "an unknown place"
    path = Path(ours[-1].filename)
    shown = path.relative_to(_PACKAGE.parent) if path.is_relative_to(_PACKAGE) else path.name
    return f"{shown}, line {ours[-1].lineno}"


class SettingError(SyncError):
    """A setting is missing or invalid."""


class SourceError(SyncError):
    """Oracle did not answer as it should, or could not be reached."""


class Unavailable(SourceError):
    """Oracle was retried for as long as allowed, without success."""

    advice = "Usually there is nothing to fix here: run it again later, and it continues."


class TooSlow(Unavailable):
    """The server, or something in front of it, gave up on a request that took too long."""

    advice = "Ask for less at a time: a smaller batch size, or fewer fields (ORACLE_FIELDS)."


class SignInRefused(SourceError):
    """The server does not accept the credentials."""

    advice = (
        "Check ORACLE_USER and ORACLE_PASSWORD (or ORACLE_TOKEN, or the ORACLE_CLIENT_* settings)."
    )


class RequestRefused(SourceError):
    """The server understood the request and will not answer it."""

    advice = (
        "Check ORACLE_BASE_URL and the settings of the request; if they are right, a proxy or "
        "gateway may have answered in place of Oracle."
    )


class BadAnswer(SourceError):
    """The answer is not what was asked for, or contradicts itself."""


class RowsMoved(SyncError):
    """Rows of the collection moved by more than could be repaired at once."""

    advice = "A full refresh puts it right: oracle-sync sync --full-refresh."


class OnlyRejects(SyncError):
    """No item of a page could be stored, and skipping all of them would lose rows silently.

    `rejects` are those items: they are set aside, but the offset does not move past them.
    """

    advice = (
        "Check ORACLE_FIELDS, and look at rejected_items. Single bad items are set aside by "
        "themselves where they stand among good ones: a larger batch size helps."
    )

    def __init__(self, what: str, rejects: Sequence[Any] = ()) -> None:
        super().__init__(what)
        self.rejects = rejects


def only_rejects(new: int, rejects: Sequence[Any]) -> OnlyRejects:
    """Return the error for `new` items of which none can be stored."""
    first = rejects[0]
    return OnlyRejects(
        f"None of the {new} new items at offset {first.offset} can be stored: "
        f"{shorten(first.reason)}.",
        rejects,
    )


class RemovalHeld(SyncError):
    """A full refresh would have removed more rows than the limit allows, so it removed none."""

    advice = (
        "If they are really gone, confirm with oracle-sync sync --removal-limit 100 (in the "
        "Launchpad removal_limit: 100); if not, look at ORACLE_FINDER and the user's role, which "
        "may see less than before."
    )


def removal_held(rows: int, table: str) -> RemovalHeld:
    """Return the error for rows that stay in a table until their removal is confirmed."""
    return RemovalHeld(
        f"The last full refresh did not meet {rows} rows of {table}. They are too many to be "
        "removed without a word, so all of them are still there."
    )


def unknown_sync(name: str, others: Sequence[str], table: str) -> SettingError:
    """Return the error for a name that is new although other syncs share its table."""
    return SettingError(
        f"No sync is named '{shorten(name, 100)}'. {table} belongs to {', '.join(others)}; a "
        "new name would claim every row that it sees. Nothing was changed.",
        "Correct the name; or create it on purpose, with --new-sync or new_sync: true.",
    )


class StoreError(SyncError):
    """The database did not do what was asked, or could not be reached."""


class NothingSynced(StoreError):
    """There is no database yet, or it has no tables, and only a sync makes them."""

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
    """Another writer took over the sync name; this one wrote nothing after that."""

    advice = "Nothing to do: the other run continues from the last committed offset."
