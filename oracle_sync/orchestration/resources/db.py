"""The database of the sync as a Dagster resource."""

from __future__ import annotations

import dagster as dg

from oracle_sync.config.settings import Settings
from oracle_sync.config.syncs import PLAIN, Sync
from oracle_sync.orchestration.resources.fields import given_value, setting_field
from oracle_sync.postgres.database import Database, url_of


class DbResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The PostgreSQL that holds the rows and `sync_state`."""

    url: str | None = setting_field(Settings, "database_url")

    def database(self, sync: Sync = PLAIN, settings: Settings | None = None) -> Database:
        """Return a sync's database; the first run makes its tables.

        Args:
            sync: whose tables they are.
            settings: the sync's; read if they are left out and the URL is not given.

        Raises:
            SettingError: if the URL is not allowed.
            StoreError: if the embedded server does not start.
        """
        if self.url is None:
            url = url_of(settings or sync.settings())
        else:
            url = given_value(Settings, "database_url", "url", self.url)
        return Database(url, sync.collection, sync.schema)
