"""Jobs for what is done by hand: moving an offset, and trying rejected items again."""

from collections.abc import Sequence
from typing import Any

import dagster as dg
from pydantic import Field

from oracle_sync.config.syncs import Sync, find
from oracle_sync.operations.moves import move
from oracle_sync.operations.replay import replay
from oracle_sync.orchestration.failures import failing_in_words
from oracle_sync.orchestration.foreign_text import as_table
from oracle_sync.orchestration.resources import DbResource
from oracle_sync.postgres.reader import this_process

SYNC_NAME = Field(
    default=None,
    description="The sync, as sync_state or the settings name it. Default: the only one there is.",
)


class MoveConfig(dg.Config):
    """What moving an offset needs to know."""

    reason: str = Field(description="Why; it is kept in sync_history, with the run.")
    offset: int = Field(
        default=0,
        description="Where the next sync begins, 0 to the stored offset; 0 begins again.",
    )
    sync_name: str | None = SYNC_NAME


class ReplayConfig(dg.Config):
    """Whose rejected items are tried again."""

    sync_name: str | None = SYNC_NAME


def build_operation_jobs(syncs: Sequence[Sync]) -> list[dg.JobDefinition]:
    """Return the jobs `reset_or_rewind` and `replay_rejected_items`, for any of the syncs."""

    @dg.op(out=dg.Out(dg.Nothing))
    def move_offset(context: dg.OpExecutionContext, config: MoveConfig, db: DbResource) -> None:
        """Set the offset back, under the lock of the sync; waits for a run at work."""
        with failing_in_words("The move"):
            sync = find(config.sync_name, syncs)
            name, settings = config.sync_name or sync.name, sync.settings()
            moved = move(
                db.database(sync, settings),
                name,
                config.offset,
                config.reason,
                holder=this_process(context.run_id),
                wait=settings.lock_wait,
                on_wait=lambda who: context.log.info(f"Waiting for {who} to finish."),
            )
            context.log.info(
                f"Moved the offset of {name}: {moved.before} -> {moved.after}. Rows are kept."
            )
            context.add_output_metadata({"from_offset": moved.before, "to_offset": moved.after})

    @dg.op(out=dg.Out(dg.Nothing))
    def replay_rejects(
        context: dg.OpExecutionContext, config: ReplayConfig, db: DbResource
    ) -> None:
        """Store those of the rejected items that can be stored now."""
        with failing_in_words("The replay"):
            sync = find(config.sync_name, syncs)
            name = config.sync_name or sync.name
            done = replay(db.database(sync), name, this_process(context.run_id))
            context.log.info(f"Replayed rejected items of {name}: {done.sentence()}")
            numbers: dict[str, Any] = {"stored": done.stored, "superseded": done.superseded}
            reasons = ([reason] for reason in done.refused[:20])
            context.add_output_metadata(
                numbers | {"refused": len(done.refused), "why": as_table(["reason"], reasons)}
            )

    @dg.job
    def reset_or_rewind() -> None:
        """Set the offset of a sync back: to 0, or to the one given. Demands a reason."""
        move_offset()

    @dg.job
    def replay_rejected_items() -> None:
        """Try the rejected items of a sync again, once their cause is fixed."""
        replay_rejects()

    return [reset_or_rewind, replay_rejected_items]
