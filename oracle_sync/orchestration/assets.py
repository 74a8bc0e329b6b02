"""The assets: Oracle's collection, outside, and the table that mirrors it.

Belongs here: Dagster's words for a run of the engine. Does not belong here: the engine, and
what the checks look at (`checks.py`).
"""

import datetime as dt
import time
from collections.abc import Callable, Iterator
from typing import Any

import dagster as dg
from pydantic import Field

from oracle_sync.config.settings import BATCH_SIZE, PERCENT, Settings
from oracle_sync.config.syncs import PLAIN, Sync, checked_name
from oracle_sync.engine.probe import Probe, probe
from oracle_sync.engine.rows import Batch
from oracle_sync.engine.run import Options, Report, Summary, run_sync
from oracle_sync.errors import SettingError, SyncError
from oracle_sync.oracle.client import OracleClient
from oracle_sync.orchestration import checks
from oracle_sync.orchestration.resources import DbResource, OracleResource
from oracle_sync.postgres.database import Database
from oracle_sync.postgres.reader import this_process
from oracle_sync.postgres.status import Details, Status

GROUP = "oracle_sync"
ASSET = "minimal_opportunities"
PREVIEW_ROWS = 5

FRAMES = "frames"
"""Key of the IO manager by which other assets take the table as a data frame."""

CONFIRM_AFTER = dt.timedelta(hours=1)
"""Without a run for as long, the sensor asks for one, though there may be nothing new."""


def table_key(sync: Sync) -> dg.AssetKey:
    """The key of a sync's table."""
    return dg.AssetKey(sync.path(ASSET))


def op_name(sync: Sync) -> str:
    """The name under which a run's config speaks of the table."""
    return "__".join(sync.path(ASSET))


class SyncConfig(dg.Config):
    """What the Launchpad offers for a run. All of it may be left out."""

    batch_size: int | None = Field(
        default=None,
        description=f"Items per request, {BATCH_SIZE.bounds}. Default: ORACLE_SYNC_BATCH_SIZE.",
    )
    sync_name: str | None = Field(
        default=None,
        description=(
            "The row of sync_state to go on from: 1 to 100 characters. Default: the asset's own."
        ),
    )
    full_refresh: bool = Field(
        default=False,
        description=(
            "Walk from offset 0, update what changed, and move rows that are gone from Oracle to "
            "removed_opportunities."
        ),
    )
    removal_limit: int | None = Field(
        default=None,
        description=(
            f"Percent of the table that a full refresh may remove, {PERCENT.bounds}; 100 confirms "
            "a removal that was held back. Default: ORACLE_SYNC_REMOVAL_LIMIT."
        ),
    )


def options_of(config: SyncConfig, settings: Settings) -> Options:
    """The run's config over the settings.

    Raises:
        SettingError: if a value is out of bounds.
    """
    batch_size = settings.batch_size if config.batch_size is None else config.batch_size
    limit = settings.removal_limit if config.removal_limit is None else config.removal_limit
    return Options(
        batch_size=BATCH_SIZE.demand("batch_size", batch_size),
        concurrency=settings.concurrency,
        full_refresh=config.full_refresh,
        removal_limit=PERCENT.demand("removal_limit", limit),
    )


def build_source_spec(sync: Sync = PLAIN) -> dg.AssetSpec:
    """The external asset `oracle_opportunities`."""
    return dg.AssetSpec(
        sync.path("oracle_opportunities"),
        group_name=GROUP,
        kinds={"oracle"},
        description=(
            "The opportunities collection of the Oracle Fusion Cloud pod, as the finder of "
            "ORACLE_FINDER shows it. It lies outside Dagster."
        ),
    )


