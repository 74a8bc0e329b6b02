"""The job that syncs a table, and the schedule of its nightly full refresh."""

from functools import cache
from typing import Any

import dagster as dg

from oracle_sync.config.syncs import PLAIN, Sync
from oracle_sync.orchestration.names import job_name, run_tags, schedule_name, table_key
from oracle_sync.orchestration.run_config import run_config


@cache
def build_sync_job(sync: Sync = PLAIN) -> Any:  # Dagster does not export its type
    """Return the job of a sync, the same object each time: sensor and schedule refer to it."""
    return dg.define_asset_job(
        job_name(sync),
        selection=[table_key(sync)],
        description=(
            f"Brings the table {sync.table_name} up to date with Oracle's {sync.collection.path}, "
            "from the stored offset on."
        ),
    )


def build_nightly(sync: Sync = PLAIN) -> dg.ScheduleDefinition:
    """Return the schedule of the nightly full refresh, which is off until it is switched on."""
    return dg.ScheduleDefinition(
        name=schedule_name(sync),
        job=build_sync_job(sync),
        cron_schedule="30 2 * * *",
        description=(
            f"Walks all of {sync.collection.path} for {sync.table_name}: the net below the "
            "incremental runs, which do not see a row that was changed, or two changes that leave "
            "the number of rows as it was."
        ),
        run_config=run_config(sync, {"full_refresh": True}),
        tags=run_tags(sync.name, "nightly full refresh"),
    )
