"""The one `Definitions` object, put together by one function.

Belongs here: assembly, with what tests and the command line replace. Nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg

from oracle_sync.assets import build_table_asset, oracle_opportunities
from oracle_sync.errors import SettingError
from oracle_sync.jobs import NIGHTLY_FULL_REFRESH, SYNC_JOB
from oracle_sync.resources import DbResource, OracleResource
from oracle_sync.sensors import build_sensor
from oracle_sync.settings import load
from oracle_sync.sync.engine import Report


def build_defs(
    resources: Mapping[str, Any] | None = None, report: Report | None = None
) -> dg.Definitions:
    """Everything the code location offers.

    Args:
        resources: what to use in place of the resources `oracle` and `db`.
        report: told of each commit, in the process of the run.
    """
    interval, sensor_on = _sensor_settings()
    return dg.Definitions(
        assets=[oracle_opportunities, build_table_asset(report)],
        jobs=[SYNC_JOB],
        sensors=[build_sensor(interval, running=sensor_on)],
        schedules=[NIGHTLY_FULL_REFRESH],
        resources={"oracle": OracleResource(), "db": DbResource()} | dict(resources or {}),
        # Also for what is clicked in the UI, which is not SYNC_JOB; see there.
        executor=dg.in_process_executor,
    )


def _sensor_settings() -> tuple[int, bool]:
    """Interval and state of the sensor; as without settings where those can't be read.

    A wrong setting must not keep the UI from loading: the first run or tick tells of it.
    """
    try:
        settings = load()
    except SettingError:
        settings = load({})
    return settings.sensor_interval, settings.sensor_on


defs = build_defs()
