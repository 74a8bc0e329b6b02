"""Cables pulled in the middle of a run: for a second, for longer than it waits, and for good.

Oracle, the database and two workers are hosts in network namespaces. A pulled cable is not
reported: requests and commits get no answer. After each, the rows and the offset agree, the lock
is free, and the next run makes the table equal to the source.
"""

from __future__ import annotations

import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from oracle_sync.config.collection import OPPORTUNITIES
from oracle_sync.config.settings import DEFAULT_SYNC_NAME
from oracle_sync.postgres.connection import connect
from oracle_sync.postgres.database import Database
from oracle_sync.postgres.reader import lock_holder
from oracle_sync.sandbox import Pod
from oracle_sync_tests.support import network
from oracle_sync_tests.support.harness import rows, table
from oracle_sync_tests.support.network import ADDRESSES, DATABASE_PORT, POD_PORT, Network
from oracle_sync_tests.support.processes import PATIENCE, until

ROWS = 1_200
BATCH_SIZE = 5
CONCURRENCY = 4
LATENCY_MS = 100.0

# By `postgres/connection.py` both sides give up a link half a minute after it was cut, where the
# kernel would take a quarter of an hour; a run then tries for the rest of a minute to connect, and
# once more to store why it failed.
LINK_PATIENCE = 60.0
DATABASE_PATIENCE = 120.0

# Each group has its own hosts, so that two workers share the waiting.
ORACLE_LINK = pytest.mark.xdist_group("network, oracle")
DATABASE_LINK = pytest.mark.xdist_group("network, database")
pytestmark = pytest.mark.timeout(400)


@dataclass
class Site:
    """The hosts, and a database for one test."""

    net: Network
    certificate: Path
    url: str
    name: str

    def worker(self, host: str = "one", **settings: str) -> subprocess.Popen[str]:
        """Start a sync on a host."""
        environ = {
            "ORACLE_BASE_URL": f"https://{ADDRESSES['oracle']}:{POD_PORT}",
            "ORACLE_USER": "sandbox",
            "ORACLE_PASSWORD": "sandbox",
            "ORACLE_CA_BUNDLE": str(self.certificate),
            "ORACLE_TIMEOUT": "2",
            "ORACLE_RETRY_SECONDS": "30",
            "ORACLE_SYNC_LOCK_WAIT": "5",
            "DATABASE_URL": f"postgresql://postgres@{ADDRESSES['database']}:{DATABASE_PORT}"
            f"/{self.name}",
        }
        return self.net.start(
            *(host, sys.executable, "-m", "oracle_sync_tests.support.worker"),
            *(str(BATCH_SIZE), str(CONCURRENCY)),
            environ=environ | settings,
        )

    def offset(self) -> int:
        offsets = rows(self.url, "SELECT current_offset FROM sync_state")
        return int(offsets[0][0]) if offsets else 0

    def wait_for_offset(self, offset: int) -> None:
        """Wait until the worker started last has stored an offset."""
        process = self.net.running[-1]
        try:
            until(
                PATIENCE,
                f"offset {offset}",
                lambda: self.offset() >= offset or process.poll() is not None,
                pause=0.02,
            )
        finally:
            if self.offset() < offset:
                process.kill()
                print("the worker said:", process.communicate(timeout=60)[0])
        assert self.offset() >= offset

    def holder(self) -> str | None:
        connection = connect(self.url)
        try:
            return lock_holder(connection, DEFAULT_SYNC_NAME)
        finally:
            connection.close()

    def assert_nothing_lost(self) -> None:
        """Assert that rows and offset agree, and that what is stored is as at the source."""
        stored, offset = table(self.url), self.offset()
        assert len(stored) == offset
        assert stored.items() <= SOURCE.items()

    def next_run_completes(self, host: str = "one") -> None:
        """Assert that the next run continues from the offset and completes the table."""
        at = self.offset()
        process = self.worker(host)
        message = output(process, 0)
        assert f"received={ROWS - at} refreshes=0" in message
        assert table(self.url) == SOURCE
        assert self.offset() == ROWS


