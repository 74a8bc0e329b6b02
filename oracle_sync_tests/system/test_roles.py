"""The database roles of `docs/operations.md`, created by its statements."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg2
import pytest

from oracle_sync.config.collection import OPPORTUNITIES
from oracle_sync.engine.run import run_sync
from oracle_sync.engine.summary import Options
from oracle_sync.errors import StoreRefused
from oracle_sync.operations.export import export
from oracle_sync.operations.replay import replay
from oracle_sync.postgres.connection import connect
from oracle_sync.postgres.database import Database
from oracle_sync.postgres.status import standings, table_rows
from oracle_sync.sandbox import Pod, SandboxServer
from oracle_sync_tests.support import PROJECT
from oracle_sync_tests.support.dev import environment
from oracle_sync_tests.support.harness import NAME, removed, rows, run, table, writer
from oracle_sync_tests.support.source import ListSource

DOCUMENT = (PROJECT / "docs" / "operations.md").read_text()


@dataclass
class Roles:
    """The document's two roles under names of this test's own, and the administrator's way in."""

    admin: str
    owner: str
    worker: str


def as_role(url: str, name: str) -> str:
    return urlunsplit(urlsplit(url)._replace(netloc=f"{name}:@"))


@pytest.fixture
def roles(empty_database_url: str) -> Iterator[Roles]:
    suffix = urlsplit(empty_database_url).path[1:]
    statements, grants = re.findall(r"```sql\n(.*?)```", DOCUMENT, re.DOTALL)

    def here(text: str) -> str:
        return re.sub(r"oracle_sync_(owner|worker)", rf"\1_{suffix}", text)

    names = [here("oracle_sync_owner"), here("oracle_sync_worker")]
    roles = Roles(empty_database_url, *(as_role(empty_database_url, name) for name in names))
    rows(roles.admin, here(statements))
    try:
        assert "oracle-sync prepare" in DOCUMENT
        Database(roles.owner, OPPORTUNITIES).prepare()
        rows(roles.owner, here(grants))
        yield roles
    finally:
        for name in names:
            rows(roles.admin, f"DROP OWNED BY {name} CASCADE")
            rows(roles.admin, f"DROP ROLE {name}")


def test_the_documented_role_can_do_everything(roles: Roles, tmp_path: Path) -> None:
    url, source = roles.worker, ListSource(60)
    database = Database(url, OPPORTUNITIES)
    database.demand_writable()
    odd = source.keys[5]
    source.items[odd]["OptyNumber"] = {"not": "a number"}
    assert run(url, source, batch_size=7).rejected == 1
    source.append(5)
    run(url, source)
    gone = source.keys[20]
    source.delete(20)
    source.items[odd]["OptyNumber"] = "mended"
    assert run(url, source).refreshes == 1
    assert table(url) == source.table()
    assert removed(url) == {str(gone)}
    assert replay(database, NAME, "test").refused == []
    for to, action in ((30, "rewind"), (0, "reset")):
        with writer(url) as store:
            store.move(to, action, "test")
    source.insert(20)
    run(url, source, full_refresh=True)
    assert table(url) == source.table()

    status = database.status(NAME)
    assert status is not None
    assert (status.rows, status.running) == (len(source.items), None)
    assert len(database.history(NAME)) >= 2
    assert len(database.details(NAME, 3).latest) == 3
    assert export(database, str(tmp_path / "table.csv"), "csv", None) == len(source.items)