def build_table_asset(sync: Sync = PLAIN, report: Report | None = None) -> dg.AssetsDefinition:
    """The asset `minimal_opportunities` with its checks, which can also be run alone.

    Args:
        sync: whose table it is.
        report: told of each commit, beside Dagster's log.
    """
    key = table_key(sync)
    spec = dg.AssetSpec(
        key,
        deps=[build_source_spec(sync)],
        group_name=GROUP,
        kinds={"postgres", "python"},
        owners=["team:data-engineering"],
        tags={"source": "oracle_fusion"},
        metadata={"dagster/column_schema": COLUMNS},
        description=(
            "Opportunities of Oracle Fusion: id and number, kept equal to the source.\n\n"
            "Each run goes on from the offset in `sync_state`; a page's rows and the offset after "
            "them are one transaction, and each page must join the one before."
        ),
        # The sensor has a run confirm that nothing is new; so a gap means that nobody looks.
        freshness_policy=dg.FreshnessPolicy.time_window(
            warn_window=2 * CONFIRM_AFTER, fail_window=26 * CONFIRM_AFTER
        ),
    ).with_io_manager_key(FRAMES)

    @dg.multi_asset(
        name=op_name(sync),
        specs=[spec],
        check_specs=checks.specs(key),
        can_subset=True,
        pool=f"{GROUP}_{op_name(sync)}",
    )
    def minimal_opportunities(
        context: dg.AssetExecutionContext,
        config: SyncConfig,
        oracle: OracleResource,
        db: DbResource,
    ) -> Iterator[Any]:
        chosen = {check.name for check in context.selected_asset_check_keys}
        try:
            name = sync.name if config.sync_name is None else checked_name(config.sync_name)
            settings = sync.settings()
            for warning in settings.warnings:
                context.log.warning(warning)
            client = oracle.client(sync, settings, on_notice=_sparing(context.log.warning))
            database = db.database(sync, settings)
            if context.selected_asset_keys:
                summary = _run(context, config, settings, name, client, database, report)
                details = database.details(name, PREVIEW_ROWS)
                status = details.status
                # The run's last page began with the anchor; Oracle's count came with its first.
                anchor = details.status.state.anchor
                seen = Probe(True if anchor else None, False, anchor, summary.expected)
                yield dg.MaterializeResult(
                    asset_key=key, metadata=_metadata(summary, client, details)
                )
            else:
                status = _known(database, name)
                seen = _seen(chosen, status, client)
            yield from checks.results(key, chosen, status, seen)
        except SyncError as error:
            raise failure(error) from None
        except dg.DagsterExecutionInterruptedError:
            if report:
                # Someone watches in this process and pressed Ctrl-C. Without a request to cancel
                # Dagster would take the interrupt for a crash, and call the run failed.
                context.instance.report_run_canceling(context.run)
            raise

    return minimal_opportunities


def failure(error: SyncError) -> dg.Failure:
    """A failed step that says what happened and what to do; Dagster does not retry it."""
    facts = {"what happened": str(error), "what is safe": error.kept, "what to do": error.advice}
    metadata: dict[str, Any] = {name: text for name, text in facts.items() if text}
    if error.status is not None:
        metadata["HTTP status"] = error.status
    return dg.Failure(description=error.sentence(), metadata=metadata, allow_retries=False)


COLUMNS = dg.TableSchema(
    columns=[
        dg.TableColumn("id", "integer", "key of the row in this table"),
        dg.TableColumn("opportunity_id", "varchar", "OptyId in Oracle, unique"),
        dg.TableColumn("opportunity_number", "varchar", "OptyNumber in Oracle; may be null"),
        dg.TableColumn("synced_at", "timestamp", "when the row last changed here, in UTC"),
        dg.TableColumn("extra", "jsonb", "fields of ORACLE_FIELDS beyond the two; null: none"),
        dg.TableColumn("sync_names", "varchar[]", "syncs that see the row"),
    ]
)


def _run(
    context: dg.AssetExecutionContext,
    config: SyncConfig,
    settings: Settings,
    name: str,
    client: OracleClient,
    database: Database,
    report: Report | None,
) -> Summary:
    """Sync to the end, and tell the run's log of it."""
    log, options = context.log, options_of(config, settings)
    with database.writer(
        name,
        this_process(context.run.run_id),
        wait=settings.lock_wait,
        on_wait=lambda who: log.info(f"Waiting for {who} to finish."),
    ) as writer:
        log.info(_opening(writer.state.offset, options, writer.state.refreshing))
        told = _Progress(log.info, report)
        summary = run_sync(client, writer, options, told)
    for warning in summary.warnings:
        log.warning(warning)
    log.info(_closing(summary))
    return summary


