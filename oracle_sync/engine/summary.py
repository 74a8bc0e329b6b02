"""Define what a run is asked to do, and what it has done so far."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from oracle_sync.engine.proof import Outcome, Proof
from oracle_sync.engine.rows import Batch


@dataclass(frozen=True)
class Options:
    """What a run is asked to do. Sizes are in rows, `removal_limit` in percent of the table."""

    batch_size: int = 5
    concurrency: int = 4
    full_refresh: bool = False
    removal_limit: int = 10
    confirm_removal: bool = False
    """Carry out a removal that is held back, within the limit."""
    changes: str = "off"
    """Whether changes are read by their date: `auto`: where the source allows that, `on`, `off`."""
    lookback: int = 300
    """Seconds of what is covered that are read again."""
    proof: str = "off"
    """When both sides are counted: `run`, `hourly` or `off`."""


@dataclass
class Summary:
    """What a run has done so far. `rate` is in rows per second."""

    sync_name: str
    offset_before: int
    offset_after: int
    total_synced: int
    received: int = 0
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    returned: int = 0
    rejected: int = 0
    removed: int = 0
    pages: int = 0
    shifts: int = 0
    refreshes: int = 0
    seconds: float = 0.0
    expected: int | None = None
    refreshing: bool = False
    complete: bool = False
    removal_held: int = 0
    changes: int = 0
    """Rows that were read because Oracle dated them anew."""
    reading_changes: bool = False
    proof: Proof | None = None
    """The comparison of both sides; None: none was due."""
    warnings: list[str] = field(default_factory=list)

    @property
    def differs(self) -> bool:
        """Return whether the table is known to differ from the source."""
        counted = self.proof is not None and self.proof.outcome == Outcome.DIFFERENT
        return counted or self.removal_held > 0

    @property
    def rate(self) -> float:
        """Return the rows received per second."""
        return self.received / self.seconds if self.seconds > 0 else 0.0


Report = Callable[[Summary, Batch], None]
"""Called after each commit, with what has been done and the batch just committed."""
