"""The cursor of a sync's sensor: it mirrors `sync_state`, and an offset set in it is a wish."""

import datetime as dt
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import dagster as dg
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.scheduler.instigation import SensorInstigatorData

from oracle_sync.engine.store import State
from oracle_sync.errors import SettingError, shorten

NEVER = dt.datetime.min.replace(tzinfo=dt.UTC)

MOST = 999_999_999
"""The largest offset that a cursor may ask for."""


@dataclass(frozen=True)
class FailedLooks:
    """Looks that failed one after another: how many, when the last one did, and why."""

    count: int = 0
    at: dt.datetime = NEVER
    error: str = ""


@dataclass(frozen=True)
class Cursor:
    """What the cursor holds.

    Attributes:
        wanted: the offset that a person has set; None where the sensor wrote the one there is.
        failed: the looks that failed since one did not.
    """

    wanted: int | None = None
    failed: FailedLooks = FailedLooks()
    _content: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, text: str | None) -> "Cursor":
        """Return what a cursor says.

        The sensor writes the stored offset twice. So an `offset` that differs from
        `stored_offset` was set by a person, also where a run has moved the sync on since.

        Raises:
            SettingError: if it is neither a number nor what the sensor writes.
        """
        content = _content_of((text or "").strip())
        wanted = content.get("offset")
        if "offset" in content and (type(wanted) is not int or not 0 <= wanted <= MOST):
            raise SettingError(
                f"The offset in the cursor, {shorten(str(wanted), 60)}, is not a whole number "
                f"from 0 to {MOST}; the cursor was left alone.",
                "Set it to an offset such as 0, or clear the cursor.",
            )
        if wanted == content.get("stored_offset"):
            wanted = None
        return cls(wanted, _failed_looks(content), content)

    def mirror(self, state: State, failed: FailedLooks) -> str:
        """Return the cursor that shows a state, and what failed."""
        content = {
            "offset": state.offset,
            "stored_offset": state.offset,
            "total_synced": state.total_synced,
            "complete": state.complete,
            "sync_name": state.sync_name,
            "covered_until": _in_utc(state.covered_until),
            "proven_at": _in_utc(state.proven_at),
        }
        return _text(content, failed)

    def keep(self, failed: FailedLooks) -> str:
        """Return the cursor with what it says, and what failed since."""
        return _text(self._content, failed)


def _content_of(text: str) -> dict[str, Any]:
    if not text:
        return {}
    if text.isascii() and text.isdigit() and len(text) < 10:
        return {"offset": int(text)}
    with suppress(ValueError, RecursionError):
        content = json.loads(text)
        if isinstance(content, dict) and {"offset", "failed_looks"} & set(content):
            return content
    raise SettingError(
        f"The cursor {shorten(text, 60)!r} is neither a number nor what this sensor writes, "
        "and was left alone.",
        "Set it to an offset such as 0, or clear it.",
    )


def _failed_looks(content: Mapping[str, Any]) -> FailedLooks:
    with suppress(KeyError, TypeError, ValueError):
        failed = content["failed_looks"]
        at = dt.datetime.fromisoformat(failed["at"])
        return FailedLooks(int(failed["count"]), at.astimezone(dt.UTC), str(failed["error"]))
    return FailedLooks()


def _in_utc(moment: dt.datetime | None) -> str | None:
    return moment.astimezone(dt.UTC).isoformat(timespec="seconds") if moment else None


def _text(content: Mapping[str, Any], failed: FailedLooks) -> str:
    kept = {name: value for name, value in content.items() if name != "failed_looks"}
    if failed.count:
        at = failed.at.isoformat(timespec="seconds")
        kept["failed_looks"] = {"count": failed.count, "at": at, "error": failed.error}
    return json.dumps(kept)


def stored_cursor(context: dg.SensorEvaluationContext) -> str | None:
    """Return the cursor that Dagster stores at this moment.

    Dagster 1.13 writes a tick's cursor over whatever a person has set during the tick.
    """
    if context.instance.schedule_storage is None:  # in memory, as for a test of the sensor
        return None
    location = context.code_location_origin
    for state in context.instance.all_instigator_state(instigator_type=InstigatorType.SENSOR):
        name = state.origin.repository_origin.code_location_origin.location_name
        if state.name == context.sensor_name and (not location or name == location.location_name):
            data = state.instigator_data
            return data.cursor if isinstance(data, SensorInstigatorData) else None
    return None