SOURCE = Pod(rows=ROWS).snapshot()

CUT_OFF = """
import sys, threading, time
from oracle_sync.errors import StoreUnavailable
from oracle_sync.postgres.connection import connect, errors

def ask(connection, statement):
    try:
        with errors("asking"), connection.cursor() as cursor:
            cursor.execute(statement)
    except StoreUnavailable:
        print(f"{time.monotonic() - began:.0f}", flush=True)

url = sys.argv[1]
one, other = connect(url), connect(url)
began = time.monotonic()
late = threading.Thread(target=ask, args=(one, "SELECT repeat('x', 1000000) FROM pg_sleep(3)"))
late.start()
print("asked", flush=True)
time.sleep(3)
ask(other, "SELECT 1")
late.join()
"""


def output(process: subprocess.Popen[str], status: int, seconds: float = PATIENCE) -> str:
    """Wait for a worker to end with a status, and return what it printed."""
    printed, _ = process.communicate(timeout=seconds)
    assert process.returncode == status, printed
    return printed


def failure(process: subprocess.Popen[str], seconds: float = PATIENCE) -> str:
    """Return the one line in which a worker says why it failed."""
    lines = output(process, 1, seconds).splitlines()
    assert lines[0] == "working"
    assert len(lines) == 2, lines
    return lines[1]


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Network, Path, str]]:
    certificate = network.make_certificate(tmp_path_factory.mktemp("tls"))
    with (
        network.network() as net,
        network.postgres(net) as url,
        network.pod(net, certificate, ROWS, LATENCY_MS),
    ):
        yield net, certificate, url


@pytest.fixture
def site(hosts: tuple[Network, Path, str]) -> Iterator[Site]:
    net, certificate, url = hosts
    name = f"t_{uuid.uuid4().hex[:16]}"
    rows(url, f"CREATE DATABASE {name}")
    site = Site(net, certificate, url.replace("/postgres?", f"/{name}?"), name)
    Database(site.url, OPPORTUNITIES).prepare()
    yield site
    net.plug_all()


# -- links that stay cut ---------------------------------------------------------------------------


@DATABASE_LINK
def test_a_database_away_for_longer_ends_the_run_in_a_sentence_and_the_next_one_continues(
    site: Site,
) -> None:
    process = site.worker()
    site.wait_for_offset(100)
    site.net.pull("database")
    # The server misses the worker, and with its session the lock goes.
    until(LINK_PATIENCE, "the lock free", lambda: site.holder() is None)
    message = failure(process, DATABASE_PATIENCE)
    assert "PostgreSQL failed while" in message
    assert "DATABASE_URL" in message
    site.net.plug("database")
    site.assert_nothing_lost()
    assert site.holder() is None
    site.next_run_completes()


@DATABASE_LINK
def test_a_worker_cut_off_is_replaced_by_one_elsewhere_and_can_do_no_harm_when_it_is_back(
    site: Site,
) -> None:
    # It can't reach Oracle either, and is not to give up for that before it is back.
    process = site.worker("one", ORACLE_RETRY_SECONDS="150")
    site.wait_for_offset(100)
    site.net.pull("one")
    other = site.worker("two", ORACLE_SYNC_LOCK_WAIT="90")
    assert "refreshes=0" in output(other, 0, 100)
    assert table(site.url) == SOURCE
    before = rows(site.url, "SELECT current_offset, total_synced, epoch FROM sync_state")
    # It continued where the first one stopped: no row was stored twice.
    assert before[0][:2] == (ROWS, ROWS)
    site.net.plug("one")
    message = failure(process)
    assert "PostgreSQL failed" in message or "took over" in message
    assert rows(site.url, "SELECT current_offset, total_synced, epoch FROM sync_state") == before
    assert table(site.url) == SOURCE


