"""Jobs for what is done by hand: moving an offset, replaying rejects, comparing with Oracle."""

from collections.abc import Sequence
from typing import Any

import dagster as dg
from pydantic import Field

from oracle_sync.config.syncs import Sync, find
from oracle_sync.errors import SyncError
from oracle_sync.operations.moves import move
from oracle_sync.operations.replay import replay
from oracle_sync.operations.verify import verify
from oracle_sync.orchestration.failures import failing_in_words
from oracle_sync.orchestration.foreign_text import as_table
from oracle_sync.orchestration.resources import DbResource, OracleResource
from oracle_sync.postgres.reader import this_process

NAMED = 50
"""Rows that a comparison names."""

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


class VerifyConfig(dg.Config):
    """Which table is compared, and whether differences are put right."""

    repair: bool = Field(default=False, description="Put right what differs.")
    sync_name: str | None = SYNC_NAME


def build_operation_jobs(syncs: Sequence[Sync]) -> list[dg.JobDefinition]:
    """Return the jobs that move an offset, replay rejects and compare, for any of the syncs."""

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

    @dg.op(out=dg.Out(dg.Nothing))
    def compare_with_oracle(
        context: dg.OpExecutionContext, config: VerifyConfig, oracle: OracleResource, db: DbResource
    ) -> None:
        """Store changed rows, count both sides, and name the rows that differ."""
        with failing_in_words("The comparison"):
            sync = find(config.sync_name, syncs)
            name, settings = config.sync_name or sync.name, sync.settings()
            verified = verify(
                oracle.client(sync, settings),
                db.database(sync, settings),
                name,
                settings,
                repair=config.repair,
                holder=this_process(context.run_id),
                on_wait=lambda who: context.log.info(f"Waiting for {who} to finish."),
            )
            rows = [(d.key, d.kind, ", ".join(d.columns)) for d in verified.differences]
            context.add_output_metadata(
                {
                    "equality": verified.proof.sentence(),
                    "different": len(verified.differences),
                    "removed": verified.removed,
                    "rows": as_table(["key", "is", "columns"], rows[:NAMED]),
                }
            )
            if not verified.proof.equal:
                raise SyncError(verified.proof.sentence(), "Run it with repair: true.")

    @dg.job
    def verify_table() -> None:
        """Compare the table of a sync with Oracle, row by row where the counts differ."""
        compare_with_oracle()

    @dg.job
    def reset_or_rewind() -> None:
        """Set the offset of a sync back: to 0, or to the one given. Demands a reason."""
        move_offset()

    @dg.job
    def replay_rejected_items() -> None:
        """Try the rejected items of a sync again, once their cause is fixed."""
        replay_rejects()

    return [reset_or_rewind, replay_rejected_items, verify_table]
