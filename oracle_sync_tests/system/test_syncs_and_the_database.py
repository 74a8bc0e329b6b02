"""Real syncs of a database that is restarted, read-only, not theirs, or empty with ten at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

from oracle_sync.config.settings import DEFAULT_SYNC_NAME
from oracle_sync_tests.support.faulty_pod import FaultyPod, FaultyServer
from oracle_sync_tests.support.harness import rows, table
from oracle_sync_tests.support.own_server import own_server, pg_ctl
from oracle_sync_tests.support.processes import PATIENCE, until
from oracle_sync_tests.support.terminal import PASSWORD, Ended, opened


@pytest.fixture
def server() -> Iterator[FaultyServer]:
    """Start a pod of 300 rows."""
    with FaultyServer(FaultyPod(rows=300, user="ann", password=PASSWORD)) as running:
        yield running


def well_or_in_one_sentence(ended: Ended) -> None:
    if ended.status == 0:
        assert "Sync Complete!" in ended.out
        return
    assert ended.status == 1, ended.words
    cause, advice = ended.err.strip().splitlines()
    assert cause.startswith("Failed: ")
    assert advice.startswith("What to do: ")
    assert "unexpectedly" not in cause


def test_ten_first_syncs_at_once_of_an_empty_database_make_it_once_and_fill_it(
    tmp_path: Path, empty_database_url: str, server: FaultyServer
) -> None:
    with opened(tmp_path, empty_database_url, server) as terminal:
        processes = [terminal.start("sync", "100") for _ in range(10)]
        ends = [terminal.finish(process) for process in processes]
    assert [ended.status for ended in ends] == [0] * 10, [ended.err for ended in ends]
    assert [ended.err for ended in ends] == [""] * 10
    assert table(empty_database_url) == server.pod.snapshot()
    assert rows(empty_database_url, "SELECT count(*) FROM dagster.runs") == [(10,)]


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_a_server_restarted_in_the_middle_of_a_sync_is_waited_for(
    tmp_path: Path, server: FaultyServer, mode: str
) -> None:
    server.pod.configure(latency_ms=50.0)
    with own_server() as (url, programs), opened(tmp_path, url, server) as terminal:
        process = terminal.start("sync", "5")
        until(PATIENCE, "some rows", lambda: len(table(url)) > 20)
        pg_ctl(url, programs, "restart", "-m", mode)
        assert len(table(url)) < 250, "the sync was too fast for this test"
        ended = terminal.finish(process)
        assert ended.status == 0, ended.words
        assert table(url) == server.pod.snapshot()
        statuses = rows(url, "SELECT status FROM dagster.runs")
        assert statuses == [("SUCCESS",)]


def test_a_server_that_stays_away_ends_a_sync_in_two_lines(
    tmp_path: Path, server: FaultyServer
) -> None:
    server.pod.configure(latency_ms=50.0)
    with own_server() as (url, programs), opened(tmp_path, url, server) as terminal:
        process = terminal.start("sync", "5")
        until(PATIENCE, "some rows", lambda: len(table(url)) > 20)
        pg_ctl(url, programs, "stop", "-m", "immediate")
        ended = terminal.finish(process)
        well_or_in_one_sentence(ended)
        assert ended.status == 1
        assert "Check that PostgreSQL is running" in ended.err
        pg_ctl(url, programs, "start", "-o", f"-h '' -k {url.split('host=')[1]}")
        assert terminal.run("sync").status == 0
        assert table(url) == server.pod.snapshot()


@pytest.mark.parametrize("synced", [False, True])
@pytest.mark.parametrize("apart", [False, True])
def test_who_may_only_read_has_a_sync_refused_in_two_lines(
    tmp_path: Path, empty_database_url: str, server: FaultyServer, synced: bool, apart: bool
) -> None:
    url = empty_database_url
    name = f"reader_{urlsplit(url).path[1:]}"
    with opened(tmp_path, url, server) as terminal:
        if synced:
            assert terminal.run("sync").status == 0
        rows(url, f"CREATE ROLE {name} LOGIN; GRANT pg_read_all_data TO {name}")
        try:
            reader = urlunsplit(urlsplit(url)._replace(netloc=f"{name}:@"))
            changes = {"DAGSTER_DATABASE_URL" if apart else "DATABASE_URL": reader}
            told = terminal.fails("sync", **changes)
            assert "permission denied" in told
            assert "docs/operations.md" in told
            assert "unexpectedly" not in told
        finally:
            rows(url, f"DROP OWNED BY {name}; DROP ROLE {name}")


@pytest.mark.parametrize("synced", [False, True])
def test_a_database_that_is_read_only_refuses_a_sync_in_two_lines(
    tmp_path: Path, empty_database_url: str, server: FaultyServer, synced: bool
) -> None:
    url = empty_database_url
    with opened(tmp_path, url, server) as terminal:
        if synced:
            assert terminal.run("sync").status == 0
        name = rows(url, "SELECT current_database()")[0][0]
        rows(url, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        told = terminal.fails("sync")
        assert "read-only" in told
        assert "primary" in told
        assert "unexpectedly" not in told
        looked = terminal.run("status")
        assert looked.status == 0
        known = f"Sync Status for '{DEFAULT_SYNC_NAME}'" if synced else "Nothing has been synced"
        assert known in looked.out
