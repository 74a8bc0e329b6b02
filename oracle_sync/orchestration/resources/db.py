"""The database of the sync as a Dagster resource.

Belongs here: settings as resource fields. Does not belong here: SQL, which is in
`oracle_sync.postgres`.
"""

from __future__ import annotations

import dagster as dg
from pydantic import Field

from oracle_sync.config.syncs import PLAIN, Sync
from oracle_sync.orchestration.resources.oracle import SECRET, nothing
from oracle_sync.postgres.database import Database, url_of


class DbResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The PostgreSQL that holds the rows and `sync_state`."""

    url: str | None = Field(
        default_factory=nothing,
        description="Unset: the setting DATABASE_URL; without that, the embedded PostgreSQL.",
        json_schema_extra=SECRET,
    )

    def database(self, sync: Sync = PLAIN) -> Database:
        """A sync's database; its tables are made or brought up to date on first use.

        Raises:
            StoreError, SettingError: if the embedded server does not start.
        """
        return Database(self.url or url_of(sync.settings()), sync.collection, sync.schema)
