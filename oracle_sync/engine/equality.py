"""Bring a table to where it equals the source, and show that: changes, count, repair, count."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from oracle_sync.engine.changes import NotTracked, read_changes
from oracle_sync.engine.counting import count_both
from oracle_sync.engine.proof import Outcome, Proof
from oracle_sync.engine.repair import NotRepairable, Ranges, differences_in, put_right
from oracle_sync.engine.rows import Batch
from oracle_sync.engine.source import Source
from oracle_sync.engine.store import Difference, Store, TooManyRemovals, Written
from oracle_sync.errors import SettingError

MAX_COUNTS = 3
"""Times that both sides are counted while the source changes in between."""

AN_HOUR = dt.timedelta(hours=1)

NAMED = 20
"""Differing rows that a history line names."""


@dataclass(frozen=True)
class Plan:
    """How equality is to be reached: `limit` is in percent of the rows.

    With `changes` `on` it is an error if the source does not give them. `proof` says when both
    sides are counted: `run`, `hourly` or `off`. Without `repair`, differences are only found.
    """

    changes: str
    lookback: dt.timedelta
    batch_size: int
    concurrency: int
    limit: int
    proof: str
    repair: bool = True


@dataclass
class Reached:
    """What an attempt came to. `proof` is None where nothing was counted."""

    proof: Proof | None = None
    inserted: int = 0
    updated: int = 0
    removed: int = 0
    settled: bool = False
    """Whether offset and anchor were set to the rows there are."""
    differences: list[Difference] = field(default_factory=list)
    """The rows that differed."""
    repairable: bool = True
    """Whether the differences, if there are some, could have been looked for by ranges."""


class Equality:
    """The part of a run that follows the walk."""

    def __init__(
        self,
        source: Source,
        store: Store,
        plan: Plan,
        on_written: Callable[[Written, Batch], None],
    ) -> None:
        self._source = source
        self._store = store
        self._plan = plan
        self._on_written = on_written
        self._reached = Reached()

    @property
    def can_settle(self) -> bool:
        """Return whether equality can be shown and then tell the offset."""
        state = self._store.state
        return (
            self._plan.proof != "off"
            and self._source.dated
            and self._source.sorted_by_key
            and state.covered_until is not None
            and not state.refreshing
        )

    def reach(self, doubt: str | None, *, refreshed: bool = False) -> Reached:
        """Read the changes, count both sides where that is due, and repair what differs.

        Args:
            doubt: why the rows may not be those of the source; then a count is due.
            refreshed: whether a full refresh has just ended.

        Raises:
            SyncError: if the source or the store fails.
        """
        self._reached = Reached()
        if not self._source.dated:
            return self._conclude(unknown("changes are not read by their date here"))
        if self._store.state.covered_until is None:
            return self._conclude(count_both(self._source, self._store, self._plan.lookback))
        try:
            self._read_changes()
            if doubt or self._due():
                self._conclude(self._heed_refresh(self._prove(doubt), refreshed))
        except NotTracked as error:
            if self._plan.changes == "on":
                raise SettingError(
                    f"ORACLE_SYNC_CHANGES is on, and {error}.",
                    "Set it to auto: changed rows then wait for a full refresh.",
                ) from error
            self._conclude(unknown(f"changed rows are not read: {error}"))
        return self._reached

    def _heed_refresh(self, proof: Proof, refreshed: bool) -> Proof:
        """Note that a full refresh did not help, as long as the same number of rows differs."""
        last = self._store.state.proof
        same = last is not None and last.surplus == proof.surplus and last.refreshed
        return replace(proof, refreshed=proof.differs and (refreshed or same))

    def _due(self) -> bool:
        state = self._store.state
        if self._plan.proof == "hourly" and state.proof and state.proof.at and state.covered_until:
            return state.covered_until - state.proof.at >= AN_HOUR
        return self._plan.proof != "off"

    def _read_changes(self) -> int:
        """Return how many rows were new or changed."""
        reached = self._reached
        before = reached.inserted + reached.updated

        def account(written: Written, batch: Batch) -> None:
            reached.inserted += written.inserted
            reached.updated += written.updated
            self._on_written(written, batch)

        read_changes(
            self._source,
            self._store,
            lookback=self._plan.lookback,
            batch_size=self._plan.batch_size,
            concurrency=self._plan.concurrency,
            on_written=account,
        )
        return reached.inserted + reached.updated - before

    def _prove(self, doubt: str | None) -> Proof:
        proof, moving = self._count_until_still()
        if proof.differs:
            proof, moving = self._repair(proof)
        if proof.equal and (doubt or self._store.state.doubt):
            self._settle(f"{doubt or 'repaired'}; {proof.sentence()}", solved=True)
        if proof.differs and moving:
            reason = f"{abs(proof.surplus)} rows are changing"
            return replace(proof, outcome=Outcome.CHANGING, reason=reason)
        if proof.differs and not proof.reason:
            return replace(proof, reason="the rows that were found to differ were not all of them")
        return proof

    def _count_until_still(self) -> tuple[Proof, bool]:
        """Count, again after another pass where the source changed between pass and count.

        Returns the last count, and whether the source was still changing.
        """
        lookback = self._plan.lookback
        proof = count_both(self._source, self._store, lookback)
        changed = 0
        for _ in range(MAX_COUNTS - 1):
            if not proof.differs:
                break
            changed = self._read_changes()
            proof = count_both(self._source, self._store, lookback, proof.until)
            if not changed:
                break
        return proof, changed > 0

    def _repair(self, proof: Proof) -> tuple[Proof, bool]:
        assert proof.until is not None
        assert proof.theirs is not None
        store, reached = self._store, self._reached
        if store.state.removal_held and self._plan.repair:
            return replace(proof, reason="rows wait for their removal to be confirmed"), False
        ranges = Ranges(self._source, self._plan.concurrency)
        try:
            if self._plan.repair:
                reached.differences, reached.removed = put_right(
                    ranges, store, proof.until, proof.theirs, self._plan.limit
                )
            else:
                found = differences_in(ranges, store, proof.until, proof.theirs)
                reached.differences = [one for _, differences in found for one in differences]
        except (NotRepairable, TooManyRemovals) as error:
            reached.repairable = False
            return replace(proof, reason=str(error)), False
        finally:
            ranges.close()
        if not reached.differences:
            reason = (
                f"the pod counts {proof.theirs} rows where {proof.ours} are here, and its pages of "
                "every range in question are equal"
            )
            return replace(proof, outcome=Outcome.UNKNOWN, reason=reason), False
        if not self._plan.repair:
            return replace(proof, reason=words(reached.differences)), False
        self._settle(words(reached.differences), solved=False)
        return self._count_until_still()

    def _settle(self, reason: str, *, solved: bool) -> None:
        if self.can_settle:
            self._reached.settled = self._store.settle(reason, solved=solved)

    def _conclude(self, proof: Proof) -> Reached:
        self._store.note_proof(proof)
        self._reached.proof = proof
        return self._reached


def unknown(reason: str) -> Proof:
    """Return the outcome of a comparison that was not made."""
    return Proof(Outcome.UNKNOWN, reason)


def words(differences: list[Difference]) -> str:
    """Return what differed, the first rows by name."""
    named = ", ".join(map(str, differences[:NAMED]))
    more = f" and {len(differences) - NAMED} more" if len(differences) > NAMED else ""
    return f"{len(differences)} rows differed: {named}{more}"
