"""The code location: `build_defs` puts it together, and `defs` is what Dagster loads."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from oracle_sync.config.settings import Settings, load
from oracle_sync.config.syncs import PLAIN, Sync, declared
from oracle_sync.engine.summary import Report
from oracle_sync.errors import SettingError
from oracle_sync.orchestration.alerts import build_alert_sensor
from oracle_sync.orchestration.assets import build_source_spec, build_table_asset
from oracle_sync.orchestration.jobs import build_nightly, build_sync_job
from oracle_sync.orchestration.names import FRAMES
from oracle_sync.orchestration.operation_jobs import build_operation_jobs
from oracle_sync.orchestration.overview import build_overview
from oracle_sync.orchestration.resources import DbResource, OracleResource, build_frames
from oracle_sync.orchestration.sensors import build_sensor


def build_defs(
    resources: Mapping[str, Any] | None = None,
    report: Report | None = None,
    executor: dg.ExecutorDefinition = dg.in_process_executor,
    *,
    syncs: Sequence[Sync] | None = None,
) -> dg.Definitions:
    """Return everything that the code location offers.

    Args:
        resources: what to use in place of the resources `oracle` and `db`.
        report: called after each commit, in the process of the run.
        executor: of every job. The default runs a step in the process of its run: another one
            costs seconds, and goes on writing where its run is killed.
        syncs: the syncs to offer; without them those that are declared (see `declared`).

    Raises:
        SettingError: if the file that declares several syncs can't be read, or two syncs have the
            same name.
    """
    chosen = declared() if syncs is None else list(syncs)
    _demand_distinct(chosen)
    return dg.Definitions(
        assets=[asset for sync in chosen for asset in _assets(sync, report)],
        jobs=[*(build_sync_job(sync) for sync in chosen), *build_operation_jobs(chosen)],
        sensors=[*(_sensor(sync) for sync in chosen), _alerts(chosen)],
        schedules=[build_nightly(sync) for sync in chosen],
        resources={FRAMES: build_frames(chosen), "oracle": OracleResource(), "db": DbResource()}
        | dict(resources or {}),
        executor=executor,
    )


def _demand_distinct(syncs: Sequence[Sync]) -> None:
    names = [sync.name for sync in syncs]
    for name in names:
        if names.count(name) > 1:
            raise SettingError(
                f"Two syncs are called {name}; they would share their tables and their state.",
                "Give each a name of its own.",
            )


def _assets(sync: Sync, report: Report | None) -> list[Any]:
    assets: list[dg.AssetsDefinition | dg.AssetSpec] = [
        build_source_spec(sync),
        build_table_asset(sync, report),
        build_overview(sync),
    ]
    with warnings.catch_warnings():
        # Links to code are in beta; without them the UI does not say where an asset is made.
        warnings.simplefilter("ignore", dg.BetaWarning)
        return list(dg.with_source_code_references(assets))


def _sensor(sync: Sync) -> dg.SensorDefinition:
    settings = _settings(sync)
    return build_sensor(settings.sensor_interval, running=settings.sensor_on, sync=sync)


def _alerts(syncs: Sequence[Sync]) -> dg.SensorDefinition:
    return build_alert_sensor(syncs, running=bool(_settings(PLAIN).alert_webhook))


def _settings(sync: Sync) -> Settings:
    """Return a sync's settings; the defaults where those can't be read.

    A wrong setting must not keep the UI from loading: the first run or tick says what is wrong.
    """
    try:
        return sync.settings()
    except SettingError:
        return load({})


@dg.definitions
def defs() -> dg.Definitions:
    """Return the definitions of the declared syncs, when Dagster loads them."""
    return build_defs()
