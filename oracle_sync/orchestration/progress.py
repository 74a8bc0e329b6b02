"""What a run writes to its log: how it begins, how far it is, how it ended."""

import time
from collections.abc import Callable
from typing import Any

from oracle_sync.engine.rows import Batch
from oracle_sync.engine.store import State
from oracle_sync.engine.summary import Options, Report, Summary

FIRST_PAUSE, LONGEST_PAUSE = 5.0, 120.0
"""Seconds between two lines on the progress of a run: more and more."""

NOTICE_PAUSE = 10.0
"""Seconds between two notices: several threads may be waiting out the same outage."""


class Progress:
    """Logs the progress of a run now and then, and passes each commit on to `report`."""

    def __init__(self, log: Callable[[str], Any], report: Report | None) -> None:
        self._log = log
        self._report = report
        self._pause = FIRST_PAUSE
        self._next = time.monotonic() + self._pause

    def __call__(self, summary: Summary, batch: Batch) -> None:
        if self._report:
            self._report(summary, batch)
        if time.monotonic() >= self._next:
            self._pause = min(self._pause * 1.4, LONGEST_PAUSE)
            self._next = time.monotonic() + self._pause
            of = f" of about {summary.expected}" if summary.expected else ""
            self._log(
                f"Offset {summary.offset_after}{of}: {summary.received} rows received, "
                f"{summary.inserted} new, {summary.updated} changed, {summary.rate:.0f} rows/s."
            )


def sparing(log: Callable[[str], Any]) -> Callable[[str], None]:
    """Return a function that passes notices on to `log`, but only one in `NOTICE_PAUSE` seconds."""
    last = -NOTICE_PAUSE

    def notice(text: str) -> None:
        nonlocal last
        if time.monotonic() - last >= NOTICE_PAUSE:
            last = time.monotonic()
            log(text)

    return notice


def opening(state: State, options: Options) -> str:
    """Return the first line of a run."""
    kind = "Full refresh" if options.full_refresh or state.refreshing else "Sync"
    start = 0 if options.full_refresh and not state.refreshing else state.offset
    items = "1 item" if options.batch_size == 1 else f"{options.batch_size} items"
    requests = "1 request" if options.concurrency == 1 else f"{options.concurrency} requests"
    return f"{kind} from offset {start}, {items} per request, at most {requests} in flight."


def closing(summary: Summary) -> str:
    """Return the last line of a run that ended well."""
    return (
        f"Sync Complete! Total Synced: {summary.total_synced}, Final Offset: "
        f"{summary.offset_after}; {summary.received} received, {summary.inserted} new, "
        f"{summary.updated} changed, {summary.removed} removed, {summary.rejected} rejected."
        + (f" {summary.proof.sentence()}" if summary.proof else "")
    )
