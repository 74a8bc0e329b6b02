"""What a run of the table can be told: the Launchpad's form, and the bounds of its values."""

from collections.abc import Mapping
from typing import Any

import dagster as dg
from pydantic import Field

from oracle_sync.config.settings import BATCH_SIZE, PERCENT, Settings
from oracle_sync.config.syncs import Sync, checked_name
from oracle_sync.engine.store import State
from oracle_sync.engine.summary import Options
from oracle_sync.errors import SettingError
from oracle_sync.orchestration.names import op_name


class SyncConfig(dg.Config):
    """What the Launchpad offers for a run. Everything may be left out."""

    batch_size: int | None = Field(
        default=None,
        description=f"Items per request, {BATCH_SIZE.bounds}. Default: ORACLE_SYNC_BATCH_SIZE.",
    )
    sync_name: str | None = Field(
        default=None,
        description=(
            "The row of sync_state to continue from: 1 to 100 characters. Default: the name of "
            "the asset's own sync."
        ),
    )
    new_sync: bool = Field(
        default=False,
        description=(
            "Create the sync_name: without this, a name that is new is refused where other syncs "
            "share the table, since it would claim every row that it sees."
        ),
    )
    full_refresh: bool = Field(
        default=False,
        description=(
            "Walk from offset 0, update what changed, and move rows that are gone from Oracle to "
            "the table of removed rows."
        ),
    )
    removal_limit: int | None = Field(
        default=None,
        description=(
            f"Percent of the table that a full refresh may remove, {PERCENT.bounds}; 100 confirms "
            "a removal that was held back. Default: ORACLE_SYNC_REMOVAL_LIMIT."
        ),
    )


def run_config(sync: Sync, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the config of a run that gives `values` to `SyncConfig`."""
    return {"ops": {op_name(sync): {"config": dict(values)}}}


def options_of(config: SyncConfig, settings: Settings) -> Options:
    """Return the options of a run: its config, and the settings for what it leaves out.

    A limit that is given without asking for a full refresh is for a removal that is held.

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
        confirm_removal=config.removal_limit is not None,
        changes=settings.oracle.changes,
        lookback=settings.lookback,
        proof=settings.proof,
    )


def sync_name_of(config: SyncConfig, sync: Sync) -> str:
    """Return the name of the row of `sync_state` that a run works on.

    Raises:
        SettingError: if no row can have that name.
    """
    return sync.name if config.sync_name is None else checked_name(config.sync_name)


def demand_use_of_limit(options: Options, state: State) -> None:
    """See that a limit on removals that a run was given is for something.

    Raises:
        SettingError: if no full refresh is asked for, due or unfinished, and no removal is held.
    """
    refreshing = options.full_refresh or state.refreshing or state.doubt
    if options.confirm_removal and not refreshing and not state.removal_held:
        raise SettingError(
            "The removal limit is for a full refresh, and none is asked for, due or held back; "
            "nothing was changed.",
            "Ask for one as well: --full-refresh, or full_refresh: true in the Launchpad.",
        )
