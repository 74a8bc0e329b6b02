"""Twenty syncs in one `oracle-sync dev`, some of whose pods are dead or hang all the time.

Belongs here: what only shows at scale: that all are served in time, and none delays another. Does
not belong here: what the file may say, and that no sync meets another (`test_syncs.py`).
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from oracle_sync.sandbox import Pod, SandboxServer
from oracle_sync_tests.support import PROJECT
from oracle_sync_tests.support.dev import Dev, running
from oracle_sync_tests.support.harness import rows
from oracle_sync_tests.support.processes import free_port, until

pytestmark = [pytest.mark.xdist_group("many"), pytest.mark.timeout(480)]

DEAD = ["s00"]
HANGING = ["s01"]
LIVE = [f"s{number:02}" for number in range(len(DEAD) + len(HANGING), 20)]

AT_ONCE = 2
SENSOR_INTERVAL = 15
LONGEST_GAP = 3 * SENSOR_INTERVAL
"""Between two ticks of one sensor; Dagster itself looks every five seconds which ones are due."""

FILL_SECONDS = 240
"""A run is a process that takes about three seconds of a core before it asks for its first page."""

NEWS_SECONDS = 90


@dataclass
class Many:
    """A running `oracle-sync dev`, and the pods by the names of their syncs."""

    dev: Dev
    pods: dict[str, Pod]

    def behind(self) -> list[str]:
        """The living syncs whose table is not what the pod holds."""
        return [name for name in LIVE if self.stored(name) != self.pods[name].snapshot()]

    def stored(self, name: str) -> dict[str, str | None] | None:
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
        """The ticks of each sync's sensor, oldest first."""
        told = self.dev.ask(
            """{ sensorsOrError(repositorySelector: {
                   repositoryLocationName: "oracle_sync", repositoryName: "__repository__" }) {
                 ... on Sensors { results { name sensorState { ticks(limit: 100) {
                   timestamp endTimestamp status skipReason } } } } } }"""
        )["sensorsOrError"]["results"]
        return {
            sensor["name"].rpartition("_")[2]: sensor["sensorState"]["ticks"][::-1]
            for sensor in told
        }

    def runs(self) -> list[dict[str, Any]]:
        """Every run, with the name of its sync."""
        runs = self.dev.ask(
            """{ runsOrError { ... on Runs { results { jobName stats {
                   ... on RunStatsSnapshot { launchTime endTime } } } } } }"""
        )["runsOrError"]["results"]
        return [run | {"sync": run["jobName"].rpartition("_")[2]} for run in runs]


@pytest.fixture(scope="module")
def database(postgres_url: str) -> Iterator[str]:
    name = f"many_{uuid.uuid4().hex[:12]}"
    rows(postgres_url, f"CREATE DATABASE {name} TEMPLATE template0")
    url, _, query = postgres_url.partition("?")
    yield f"{url.rsplit('/', 1)[0]}/{name}{'?' if query else ''}{query}"
    rows(postgres_url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="module")
def many(database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Many]:
    folder = tmp_path_factory.mktemp("many")
    settings = {
        "ORACLE_SYNC_SENSOR": "on",
        "ORACLE_SYNC_SENSOR_INTERVAL": str(SENSOR_INTERVAL),
        "ORACLE_SYNC_BATCH_SIZE": "100",
    }
    _configure(folder)
    with ExitStack() as stack:
        servers = {}
        for number, name in enumerate([*HANGING, *LIVE]):
            # Other seeds make other rows.
            pod = Pod(rows=100 + 10 * number, seed=number + 1, password=f"of-{name}")
            servers[name] = stack.enter_context(SandboxServer(pod))
        for name in HANGING:
            servers[name].pod.latency_ms = 600_000
        pods = {name: server.pod for name, server in servers.items()}
        urls = {name: server.url for name, server in servers.items()}
        urls |= {name: f"http://127.0.0.1:{free_port()}" for name in DEAD}
        (folder / "oracle_sync.toml").write_text(
            "".join(
                f'[syncs.{name}]\nORACLE_BASE_URL = "{urls[name]}"\n'
                f'ORACLE_USER = "sandbox"\nORACLE_PASSWORD = "of-{name}"\n'
                for name in (*DEAD, *HANGING, *LIVE)
            )
        )
        dev = running(folder, pods[LIVE[0]], database, settings, uuid.uuid4().hex)
        yield Many(stack.enter_context(dev), pods)


def _configure(folder: Path) -> None:
    """The project's own configuration of Dagster, with few runs at a time."""
    shutil.copyfile(PROJECT / "workspace.yaml", folder / "workspace.yaml")
    text = (PROJECT / "dagster.yaml").read_text()
    few = f"concurrency:\n  runs:\n    max_concurrent_runs: {AT_ONCE}\n"
    assert text.count("\nconcurrency:\n") == 1
    (folder / "dagster.yaml").write_text(text.replace("concurrency:\n", few))


def test_all_fill_without_a_click_and_news_arrive_whoever_is_dead_or_hangs(many: Many) -> None:
    until(FILL_SECONDS, "the end of all first runs", lambda: not many.behind(), pause=2)
    for name in LIVE[::5]:
        many.pods[name].add(7)
    until(NEWS_SECONDS, "the new rows", lambda: not many.behind(), pause=2)

    runs = many.runs()
    assert {run["sync"] for run in runs} == set(LIVE)
    for name in LIVE:
        # Two where rows were added, and none that was asked for while another one waited.
        assert len([run for run in runs if run["sync"] == name]) <= 1 + (name in LIVE[::5])
    assert _most_at_once(runs) == AT_ONCE

    ticks = many.ticks()
    assert not [tick for each in ticks.values() for tick in each if tick["status"] == "FAILURE"]
    for name in LIVE:
        starts = [tick["timestamp"] for tick in ticks[name]]
        gaps = [later - earlier for earlier, later in pairwise(starts)]
        assert max(gaps) < LONGEST_GAP, f"{name}: {gaps}"
    for names, told in [(DEAD, "failed"), (HANGING, "did not answer within")]:
        for name in names:
            reasons = [tick["skipReason"] for tick in ticks[name] if tick["status"] == "SKIPPED"]
            assert reasons
            assert all(told in reason for reason in reasons), reasons


def _most_at_once(runs: list[dict[str, Any]]) -> int:
    """How many runs were processes at the same moment."""
    moments = [(run["stats"]["launchTime"], 1) for run in runs if run["stats"]["launchTime"]]
    moments += [(run["stats"]["endTime"], -1) for run in runs if run["stats"]["endTime"]]
    at_work = accumulate(change for _, change in sorted(moments))
    return max(at_work)
