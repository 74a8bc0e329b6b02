"""How long a sensor waits after failures: each one doubles the pause, up to an hour."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from oracle_sync.errors import shorten
from oracle_sync.orchestration import runs
from oracle_sync.orchestration.cursor import FailedLooks
from oracle_sync.orchestration.runs import RunHistory, Status, SyncRun

FIRST = dt.timedelta(minutes=1)
LONGEST = dt.timedelta(hours=1)
DOUBLINGS = 6
"""After so many the pause is the longest."""


@dataclass(frozen=True)
class Failures:
    """What has failed since a look or a run last went well: looks, and runs, newest first.

    Both count for the pause, since both sign in: a pod locks a user out after a few wrong
    passwords.
    """

    looks: FailedLooks
    runs: Sequence[SyncRun]
    error: str

    @classmethod
    def of(cls, looks: FailedLooks, history: RunHistory, ended: Sequence[SyncRun]) -> "Failures":
        """Return the failures among the runs that ended, newest first, and the looks after them."""
        failed = history.streak(ended)
        if any(run.status == Status.SUCCESS and run.ended > looks.at for run in ended):
            looks = FailedLooks()
        error = looks.error
        if failed and failed[0].ended > looks.at:
            found = history.error(failed[0])
            error = found.sentence() if found else ""
        return cls(looks, failed, shorten(error, 400))

    def pause(self) -> str | None:
        """Return until when to wait and why; None where there is nothing to wait for."""
        count = self.looks.count + len(self.runs)
        if not count:
            return None
        last = max([self.looks.at, *(run.ended for run in self.runs)])
        again = last + min(FIRST * 2 ** min(count - 1, DOUBLINGS), LONGEST)
        if runs.now() >= again:
            return None
        run = f" (see run {self.runs[0].id[:8]})" if self.runs else ""
        why = f": {self.error}" if self.error else "."
        return f"Next try at {again:%H:%M:%S} UTC. The {self._subject()} failed{run}{why}"

    def _subject(self) -> str:
        counts = ((self.looks.count, "look"), (len(self.runs), "run"))
        parts = [
            f"last {what}" if count == 1 else f"last {count} {what}s"
            for count, what in counts
            if count
        ]
        return " and the ".join(parts)
