"""The IO manager by which an asset takes the table as a pandas data frame.

Belongs here: reading rows for people. Does not belong here: the sync, which knows no pandas.
"""

from typing import Any

import dagster as dg

from oracle_sync.config.syncs import PLAIN, find
from oracle_sync.orchestration.resources.db import DbResource


class FrameIOManager(dg.IOManager):
    """Gives `minimal_opportunities: pd.DataFrame` to the assets downstream of it.

    Write `ins={"minimal_opportunities": dg.AssetIn(metadata={"columns": [...]})}` to read some
    columns only: a million rows with all of them take about half a gigabyte.
    """

    def __init__(self, db: DbResource) -> None:
        self._db = db

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
        """The table of the asset that the input names, one row for each opportunity.

        Raises:
            StoreError, SettingError: if it can't be read.
        """
        *schema, _ = context.asset_key.path
        database = self._db.database(find(schema[0]) if schema else PLAIN)
        return database.frame((context.definition_metadata or {}).get("columns"))


@dg.io_manager(
    required_resource_keys={"db"},
    description="Gives the table as a pandas data frame to the assets downstream of it.",
)
def frames(context: dg.InitResourceContext) -> FrameIOManager:
    """The IO manager on the resource `db`, whichever that is."""
    return FrameIOManager(context.resources.db)
