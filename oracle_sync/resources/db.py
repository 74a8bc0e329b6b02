"""The database of the sync as a Dagster resource.

Belongs here: settings as resource fields. Does not belong here: SQL, which is in
`oracle_sync.storage`.
"""

from __future__ import annotations

import dagster as dg
from pydantic import Field

from oracle_sync.collection import OPPORTUNITIES
from oracle_sync.resources.oracle import SECRET, nothing
from oracle_sync.settings import load
from oracle_sync.storage.database import Database, url_of


class DbResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The PostgreSQL that holds the rows and `sync_state`."""

    url: str | None = Field(
        default_factory=nothing,
        description="Unset: the setting DATABASE_URL; without that, the embedded PostgreSQL.",
        json_schema_extra=SECRET,
    )

    def database(self) -> Database:
        """The database; its tables are made or brought up to date on first use.

        Raises:
            StoreError, SettingError: if the embedded server does not start.
        """
        return Database(self.url or url_of(load()), OPPORTUNITIES)