def test_the_documented_role_runs_dagster_and_every_check_passes(
    roles: Roles, tmp_path: Path
) -> None:
    pod = Pod(rows=60)
    with SandboxServer(pod) as server:
        shutil.copy(PROJECT / "dagster.yaml", tmp_path)
        environ = environment(
            DAGSTER_HOME=str(tmp_path),
            DATABASE_URL=roles.worker,
            ORACLE_BASE_URL=server.url,
            ORACLE_USER=pod.user,
            ORACLE_PASSWORD=pod.password,
        )

        def tried(*words: str) -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                [sys.executable, "-m", "oracle_sync", *words],
                cwd=tmp_path,
                env=environ,
                capture_output=True,
                text=True,
                timeout=90,
                check=False,
            )

        synced, checked = tried("sync", "25"), tried("check")

    assert synced.returncode == 0, synced.stderr[-2000:]
    assert checked.returncode == 0, checked.stdout[-2000:]
    assert table(roles.admin) == pod.snapshot()
    owners = "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'dagster'"
    assert rows(roles.admin, owners) == [(urlsplit(roles.worker).username,)]


FORBIDDEN = (
    "CREATE TABLE public.mine (n int)",
    "CREATE SCHEMA mine",
    "ALTER TABLE minimal_opportunities ADD COLUMN mine int",
    "CREATE INDEX ON minimal_opportunities (synced_at)",
    "DROP TABLE refresh_marks",
    "TRUNCATE minimal_opportunities",
    "DELETE FROM sync_state",
    "UPDATE sync_history SET reason = 'mine'",
    "DELETE FROM sync_history",
    "DELETE FROM rejected_items",
    "UPDATE oracle_sync_version SET version_num = '0'",
    "SELECT setval('sync_history_id_seq', 1)",
    "SELECT * FROM others.salaries",
    "SELECT * FROM public.of_others",
    "COPY minimal_opportunities TO PROGRAM 'true'",
    "CREATE ROLE mine",
    "ALTER ROLE current_user SUPERUSER",
)


def test_the_documented_role_can_do_no_more(roles: Roles) -> None:
    rows(roles.admin, "CREATE SCHEMA others; CREATE TABLE others.salaries (n int)")
    rows(roles.admin, "CREATE TABLE public.of_others (n int)")
    allowed = []
    for statement in FORBIDDEN:
        try:
            rows(roles.worker, statement)
            allowed.append(statement)
        except psycopg2.errors.InsufficientPrivilege:
            continue
    assert allowed == []
    # And a new version's tables are the owner's to make.
    rows(roles.admin, "DELETE FROM oracle_sync_version")
    with pytest.raises(StoreRefused):
        Database(roles.worker, OPPORTUNITIES).prepare()


def test_a_declared_sync_needs_a_schema_of_its_own_or_the_right_to_make_one(roles: Roles) -> None:
    with pytest.raises(StoreRefused) as refused:
        Database(roles.worker, OPPORTUNITIES, "emea").prepare()
    assert "docs/operations.md" in refused.value.advice

    rows(roles.admin, f"CREATE SCHEMA emea AUTHORIZATION {urlsplit(roles.worker).username}")
    with Database(roles.worker, OPPORTUNITIES, "emea").writer("emea", "test") as store:
        run_sync(ListSource(20), store, Options())

    assert rows(roles.admin, "SELECT count(*) FROM emea.minimal_opportunities") == [(20,)]


def test_who_may_only_read_has_status_and_metrics(roles: Roles) -> None:
    run(roles.worker, ListSource(10))
    name = f"reader_{urlsplit(roles.admin).path[1:]}"
    rows(roles.admin, f"CREATE ROLE {name} LOGIN")
    try:
        rows(roles.owner, f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {name}")
        url = as_role(roles.admin, name)
        status = Database(url, OPPORTUNITIES).status(NAME)
        assert status is not None
        assert status.rows == 10
        connection = connect(url)
        try:
            assert table_rows(connection, OPPORTUNITIES)["minimal_opportunities"] == 10
            assert [s.state.offset for s in standings(connection, OPPORTUNITIES)] == [10]
        finally:
            connection.close()
        with pytest.raises(StoreRefused):
            writer(url)
    finally:
        rows(roles.admin, f"DROP OWNED BY {name} CASCADE; DROP ROLE {name}")
