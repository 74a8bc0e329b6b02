"""A real process, killed at random moments and started again, and two of them at once."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import psycopg2
import pytest

from oracle_sync.sandbox import Pod, SandboxServer
from oracle_sync_tests.support.processes import PATIENCE

ROWS = 8_000
BATCH_SIZE = 5
CONCURRENCY = 4
pytestmark = pytest.mark.timeout(900)

KILLS = int(os.environ.get("ORACLE_SYNC_TEST_KILLS", "100"))


@pytest.fixture
def pod() -> Iterator[SandboxServer]:
    with SandboxServer(Pod(rows=ROWS)) as server:
        server.pod.latency_ms = 20
        yield server


@contextlib.contextmanager
def worker(pod: SandboxServer, url: str, *further: str) -> Iterator[subprocess.Popen[str]]:
    settings = {
        "ORACLE_BASE_URL": pod.url,
        "ORACLE_USER": pod.auth[0],
        "ORACLE_PASSWORD": pod.auth[1],
        "DATABASE_URL": url,
        "ORACLE_SYNC_LOCK_WAIT": str(int(PATIENCE)),
    }
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "oracle_sync_tests.support.worker"),
            *(str(BATCH_SIZE), str(CONCURRENCY), *further),
        ],
        env=os.environ | settings,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait(PATIENCE)
        assert process.stdout is not None
        process.stdout.close()


def stored(url: str) -> dict[str, str | None]:
    with contextlib.closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT opportunity_id, opportunity_number FROM minimal_opportunities")
        rows = cursor.fetchall()
        assert len(dict(rows)) == len(rows)
        return dict(rows)


def offset_and_rows(url: str) -> tuple[int, int]:
    with contextlib.closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(max(current_offset), 0), "
            "(SELECT count(*) FROM minimal_opportunities) FROM sync_state"
        )
        found = cursor.fetchone()
        assert found is not None
        return found[0], found[1]


def kill_often(pod: SandboxServer, url: str, kills: int, *further: str) -> int:
    """Start and kill until it has been killed `kills` times, then let it end; give the kills."""
    chance = random.Random(20261124)
    done = 0
    while True:
        with worker(pod, url, *further) as process:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line == "working\n", line
            if done < kills:
                time.sleep(chance.uniform(0.0, 0.15))
                if process.poll() is None:
                    process.send_signal(signal.SIGKILL)
                    process.wait(PATIENCE)
                    done += 1
                    offset, rows = offset_and_rows(url)
                    assert rows >= (0 if further else offset), "an offset without its rows"
                    continue
            assert process.wait(PATIENCE) == 0, process.stdout.read()
            return done


def test_a_sync_killed_at_random_moments_loses_nothing_and_repeats_no_more_than_was_in_flight(
    pod: SandboxServer, database_url: str
) -> None:
    killed = kill_often(pod, database_url, KILLS)
    assert killed == KILLS, "the sync ended before it could be killed"
    assert stored(database_url) == pod.pod.snapshot()
    assert offset_and_rows(database_url) == (ROWS, ROWS)
    pages = ROWS // BATCH_SIZE + 1
    assert pod.requests <= pages + killed * CONCURRENCY
    assert pod.max_in_flight <= 2 * CONCURRENCY, "a killed process's requests may still be answered"


def test_a_sync_that_pages_by_key_is_killed_and_goes_on_in_the_same_way(
    pod: SandboxServer, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORACLE_SYNC_PAGING", "key")
    killed = kill_often(pod, database_url, KILLS // 4)
    assert killed == KILLS // 4, "the sync ended before it could be killed"
    assert stored(database_url) == pod.pod.snapshot()
    assert offset_and_rows(database_url) == (ROWS, ROWS)
    assert any("OptyId%3E=" in entry["path"] for entry in pod.log)


def test_a_full_refresh_killed_at_random_moments_goes_on_where_it_was_and_ends_equal_to_the_source(
    pod: SandboxServer, database_url: str
) -> None:
    pod.pod.latency_ms = 0
    kill_often(pod, database_url, 0)
    pod.pod.remove(n=20)
    pod.pod.add(15, where="low")
    for key in pod.pod.ids()[100:110]:
        pod.pod.change(key, OptyNumber=f"changed {key}")
    pod.pod.latency_ms = 20
    killed = kill_often(pod, database_url, 15, "full")
    assert killed == 15
    assert stored(database_url) == pod.pod.snapshot()


def test_of_two_processes_at_once_one_does_the_work_and_the_other_ends_cleanly(
    pod: SandboxServer, database_url: str
) -> None:
    pod.pod.latency_ms = 1
    for attempt in range(20):
        pod.pod.add(25)
        with worker(pod, database_url) as one, worker(pod, database_url) as other:
            assert one.wait(PATIENCE) == 0
            assert other.wait(PATIENCE) == 0
            assert one.stdout is not None
            assert other.stdout is not None
            told = one.stdout.read() + other.stdout.read()
        received = sorted(int(part.split("=")[1]) for part in told.split() if "received" in part)
        assert received == ([0, ROWS + 25] if attempt == 0 else [0, 25])
    assert stored(database_url) == pod.pod.snapshot()
