"""What can be set on a stand-in pod, when it is made and while it runs."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

from oracle_sync.sandbox.records.stamps import UNITS, Precision, read_moment

CHOICES: dict[str, tuple[object, ...]] = {
    "quotes": ("either", "refused", "demanded"),
    "kept_precision": tuple(UNITS),
    "printed_precision": ("mixed", *UNITS),
    "date_rounding": ("cut", "round"),
    "refuse_describe": (0, 403, 404),
}
"""The values of settings that take a few only."""

_SIGNED = {"total_error", "clock_skew_seconds"}
_DAYS = {"window_from", "window_to"}


@dataclass(eq=False, repr=False)
class PodSettings:
    """Every setting, with its default."""

    user: str = "sandbox"
    password: str = "sandbox"
    token: str = "sandbox-token"
    """A bearer token that never expires; empty: none."""
    client_id: str = "sandbox-client"
    client_secret: str = "sandbox-secret"
    scope: str = ""
    """The scope that a token request must name; empty: any."""
    token_seconds: float = 3600.0
    forbidden: bool = False
    latency_ms: float = 0.0
    depth_ms_per_10k: float = 0.0
    """Milliseconds more for every 10,000 rows of offset; paging by key stays cheap."""
    requests_per_second: int = 0
    """Requests for collections above which the pod answers 429; 0: no limit."""
    max_limit: int = 499
    omit_empty_items: bool = False
    visible_share: float = 1.0
    """The share of rows, 0 to 1, that the finder lets through."""
    window_from: str = ""
    """The finder shows opportunities with an EffectiveDate from here on: a date, or days from the
    pod's today such as `-30`; empty: from the beginning."""
    window_to: str = ""
    """Up to here."""
    reject_recordset_q: bool = False
    refuse_key_q: bool = False
    """Whether a comparison of the key in `q` is answered with 400."""
    ignore_key_q: bool = False
    """Whether it is passed over, as if it were not there."""
    refuse_date_q: bool = False
    """Whether a comparison of LastUpdateDate in `q` is answered with 400."""
    ignore_date_q: bool = False
    """Whether it is passed over, as if it were not there."""
    refuse_date_field: bool = False
    """Whether LastUpdateDate among the fields is answered with 400."""
    quotes: str = "either"
    """Whether `q` may quote values: `either`, `refused`, or `demanded` of all but numbers."""
    kept_precision: str = "millisecond"
    """How exactly LastUpdateDate is kept and compared."""
    printed_precision: str = "mixed"
    """How exactly it is printed; `mixed`: to the second or millisecond, row by row."""
    date_rounding: str = "cut"
    """Whether what is finer is cut off or rounded: `cut`, `round`."""
    clock_skew_seconds: float = 0.0
    """How far the clock that dates rows is ahead of the one in the `Date` header."""
    unquoted_finder: bool = False
    """Whether quoted values in a finder are refused."""
    refuse_describe: int = 0
    """The status with which `describe` is answered, 403 or 404; 0: it is allowed."""
    refuse_total: bool = False
    total_error: int = 0
    """How far `totalResults` is off."""
    total_factor: float = 1.0
    """By what `totalResults` is multiplied."""
    total_cap: int = 0
    """What `totalResults` never exceeds; 0: no limit."""
    total_unknown: bool = False
    """Whether `totalResults` is -1."""

    def configure(self, **values: Any) -> None:
        """Set several settings, all or none.

        Raises:
            ValueError: if one does not exist, or has a value that it cannot have.
        """
        types: dict[str, type] = {field.name: type(field.default) for field in fields(PodSettings)}
        for name, value in values.items():
            if name not in types:
                raise ValueError(f"There is no setting {name}. There are: {', '.join(types)}.")
            if types[name] is float and type(value) is int:
                values[name] = float(value)
            elif type(value) is not types[name]:
                raise ValueError(
                    f"The setting {name} takes a value of type {types[name].__name__}."
                )
            _demand_possible(name, value)
        for name, value in values.items():
            setattr(self, name, value)

    @property
    def precision(self) -> Precision:
        """How exactly dates are kept and printed."""
        return Precision(
            UNITS[self.kept_precision],
            UNITS.get(self.printed_precision, 0),
            self.date_rounding == "round",
        )

    def total(self, count: int) -> int:
        """Return what `totalResults` says of so many rows."""
        if self.total_unknown:
            return -1
        total = max(0, round(count * self.total_factor) + self.total_error)
        return min(total, self.total_cap) if self.total_cap else total

    def public(self) -> dict[str, Any]:
        """Return the settings that are not secret."""
        hidden = {"password", "token", "client_secret"}
        return {
            field.name: getattr(self, field.name)
            for field in fields(PodSettings)
            if field.name not in hidden
        }


def _demand_possible(name: str, value: Any) -> None:
    """Raise ValueError if a value of the right type cannot be one of this setting."""
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"The setting {name} must be finite.")
    if name not in _SIGNED and isinstance(value, int | float) and value < 0:
        raise ValueError(f"The setting {name} cannot be negative.")
    if name in CHOICES and value not in CHOICES[name]:
        raise ValueError(f"The setting {name} is one of {', '.join(map(str, CHOICES[name]))}.")
    if name == "max_limit" and not value:
        raise ValueError("The setting max_limit is 1 at least.")
    if name == "visible_share" and value > 1:
        raise ValueError("The setting visible_share is 1 at most.")
    if name in _DAYS and value and not value.lstrip("+-").isdecimal() and not read_moment(value):
        raise ValueError(f"The setting {name} is a date, or a number of days such as -30.")
