"""Invented opportunities: their keys, and every column as a function of seed and key."""

from __future__ import annotations

import random
from array import array
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import accumulate

ATTRIBUTES: dict[str, str] = {
    "OptyId": "integer",
    "OptyNumber": "string",
    "Name": "string",
    "Revenue": "number",
    "WinProb": "integer",
    "EffectiveDate": "date",
    "CreationDate": "datetime",
    "LastUpdateDate": "datetime",
    "Region_c": "string",
}
"""Every attribute of an opportunity and its type, in the order a pod sends them."""

PAIR = ("OptyId", "OptyNumber")
"""The two attributes that nearly every client asks for; pages of them have a short cut."""

KEY_BASE = 300_000_000_000_000
FIRST_KEY = 300_000_001_234_567
SMALLEST_GAP = 20
"""Keys lie this far apart at least, so that rows can be slipped in between later."""

_MIX = 0x9E3779B97F4A7C15
_OPENED = datetime(2015, 11, 11, 18, 32, 49, tzinfo=UTC)

# Scripts other than Latin are escaped: right-to-left text garbles a listing of this file.
_COMPANIES = (
    "Acme Industries",
    "Nordwind Logistik GmbH",
    "Caf\u00e9 del R\u00edo, S.A.",
    'O\'Brien & "Sons"',
    "Pinnacle Technologies",
    "\u0421\u0435\u0432\u0435\u0440\u043d\u044b\u0439 \u0432\u0435\u0442\u0435\u0440",
    "\u0634\u0631\u0643\u0629 \u0627\u0644\u0646\u0648\u0631",
    "\u4e1c\u65b9\u79d1\u6280\u6709\u9650\u516c\u53f8",
    "\u682a\u5f0f\u4f1a\u793e\u3055\u304f\u3089",
    "Rocket \U0001f680 Labs",
    "Zephyr Health",
    "M\u00fcller & S\u00f8n",
)
_DEALS = ("Renewal", "Upgrade", "New licences", "Support 24x7", "Pilot", "Expansion", "Migration")
_REGIONS = ("EMEA", "APAC", "NA", "LATAM", "Nordics", None)


def make_keys(rows: int, seed: int) -> array[int]:
    """Return ascending keys of 15 digits with irregular gaps, the same for the same seed."""
    gaps = random.Random(seed).randbytes(rows)
    steps = map(SMALLEST_GAP.__add__, gaps)
    keys = array("q", accumulate(steps, initial=FIRST_KEY))
    keys.pop()
    return keys


class Rows:
    """The columns of invented rows, computed on demand, so that a million rows cost nothing."""

    def __init__(self, seed: int) -> None:
        self._salt = (seed * 0xBF58476D1CE4E5B9 + 0x94D049BB133111EB) % 2**63
        self._columns: dict[str, Callable[[int], int | float | str | None]] = {
            "OptyId": int,
            "OptyNumber": self.number,
            "Name": self._name,
            "Revenue": self._revenue,
            "WinProb": self._probability,
            "EffectiveDate": self._effective,
            "CreationDate": self._creation,
            "LastUpdateDate": self._update,
            "Region_c": self._region,
        }

    def draw(self, key: int, purpose: int) -> int:
        """Return a number of 32 bits that depends on the seed, the key and the purpose only."""
        return ((key * _MIX + self._salt * (2 * purpose + 1)) * (_MIX + 2 * purpose) >> 30) & (
            2**32 - 1
        )

    def number(self, key: int) -> str | None:
        """Return the OptyNumber: mostly digits, sometimes not, now and then none at all."""
        # Written out rather than through `draw`: a page of 499 rows asks 499 times.
        kind = ((key * _MIX + self._salt) >> 30) % 100
        if kind >= 9:
            return str(key - KEY_BASE)
        if kind >= 3:
            return f"OPP_SAMPLE_CSV_{key - KEY_BASE:04d}"
        if kind == 2:
            return f"\u00c5NGEBOT-\u00df\u4e1c-{key - KEY_BASE}"
        return None

    def pairs(self, keys: Sequence[int]) -> list[str]:
        """Return each row as JSON text of the two fields `OptyId` and `OptyNumber`."""
        number = self.number
        return [
            f'{{"OptyId":{key},"OptyNumber":"{text}"}}'
            if (text := number(key)) is not None
            else f'{{"OptyId":{key},"OptyNumber":null}}'
            for key in keys
        ]

    def value(self, key: int, attribute: str) -> int | float | str | None:
        """Return one column of one row.

        Raises:
            KeyError: if there is no such attribute.
        """
        return self._columns[attribute](key)

    def _name(self, key: int) -> str:
        drawn = self.draw(key, 1)
        return f"{_COMPANIES[drawn % len(_COMPANIES)]} - {_DEALS[drawn // 64 % len(_DEALS)]}"

    def _revenue(self, key: int) -> float | None:
        drawn = self.draw(key, 2)
        return None if drawn % 10 == 0 else (drawn // 10 % 500_000_000) / 100

    def _probability(self, key: int) -> int | None:
        drawn = self.draw(key, 3)
        return None if drawn % 12 == 0 else drawn // 12 % 21 * 5

    def _effective(self, key: int) -> str:
        drawn = self.draw(key, 4)
        return (self._created(key) + timedelta(days=drawn % 400)).date().isoformat()

    def _creation(self, key: int) -> str:
        return _stamp(self._created(key), self.draw(key, 5))

    def _update(self, key: int) -> str:
        drawn = self.draw(key, 6)
        return _stamp(self._created(key) + timedelta(seconds=drawn % 9_000_000), drawn)

    def _region(self, key: int) -> str | None:
        return _REGIONS[self.draw(key, 7) % len(_REGIONS)]

    def _created(self, key: int) -> datetime:
        # Ten years at most, so that no key, however high, leaves the calendar.
        return _OPENED + timedelta(seconds=(key - FIRST_KEY) * 2 % 300_000_000)


def _stamp(moment: datetime, drawn: int) -> str:
    """Return a time in one of the three forms that real pods send."""
    form = drawn // 7 % 3
    if form == 0:
        return moment.isoformat()
    if form == 1:
        return moment.replace(microsecond=drawn % 1000 * 1000).isoformat(timespec="milliseconds")
    return moment.replace(tzinfo=None).isoformat() + "Z"


def now_stamp() -> str:
    """Return the present time as a pod writes it, for rows that are changed by hand."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
