"""Removes old runs, with their events and output: Dagster itself keeps them for ever.

    python deploy/prune_runs.py DAYS

Only runs that have ended go, a hundred at a time, the oldest first. The sync's own tables, its
history among them, are not touched. May run while everything else does, and be stopped and started.
"""

from __future__ import annotations

import datetime as dt
import sys

import dagster as dg

ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]


def prune(instance: dg.DagsterInstance, days: float) -> int:
    """Remove the runs that were made more than `days` ago and have ended; give their number."""
    before = dt.datetime.now(dt.UTC) - dt.timedelta(days=days)
    old = dg.RunsFilter(statuses=ENDED, created_before=before)
    removed = 0
    while records := instance.get_run_records(old, limit=100, ascending=True):
        for record in records:
            run_id = record.dagster_run.run_id
            # The output first: once the run is gone, nobody finds it any more.
            instance.compute_log_manager.delete_logs(prefix=[run_id])
            instance.delete_run(run_id)
        removed += len(records)
    return removed


if __name__ == "__main__":
    with dg.DagsterInstance.get() as instance:
        print(f"Removed {prune(instance, float(sys.argv[1]))} runs.")
