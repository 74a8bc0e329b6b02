"""A running `oracle-sync dev`, as tests start it, query it and stop it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import psycopg2
import requests

from oracle_sync.config.settings import SETTINGS
from oracle_sync.sandbox import Pod, SandboxServer
from oracle_sync_tests.support.harness import rows, table
from oracle_sync_tests.support.processes import MARK, PATIENCE, free_port, left_behind, until

ASSET = "minimal_opportunities"
ENDED = ("SUCCESS", "FAILURE", "CANCELED")
SENSOR = {
    "repositoryLocationName": "oracle_sync",
    "repositoryName": "__repository__",
    "sensorName": "new_opportunities",
}
SENSOR_INTERVAL = 5


@dataclass
class Dev:
    """A running `oracle-sync dev`, with the pod and the database behind it."""

    url: str
    pod: Pod
    database_url: str
    mark: str = ""

    def query(self, query: str, **variables: Any) -> Any:
        """Return the data that Dagster's GraphQL API answers."""
        answer = requests.post(
            f"{self.url}/graphql", json={"query": query, "variables": variables}, timeout=60
        ).json()
        assert "errors" not in answer, answer
        return answer["data"]

    def launch(self, asset: str = ASSET, **config: Any) -> str:
        """Start a run as the button Materialize does, and return its id."""
        answer = self.materialize(asset, config)
        assert answer["__typename"] == "LaunchRunSuccess", answer
        return str(answer["run"]["runId"])

    def materialize(
        self, asset: str = ASSET, config: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Return what the button Materialize is answered."""
        answer: dict[str, Any] = self.query(
            """mutation($p: ExecutionParams!) { launchRun(executionParams: $p) {
                 __typename ... on LaunchRunSuccess { run { runId } } } }""",
            p={
                "selector": {
                    "repositoryLocationName": "oracle_sync",
                    "repositoryName": "__repository__",
                    "jobName": "__ASSET_JOB",
                    "assetSelection": [{"path": [asset]}],
                },
                "runConfigData": {"ops": {asset: {"config": config}}} if config else {},
            },
        )["launchRun"]
        return answer

    def sync(self) -> None:
        """Bring the table up to date, by a run with pages as large as can be."""
        assert self.outcome(self.launch(batch_size=499)) == "SUCCESS"

    def runs(self) -> list[dict[str, Any]]:
        """Return the latest runs, newest first."""
        query = "{runsOrError(limit:20){...on Runs{results{runId status tags{key value}}}}}"
        return list(self.query(query)["runsOrError"]["results"])

    def status(self, run_id: str) -> str:
        """Return how a run stands."""
        query = "query($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"
        return str(self.query(query, id=run_id)["runOrError"]["status"])

    def outcome(self, run_id: str) -> str:
        """Wait for a run to end, and return how it ended."""

        def ended() -> str | None:
            status = self.status(run_id)
            return status if status in ENDED else None

        return str(until(PATIENCE, f"the end of run {run_id}", ended, pause=0.5))

    def wait_for_runs(self) -> None:
        """Wait until no run is under way."""

        def ended() -> bool:
            return all(run["status"] in ENDED for run in self.runs())

        until(PATIENCE, "the end of all runs", ended, pause=1)

    def sensor(self) -> dict[str, Any]:
        """Return the sensor's `status`, its `cursor`, and its latest `tick`, if there is one."""
        state = self.query(
            """query($s: SensorSelector!) { sensorOrError(sensorSelector: $s) {
                 ... on Sensor { sensorState { status ticks(limit: 1) { skipReason status }
                   typeSpecificData { ... on SensorData { lastCursor } } } } } }""",
            s=SENSOR,
        )["sensorOrError"]["sensorState"]
        return {
            "status": state["status"],
            "cursor": (state["typeSpecificData"] or {}).get("lastCursor"),
            "tick": next(iter(state["ticks"]), None),
        }

    def skip_reason(self) -> str:
        """Return why the sensor's latest tick asked for no run; "" if it did, or there is none."""
        tick = self.sensor()["tick"]
        return (tick["skipReason"] or "") if tick else ""

    def processes(self, word: str) -> list[psutil.Process]:
        """Return the processes of this server whose command contains a word."""
        processes = []
        for process in left_behind(self.mark):
            with suppress(psutil.Error):  # it may have ended meanwhile
                if word in " ".join(process.cmdline()):
                    processes.append(process)
        return processes

    def offset(self) -> int:
        """Return the stored offset; 0 before the first run."""
        try:
            offsets = rows(self.database_url, "SELECT current_offset FROM sync_state")
        except psycopg2.errors.UndefinedTable:  # the first run makes the tables
            return 0
        return int(offsets[0][0]) if offsets else 0

    def equal(self) -> bool:
        """Return whether the table holds what the pod holds."""
        return table(self.database_url) == self.pod.snapshot()


def environment(**settings: str) -> dict[str, str]:
    """Return the environment of this process, with only these settings of oracle_sync."""
    names = {name for s in SETTINGS for name in (s.name, f"{s.name}_FILE")} | {"DAGSTER_HOME"}
    return {name: value for name, value in os.environ.items() if name not in names} | settings


def settings_for(server: SandboxServer, **more: str) -> dict[str, str]:
    """Return the settings with which `oracle-sync dev` reads a stand-in pod."""
    return {
        "ORACLE_BASE_URL": server.url,
        "ORACLE_USER": server.pod.user,
        "ORACLE_PASSWORD": server.pod.password,
        "ORACLE_SYNC_SENSOR_INTERVAL": str(SENSOR_INTERVAL),
    } | more


@contextmanager
def running(
    folder: Path,
    pod: Pod,
    database_url: str,
    settings: Mapping[str, str],
    mark: str,
    status: int = 0,
) -> Iterator[Dev]:
    """Run `oracle-sync dev` on a free port, and stop it with Ctrl-C, after which nothing is left.

    `status` is the exit status. One other than 0 means that it ends by itself, without a Ctrl-C.
    """
    port = free_port()
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "oracle_sync", "dev", "--port", str(port)],
            cwd=folder,
            env=environment(
                ORACLE_SYNC_HOME=str(folder / "home"),
                DATABASE_URL=database_url,
                **{MARK: mark},
                **settings,
            ),
            stdout=log,
            stderr=subprocess.STDOUT,
        )

        def answers() -> bool:
            assert process.poll() is None, (folder / "log").read_text()[-3000:]
            with suppress(requests.RequestException):
                return requests.get(f"http://127.0.0.1:{port}/server_info", timeout=60).ok
            return False

        try:
            until(PATIENCE, "an answer of the UI", answers)
            yield Dev(f"http://127.0.0.1:{port}", pod, database_url, mark)
        finally:
            if not status:
                process.send_signal(signal.SIGINT)
            try:
                process.wait(PATIENCE)
            finally:
                leftover = left_behind(mark)
                for each in leftover:
                    each.kill()
    assert process.returncode == status, (folder / "log").read_text()[-3000:]
    assert not leftover, f"left behind: {leftover}"
