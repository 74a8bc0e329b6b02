"""The cursor of a sync's sensor: it mirrors `sync_state`, and an offset set in it is a wish."""

import json

import dagster as dg
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.scheduler.instigation import SensorInstigatorData

from oracle_sync.engine.store import State
from oracle_sync.errors import SettingError, shorten


def mirror(state: State) -> str:
    """Return the cursor that shows a state."""
    return json.dumps(
        {
            "offset": state.offset,
            "total_synced": state.total_synced,
            "complete": state.complete,
            "sync_name": state.sync_name,
        }
    )


def wanted_offset(cursor: str | None) -> int | None:
    """Return the offset that a person has set; None if the cursor is what the sensor wrote.

    Raises:
        SettingError: if the cursor is neither.
    """
    text = (cursor or "").strip()
    if not text:
        return None
    if text.isascii() and text.isdigit() and len(text) < 10:
        return int(text)
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        content = None
    if isinstance(content, dict) and "offset" in content:
        return None
    raise SettingError(
        f"The cursor {shorten(text, 60)!r} is neither a number nor what this sensor writes, "
        "and was left alone.",
        "Set it to an offset such as 0, or clear it.",
    )


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
