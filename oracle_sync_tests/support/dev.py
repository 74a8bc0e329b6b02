"""A running `oracle-sync dev`, as tests start it, ask it, and stop it.

Belongs here: what more than one whole-system test needs. Does not belong here: a browser.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2
import requests

from oracle_sync.config.settings import SETTINGS
from oracle_sync.sandbox import Pod
from oracle_sync_tests.support.harness import rows, table
from oracle_sync_tests.support.processes import MARK, free_port, left_behind, until

ASSET = "minimal_opportunities"
ENDED = ("SUCCESS", "FAILURE", "CANCELED")


@dataclass
class Dev:
    """A running `oracle-sync dev`, and the pod and database behind it."""

    url: str
    pod: Pod
    database_url: str
    mark: str = ""

    def ask(self, query: str, **variables: Any) -> Any:
        answer = requests.post(
            f"{self.url}/graphql", json={"query": query, "variables": variables}, timeout=30
        ).json()
        assert "errors" not in answer, answer
        return answer["data"]

    def launch(self, asset: str = ASSET, **config: Any) -> str:
        """Start a run as the button Materialize does, and give its id."""
        told = self.press(asset, config)
        assert told["__typename"] == "LaunchRunSuccess", told
        return str(told["run"]["runId"])

    def press(self, asset: str = ASSET, config: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """What the button Materialize is answered."""
        told: dict[str, Any] = self.ask(
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
        return told

    def runs(self) -> list[dict[str, Any]]:
        query = "{runsOrError(limit:20){...on Runs{results{runId status tags{key value}}}}}"
        return list(self.ask(query)["runsOrError"]["results"])

    def status(self, run_id: str) -> str:
        return next(str(run["status"]) for run in self.runs() if run["runId"] == run_id)

    def ends(self, run_id: str, seconds: float = 90) -> str:
        """How a run ends."""

        def ended() -> str | None:
            status = self.status(run_id)
            return status if status in ENDED else None

        return str(until(seconds, f"the end of run {run_id}", ended))

    def last_skip(self) -> str:
        """Why the sensor's latest tick asked for no run; empty: it did ask, or there is none."""
        query = """{ sensorOrError(sensorSelector: {
                     repositoryLocationName: "oracle_sync", repositoryName: "__repository__",
                     sensorName: "new_opportunities" }) {
                   ... on Sensor { sensorState { ticks(limit: 1) { skipReason } } } } }"""
        ticks = self.ask(query)["sensorOrError"]["sensorState"]["ticks"]
        return (ticks[0]["skipReason"] or "") if ticks else ""

    def offset(self) -> int:
        try:
            found = rows(self.database_url, "SELECT current_offset FROM sync_state")
        except psycopg2.errors.UndefinedTable:  # the first run makes the tables
            return 0
        return int(found[0][0]) if found else 0

    def equal(self) -> bool:
        """Whether the table holds what the pod holds."""
        return table(self.database_url) == self.pod.snapshot()


def environment(**settings: str) -> dict[str, str]:
    """The environment of this process, with no other settings of ours than these."""
    ours = {name for s in SETTINGS for name in (s.name, f"{s.name}_FILE")} | {"DAGSTER_HOME"}
    return {name: value for name, value in os.environ.items() if name not in ours} | settings


@contextmanager
def running(
    folder: Path,
    pod: Pod,
    database_url: str,
    settings: Mapping[str, str],
    mark: str,
    status: int = 0,
) -> Iterator[Dev]:
    """`oracle-sync dev` on a free port; stopped with Ctrl-C, after which nothing may be left.

    `status`: how it ends; other than 0 it ends by itself, without a Ctrl-C.
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
        url = f"http://127.0.0.1:{port}"
        try:
            until(150, "an answer of the UI", lambda: process.poll() is None and _answers(url))
            yield Dev(url, pod, database_url, mark)
        finally:
            began = time.monotonic()
            if not status:
                process.send_signal(signal.SIGINT)
            try:
                process.wait(60)
            finally:
                seconds = time.monotonic() - began
                left = left_behind(mark)
                for each in left:
                    each.kill()
    assert process.returncode == status, (folder / "log").read_text()[-3000:]
    assert seconds < 45
    assert not left, f"left behind: {left}"


def _answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/server_info", timeout=2).ok
    except requests.RequestException:
        return False