@DATABASE_LINK
def test_what_either_side_sends_into_a_cut_link_is_given_up_within_a_minute(site: Site) -> None:
    url = f"postgresql://postgres@{ADDRESSES['database']}:{DATABASE_PORT}/{site.name}"
    process = site.net.start("one", sys.executable, "-c", CUT_OFF, url)
    assert process.stdout is not None
    assert process.stdout.readline() == "asked\n"
    site.net.pull("one")
    # The server sends what was asked for before, and the other connection asks.
    sessions = "SELECT pid FROM pg_stat_activity WHERE client_addr IS NOT NULL AND datname = %s"
    until(LINK_PATIENCE, "no session", lambda: not rows(site.url, sessions, site.name))
    given_up = [int(line) for line in output(process, 0, LINK_PATIENCE).splitlines()]
    assert len(given_up) == 2
    assert max(given_up) < LINK_PATIENCE


# -- the way to Oracle -----------------------------------------------------------------------------


@ORACLE_LINK
def test_a_second_without_oracle_passes_unnoticed(site: Site) -> None:
    process = site.worker()
    site.wait_for_offset(100)
    site.net.pull("oracle")
    time.sleep(1)
    site.net.plug("oracle")
    assert f"received={ROWS} refreshes=0" in output(process, 0)
    assert table(site.url) == SOURCE


@ORACLE_LINK
def test_oracle_away_for_longer_than_a_request_waits_is_waited_for(site: Site) -> None:
    process = site.worker()
    site.wait_for_offset(100)
    site.net.pull("oracle")
    time.sleep(8)  # four times ORACLE_TIMEOUT
    assert process.poll() is None
    site.assert_nothing_lost()
    site.net.plug("oracle")
    assert f"received={ROWS} refreshes=0" in output(process, 0)
    assert table(site.url) == SOURCE


@ORACLE_LINK
def test_oracle_away_for_good_ends_the_run_in_a_sentence_and_the_next_one_continues(
    site: Site,
) -> None:
    process = site.worker(ORACLE_RETRY_SECONDS="4")
    site.wait_for_offset(100)
    site.net.pull("oracle")
    message = failure(process)
    assert ADDRESSES["oracle"] in message
    assert f"up to offset {site.offset()} is stored" in message
    assert 100 <= site.offset() < ROWS
    site.assert_nothing_lost()
    assert site.holder() is None
    site.net.plug("oracle")
    site.next_run_completes()


@ORACLE_LINK
def test_a_first_request_that_nobody_answers_names_the_settings_to_check(site: Site) -> None:
    site.net.pull("oracle")
    message = failure(site.worker(ORACLE_RETRY_SECONDS="4"))
    assert ADDRESSES["oracle"] in message
    assert "Check ORACLE_BASE_URL, the network" in message
    assert site.holder() is None
    assert table(site.url) == {}
    site.net.plug("oracle")
    site.next_run_completes()


# -- the way to the database -----------------------------------------------------------------------


@DATABASE_LINK
@pytest.mark.parametrize("seconds", [1, 15])
def test_a_database_away_for_a_while_is_waited_for(site: Site, seconds: int) -> None:
    process = site.worker()
    site.wait_for_offset(100)
    site.net.pull("database")
    time.sleep(seconds)
    site.net.plug("database")
    assert f"received={ROWS} refreshes=0" in output(process, 0)
    assert table(site.url) == SOURCE


# -- bad links -------------------------------------------------------------------------------------


@ORACLE_LINK
def test_slow_and_lossy_links_lose_nothing(site: Site) -> None:
    spoilt = ("oracle", "database", "one")
    for host in spoilt:
        site.net.spoil(host)
    try:
        process = site.worker(ORACLE_TIMEOUT="20")
        assert f"received={ROWS} refreshes=0" in output(process, 0, 90)
    finally:
        dropped = [site.net.repair(host) for host in spoilt]
    assert sum(dropped) > 0
    assert table(site.url) == SOURCE
