"""The exporter for Prometheus: what it says, also of a database that is down, slow or empty."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import psycopg2
import pytest
import requests
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from oracle_sync.config.collection import OPPORTUNITIES
from oracle_sync.config.settings import DEFAULT_SYNC_NAME, SETTINGS
from oracle_sync.engine.rows import Batch
from oracle_sync.engine.summary import Summary
from oracle_sync.operations import metrics
from oracle_sync.operations.metrics import Exporter
from oracle_sync.postgres import status
from oracle_sync.postgres.database import Database
from oracle_sync_tests.support import PROJECT
from oracle_sync_tests.support.harness import rows, run, writer
from oracle_sync_tests.support.source import ListSource

PASSWORD = "S3cr3t-passw0rd"
Samples = dict[tuple[str, str], float]


class Scraper:
    """An exporter, and what each scrape of it gives."""

    def __init__(self, **databases: str) -> None:
        self.said: list[str] = []
        schemas = {schema.removeprefix("plain"): url for schema, url in databases.items()}
        given = [Database(url, OPPORTUNITIES, schema) for schema, url in schemas.items()]
        self.registry = CollectorRegistry()
        self.registry.register(Exporter(given, self.said.append))

    def scrape(self, schema: str = "") -> Samples:
        return parsed(generate_latest(self.registry).decode(), schema)


def parsed(text: str, schema: str = "") -> Samples:
    """Values by name without its beginning, and by sync name or table."""
    return {
        (
            sample.name.removeprefix("oracle_sync_"),
            sample.labels.get("sync_name", sample.labels.get("table", "")),
        ): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.labels["schema"] == schema
    }


def of(found: Samples, name: str) -> dict[str, float]:
    return {metric: value for (metric, label), value in found.items() if label == name}


def test_a_sync_is_told_in_numbers(database_url: str) -> None:
    source = ListSource(30)
    run(database_url, source, "one", batch_size=10)
    rows(
        database_url,
        "UPDATE sync_state SET source_total = 42, doubt = 'moved', "
        "last_success_at = now() - interval '90 seconds'",
    )
    rows(
        database_url,
        "INSERT INTO rejected_items (sync_name, at_offset, raw, reason, digest, walk) "
        "SELECT 'one', n, '{}', 'no id', n::text, 0 FROM generate_series(1, 3) n",
    )
    rows(database_url, "UPDATE rejected_items SET resolved_at = now() WHERE at_offset = 1")
    rows(
        database_url,
        "INSERT INTO removed_opportunities (opportunity_id, sync_name, removed_by) "
        "VALUES ('gone', 'one', 'test')",
    )
    found = Scraper(plain=database_url).scrape()
    numbers = of(found, "one")
    assert 90 <= numbers.pop("seconds_since_success") < 100
    assert numbers == {
        "lag_rows": 12,
        "offset": 30,
        "source_rows": 42,
        "complete": 1,
        "rejected_open": 2,
        "removed_rows": 1,
        "refresh_due": 1,
        "removal_held": 0,
        "refreshing": 0,
        "running": 0,
        "fields_refilling": 0,
        "last_run_failed": 0,
    }
    assert of(found, "") == {"up": 1}
    assert of(found, "minimal_opportunities") == {"table_rows": 30}
    assert of(found, "removed_opportunities") == {"table_rows": 1}


def test_a_run_at_work_and_one_that_failed_are_seen_and_the_unknown_is_left_out(
    database_url: str,
) -> None:
    seen: list[Samples] = []
    scraper = Scraper(plain=database_url)
    # Another name that nobody works under, so that the locks must be told apart.
    rows(database_url, "INSERT INTO sync_state (sync_name, last_error) VALUES ('other', 'broken')")

    def look(_summary: Summary, _batch: Batch) -> None:
        seen.append(scraper.scrape())

    run(database_url, ListSource(20), "one", report=look, batch_size=10)
    assert of(seen[0], "one")["running"] == 1
    assert of(seen[0], "one")["offset"] == 10
    other = of(seen[0], "other")
    assert other["running"] == 0
    assert other["last_run_failed"] == 1
    assert not {"lag_rows", "seconds_since_success", "source_rows"} & set(other)
    with writer(database_url, "other"):
        found = scraper.scrape()
        assert of(found, "other")["running"] == 1
        assert of(found, "one")["running"] == 0


def test_the_lock_of_each_sync_name_is_recognised(database_url: str) -> None:
    """Half of the keys are negative numbers, which PostgreSQL shows in two halves."""
    scraper = Scraper(plain=database_url)
    for number in range(6):
        with writer(database_url, f"sync {number}"):
            found = scraper.scrape()
            assert [n for n in range(6) if of(found, f"sync {n}").get("running")] == [number]


def test_a_database_without_tables_is_up_and_a_scrape_makes_none(empty_database_url: str) -> None:
    assert Scraper(plain=empty_database_url).scrape() == {("up", ""): 1}
    assert rows(empty_database_url, "SELECT 1 FROM pg_tables WHERE schemaname = 'public'") == []


def test_a_role_that_may_only_read_is_enough(database_url: str) -> None:
    run(database_url, ListSource(5), "one")
    role = f"reader_{os.getpid()}"
    rows(database_url, f"CREATE ROLE {role} LOGIN")
    try:
        rows(database_url, f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}")
        url = database_url.replace("postgres:@", f"{role}:@").replace("postgres@", f"{role}@")
        assert role in url
        assert of(Scraper(plain=url).scrape(), "one")["offset"] == 5
    finally:
        rows(database_url, f"DROP OWNED BY {role}")
        rows(database_url, f"DROP ROLE {role}")


def test_a_large_table_is_estimated_and_not_counted(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(database_url, ListSource(50), "one")
    rows(database_url, "ANALYZE minimal_opportunities")
    rows(database_url, "DELETE FROM minimal_opportunities WHERE id % 2 = 0")
    scraper = Scraper(plain=database_url)
    assert of(scraper.scrape(), "minimal_opportunities") == {"table_rows": 25}
    monkeypatch.setattr(status, "COUNTED", 10)
    assert of(scraper.scrape(), "minimal_opportunities") == {"table_rows": 50}


def test_a_database_that_is_down_is_told_once_and_told_when_it_is_back(database_url: str) -> None:
    run(database_url, ListSource(5), "one")
    scraper = Scraper(plain=database_url)
    scraper.scrape()
    name = urlsplit(database_url).path.strip("/")
    admin = database_url.replace(f"/{name}", "/postgres")
    rows(admin, f"ALTER DATABASE {name} RENAME TO {name}_away")
    try:
        for _ in range(2):
            assert scraper.scrape() == {("up", ""): 0}
    finally:
        rows(admin, f"ALTER DATABASE {name}_away RENAME TO {name}")
    assert of(scraper.scrape(), "one")["offset"] == 5
    down, up = scraper.said
    assert down.startswith("oracle_sync_up 0: PostgreSQL failed while connecting")
    assert up == "oracle_sync_up 1"


@contextmanager
def silent() -> Iterator[int]:
    """Open a port that accepts connections and never answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(50)
        yield listener.getsockname()[1]


