"""Fixtures of the tests of commands, and of those that run Dagster in this process."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pytest

from oracle_sync.config.collection import OPPORTUNITIES
from oracle_sync.config.settings import SETTINGS, OracleSettings
from oracle_sync.oracle.client import OracleClient
from oracle_sync.orchestration import runs
from oracle_sync_tests.support.code_location import NAME
from oracle_sync_tests.support.faulty_pod import FaultyPod, FaultyServer
from oracle_sync_tests.support.harness import run
from oracle_sync_tests.support.sensor_desk import SensorDesk


@pytest.fixture
def no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Take every setting away, and go to an empty folder."""
    for setting in SETTINGS:
        for name in setting.names:
            monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """Return a Dagster instance in memory."""
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Let it be so many seconds later."""

    def shift(seconds: float) -> None:
        now = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=seconds)
        monkeypatch.setattr(runs, "now", lambda: now)

    return shift


@pytest.fixture
def unsynced(
    instance: dg.DagsterInstance, database_url: str, no_settings: None
) -> Iterator[SensorDesk]:
    """Return a sensor of a pod with 150 rows, before the first sync."""
    with FaultyServer(FaultyPod(rows=150)) as server:
        yield SensorDesk(instance, server, database_url)


@pytest.fixture
def synced(unsynced: SensorDesk) -> SensorDesk:
    """Return the same after a sync, of which Dagster knows nothing."""
    user, password = unsynced.server.auth
    settings = OracleSettings(base_url=unsynced.server.url, user=user, password=password)
    client = OracleClient(settings, OPPORTUNITIES)
    run(unsynced.url, client, name=NAME, batch_size=100)
    return unsynced
