"""Repeat a request until it succeeds, is refused for good, or the time for retries is over."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from oracle_sync.errors import SourceError

T = TypeVar("T")

FIRST_PAUSE = 0.25
MAX_PAUSE = 30.0
"""Seconds; pauses double from the first to this one."""


class Again(Exception):
    """A failed attempt that may be repeated.

    Args:
        error: What to raise once it may not be repeated any more.
        pause: The seconds that the server asks for; None if it does not say.
        attempts: How many attempts may end in an error of this type; None: as many as time allows.
    """

    def __init__(
        self, error: SourceError, *, pause: float | None = None, attempts: int | None = None
    ) -> None:
        super().__init__(str(error))
        self.error = error
        self.pause = pause
        self.attempts = attempts


@dataclass(frozen=True)
class Outcome(Generic[T]):
    """What the last attempt returned, and what it took.

    `seconds` is the time of that attempt alone; `throttled` counts the attempts before it that
    were answered 429 or 503.
    """

    value: T
    seconds: float
    throttled: int


class Retries:
    """Makes attempts with growing pauses in between, for any number of threads.

    The waiting is done here and not by urllib3, so that it can be cut short, and so that answers
    that break off in the middle are retried too, which urllib3 under requests does not see.

    Args:
        seconds: How long one request may be repeated.
        on_notice: Called with a sentence before each pause.
    """

    def __init__(self, seconds: float, on_notice: Callable[[str], None]) -> None:
        self._seconds = seconds
        self._on_notice = on_notice
        self._guard = threading.Lock()
        self.count = 0
        """How many attempts were repetitions."""

    def run(self, attempt: Callable[[], T], stopped: threading.Event) -> Outcome[T]:
        """Make attempts until one returns.

        Raises:
            SourceError: whatever the attempt raises, or the error of the last `Again` once time or
                attempts are used up, or `stopped` is set.
        """
        deadline = time.monotonic() + self._seconds
        failures: list[SourceError] = []
        while True:
            began = time.monotonic()
            try:
                value = attempt()
            except Again as again:
                failures.append(again.error)
                pause = max(_pause(len(failures)), again.pause or 0.0)
                left = deadline - time.monotonic()
                if pause > left or _used_up(again, failures):
                    raise _final(again, left, len(failures)) from again
                self._on_notice(f"{again.error} Trying again in {pause:.1f} s.")
                if stopped.wait(pause):
                    raise again.error from again
                with self._guard:
                    self.count += 1
            else:
                throttled = sum(error.status in (429, 503) for error in failures)
                return Outcome(value, time.monotonic() - began, throttled)


def _pause(failures: int) -> float:
    """Return the seconds to wait after so many failures, with jitter, and never none."""
    pause = min(MAX_PAUSE, FIRST_PAUSE * 2.0 ** min(failures - 1, 20))
    return pause * random.uniform(1.0, 1.25)  # noqa: S311 - no secret hangs on it


def _used_up(again: Again, failures: list[SourceError]) -> bool:
    alike = sum(type(error) is type(again.error) for error in failures)
    return again.attempts is not None and alike >= again.attempts


def _final(again: Again, left: float, attempts: int) -> SourceError:
    """Return the error of the last attempt, which says why there is no further one."""
    error = again.error
    if again.pause is not None and again.pause > left:
        reason = f" The server asks to wait {again.pause:.0f} s."
    else:
        reason = f" Tried {attempts} times." if attempts > 1 else ""
    return type(error)(f"{error}{reason}", error.advice, status=error.status)
