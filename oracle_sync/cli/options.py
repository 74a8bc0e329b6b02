"""What several commands share: the option that names a sync, and its database."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from oracle_sync.config.syncs import PLAIN, find

if TYPE_CHECKING:
    from oracle_sync.postgres.database import Database

sync_name_option = click.option(
    "--sync-name", help=f"Row of sync_state. Default: {PLAIN.name}, or the one declared."
)


def existing(sync_name: str | None) -> tuple[Database, str]:
    """Return the database of the sync that was named, and that name, or the only sync's.

    Raises:
        NothingSynced: if there is no database yet.
        SettingError: if several syncs are declared and none was named.
    """
    from oracle_sync.postgres.database import database_of

    sync = find(sync_name)
    return database_of(sync, create=False), sync_name or sync.name