def test_a_database_that_hangs_delays_no_other_and_keeps_one_thread(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "SCRAPE_SECONDS", 0.5)
    run(database_url, ListSource(5), "one")
    with silent() as port:
        hanging = f"postgresql://ann:{PASSWORD}@127.0.0.1:{port}/db"
        scraper = Scraper(hanging=hanging, plain=database_url)
        before = threading.active_count()
        for _ in range(4):
            began = time.monotonic()
            assert of(scraper.scrape(), "one")["offset"] == 5
            assert time.monotonic() - began < 3
        assert scraper.scrape("hanging") == {("up", ""): 0}
        assert threading.active_count() <= before + 1
    assert len(scraper.said) == 1
    assert "(hanging): The database did not answer within" in scraper.said[0]
    assert PASSWORD not in scraper.said[0]


def test_a_table_that_is_locked_is_waited_for_only_so_long(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "STATEMENT_MS", 300)
    run(database_url, ListSource(5), "one")
    scraper = Scraper(plain=database_url)
    connection = psycopg2.connect(database_url)
    try:
        with connection.cursor() as cursor:
            cursor.execute("LOCK TABLE sync_state IN ACCESS EXCLUSIVE MODE")
        assert scraper.scrape() == {("up", ""): 0}
    finally:
        connection.close()
    assert scraper.scrape()[("up", "")] == 1


