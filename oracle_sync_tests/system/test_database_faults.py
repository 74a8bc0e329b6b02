"""The database failing under a run: restarted, read-only, full, deadlocked, stuck, cut off.

Each test has the rows and the offset to agree afterwards, and the next run to make it whole.
"""

from __future__ import annotations

import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psycopg2
import pytest

from oracle_sync.config.collection import OPPORTUNITIES
from oracle_sync.engine.rows import Batch
from oracle_sync.engine.run import run_sync
from oracle_sync.engine.summary import Options, Report, Summary
from oracle_sync.errors import StoreError, StoreRefused, StoreUnavailable, SyncError
from oracle_sync.postgres import connection
from oracle_sync.postgres.database import Database
from oracle_sync_tests.support.harness import offset, rows, run, table, writer
from oracle_sync_tests.support.own_server import own_server, pg_ctl
from oracle_sync_tests.support.processes import PATIENCE
from oracle_sync_tests.support.source import ListSource


def at_offset(reached: int, do: Callable[[], object]) -> Report:
    """Do something, once, when a run has committed up to an offset."""
    done: list[bool] = []

    def report(summary: Summary, _batch: Batch) -> None:
        if summary.offset_after >= reached and not done:
            done.append(True)
            do()

    return report


def run_patiently(url: str, source: ListSource, report: Report, seconds: float = 30) -> Summary:
    with writer(url, retry_seconds=seconds) as store:
        return run_sync(source, store, Options(batch_size=20), report)


def test_a_server_that_crashes_and_comes_back_in_the_middle_of_a_run_is_waited_for() -> None:
    source = ListSource(400)
    with own_server() as (url, programs):
        restart = at_offset(100, lambda: pg_ctl(url, programs, "restart", "-m", "immediate"))
        summary = run_patiently(url, source, restart)
        assert summary.offset_after == 400
        assert table(url) == source.table()


def test_a_server_that_stays_away_ends_the_run_with_one_sentence_and_the_rows_agree() -> None:
    source = ListSource(400)
    with own_server() as (url, programs):
        stop = at_offset(100, lambda: pg_ctl(url, programs, "stop", "-m", "immediate"))
        with pytest.raises(StoreUnavailable) as caught:
            run_patiently(url, source, stop, seconds=2)
        assert "\n" not in caught.value.sentence()
        assert "stored" in caught.value.sentence()
        socket = f"-h '' -k {url.split('host=')[1]}"
        pg_ctl(url, programs, "start", "-o", socket)
        assert len(table(url)) >= offset(url) >= 100
        run(url, source, batch_size=20)
        assert table(url) == source.table()


def test_a_server_given_up_is_not_waited_for_again_until_it_is_back() -> None:
    with own_server() as (url, programs), writer(url, retry_seconds=6) as store:
        pg_ctl(url, programs, "stop", "-m", "immediate")

        def seconds() -> float:
            began = time.monotonic()
            with pytest.raises(StoreUnavailable):
                store.note(error="away")
            return time.monotonic() - began

        assert seconds() > 2.5
        assert seconds() < 2.5
        pg_ctl(url, programs, "start", "-o", f"-h '' -k {url.split('host=')[1]}")
        store.note(error="away")
        assert rows(url, "SELECT last_error FROM sync_state") == [("away",)]
        pg_ctl(url, programs, "stop", "-m", "immediate")
        assert seconds() > 2.5


def test_a_failover_to_a_read_only_server_is_waited_out_and_told_if_it_lasts(
    database_url: str,
) -> None:
    source = ListSource(400)
    name = rows(database_url, "SELECT current_database()")[0][0]

    def read_only(state: str) -> None:
        rows(database_url, f"ALTER DATABASE {name} SET default_transaction_read_only = {state}")
        rows(
            database_url,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )

    with pytest.raises(StoreError) as caught:
        run_patiently(database_url, source, at_offset(100, lambda: read_only("on")), seconds=2)
    assert "read-only" in str(caught.value)
    assert "primary" in caught.value.advice
    reached = offset(database_url)
    assert len(table(database_url)) >= reached >= 100

    def heal_soon() -> None:
        read_only("on")
        threading.Timer(1.5, lambda: writable(database_url, name)).start()

    writable(database_url, name)
    run_patiently(database_url, source, at_offset(reached + 40, heal_soon))
    assert table(database_url) == source.table()


def writable(url: str, name: str) -> None:
    admin = psycopg2.connect(url, options="-c default_transaction_read_only=off")
    admin.autocommit = True
    with admin.cursor() as cursor:
        cursor.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
    admin.close()


