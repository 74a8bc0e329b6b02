"""Parts of a running `oracle-sync dev` killed in the middle of a sync: a run, its servers."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from oracle_sync.sandbox import Pod, SandboxServer
from oracle_sync_tests.support.dev import Dev, running, settings_for
from oracle_sync_tests.support.processes import PATIENCE, until

pytestmark = [pytest.mark.xdist_group("crashes"), pytest.mark.timeout(900)]


@pytest.mark.parametrize("victim", ["spawn_main", "api grpc"], ids=["run", "code server"])
def test_a_killed_run_or_code_server_keeps_no_rows_back(dev: Dev, victim: str) -> None:
    dev.sync()
    start = dev.offset()
    dev.pod.add(400)
    dev.pod.latency_ms = 300
    try:
        run_id = dev.launch(batch_size=5)
        until(PATIENCE, "a first commit", lambda: dev.offset() > start)
        victims = dev.processes(victim)
        assert victims
        for process in victims:
            process.kill()
    finally:
        dev.pod.latency_ms = 0

    # Dagster starts a crashed run again by itself; if its code server died, the run continues.
    until(PATIENCE, "the rows, without a click", dev.equal, pause=1)
    # In production a code server starts again by itself. Here it takes the button Reload.
    dev.query("mutation { reloadWorkspace { __typename } }")
    dev.wait_for_runs()
    assert dev.status(run_id) == ("FAILURE" if victim == "spawn_main" else "SUCCESS")
    dev.pod.add(3)

    def next_run() -> dict[str, str] | None:
        return dev.materialize(config={"batch_size": 499}).get("run")

    next_run_id = until(PATIENCE, "a launch", next_run, pause=1)["runId"]
    assert dev.outcome(next_run_id) == "SUCCESS"
    assert dev.equal()


def test_a_killed_daemon_ends_it_and_the_next_start_continues_by_itself(
    empty_database_url: str, tmp_path: Path
) -> None:
    mark = uuid.uuid4().hex
    with SandboxServer(Pod(rows=600)) as server:
        pod = server.pod
        settings = settings_for(server, ORACLE_SYNC_SENSOR="on")
        pod.latency_ms = 2000
        with running(tmp_path, pod, empty_database_url, settings, mark, status=1) as dev:
            dev.launch(batch_size=5)
            until(PATIENCE, "a first commit", lambda: dev.offset() > 0)
            for process in dev.processes("dagster._daemon"):
                process.kill()
        stored = dev.offset()
        assert 0 < stored < 600
        assert "What its runs committed is kept" in (tmp_path / "log").read_text()
        pod.latency_ms = 0
        with running(tmp_path, pod, empty_database_url, settings, mark) as dev:
            until(PATIENCE, "the rows, without a click", dev.equal, pause=1)
            dev.wait_for_runs()