def test_scrapes_at_once_share_a_reading_and_leave_no_connection(database_url: str) -> None:
    run(database_url, ListSource(5), "one")
    scraper = Scraper(plain=database_url)
    found: list[Samples] = []
    threads = [threading.Thread(target=lambda: found.append(scraper.scrape())) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert [of(samples, "one")["offset"] for samples in found] == [5] * 20
    query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'oracle_sync metrics'"
    query += " AND datname = current_database()"
    deadline = time.monotonic() + 10
    while rows(database_url, query) != [(0,)]:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_syncs_in_schemas_of_their_own_are_told_apart(database_url: str) -> None:
    for schema, count in (("emea", 3), ("apac", 7)):
        database = Database(database_url, OPPORTUNITIES, schema)
        database.prepare()
        run(database.url, ListSource(count), schema)
    scraper = Scraper(plain=database_url, emea=database_url, apac=database_url)
    assert of(scraper.scrape("emea"), "emea")["offset"] == 3
    assert of(scraper.scrape("apac"), "minimal_opportunities")["table_rows"] == 7
    assert of(scraper.scrape(), "minimal_opportunities")["table_rows"] == 0


# -- the command -----------------------------------------------------------------------------------


def environment(folder: Path, url: str) -> dict[str, str]:
    ours = {name for s in SETTINGS for name in (s.name, f"{s.name}_FILE")}
    kept = {name: text for name, text in os.environ.items() if name not in ours}
    project = str(PROJECT)
    return kept | {
        "DATABASE_URL": url,
        "ORACLE_SYNC_HOME": str(folder / "home"),
        "PYTHONPATH": project,
        "PYTHONUNBUFFERED": "1",
    }


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_the_command_serves_until_it_is_stopped_and_ends_with_0(
    database_url: str, tmp_path: Path, ending: signal.Signals
) -> None:
    run(database_url, ListSource(5), DEFAULT_SYNC_NAME)
    process = subprocess.Popen(
        [sys.executable, "-m", "oracle_sync", "metrics", "--port", "0"],
        cwd=tmp_path,
        env=environment(tmp_path, database_url),
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        address = re.search(r"http://\S+", process.stderr.readline())
        assert address is not None
        answer = requests.get(address[0], timeout=60)
        assert answer.headers["Content-Type"].startswith("text/plain; version=")
        numbers = of(parsed(answer.text), DEFAULT_SYNC_NAME)
        assert (numbers["offset"], numbers["complete"]) == (5, 1)
        # What oracle-sync status --json says is the same, in the same words.
        shown = subprocess.run(
            [sys.executable, "-m", "oracle_sync", "status", "--json"],
            cwd=tmp_path,
            env=environment(tmp_path, database_url),
            capture_output=True,
            check=True,
            timeout=60,
        )
        known = json.loads(shown.stdout)
        assert known["lag"] == numbers["lag_rows"]
        assert numbers["seconds_since_success"] <= known["seconds_since_success"]
        assert known["seconds_since_success"] < numbers["seconds_since_success"] + 60
        process.send_signal(ending)
        assert process.wait(60) == 0
        assert process.stderr.read().strip().endswith("Stopped.")
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        process.communicate()


def fails(folder: Path, url: str, *words: str, code: str = "") -> str:
    """Run the command, which must fail in two lines."""
    run_it = (
        f"{code}\nfrom oracle_sync.cli.main import main\nimport sys\nsys.argv[1:] = {list(words)!r}"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"{run_it}\nmain()"],
        cwd=folder,
        env=environment(folder, url),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1, done.stderr
    assert len(done.stderr.strip().splitlines()) == 2, done.stderr
    return done.stderr


def test_a_port_that_is_taken_and_a_package_that_is_missing_are_told_in_a_sentence(
    database_url: str, tmp_path: Path
) -> None:
    with silent() as port:
        told = fails(tmp_path, database_url, "metrics", "--port", str(port))
        assert f"Port {port} on 127.0.0.1 can't be used: Address already in use." in told
    missing = "import sys; sys.modules['prometheus_client'] = None"
    told = fails(tmp_path, database_url, "metrics", code=missing)
    assert "prometheus_client, which is not installed" in told
    assert "pip install 'oracle-sync[metrics]'" in told


def test_the_exporter_needs_neither_dagster_nor_pandas_nor_sqlalchemy() -> None:
    heavy = ("dagster", "pandas", "numpy", "sqlalchemy", "alembic", "requests")
    code = (
        "import sys, oracle_sync.operations.metrics\n"
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "[]"
