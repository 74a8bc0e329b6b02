"""Read the rows that changed: a second walk, of what Oracle dated since the one before."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

from oracle_sync.engine.pager import Pager
from oracle_sync.engine.rows import PRECISION, Batch, moment
from oracle_sync.engine.scope import Scope
from oracle_sync.engine.source import Source
from oracle_sync.engine.store import Store, Written
from oracle_sync.engine.walk import store_all
from oracle_sync.errors import RequestRefused, RowsMoved

MAX_PASSES = 3
"""Times that a pass begins again because the row where it stood is gone."""


class NotTracked(Exception):
    """The source does not give the rows that changed; the message says why."""


def read_changes(
    source: Source,
    store: Store,
    *,
    lookback: dt.timedelta,
    batch_size: int,
    concurrency: int,
    on_written: Callable[[Written, Batch], None],
) -> None:
    """Store every row that changed since `covered_until`, and move that to when this pass began.

    A pass that was interrupted goes on from where it stood. What it reads only gains rows
    meanwhile, since dates only grow; a row that leaves it was deleted, which the count shows.

    Args:
        source: where the rows are.
        store: where they go; it knows how far changes are covered.
        lookback: how much of what was covered is read again.
        batch_size: rows to ask for at a time.
        concurrency: requests in flight, at most.
        on_written: called for each batch that is stored.

    Raises:
        NotTracked: if the source does not give the rows that changed.
        SyncError: if the source or the store fails.
    """
    covered = store.state.covered_until
    assert covered is not None
    since = store.state.pass_since or covered - lookback
    if store.state.pass_since is None:
        store.begin_pass(since)
    for attempt in range(MAX_PASSES):
        state = store.state
        pager = Pager(
            source,
            offset=state.pass_offset,
            anchor=state.pass_anchor,
            batch_size=batch_size,
            concurrency=concurrency,
            scope=Scope(changed_since=since),
        )
        try:
            store_all(
                pager, store.commit_changes, on_written, lambda b: _demand_dates_since(b, since)
            )
            break
        except RowsMoved:
            if attempt == MAX_PASSES - 1:
                raise
            store.begin_pass(since)
        except RequestRefused as error:
            raise NotTracked(f"the pod refuses a condition on the date: {error}") from error
        finally:
            pager.close()
    store.end_pass()


def _demand_dates_since(batch: Batch, since: dt.datetime) -> None:
    """Raise NotTracked where the source gives rows that are older than what it was asked for."""
    if any(date and moment(date) < since - PRECISION for date in batch.dates):
        raise NotTracked("the pod does not heed a condition on the date")
