"""`oracle-sync sync`: the asset's run in this process, shown on a terminal or in lines.

Belongs here: starting the run that the UI would start, and following it. Does not belong here:
what the run does.
"""

from __future__ import annotations

import gc
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from oracle_sync.config.settings import MAX_BATCH_SIZE, Settings
from oracle_sync.config.syncs import Sync
from oracle_sync.errors import SyncError

if TYPE_CHECKING:
    from oracle_sync.engine.rows import Batch
    from oracle_sync.engine.run import Report, Summary

MANY_REQUESTS = 1_000
"""Requests still to come, above which a larger batch size is worth a word."""

POOLED_SECONDS = 2
"""Age up to which a connection to Dagster's storage is used again."""

Show = Callable[[int], AbstractContextManager["Report"]]


@dataclass(frozen=True)
class Launch:
    """What the command line asks for; None: as the settings say."""

    sync: Sync
    batch_size: int | None
    sync_name: str
    full_refresh: bool
    removal_limit: int | None

    def run(self, show: Show) -> int:
        """Run to the end and give the exit status.

        Raises:
            SyncError: if the run failed.
        """
        settings = self.sync.settings()
        settings.oracle.checked()
        _reachable(settings)
        click.echo(f"Starting sync of {self.sync.collection.table} as a Dagster run ...")
        # Importing Dagster makes millions of objects that stay; looking through them for garbage
        # again and again takes a fifth of the start.
        gc.disable()
        from oracle_sync.orchestration.instance import instance
        from oracle_sync.postgres.connection import STATEMENT_TIMEOUT_MS

        last: list[Summary] = []
        batch_size = self.batch_size or settings.batch_size
        with show(batch_size) as report, instance(settings) as home:
            # Else Dagster connects anew for each of some fifty queries around a run. Older
            # connections are not used again: the server may have been restarted since.
            home.optimize_for_webserver(
                statement_timeout=STATEMENT_TIMEOUT_MS, pool_recycle=POOLED_SECONDS, max_overflow=10
            )

            def keep(summary: Summary, batch: Batch) -> None:
                last[:] = [summary]
                report(summary, batch)

            result = self._execute(home, keep)
        return self._told(result, last[0] if last else None)

    def _execute(self, home: Any, report: Report) -> Any:
        from oracle_sync.definitions import build_defs
        from oracle_sync.orchestration.assets import op_name
        from oracle_sync.orchestration.jobs import SYNC_JOB
        from oracle_sync.orchestration.launcher import HOST_TAG

        job = build_defs(report=report).resolve_job_def(self.sync.label(SYNC_JOB))
        gc.freeze()
        gc.enable()
        config = {
            "batch_size": self.batch_size,
            "sync_name": self.sync_name,
            "full_refresh": self.full_refresh,
            "removal_limit": self.removal_limit,
        }
        given = {name: value for name, value in config.items() if value is not None}
        return job.execute_in_process(
            run_config={
                "ops": {op_name(self.sync): {"config": given}},
                # The run's log goes to Dagster's storage; on this terminal we speak ourselves.
                "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
            },
            instance=home,
            raise_on_error=False,
            tags={
                "oracle_sync/sync_name": self.sync_name,
                "oracle_sync/reason": "command line",
                HOST_TAG: socket.gethostname(),
            },
        )

    def _told(self, result: Any, summary: Summary | None) -> int:
        if _interrupted(result):
            at = f"offset {summary.offset_after}" if summary else "the stored offset"
            click.echo(f"Interrupted; the next sync resumes at {at}.", err=True)
            return 130
        if not result.success or summary is None:
            raise _failure_of(result)
        for warning in summary.warnings:
            click.echo(f"Warning: {warning}", err=True)
        click.echo(
            f"Sync Complete!\n"
            f"   Total Synced: {summary.total_synced}\n"
            f"   Final Offset: {summary.offset_after}\n"
            f"   Received {summary.received}: {summary.inserted} new, {summary.updated} changed, "
            f"{summary.rejected} rejected; {summary.removed} removed, in {summary.seconds:.1f} s "
            f"({summary.rate:.0f} rows/s)\n"
            f"   Run: {result.run_id}"
        )
        return 0


@contextmanager
def show_progress(batch_size: int) -> Iterator[Report]:
    """A progress bar on a terminal, else a line per batch."""
    advised: list[bool] = []

    def advise(summary: Summary) -> None:
        if advised or summary.expected is None:
            return
        advised.append(True)
        left = max(0, summary.expected - summary.offset_after)
        requests, fewer = left // batch_size, left // (MAX_BATCH_SIZE - 1) + 1
        if requests > MANY_REQUESTS and batch_size < MAX_BATCH_SIZE:
            click.echo(
                f"Note: at {batch_size} items per request this takes about {requests:,} requests; "
                f"`oracle-sync sync {MAX_BATCH_SIZE}` would take about {fewer:,}."
            )

    bar = _bar() if sys.stdout.isatty() else nullcontext(_line)
    with bar as tell:

        def report(summary: Summary, batch: Batch) -> None:
            advise(summary)
            tell(summary, batch)

        yield report


def _line(summary: Summary, batch: Batch) -> None:
    pages = f" in {batch.pages} pages" if batch.pages > 1 else ""
    click.echo(
        f"Batch: Offset={batch.offset_before}  Received {batch.received} items{pages}  "
        f"Updated offset to {batch.offset_after}, total synced: {summary.total_synced}"
    )


@contextmanager
def _bar() -> Iterator[Report]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]:.0f} rows/s"),
        TimeElapsedColumn(),
    )
    with Progress(*columns) as progress:
        task = progress.add_task("Syncing", total=None, rate=0.0)

        def report(summary: Summary, _batch: Batch) -> None:
            progress.update(
                task,
                description="Full refresh" if summary.refreshing else "Syncing",
                completed=summary.offset_after,
                total=max(summary.expected or 0, summary.offset_after) or None,
                rate=summary.rate,
            )

        yield report


def _reachable(settings: Settings) -> None:
    """Fail on an unreachable database before Dagster does, which would not be as brief.

    Raises:
        StoreError: if it can't be reached.
    """
    from oracle_sync.postgres.connection import connect
    from oracle_sync.postgres.database import url_of

    for url in {url_of(settings), settings.dagster_database_url or url_of(settings)}:
        connect(url).close()


def _interrupted(result: Any) -> bool:
    """Whether Ctrl-C ended the run: in the middle of its work, or while it was being set up."""
    from dagster import DagsterRunStatus

    if result.dagster_run.status == DagsterRunStatus.CANCELED:
        return True
    errors = (getattr(event.event_specific_data, "error", None) for event in result.all_events)
    return any(error and "Interrupt" in (error.cls_name or "") for error in errors)


def _failure_of(result: Any) -> SyncError:
    """The error that the run recorded, in two parts: what happened, and what to do."""
    for event in result.all_events:
        data = event.event_specific_data
        facts = getattr(getattr(data, "user_failure_data", None), "metadata", None)
        if facts:
            words = {name: str(value.value) for name, value in facts.items()}
            error = SyncError(words.get("what happened", ""), words.get("what to do", ""))
            error.kept = words.get("what is safe", "")
            return error
    return SyncError(
        f"The run {result.run_id} failed unexpectedly.",
        "Its log in the Dagster UI (oracle-sync dev) says more.",
    )
