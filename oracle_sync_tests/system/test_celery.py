"""Steps on Celery workers, through `build_defs(executor=...)`: real workers, a real Redis."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from oracle_sync.sandbox import Pod, SandboxServer
from oracle_sync_tests.support import PROJECT
from oracle_sync_tests.support.dev import environment
from oracle_sync_tests.support.harness import rows
from oracle_sync_tests.support.processes import (
    MARK,
    PATIENCE,
    free_port,
    kill_family,
    left_behind,
    stop,
    until,
)

pytest.importorskip("dagster_celery", reason="dagster-celery is not installed")

REDIS = shutil.which("redis-server")

pytestmark = [
    pytest.mark.skipif(REDIS is None, reason="there is no redis-server"),
    pytest.mark.xdist_group("celery"),
    pytest.mark.timeout(900),
]

NAMES = ("emea", "apac")
WORKERS = ("one", "two")
BATCH_SIZE = 5

DEFINITIONS = """
from dagster_celery import celery_executor
from oracle_sync.definitions import build_defs

redis = {"env": "REDIS_URL"}
defs = build_defs(executor=celery_executor.configured({"broker": redis, "backend": redis}))
"""

VISIBILITY_SECONDS = 30
"""Seconds after which a step that has not ended is given to another worker. They have to be more
than the longest step takes, and are few here so that the test is short."""

# By default Celery acknowledges a step to the broker when it begins: it is lost with its worker,
# and the run waits for it for ever. Acknowledged at its end, it is given to another worker.
WORKER = f"""
execution:
  config:
    broker: {{url}}
    backend: {{url}}
    config_source:
      task_acks_late: true
      # For a worker that survives when only the process of the step is killed.
      task_reject_on_worker_lost: true
      # A busy worker must not hold a step that an idle one could take.
      worker_prefetch_multiplier: 1
      broker_transport_options:
        visibility_timeout: {VISIBILITY_SECONDS}
        # By default only every tenth poll, and so every 100 seconds, looks for such steps.
        unacked_restore_interval: 1
        unacked_restore_throttle: 1
