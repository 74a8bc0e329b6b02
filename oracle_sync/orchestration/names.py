"""The names, keys and tags of the Dagster objects that belong to a sync."""

import dagster as dg

from oracle_sync.config.syncs import Sync

POOL = "oracle_sync"
"""What the names of the pools begin with that hold one run of each table."""

FRAMES = "frames"
"""Key of the IO manager through which other assets read the table as a data frame."""


def table_key(sync: Sync) -> dg.AssetKey:
    """Return the key of the asset that is the sync's table."""
    return dg.AssetKey(sync.path(sync.collection.table))


def source_key(sync: Sync) -> dg.AssetKey:
    """Return the key of the asset that stands for the collection in Oracle."""
    return dg.AssetKey(sync.path(f"oracle_{sync.collection.name}"))


def overview_key(sync: Sync) -> dg.AssetKey:
    """Return the key of the asset that shows how the table grew."""
    return dg.AssetKey(sync.path("sync_overview"))


def group_name(sync: Sync) -> str:
    """Return the group of the sync's assets: each sync is a box of its own in the lineage."""
    return sync.schema or "oracle_sync"


def asset_tags(sync: Sync) -> dict[str, str]:
    """Return the tags by which the assets of one sync, or of one collection, can be selected."""
    return {
        "oracle_sync/sync_name": sync.name,
        "oracle_sync/collection": sync.collection.path,
    }


def op_name(sync: Sync) -> str:
    """Return the name of the step that writes the table, which is also its name in a run's config.

    For example `minimal_opportunities`, or `emea__minimal_opportunities` of the sync `emea`.
    """
    return "__".join(table_key(sync).path)


def job_name(sync: Sync) -> str:
    """Return the name of the job that writes the table."""
    return sync.label(f"sync_{sync.collection.name}")


def sensor_name(sync: Sync) -> str:
    """Return the name of the sensor that looks for new rows."""
    return sync.label(f"new_{sync.collection.name}")


def schedule_name(sync: Sync) -> str:
    """Return the name of the schedule of the nightly full refresh."""
    return sync.label("nightly_full_refresh")


def run_tags(sync_name: str, reason: str) -> dict[str, str]:
    """Return the tags that say for which sync a run was started, and why."""
    return {"oracle_sync/sync_name": sync_name, "oracle_sync/reason": reason}