def _known(database: Database, name: str) -> Status:
    status = database.status(name)
    if status is None:
        raise SettingError(f"Nothing has been synced as '{name}' yet.", "Materialize first.")
    return status


def _seen(chosen: set[str], status: Status, client: OracleClient) -> Probe:
    """What Oracle shows now, asked only if a check needs it."""
    if not chosen & checks.ASKING:
        return Probe(None, False, None, None)
    return probe(client, status.state, count=True)


class _Progress:
    """Tells of progress a few times a minute, ever more rarely, and of each commit to `report`."""

    def __init__(self, say: Callable[[str], Any], report: Report | None) -> None:
        self._say = say
        self._report = report
        self._pause = 5.0
        self._next = time.monotonic() + self._pause

    def __call__(self, summary: Summary, batch: Batch) -> None:
        if self._report:
            self._report(summary, batch)
        if time.monotonic() >= self._next:
            self._pause = min(self._pause * 1.4, 120.0)
            self._next = time.monotonic() + self._pause
            of = f" of about {summary.expected}" if summary.expected else ""
            self._say(
                f"Offset {summary.offset_after}{of}: {summary.received} rows received, "
                f"{summary.inserted} new, {summary.updated} changed, {summary.rate:.0f} rows/s."
            )


def _sparing(say: Callable[[str], Any]) -> Callable[[str], None]:
    """Pass a notice on at most every ten seconds: threads may all wait for the same outage."""
    last = -60.0

    def tell(text: str) -> None:
        nonlocal last
        if time.monotonic() - last >= 10:
            last = time.monotonic()
            say(text)

    return tell


def _opening(offset: int, options: Options, refreshing: bool) -> str:
    kind = "Full refresh" if options.full_refresh or refreshing else "Sync"
    start = 0 if options.full_refresh and not refreshing else offset
    return (
        f"{kind} from offset {start}, {options.batch_size} items per request, at most "
        f"{options.concurrency} requests in flight."
    )


def _closing(summary: Summary) -> str:
    return (
        f"Sync Complete! Total Synced: {summary.total_synced}, Final Offset: "
        f"{summary.offset_after}; {summary.received} received, {summary.inserted} new, "
        f"{summary.updated} changed, {summary.removed} removed, {summary.rejected} rejected."
    )


def _metadata(summary: Summary, client: OracleClient, details: Details) -> dict[str, Any]:
    """What Dagster keeps of a run. Numbers have the same name and type each time: it plots them."""
    columns = ("opportunity_id", "opportunity_number", "synced_at")
    records = [
        dg.TableRecord({name: str(value) for name, value in zip(columns, row, strict=True)})
        for row in details.latest
    ]
    return {
        "dagster/row_count": details.status.rows,
        "dagster/table_name": details.table_name,
        "dagster/column_schema": COLUMNS,
        "rows_received": summary.received,
        "rows_inserted": summary.inserted,
        "rows_updated": summary.updated,
        "rows_unchanged": summary.unchanged,
        "rows_removed": summary.removed,
        "rows_returned": summary.returned,
        "rows_rejected": summary.rejected,
        "offset_before": summary.offset_before,
        "offset_after": summary.offset_after,
        "pages": summary.pages,
        "requests": client.requests,
        "retries": client.retries,
        "shifts": summary.shifts,
        "full_refreshes": summary.refreshes,
        "seconds": float(round(summary.seconds, 3)),
        "rows_per_second": float(round(summary.rate, 1)),
        "sync_name": summary.sync_name,
        "sync_state": dg.MetadataValue.md(_state_table(details.status)),
        "preview": dg.MetadataValue.table(
            records=records, schema=dg.TableSchema([dg.TableColumn(name) for name in columns])
        ),
    }


def _state_table(status: Status) -> str:
    """The row of `sync_state` as the run left it, for a person."""
    state = status.state
    shown = {
        "sync_name": state.sync_name,
        "current_offset": state.offset,
        "total_synced": state.total_synced,
        "is_complete": "yes" if state.complete else "no",
        "anchor": state.anchor,
        "full refresh due": state.doubt or "no",
        "rows gone from Oracle": status.removed,
        "rejected items": status.rejected,
    }
    rows = [f"| {name} | {value} |" for name, value in shown.items()]
    return "\n".join(["| sync_state | |", "|---|---|", *rows])
