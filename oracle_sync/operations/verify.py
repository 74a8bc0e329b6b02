"""Compare a table with Oracle on demand, name the rows that differ, and repair them if asked to."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

from oracle_sync.config.settings import Settings
from oracle_sync.engine.equality import Equality, Plan
from oracle_sync.engine.proof import Proof
from oracle_sync.engine.source import Source
from oracle_sync.engine.store import Difference
from oracle_sync.errors import SettingError
from oracle_sync.postgres.database import Database


@dataclass(frozen=True)
class Verified:
    """What a comparison came to, the rows that differed, and how many were removed."""

    proof: Proof
    differences: tuple[Difference, ...]
    removed: int


def verify(
    source: Source,
    database: Database,
    sync_name: str,
    settings: Settings,
    *,
    repair: bool,
    holder: str,
    on_wait: Callable[[str], None] = lambda _: None,
) -> Verified:
    """Store the rows that changed, count both sides, and find the rows that differ.

    Args:
        source: the pod.
        database: where the sync's tables are.
        sync_name: which sync.
        settings: its settings.
        repair: put right what differs, within the removal limit.
        holder: who does it, as the history and those who wait for the lock are to see it.
        on_wait: called with who is at work on the sync.

    Raises:
        SettingError: if the sync name has no state, or its first walk has not ended.
        Locked: if a run is still at work after ORACLE_SYNC_LOCK_WAIT.
        SyncError: if Oracle or the database fails.
    """
    database.demand_known(sync_name)
    plan = Plan(
        changes=settings.oracle.changes,
        lookback=dt.timedelta(seconds=settings.lookback),
        batch_size=settings.batch_size,
        concurrency=settings.concurrency,
        limit=settings.removal_limit,
        proof="run",
        repair=repair,
    )
    with database.writer(sync_name, holder, wait=settings.lock_wait, on_wait=on_wait) as writer:
        if writer.state.refreshing or not writer.state.complete:
            raise SettingError(
                f"'{sync_name}' has not reached the end of the collection yet, so that there is "
                "nothing to compare.",
                "Sync first: oracle-sync sync.",
            )
        source.collection = writer.use_filled_columns()
        reached = Equality(source, writer, plan, lambda _written, _batch: None).reach(None)
    assert reached.proof is not None
    return Verified(reached.proof, tuple(reached.differences), reached.removed)
