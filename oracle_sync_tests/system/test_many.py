"""Eight syncs in one `oracle-sync dev`, two of whose pods are dead or hang all the time."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from oracle_sync.sandbox import Pod, SandboxServer
from oracle_sync_tests.support import PROJECT
from oracle_sync_tests.support.dev import Dev, running
from oracle_sync_tests.support.harness import rows
from oracle_sync_tests.support.processes import PATIENCE, free_port, until

pytestmark = [pytest.mark.xdist_group("many"), pytest.mark.timeout(900)]

DEAD = "s00"
HANGING = "s01"
LIVE = [f"s{number:02}" for number in range(2, 8)]

LONG_WAIT = 10
"""Seconds of a tick that has waited for an answer."""

AT_ONCE = 2
SENSOR_INTERVAL = 15


@dataclass
class Many:
    """A running `oracle-sync dev`, and the pods by the names of their syncs."""

    dev: Dev
    pods: dict[str, Pod]

    def behind(self) -> list[str]:
        """Return the living syncs whose table is not what the pod holds."""
        return [name for name in LIVE if self.stored(name) != self.pods[name].snapshot()]

    def stored(self, name: str) -> dict[str, str | None] | None:
        """Return the rows of a sync, or None before its first run."""
        try:
            return dict(
                rows(
                    self.dev.database_url,
                    f"SELECT opportunity_id, opportunity_number FROM {name}.minimal_opportunities",
                )
            )
        except (psycopg2.errors.UndefinedTable, psycopg2.errors.InvalidSchemaName):
            return None

    def ticks(self) -> dict[str, list[dict[str, Any]]]:
        """Return the ticks of each sync's sensor, oldest first."""
        sensors = self.dev.query(
            """{ sensorsOrError(repositorySelector: {
                   repositoryLocationName: "oracle_sync", repositoryName: "__repository__" }) {
                 ... on Sensors { results { name sensorState { ticks(limit: 100) {
                   timestamp endTimestamp status skipReason } } } } } }"""
        )["sensorsOrError"]["results"]
        return {
            sensor["name"].rpartition("_")[2]: sensor["sensorState"]["ticks"][::-1]
            for sensor in sensors
        }

    def runs(self) -> list[dict[str, Any]]:
        """Return every run, with the name of its sync."""
        runs = self.dev.query(
            """{ runsOrError { ... on Runs { results { jobName stats {
                   ... on RunStatsSnapshot { launchTime endTime } } } } } }"""
        )["runsOrError"]["results"]
        return [run | {"sync": run["jobName"].rpartition("_")[2]} for run in runs]


@pytest.fixture
def many(empty_database_url: str, tmp_path: Path) -> Iterator[Many]:
    """Start the pods, and a server with a sync for each."""
    settings = {
        "ORACLE_SYNC_SENSOR": "on",
        "ORACLE_SYNC_SENSOR_INTERVAL": str(SENSOR_INTERVAL),
        "ORACLE_SYNC_BATCH_SIZE": "100",
    }
    _configure(tmp_path)
    with ExitStack() as stack:
        servers = {}
        for number, name in enumerate([HANGING, *LIVE]):
            # Other seeds make other rows.
            pod = Pod(rows=100 + 10 * number, seed=number + 1, password=f"of-{name}")
            servers[name] = stack.enter_context(SandboxServer(pod))
        servers[HANGING].pod.latency_ms = 600_000
        pods = {name: server.pod for name, server in servers.items()}
        urls = {name: server.url for name, server in servers.items()}
        urls[DEAD] = f"http://127.0.0.1:{free_port()}"
        (tmp_path / "oracle_sync.toml").write_text(
            "".join(
                f'[syncs.{name}]\nORACLE_BASE_URL = "{urls[name]}"\n'
                f'ORACLE_USER = "sandbox"\nORACLE_PASSWORD = "of-{name}"\n'
                for name in (DEAD, HANGING, *LIVE)
            )
        )
        dev = running(tmp_path, pods[LIVE[0]], empty_database_url, settings, uuid.uuid4().hex)
        yield Many(stack.enter_context(dev), pods)


def _configure(folder: Path) -> None:
    """Write the project's own configuration of Dagster, with few runs at a time."""
    shutil.copyfile(PROJECT / "workspace.yaml", folder / "workspace.yaml")
    text = (PROJECT / "dagster.yaml").read_text()
    few = f"concurrency:\n  runs:\n    max_concurrent_runs: {AT_ONCE}\n"
    assert text.count("\nconcurrency:\n") == 1
    (folder / "dagster.yaml").write_text(text.replace("concurrency:\n", few))


def test_all_fill_without_a_click_and_news_arrive_whoever_is_dead_or_hangs(many: Many) -> None:
    until(PATIENCE, "all first runs", lambda: not many.behind(), pause=2)
    for name in LIVE[::4]:
        many.pods[name].add(7)
    until(PATIENCE, "the new rows", lambda: not many.behind(), pause=2)

    runs = many.runs()
    assert {run["sync"] for run in runs} == set(LIVE)
    for name in LIVE:
        # Two where rows were added, and none that was asked for while another one waited.
        assert len([run for run in runs if run["sync"] == name]) <= 1 + (name in LIVE[::4])
    assert _most_at_once(runs) == AT_ONCE

    ticks = many.ticks()
    assert not [tick for each in ticks.values() for tick in each if tick["status"] == "FAILURE"]
    for name, words in [(DEAD, "failed"), (HANGING, "did not answer within")]:
        reasons = [tick["skipReason"] for tick in ticks[name] if tick["status"] == "SKIPPED"]
        assert reasons
        assert all(words in reason for reason in reasons), reasons
    # While a tick waits for the hanging pod, the others have theirs.
    others = [tick["timestamp"] for name in LIVE for tick in ticks[name]]
    looks = [(tick["timestamp"], tick["endTimestamp"]) for tick in ticks[HANGING]]
    # Later ticks only say when the next look is due, and end at once.
    waits = [(began, ended) for began, ended in looks if ended and ended - began > LONG_WAIT]
    assert waits
    for began, ended in waits:
        assert [one for one in others if began < one < ended]


def _most_at_once(runs: list[dict[str, Any]]) -> int:
    """Return how many runs were processes at the same moment."""
    moments = [(run["stats"]["launchTime"], 1) for run in runs if run["stats"]["launchTime"]]
    moments += [(run["stats"]["endTime"], -1) for run in runs if run["stats"]["endTime"]]
    return max(accumulate(change for _, change in sorted(moments)))
