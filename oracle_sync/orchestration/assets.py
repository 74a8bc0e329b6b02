"""The assets of a sync: the collection in Oracle, and the table that mirrors it."""

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import cache, partial
from typing import Any

import dagster as dg

from oracle_sync.config.syncs import PLAIN, Sync
from oracle_sync.engine.probe import Probe, probe
from oracle_sync.engine.summary import Report
from oracle_sync.errors import SettingError, SyncError
from oracle_sync.operations.columns import stored_columns
from oracle_sync.oracle.client import OracleClient
from oracle_sync.orchestration import checks
from oracle_sync.orchestration.failures import failing_in_words, in_words
from oracle_sync.orchestration.metadata import PREVIEW_ROWS, column_schema, run_metadata
from oracle_sync.orchestration.names import (
    FRAMES,
    POOL,
    asset_tags,
    group_name,
    op_name,
    source_key,
    table_key,
)
from oracle_sync.orchestration.progress import sparing
from oracle_sync.orchestration.resources import DbResource, OracleResource
from oracle_sync.orchestration.run_config import SyncConfig, sync_name_of
from oracle_sync.orchestration.sync_run import run_table
from oracle_sync.postgres.database import Database
from oracle_sync.postgres.status import Status

CONFIRM_AFTER = dt.timedelta(hours=1)
"""After so long without a run the sensor asks for one, even if nothing seems to be new."""


NOT_ASKED = Probe(None, False, None, None)


def build_source_spec(sync: Sync = PLAIN) -> dg.AssetSpec:
    """Return the external asset that stands for the collection, such as `oracle_opportunities`."""
    return dg.AssetSpec(
        source_key(sync),
        group_name=group_name(sync),
        kinds={"oracle"},
        tags=asset_tags(sync),
        description=(
            f"The collection {sync.collection.path} of the Oracle Fusion Cloud pod, as sync "
            f"{sync.name} sees it. It lies outside Dagster."
        ),
    )


def build_table_asset(sync: Sync = PLAIN, report: Report | None = None) -> dg.AssetsDefinition:
    """Return the asset of the table, with its checks, which can also be run alone.

    Args:
        sync: whose table it is.
        report: called after each commit, in the process of the run.
    """
    key = table_key(sync)

    @dg.multi_asset(
        name=op_name(sync),
        specs=[_table_spec(sync)],
        check_specs=checks.specs(key),
        can_subset=True,
        pool=f"{POOL}_{op_name(sync)}",
    )
    def table(
        context: dg.AssetExecutionContext,
        config: SyncConfig,
        oracle: OracleResource,
        db: DbResource,
    ) -> Iterator[Any]:
        selected = {check.name for check in context.selected_asset_check_keys}
        cancelling = _cancelled_by_ctrl_c(context) if report else nullcontext()
        with failing_in_words("The run"), cancelling:
            name, settings = sync_name_of(config, sync), sync.settings()
            for warning in settings.warnings:
                context.log.warning(warning)
            notice = sparing(context.log.warning)
            connect = cache(partial(oracle.client, sync, settings, on_notice=notice))
            database = db.database(sync, settings)
            if context.selected_asset_keys:
                summary = run_table(
                    context, config, sync, settings, name, connect, database, report
                )
                details = database.details(name, PREVIEW_ROWS)
                status = details.status
                metadata = run_metadata(summary, connect(), details)
                yield dg.MaterializeResult(asset_key=key, metadata=metadata)
            else:
                status = _known(database, name)
            seen = _look(sync, connect, database, status) if selected & checks.ASKING else NOT_ASKED
            yield from checks.results(key, selected, status, seen)

    return table


def _table_spec(sync: Sync) -> dg.AssetSpec:
    collection = sync.collection
    return dg.AssetSpec(
        table_key(sync),
        deps=[source_key(sync)],
        group_name=group_name(sync),
        kinds={"postgres", "python"},
        owners=["team:data-engineering"],
        tags=asset_tags(sync) | {"source": "oracle_fusion"},
        metadata={"dagster/column_schema": column_schema(collection)},
        description=(
            f"The collection {collection.path} of Oracle Fusion as the table `{sync.table_name}`, "
            f"kept equal to it by sync {sync.name}.\n\n"
            "Each run continues from the offset in `sync_state`. The rows of a page and the offset "
            "after them are one transaction, and each page must join the one before."
        ),
        # The sensor has a run confirm that nothing is new, so a gap means that nobody looks.
        freshness_policy=dg.FreshnessPolicy.time_window(
            warn_window=2 * CONFIRM_AFTER, fail_window=26 * CONFIRM_AFTER
        ),
    ).with_io_manager_key(FRAMES)


@contextmanager
def _cancelled_by_ctrl_c(context: dg.AssetExecutionContext) -> Iterator[None]:
    """Have Dagster record an interrupt in this process as a cancelled run.

    Without a request to cancel it takes the interrupt for a crash, and calls the run failed.
    """
    try:
        yield
    except dg.DagsterExecutionInterruptedError:
        context.instance.report_run_canceling(context.run)
        raise


def _known(database: Database, name: str) -> Status:
    status = database.status(name)
    if status is None:
        raise SettingError(f"Nothing has been synced as '{name}' yet.", "Materialize first.")
    return status


def _look(
    sync: Sync, connect: Callable[[], OracleClient], database: Database, status: Status
) -> Probe | SyncError:
    """Return what Oracle shows now, or why it does not."""
    try:
        client = connect()
        if columns := stored_columns(sync, client.settings, database):
            client.collection = columns.collection
        return probe(client, status.state, count=True)
    except Exception as error:
        # The rows are stored, whatever is wrong with the look: it must not fail their run.
        return in_words(error, "The look at Oracle")
