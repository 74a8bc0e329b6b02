"""An in-process source that dates its rows, by a clock that tests move."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from oracle_sync_tests.support.source import FIRST_ID, ListSource, item

NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)


class DatedSource(ListSource):
    """Rows with the time of their last change, kept to the microsecond and printed coarser.

    `now` is what the `Date` header says; the clock that dates rows is `skew` ahead of it. Each
    request takes `tick`. What is `delayed` shows only at a later time, with the date it had.
    """

    def __init__(self, rows: int = 0, *, step: int = 1_000) -> None:
        super().__init__(0)
        self.now = NOON
        self.skew = dt.timedelta()
        self.tick = dt.timedelta(milliseconds=20)
        self.unit = dt.timedelta(milliseconds=1)
        self.kept: dict[int, dt.datetime] = {}
        self.delayed: list[tuple[dt.datetime, int, str, dt.datetime]] = []
        self.clock = self._pass_time
        long_ago = NOON - dt.timedelta(days=1)
        for place in range(rows):
            key = FIRST_ID + step * place
            self.write(key, f"N{key}", at=long_ago + place * dt.timedelta(seconds=0.7))

    def write(self, key: int, number: str, at: dt.datetime | None = None) -> None:
        """Add or change a row, dated now."""
        at = self.now + self.skew if at is None else at
        printed = at - (at - dt.datetime.min.replace(tzinfo=dt.UTC)) % self.unit
        self.kept[key] = at
        self.items[key] = item(key, number) | {"LastUpdateDate": printed.isoformat()}

    def write_late(self, key: int, number: str, seconds: float) -> None:
        """Add or change a row, dated now, that shows only when its commit ends."""
        shows_at = self.now + dt.timedelta(seconds=seconds)
        self.delayed.append((shows_at, key, number, self.now + self.skew))

    def remove(self, keys: Iterable[int]) -> None:
        """Delete rows, without a sign of it."""
        for key in keys:
            del self.items[key]

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now += dt.timedelta(seconds=seconds)
        due = [one for one in self.delayed if one[0] <= self.now]
        self.delayed = [one for one in self.delayed if one[0] > self.now]
        for _, key, number, dated in due:
            # A row that was changed since has the later of the two.
            if key not in self.items or self.kept[key] <= dated:
                self.write(key, number, at=dated)

    def date_of(self, key: int) -> dt.datetime | None:
        return self.kept[key]

    def _pass_time(self) -> dt.datetime:
        self.advance(self.tick.total_seconds())
        return self.now.replace(microsecond=0)