"""


@dataclass
class Farm:
    """A Redis, two pods, and the workers that were started."""

    folder: Path
    database_url: str
    environment: dict[str, str]
    pods: dict[str, Pod]
    workers: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        with (self.folder / "log").open("a") as log:
            return subprocess.Popen(
                [sys.executable, "-m", *command],
                cwd=self.folder,
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def start_worker(self, name: str) -> None:
        options = ("-A", "dagster_celery.app", "-y", "worker.yaml", "-n", name, "--", "-c", "1")
        self.workers[name] = self.start("dagster_celery.cli", "worker", "start", *options)

    def ready(self) -> bool:
        """Return whether all workers have said that they wait for tasks."""
        log = (self.folder / "log").read_text()
        assert all(worker.poll() is None for worker in self.workers.values()), log[-3000:]
        return log.count(" ready.") == len(self.workers)

    @contextmanager
    def run(self) -> Iterator[subprocess.Popen[bytes]]:
        """Start a run of both tables; its process hands the steps to the workers."""
        keys = ",".join(f'key:"{name}/minimal_opportunities"' for name in NAMES)
        process = self.start(
            "dagster", "asset", "materialize", "-m", "celery_definitions", "--select", keys
        )
        try:
            yield process
        finally:
            stop(process, 20, signal.SIGINT)

    def statuses(self) -> list[str]:
        """Return how each run stands, oldest first."""
        return [row[0] for row in self.select("SELECT status FROM dagster.runs ORDER BY id")]

    def select(self, statement: str) -> list[tuple[Any, ...]]:
        return rows(self.database_url, statement)

    def stored(self, name: str) -> dict[str, str | None]:
        return dict(
            self.select(
                f"SELECT opportunity_id, opportunity_number FROM {name}.minimal_opportunities"
            )
        )

    def offset(self, name: str) -> int:
        try:
            return int(self.select(f"SELECT current_offset FROM {name}.sync_state")[0][0])
        except (psycopg2.errors.UndefinedTable, IndexError):
            return 0

    def equal(self) -> bool:
        return all(self.stored(name) == pod.snapshot() for name, pod in self.pods.items())

    def takers(self) -> dict[str, str]:
        """Return which worker last took the step of each sync."""
        events = self.select(
            "SELECT step_key, event FROM dagster.event_logs "
            "WHERE event LIKE '%in celery worker%' ORDER BY id"
        )
        return {
            step.partition("__")[0]: next(name for name in WORKERS if f"{name}@" in event)
            for step, event in events
        }


@pytest.fixture
def farm(empty_database_url: str, tmp_path: Path) -> Iterator[Farm]:
    assert REDIS is not None
    mark = uuid.uuid4().hex
    port = free_port()
    url = f"redis://127.0.0.1:{port}/0"
    home = tmp_path / "home"
    home.mkdir()
    shutil.copyfile(PROJECT / "dagster.yaml", home / "dagster.yaml")
    (tmp_path / "celery_definitions.py").write_text(DEFINITIONS)
    (tmp_path / "worker.yaml").write_text(WORKER.format(url=url))
    with ExitStack() as stack:
        pods = {}
        sections = []
        for number, name in enumerate(NAMES):
            pod = Pod(rows=400 + 50 * number, seed=number + 1, password=f"of-{name}")
            server = stack.enter_context(SandboxServer(pod))
            pod.latency_ms = 1500
            pods[name] = pod
            sections.append(
                f'[syncs.{name}]\nORACLE_BASE_URL = "{server.url}"\n'
                f'ORACLE_USER = "{pod.user}"\nORACLE_PASSWORD = "{pod.password}"\n'
            )
        (tmp_path / "oracle_sync.toml").write_text("".join(sections))
        path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
        settings = environment(
            DAGSTER_HOME=str(home),
            DATABASE_URL=empty_database_url,
            ORACLE_SYNC_BATCH_SIZE=str(BATCH_SIZE),
            REDIS_URL=url,
            PYTHONPATH=path,
            PATH=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            **{MARK: mark},
        )
        farm = Farm(tmp_path, empty_database_url, settings, pods)
        redis = subprocess.Popen(
            [REDIS, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", tmp_path],
            env=settings,
            stdout=subprocess.DEVNULL,
        )
        stack.callback(stop, redis, 10)
        for name in WORKERS:
            farm.start_worker(name)
        try:
            until(PATIENCE, "both workers", farm.ready)
            yield farm
        finally:
            for worker in farm.workers.values():
                kill_family(worker)
    left = left_behind(mark)
    for process in left:
        process.kill()
    assert not left


def test_two_workers_share_the_steps_and_one_finishes_what_a_killed_one_began(farm: Farm) -> None:
    killed, spared = NAMES
    with farm.run() as run:
        until(PATIENCE, "a first commit of both", lambda: all(farm.offset(name) for name in NAMES))
        takers = farm.takers()
        assert sorted(takers.values()) == [*WORKERS]
        holders = {farm.select(f"SELECT holder FROM {name}.sync_state")[0][0] for name in NAMES}
        assert len(holders) == 2, "one process does both"

        kill_family(farm.workers.pop(takers[killed]))
        for pod in farm.pods.values():
            pod.latency_ms = 0
        offset = farm.offset(killed)
        assert 0 < offset < len(farm.pods[killed])
        assert len(farm.stored(killed)) == offset

        rows_spared = farm.pods[spared].snapshot()
        until(PATIENCE, "the end of the other step", lambda: farm.stored(spared) == rows_spared)
        # Nobody restarts the worker or the run.
        assert run.wait(VISIBILITY_SECONDS + PATIENCE) == 0, (farm.folder / "log").read_text()[
            -3000:
        ]
    assert farm.takers()[killed] == takers[spared]
    assert farm.statuses() == ["SUCCESS"]
    assert farm.equal()
    # It continued at the offset that the killed one had left.
    counts = farm.select(f"SELECT total_synced, current_offset FROM {killed}.sync_state")
    assert counts == [(len(farm.pods[killed]),) * 2]
