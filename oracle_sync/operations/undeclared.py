"""Notice rows that a sync left behind when it was no longer declared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from oracle_sync.config.syncs import PLAIN, Sync
from oracle_sync.errors import SyncError
from oracle_sync.postgres.database import database_of


def left_behind(syncs: Sequence[Sync]) -> Iterator[str]:
    """Yield a sentence for each sync of the plain tables that nobody declares any more.

    Args:
        syncs: the declared ones.
    """
    if any(not sync.schema for sync in syncs):
        return
    try:
        names = database_of(PLAIN, create=False).sync_names()
    except SyncError:  # there is no such database, or another message says what is wrong with it
        return
    for name in names:
        yield (
            f"{PLAIN.collection.table} holds rows of the sync {name}, which is not declared, so "
            f"they are no longer updated. Declare it with a section [syncs.{PLAIN.name}], or drop "
            f"it with oracle-sync forget {name}."
        )
