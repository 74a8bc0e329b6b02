"""What can be started by name: the sync, its nightly full refresh, and operations on its state.

Belongs here: jobs, and the words of the operations' forms. Does not belong here: what a sync
does, and how an offset is moved (`storage/writer.py`).
"""

from functools import cache
from typing import Any

import dagster as dg
from pydantic import Field

from oracle_sync.config.settings import DEFAULT_SYNC_NAME
from oracle_sync.config.syncs import PLAIN, Sync, find
from oracle_sync.errors import SyncError
from oracle_sync.operations.moves import move
from oracle_sync.operations.replay import replay
from oracle_sync.orchestration.assets import failure, op_name, table_key
from oracle_sync.orchestration.resources import DbResource
from oracle_sync.postgres.reader import this_process

SYNC_JOB = "sync_opportunities"


@cache
def build_sync_job(sync: Sync = PLAIN) -> Any:  # a type that Dagster does not export
    """The job `sync_opportunities`; the same object each time, as sensor and schedule need it."""
    return dg.define_asset_job(
        sync.label(SYNC_JOB),
        selection=[table_key(sync)],
        description="Brings the table up to date with Oracle, from the stored offset on.",
    )


def build_nightly(sync: Sync = PLAIN) -> dg.ScheduleDefinition:
    """The schedule `nightly_full_refresh`, off until it is switched on."""
    return dg.ScheduleDefinition(
        name=sync.label("nightly_full_refresh"),
        job=build_sync_job(sync),
        cron_schedule="30 2 * * *",
        description=(
            "Walks the whole collection: the net below the incremental runs, which can't see a "
            "row that was changed, or two changes that cancel each other out in number."
        ),
        run_config={"ops": {op_name(sync): {"config": {"full_refresh": True}}}},
        tags={"oracle_sync/reason": "nightly full refresh", "oracle_sync/sync_name": sync.name},
    )


class MoveConfig(dg.Config):
    """What a move of the offset has to say."""

    reason: str = Field(description="Why; it is kept in sync_history, with the run.")
    offset: int = Field(
        default=0,
        description="Where the next sync begins, 0 to the stored offset; 0 begins again.",
    )
    sync_name: str = Field(
        default=DEFAULT_SYNC_NAME, description="The sync, as sync_state or the settings name it."
    )


class ReplayConfig(dg.Config):
    """Whose rejected items are tried again."""

    sync_name: str = Field(
        default=DEFAULT_SYNC_NAME, description="The sync, as sync_state or the settings name it."
    )


@dg.op(out=dg.Out(dg.Nothing))
def move_offset(context: dg.OpExecutionContext, config: MoveConfig, db: DbResource) -> None:
    """Set the offset back, under the lock of the sync; a run at work is waited for."""
    try:
        sync = find(config.sync_name)
        settings = sync.settings()
        moved = move(
            db.database(sync, settings),
            config.sync_name,
            config.offset,
            config.reason,
            holder=this_process(context.run_id),
            wait=settings.lock_wait,
            on_wait=lambda who: context.log.info(f"Waiting for {who} to finish."),
        )
        context.log.info(
            f"Offset of {config.sync_name} moved: {moved.before} -> {moved.after}. Rows are kept."
        )
        context.add_output_metadata({"from_offset": moved.before, "to_offset": moved.after})
    except SyncError as error:
        raise failure(error) from None


@dg.op(out=dg.Out(dg.Nothing))
def replay_rejects(context: dg.OpExecutionContext, config: ReplayConfig, db: DbResource) -> None:
    """Store what can be stored now of the items set aside."""
    try:
        database = db.database(find(config.sync_name))
        done = replay(database, config.sync_name, this_process(context.run_id))
        context.log.info(f"Replayed rejected items of {config.sync_name}: {done.sentence()}")
        numbers: dict[str, Any] = {"stored": done.stored, "superseded": done.superseded}
        refused = "\n".join(f"- {reason}" for reason in done.refused[:20])
        context.add_output_metadata(
            numbers | {"refused": len(done.refused), "why": dg.MetadataValue.md(refused or "-")}
        )
    except SyncError as error:
        raise failure(error) from None


@dg.job(name="reset_or_rewind")
def reset_or_rewind() -> None:
    """Sets the offset of a sync back: to 0, or to a given one. Demands a reason."""
    move_offset()


@dg.job(name="replay_rejected_items")
def replay_rejected_items() -> None:
    """Tries the rejected items of a sync again, after what refused them has been mended."""
    replay_rejects()
