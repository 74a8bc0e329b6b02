"""A run of the engine for the asset: under the lock, with its progress in Dagster's log."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import dagster as dg

from oracle_sync.config.settings import Settings
from oracle_sync.config.syncs import Sync
from oracle_sync.engine.run import run_sync
from oracle_sync.engine.summary import Report, Summary
from oracle_sync.errors import SyncError
from oracle_sync.operations.columns import run_with_columns
from oracle_sync.oracle.client import OracleClient
from oracle_sync.orchestration.failures import in_words
from oracle_sync.orchestration.progress import Progress, closing, opening
from oracle_sync.orchestration.run_config import SyncConfig, demand_use_of_limit, options_of
from oracle_sync.postgres.database import Database
from oracle_sync.postgres.reader import this_process
from oracle_sync.postgres.writer import Writer


def run_table(
    context: dg.AssetExecutionContext,
    config: SyncConfig,
    sync: Sync,
    settings: Settings,
    sync_name: str,
    connect: Callable[[], OracleClient],
    database: Database,
    report: Report | None,
) -> Summary:
    """Sync to the end, and return what was done.

    Raises:
        SyncError: saying what happened, and what is stored.
    """
    log, options = context.log, options_of(config, settings)
    with database.writer(
        sync_name,
        this_process(context.run.run_id),
        wait=settings.lock_wait,
        on_wait=lambda who: log.info(f"Waiting for {who} to finish."),
        new_sync=config.new_sync,
    ) as writer:
        demand_use_of_limit(options, writer.state)
        with _recording_failure(writer):
            client = connect()
            log.info(opening(writer.state, options))
            progress = Progress(log.info, report)
            summary = run_with_columns(
                sync,
                database,
                client,
                writer,
                lambda: run_sync(client, writer, options, progress),
            )
    for warning in summary.warnings:
        log.warning(warning)
    log.info(closing(summary))
    return summary


@contextmanager
def _recording_failure(writer: Writer) -> Iterator[None]:
    """Have `sync_state` show why a run failed, also where it was not the engine that failed."""
    try:
        yield
    except Exception as error:
        if isinstance(error, SyncError) and error.kept:  # the engine has recorded it
            raise
        failure = in_words(error, "The run")
        failure.kept = f"Everything up to offset {writer.state.offset} is stored."
        # Mostly this fails for the same cause, which is what people have to see.
        with suppress(SyncError):
            writer.note(error=failure.sentence()[:1_000])
        raise failure from None
