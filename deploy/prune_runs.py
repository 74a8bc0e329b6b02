"""Remove old runs with their events and output, which Dagster keeps for ever.

    python deploy/prune_runs.py DAYS

It removes only runs that have ended, oldest first, and does not touch the sync's tables. It may run
beside everything else, and be interrupted.
"""

from __future__ import annotations

import datetime as dt
import sys

import dagster as dg

ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]


def prune(instance: dg.DagsterInstance, days: float) -> int:
    """Remove the runs that have ended and are older than `days`, and return their number."""
    before = dt.datetime.now(dt.UTC) - dt.timedelta(days=days)
    old = dg.RunsFilter(statuses=ENDED, created_before=before)
    removed = 0
    while records := instance.get_run_records(old, limit=100, ascending=True):
        for record in records:
            run_id = record.dagster_run.run_id
            # The output goes first: without the run, nobody would find it.
            instance.compute_log_manager.delete_logs(prefix=[run_id])
            instance.delete_run(run_id)
        removed += len(records)
    return removed


if __name__ == "__main__":
    with dg.DagsterInstance.get() as instance:
        print(f"Removed {prune(instance, float(sys.argv[1]))} runs.")
