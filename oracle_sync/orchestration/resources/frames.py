"""The IO manager by which an asset takes the table as a pandas data frame.

The sync itself knows no pandas.
"""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from oracle_sync.config.syncs import Sync
from oracle_sync.orchestration.names import table_key
from oracle_sync.orchestration.resources.db import DbResource


class FrameIOManager(dg.IOManager):
    """Gives `minimal_opportunities: pd.DataFrame` to the assets downstream of it.

    Write `ins={"minimal_opportunities": dg.AssetIn(metadata={"columns": [...]})}` to read some
    columns only: a million rows with all of them take about half a gigabyte.
    """

    def __init__(self, db: DbResource, syncs: Sequence[Sync]) -> None:
        self._db = db
        self._syncs = {table_key(sync): sync for sync in syncs}

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:  # noqa: ARG002 - Dagster's
        """Nothing passes here: the sync writes its rows itself, page by page.

        Raises:
            DagsterInvariantViolationError: always.
        """
        raise dg.DagsterInvariantViolationError(
            f"{context.asset_key.to_user_string()} was returned as a value; the IO manager of "
            "oracle_sync reads tables only. Give the asset another io_manager_key."
        )

    def load_input(self, context: dg.InputContext) -> Any:
        """Return the table of the asset that the input names, one row for each opportunity.

        Raises:
            StoreError, SettingError: if it can't be read.
        """
        sync = self._syncs.get(context.asset_key)
        if sync is None:
            raise dg.DagsterInvariantViolationError(
                f"{context.asset_key.to_user_string()} is not a table of oracle_sync, so it can't "
                "be read as a data frame. Give the asset another io_manager_key."
            )
        database = self._db.database(sync)
        return database.frame((context.definition_metadata or {}).get("columns"))


def build_frames(syncs: Sequence[Sync]) -> dg.IOManagerDefinition:
    """Return the IO manager for the tables of some syncs, on the resource `db`."""

    @dg.io_manager(
        required_resource_keys={"db"},
        description="Gives the table as a pandas data frame to the assets downstream of it.",
    )
    def frames(context: dg.InitResourceContext) -> FrameIOManager:
        return FrameIOManager(context.resources.db, syncs)

    return frames