def test_a_full_disk_is_told_at_once_and_leaves_no_offset_without_its_rows(
    postgres_url: str,
) -> None:
    with tempfile.TemporaryDirectory(prefix="osf") as folder:
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", folder],
            capture_output=True,
            check=False,
        )
        if mounted.returncode:
            pytest.skip("mounting a small tmpfs needs root")
        try:
            # Under root the server is another user.
            with suppress(KeyError, LookupError):
                subprocess.run(["chown", "pgserver", folder], check=False)
            _fill(postgres_url, folder)
        finally:
            subprocess.run(["umount", "-l", folder], check=True)


def _fill(postgres_url: str, folder: str) -> None:
    tag = Path(folder).name
    rows(postgres_url, f"CREATE TABLESPACE \"{tag}\" LOCATION '{folder}'")
    try:
        rows(postgres_url, f'CREATE DATABASE "{tag}" TEMPLATE template0 TABLESPACE "{tag}"')
        url = postgres_url.replace("/postgres?", f"/{tag}?")
        Database(url, OPPORTUNITIES).prepare()
        source = ListSource(400_000, step=1)
        with pytest.raises(StoreRefused) as caught, writer(url) as store:
            run_sync(source, store, Options(batch_size=499))
        assert "space" in str(caught.value).lower()
        assert "disk" in caught.value.advice
        assert len(table(url)) == offset(url) > 0
    finally:
        rows(postgres_url, f'DROP DATABASE IF EXISTS "{tag}" WITH (FORCE)')
        rows(postgres_url, f'DROP TABLESPACE "{tag}"')


def test_a_deadlock_with_another_session_is_tried_again(database_url: str) -> None:
    source = ListSource(40)
    run(database_url, source, batch_size=20)
    for key in source.keys:
        source.items[key]["OptyNumber"] = f"changed {key}"
    first, last = str(source.keys[1]), str(source.keys[18])
    other = psycopg2.connect(database_url)
    update = "UPDATE minimal_opportunities SET synced_at = now() WHERE opportunity_id = %s"
    cursor = other.cursor()
    # Our statement is to lose: the session whose wait is longer than deadlock_timeout looks.
    cursor.execute("SET deadlock_timeout = '20s'")
    cursor.execute(update, (last,))

    def cross() -> None:
        time.sleep(0.3)
        with suppress(psycopg2.Error):
            cursor.execute(update, (first,))
        other.commit()

    thread = threading.Thread(target=cross)
    thread.start()
    summary = run(database_url, source, batch_size=20, full_refresh=True)
    thread.join(10)
    other.close()
    assert summary.updated == 40
    assert table(database_url) == source.table()


def test_a_lock_held_by_another_session_for_too_long_is_told_and_nothing_is_half_done(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = ListSource(40)
    short = connection._SESSION.replace("SET lock_timeout = 30000", "SET lock_timeout = 200")
    assert short != connection._SESSION
    monkeypatch.setattr(connection, "_SESSION", short)
    blocker = psycopg2.connect(database_url)
    blocker.cursor().execute("LOCK TABLE minimal_opportunities IN EXCLUSIVE MODE")
    with pytest.raises(SyncError) as caught, writer(database_url, retry_seconds=1) as store:
        run_sync(source, store, Options(batch_size=20))
    assert "lock" in caught.value.advice
    assert rows(database_url, "SELECT FROM sync_state WHERE current_offset > 0") == []
    assert table(database_url) == {}
    blocker.rollback()
    blocker.close()
    run(database_url, source, batch_size=20)
    assert table(database_url) == source.table()


def test_connections_cut_again_and_again_in_the_middle_of_statements_double_and_lose_nothing(
    database_url: str,
) -> None:
    source = ListSource(3_000)
    source.latency = 0.01
    stopping = threading.Event()

    def cut() -> None:
        while not stopping.wait(0.05):
            rows(
                database_url,
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = "
                "current_database() AND pid <> pg_backend_pid() AND random() < 0.5",
            )

    # A session that is cut while it opens fails: the cuts begin after that.
    thread = threading.Thread(target=cut)
    with writer(database_url, retry_seconds=60) as store:
        thread.start()
        try:
            summary = run_sync(source, store, Options(batch_size=10))
            retries = store.retries
        finally:
            stopping.set()
            thread.join(PATIENCE)
    assert retries > 3, "nothing was cut"
    assert summary.shifts == 0
    assert table(database_url) == source.table()
    assert offset(database_url) == 3_000
