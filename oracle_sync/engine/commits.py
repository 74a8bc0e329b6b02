"""Commit one batch after another on a thread of their own, while the walk goes on."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from oracle_sync.engine.rows import Batch
from oracle_sync.engine.store import Written
from oracle_sync.errors import SyncError

INTERRUPT_SECONDS = 10.0
"""How long an interrupted run waits for a commit that is under way."""


@dataclass(frozen=True)
class Commit:
    """A batch that is being written. Whoever has it may look and wait; `Commits` ends it."""

    batch: Batch
    written: Future[Written]

    @property
    def unstored_pages(self) -> int:
        """Return how many pages are not stored yet, as far as is known."""
        return 0 if self.written.done() else self.batch.pages

    def wait(self, page: Future[Any] | None = None) -> None:
        """Wait until it has ended, or until `page` is there if that comes first."""
        wait([self.written, *([page] if page else [])], return_when=FIRST_COMPLETED)


class Commits:
    """The commits of one walk, one at a time and in order.

    The engine's own thread waits for the commit before it begins the next one; the thread in here
    waits for nobody.
    """

    def __init__(
        self, commit: Callable[[Batch], Written], on_written: Callable[[Written, Batch], None]
    ) -> None:
        """Take what stores a batch, and what is called, on the engine's thread, for each stored."""
        self._commit = commit
        self._on_written = on_written
        self._thread = ThreadPoolExecutor(1, "oracle-sync-commit")
        self.under_way: Commit | None = None

    def begin(self, batch: Batch) -> None:
        """Begin to write a batch, once the one before it is stored.

        Raises:
            StoreError: if that one could not be stored.
        """
        self.settle()
        self.under_way = Commit(batch, self._thread.submit(self._commit, batch))

    def settle(self) -> None:
        """Wait for the commit that is under way, if there is one.

        Raises:
            StoreError: if it could not be stored.
        """
        if self.under_way is None:
            return
        # An interrupt here leaves it under way, for `close` to wait for.
        written = self.under_way.written.result()
        batch, self.under_way = self.under_way.batch, None
        self._on_written(written, batch)

    def close(self) -> None:
        """Wait a moment for a commit that an interrupt or a failure has left under way."""
        if self.under_way and wait([self.under_way.written], INTERRUPT_SECONDS).done:
            with suppress(SyncError):
                self.settle()
        self._thread.shutdown(wait=False)
