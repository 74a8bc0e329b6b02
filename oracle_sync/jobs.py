"""The job that syncs, and the schedule of the nightly full refresh.

Belongs here: what can be started by name. Does not belong here: what it does.
"""

from __future__ import annotations

import dagster as dg

from oracle_sync.assets import ASSET

SYNC_JOB = dg.define_asset_job(
    "sync_opportunities",
    selection=[ASSET],
    description="Brings minimal_opportunities up to date with Oracle, from the stored offset on.",
    # One asset needs no process of its own for each step: that would add seconds to each run,
    # and a killed run would leave its step's process behind, still writing.
    executor_def=dg.in_process_executor,
)

NIGHTLY_FULL_REFRESH = dg.ScheduleDefinition(
    name="nightly_full_refresh",
    job=SYNC_JOB,
    cron_schedule="30 2 * * *",
    description=(
        "Walks the whole collection: the net below the incremental runs, which can't see a row "
        "that was changed, or two changes that cancel each other out in number."
    ),
    run_config={"ops": {ASSET: {"config": {"full_refresh": True}}}},
    tags={"oracle_sync/reason": "nightly full refresh"},
)
