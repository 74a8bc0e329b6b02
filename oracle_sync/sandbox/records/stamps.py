"""Moments, as whole microseconds since 1970 in UTC, and the texts that a pod writes for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

SECOND = 1_000_000
DAY = 86_400 * SECOND
UNITS = {"second": SECOND, "millisecond": 1_000, "microsecond": 1}
"""Microseconds in each precision that can be set."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DIGITS = {SECOND: 0, 1_000: 3, 1: 6}
_TWO = [f"{number:02}" for number in range(60)]
_MINUTES = [f"T{minute // 60:02}:{minute % 60:02}:" for minute in range(1440)]


@dataclass(frozen=True)
class Precision:
    """How exactly a pod keeps and prints the time of a change."""

    kept: int = 1_000
    """Microseconds in the unit in which dates are kept and compared."""
    printed: int = 0
    """Microseconds in the unit in which dates are printed; 0: each as it is kept."""
    rounded: bool = False
    """Whether dates are rounded to their unit; else what is finer is cut off."""

    def keep(self, moment: int) -> int:
        """Return the moment as it is kept and compared. Never turns the order of two around."""
        return self._fit(moment, self.kept)

    def print(self, moment: int) -> str:
        """Return the text for the moment of a change."""
        unit = self.printed or max(self.kept, UNITS["millisecond"])
        return write_moment(self._fit(self.keep(moment), unit), _DIGITS[unit])

    @property
    def plain(self) -> bool:
        """Whether rows print their dates in the forms that they were made with."""
        return not self.printed and self.kept <= UNITS["millisecond"]

    def _fit(self, moment: int, unit: int) -> int:
        return (moment + unit // 2 if self.rounded else moment) // unit * unit


def to_moment(time: datetime) -> int:
    """Return the moment of a time; one without a zone is in UTC."""
    aware = time if time.tzinfo else time.replace(tzinfo=UTC)
    return (aware - _EPOCH) // timedelta(microseconds=1)


def to_time(moment: int) -> datetime:
    """Return the time of a moment, in UTC."""
    return _EPOCH + timedelta(microseconds=moment)


def read_moment(text: str) -> int | None:
    """Return the moment in a date, or a date and time; None if it is neither."""
    try:
        return to_moment(datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        return None


@lru_cache(20_000)
def write_day(day: int) -> str:
    """Return the date of a day, counted from 1970."""
    return (date(1970, 1, 1) + timedelta(days=day)).isoformat()


def write_moment(moment: int, digits: int = 0, zone: str = "+00:00") -> str:
    """Return a moment as text, with so many digits of a fraction; the zone is only written."""
    seconds, fraction = divmod(moment, SECOND)
    minutes, second = divmod(seconds, 60)
    day, minute = divmod(minutes, 1440)
    part = f".{fraction:06}"[: digits + 1] if digits else ""
    return f"{write_day(day)}{_MINUTES[minute]}{_TWO[second]}{part}{zone}"


def write_forms(moments: Sequence[int], throws: Sequence[int]) -> list[str]:
    """Return moments as JSON texts, each in one of the three forms that pods are known to send."""
    texts = []
    for moment, throw in zip(moments, throws, strict=True):
        form = throw % 3
        text = write_moment(moment, 3 if form == 1 else 0, "Z" if form == 2 else "+00:00")
        texts.append(f'"{text}"')
    return texts
