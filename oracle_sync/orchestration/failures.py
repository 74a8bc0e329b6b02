"""Errors on their way through Dagster: into a failed step, and out of its event again."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dagster as dg
import psycopg2

from oracle_sync.errors import SyncError, Unexpected, clean, unexpected
from oracle_sync.postgres.connection import translated

ERROR = "error"
"""The metadata entry of a failed step that holds the error as data, for programs."""

LOOK = "Look at the run's log in the Dagster UI."


def failure(error: SyncError) -> dg.Failure:
    """Return the exception for a failed step, which Dagster does not retry."""
    texts = {
        "what happened": error.what,
        "what it means for the data": error.kept,
        "what to do": error.advice,
    }
    metadata: dict[str, Any] = {name: text for name, text in texts.items() if text}
    if error.status is not None:
        metadata["HTTP status"] = error.status
    metadata[ERROR] = dg.MetadataValue.json(error.as_data())
    return dg.Failure(description=error.sentence(), metadata=metadata, allow_retries=False)


def in_words(error: Exception, doing: str) -> SyncError:
    """Return the error for an exception, be it one of ours or one that no code was written for.

    Args:
        error: the exception, as it was caught.
        doing: what failed, as the beginning of a sentence: "The run".
    """
    if isinstance(error, SyncError):
        return error
    cause = _of_the_database(error)
    if cause is None:
        return unexpected(error, doing)
    failure = translated(cause, "keeping the run in Dagster")
    failure.kept = Unexpected.kept
    return failure


def _of_the_database(error: BaseException | None) -> psycopg2.Error | None:
    """Return what psycopg2 said, where SQLAlchemy and Dagster have wrapped it."""
    while error is not None and not isinstance(error, psycopg2.Error):
        error = getattr(error, "orig", None) or error.__cause__
    return error


@contextmanager
def failing_in_words(doing: str) -> Iterator[None]:
    """Turn any exception of a step into a failure in words; see `in_words` for the arguments."""
    try:
        yield
    except dg.Failure:
        raise
    except Exception as error:
        raise failure(in_words(error, doing)) from None


def recorded_error(event: dg.DagsterEvent) -> SyncError:
    """Return the error of a failed step; one that is not ours in the words of its exception."""
    data: Any = event.event_specific_data
    recorded = (getattr(data.user_failure_data, "metadata", None) or {}).get(ERROR)
    if recorded is not None:
        return SyncError.from_data(recorded.value)
    error = getattr(data.error, "cause", None) or data.error
    return SyncError(clean(getattr(error, "message", "")) or "The step failed.", LOOK)
