"""`oracle-sync sync`: the run that the UI would start, in this process, and how it ended."""

from __future__ import annotations

import gc
import io
import socket
from collections.abc import Callable
from contextlib import AbstractContextManager, redirect_stderr
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from oracle_sync.config.settings import Settings
from oracle_sync.config.syncs import Sync
from oracle_sync.errors import SyncError

if TYPE_CHECKING:
    from oracle_sync.engine.rows import Batch
    from oracle_sync.engine.summary import Report, Summary

INTERRUPTED = 130

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
    new_sync: bool = False

    def run(self, show: Show) -> int:
        """Run to the end and return the exit status.

        Raises:
            SyncError: if the run failed.
        """
        settings = self.sync.settings()
        settings.oracle.checked()
        _demand_databases(settings)
        click.echo(f"Starting sync of {self.sync.collection.table} as a Dagster run ...")
        # Importing Dagster makes millions of objects that stay; looking through them for garbage
        # again and again takes a fifth of the start.
        gc.disable()
        from oracle_sync.orchestration.instance import instance
        from oracle_sync.postgres.connection import STATEMENT_TIMEOUT_MS

        last: Summary | None = None
        with show(self.batch_size or settings.batch_size) as report, instance(settings) as home:
            # Otherwise Dagster connects for each of some fifty queries around a run. Older
            # connections are not used again: the server may have been restarted since.
            home.optimize_for_webserver(
                statement_timeout=STATEMENT_TIMEOUT_MS, pool_recycle=POOLED_SECONDS, max_overflow=10
            )

            def keep(summary: Summary, batch: Batch) -> None:
                nonlocal last
                last = summary
                report(summary, batch)

            result = self._execute(home, keep)
        return _conclude(result, last)

    def _execute(self, home: Any, report: Report) -> Any:
        """Run the job and return Dagster's result; None if Ctrl-C came before its first step."""
        from dagster import DagsterExecutionInterruptedError

        from oracle_sync.definitions import build_defs
        from oracle_sync.orchestration.failures import in_words
        from oracle_sync.orchestration.launcher import HOST_TAG
        from oracle_sync.orchestration.names import job_name, run_tags
        from oracle_sync.orchestration.run_config import run_config

        job = build_defs(report=report).resolve_job_def(job_name(self.sync))
        gc.freeze()
        gc.enable()
        values = {
            "batch_size": self.batch_size,
            "sync_name": self.sync_name,
            "new_sync": self.new_sync,
            "full_refresh": self.full_refresh,
            "removal_limit": self.removal_limit,
        }
        given = {name: value for name, value in values.items() if value is not None}
        tags = run_tags(self.sync_name, "command line") | {HOST_TAG: socket.gethostname()}
        # The run's log goes to Dagster's storage; on this terminal we speak ourselves.
        quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
        try:
            # Dagster writes there, again and again, that its database is away; the error says so.
            with redirect_stderr(io.StringIO()):
                return job.execute_in_process(
                    run_config=run_config(self.sync, given) | quiet,
                    instance=home,
                    raise_on_error=False,
                    tags=tags,
                )
        except DagsterExecutionInterruptedError:
            return None
        except Exception as error:
            raise in_words(error, "The run") from error


def _conclude(result: Any, summary: Summary | None) -> int:
    """Say how a run ended, and return the exit status.

    Raises:
        SyncError: if it failed.
    """
    if result is None or _was_interrupted(result):
        at = f"offset {summary.offset_after}" if summary else "the stored offset"
        click.echo(f"Interrupted; the next sync resumes at {at}.", err=True)
        return INTERRUPTED
    if not result.success or summary is None:
        raise _error_of(result)
    for warning in summary.warnings:
        click.echo(f"Warning: {warning}", err=True)
    complete = "Synced, but the table differs from Oracle:" if summary.differs else "Sync Complete!"
    if summary.removal_held:
        complete = "Synced, with rows too many:"
    click.echo(
        f"{complete}\n"
        f"   Total Synced: {summary.total_synced}\n"
        f"   Final Offset: {summary.offset_after}\n"
        f"   Received {summary.received}: {summary.inserted} new, {summary.updated} changed, "
        f"{summary.rejected} rejected; {summary.removed} removed, in {summary.seconds:.1f} s "
        f"({summary.rate:.0f} rows/s)\n"
        + (f"   {summary.proof.sentence()}\n" if summary.proof and summary.proof.equal else "")
        + f"   Run: {result.run_id}"
    )
    return 1 if summary.differs else 0


def _demand_databases(settings: Settings) -> None:
    """Fail on a database that can't be used before Dagster does, and in fewer words.

    Raises:
        StoreError: if it can't be reached, or Dagster could not keep the run there.
    """
    from oracle_sync.postgres.connection import connect
    from oracle_sync.postgres.dagster_tables import demand_usable
    from oracle_sync.postgres.database import url_of

    if settings.dagster_database_url:
        connect(url_of(settings)).close()
    demand_usable(settings)


def _was_interrupted(result: Any) -> bool:
    """Return whether Ctrl-C ended the run."""
    from dagster import DagsterRunStatus
    from dagster._core.execution.plan.objects import ErrorSource

    if result.dagster_run.status == DagsterRunStatus.CANCELED:
        return True
    failures = (event.step_failure_data for event in result.all_events if event.is_step_failure)
    return any(failure.error_source == ErrorSource.INTERRUPT for failure in failures)


def _error_of(result: Any) -> SyncError:
    """Return the error that the failed run recorded."""
    from oracle_sync.orchestration.failures import recorded_error

    for event in result.all_events:
        if event.is_step_failure:
            return recorded_error(event)
    return SyncError(
        f"The run {result.run_id} failed before its first step.",
        "Its log in the Dagster UI (oracle-sync dev) says why.",
    )
