"""The one `Definitions` object, put together by one function.

Belongs here: assembly, with what tests and the command line replace. Nothing else.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from oracle_sync.config.settings import Settings, load
from oracle_sync.config.syncs import PLAIN, Sync, declared
from oracle_sync.engine.run import Report
from oracle_sync.errors import SettingError
from oracle_sync.orchestration import jobs
from oracle_sync.orchestration.alerts import build_alert_sensor
from oracle_sync.orchestration.assets import FRAMES, build_source_spec, build_table_asset
from oracle_sync.orchestration.overview import build_overview
from oracle_sync.orchestration.resources import DbResource, OracleResource, frames
from oracle_sync.orchestration.sensors import build_sensor


def build_defs(
    resources: Mapping[str, Any] | None = None,
    report: Report | None = None,
    executor: dg.ExecutorDefinition = dg.in_process_executor,
) -> dg.Definitions:
    """Everything the code location offers.

    Args:
        resources: what to use in place of the resources `oracle` and `db`.
        report: told of each commit, in the process of the run.
        executor: of every job. One asset needs no process of its own for each step: that adds
            seconds to each run, and a killed run leaves its step's process behind, writing.

    Raises:
        SettingError: if the file that declares several syncs can't be read.
    """
    syncs = declared()
    return dg.Definitions(
        assets=[asset for sync in syncs for asset in _assets(sync, report)],
        jobs=[
            *(jobs.build_sync_job(sync) for sync in syncs),
            jobs.reset_or_rewind,
            jobs.replay_rejected_items,
        ],
        sensors=[*(_sensor(sync) for sync in syncs), _alerts(syncs)],
        schedules=[jobs.build_nightly(sync) for sync in syncs],
        resources={FRAMES: frames, "oracle": OracleResource(), "db": DbResource()}
        | dict(resources or {}),
        executor=executor,
    )


def _assets(sync: Sync, report: Report | None) -> list[Any]:
    made: list[dg.AssetsDefinition | dg.AssetSpec] = [
        build_source_spec(sync),
        build_table_asset(sync, report),
        build_overview(sync),
    ]
    with warnings.catch_warnings():
        # Links to code are in beta; without them the UI says nothing of where an asset is made.
        warnings.simplefilter("ignore", dg.BetaWarning)
        return list(dg.with_source_code_references(made))


def _sensor(sync: Sync) -> dg.SensorDefinition:
    """A sync's sensor, as its settings say."""
    settings = _settings(sync)
    return build_sensor(settings.sensor_interval, running=settings.sensor_on, sync=sync)


def _alerts(syncs: Sequence[Sync]) -> dg.SensorDefinition:
    return build_alert_sensor(syncs, running=bool(_settings(PLAIN).alert_webhook))


def _settings(sync: Sync) -> Settings:
    """A sync's settings; as without any where those can't be read.

    A wrong setting must not keep the UI from loading: the first run or tick tells of it.
    """
    try:
        return sync.settings()
    except SettingError:
        return load({})


defs = build_defs()
