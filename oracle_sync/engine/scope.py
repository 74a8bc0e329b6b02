"""Say which rows of a collection a request is about."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass


@dataclass(frozen=True)
class Scope:
    """Bounds on the key and on Oracle's date of change; None: no bound.

    Keys are whole numbers, as text. Dates are in UTC and bound `LastUpdateDate`.
    """

    changed_since: dt.datetime | None = None
    """Rows changed at this time or later."""
    changed_until: dt.datetime | None = None
    """Rows changed at this time or before."""
    from_key: str | None = None
    """Rows from this key on."""
    after_key: str | None = None
    """Rows after this key."""
    to_key: str | None = None
    """Rows up to this key, it among them."""


EVERYTHING = Scope()
