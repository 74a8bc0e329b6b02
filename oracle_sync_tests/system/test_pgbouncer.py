"""A real PgBouncer before PostgreSQL, in the mode that works and in the one that can't."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg2
import pytest

from oracle_sync.config.collection import OPPORTUNITIES
from oracle_sync.config.settings import load
from oracle_sync.errors import Locked, StoreRefused
from oracle_sync.orchestration.instance import dagster_url
from oracle_sync.postgres.connection import connect, in_schema
from oracle_sync.postgres.dagster_tables import SCHEMA
from oracle_sync.postgres.database import Database
from oracle_sync_tests.support.harness import removed, rows, run, table, writer
from oracle_sync_tests.support.processes import free_port, until
from oracle_sync_tests.support.source import ListSource

BINARY = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
pytestmark = pytest.mark.skipif(BINARY is None, reason="no pgbouncer (apt-get install pgbouncer)")

LOCKS = """
    SELECT count(*) FROM pg_locks JOIN pg_database d ON d.oid = database
    WHERE locktype = 'advisory' AND datname = current_database()
"""

Pooler = Callable[..., str]


@pytest.fixture
def pooled(database_url: str) -> Iterator[Pooler]:
    """Return a function that starts PgBouncer in a mode, and returns the URL through it."""
    with ExitStack() as stack:

        def start(mode: str, **settings: str) -> str:
            return stack.enter_context(_bouncer(database_url, mode, settings))

        yield start


@contextmanager
def _bouncer(database_url: str, mode: str, settings: dict[str, str]) -> Iterator[str]:
    parts = urlsplit(database_url)
    server = parse_qs(parts.query)["host"][0]
    port = free_port()
    # Only the owner may enter the folder of the server's socket; and root may not run PgBouncer.
    owner = Path(server).owner()
    user = {"user": owner, "extra_groups": []} if os.geteuid() == 0 else {}
    lines = {
        "listen_addr": "127.0.0.1",
        "listen_port": port,
        "unix_socket_dir": "",
        "pool_mode": mode,
        "auth_type": "any",
    } | settings
    folder = Path(tempfile.mkdtemp(prefix="oracle_sync_pgbouncer-"))
    folder.chmod(0o755)
    ini = folder / "pgbouncer.ini"
    ini.write_text(
        f"[databases]\n* = host={server} user={parts.username}\n[pgbouncer]\n"
        + "".join(f"{name} = {value}\n" for name, value in lines.items())
    )
    assert BINARY is not None
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([BINARY, ini], stdout=log, stderr=log, **user)  # type: ignore[call-overload]
    url = f"postgresql://{parts.username}@127.0.0.1:{port}{parts.path}"

    def up() -> bool:
        assert process.poll() is None, (folder / "log").read_text()
        try:
            psycopg2.connect(url, connect_timeout=5).close()
        except psycopg2.OperationalError:
            return False
        return True

    try:
        until(15, "an answer of PgBouncer", up)
        yield url
    finally:
        process.kill()
        process.wait(60)
        shutil.rmtree(folder)


def test_in_session_mode_a_whole_sync_goes_through_with_its_lock(
    pooled: Pooler, database_url: str
) -> None:
    url, source = pooled("session"), ListSource(120)

    assert run(url, source).received == 120
    gone = [source.items.popitem()[0] for _ in range(3)]
    assert run(url, source, full_refresh=True).removed == 3

    assert set(table(database_url)) == {str(key) for key in source.items}
    assert removed(database_url) == {str(key) for key in gone}
    with writer(url), pytest.raises(Locked):
        writer(database_url, wait=0)
    assert rows(database_url, LOCKS) == [(0,)]


def test_in_session_mode_nothing_of_a_session_stays_for_the_next_client(pooled: Pooler) -> None:
    url = pooled("session", default_pool_size="1")
    connect(in_schema(url, SCHEMA)).close()

    values = rows(url, "SELECT current_setting('enable_hashjoin'), current_setting('search_path')")

    assert values == [("on", '"$user", public')]


@pytest.mark.parametrize("pool_size", ["1", "20"])
def test_in_transaction_mode_the_lock_is_refused_with_a_word_on_why_and_none_is_left(
    pooled: Pooler, database_url: str, pool_size: str
) -> None:
    url = pooled("transaction", default_pool_size=pool_size)

    with pytest.raises(StoreRefused, match="PgBouncer in transaction mode") as refused:
        writer(url)

    assert "session mode" in refused.value.advice
    assert rows(database_url, LOCKS) == [(0,)]
    assert rows(url, "SHOW enable_hashjoin") == [("on",)]
    # Nobody has to wait.
    with writer(database_url, wait=0):
        pass


@pytest.mark.parametrize(
    "settings",
    [{}, {"ignore_startup_parameters": "options"}],
    ids=["which refuses options", "which drops options"],
)
def test_a_schema_is_found_through_a_pooler(
    pooled: Pooler, database_url: str, settings: dict[str, str]
) -> None:
    url = pooled("session", **settings)

    Database(url, OPPORTUNITIES, "emea").prepare()
    with Database(url, OPPORTUNITIES, "emea").writer("emea", "test"):
        pass

    assert rows(database_url, "SELECT sync_name FROM emea.sync_state") == [("emea",)]
    assert rows(database_url, "SELECT count(*) FROM sync_state") == [(0,)]


@pytest.mark.parametrize(
    "settings",
    [{}, {"ignore_startup_parameters": "options"}],
    ids=["which refuses options", "which drops options"],
)
def test_dagsters_own_connections_do_not_land_in_a_wrong_schema(
    pooled: Pooler, settings: dict[str, str]
) -> None:
    url = pooled("session", **settings)

    with pytest.raises(StoreRefused, match="pooler") as refused:
        dagster_url(load({"DATABASE_URL": url}))

    assert "DAGSTER_DATABASE_URL" in refused.value.advice
    direct = load({"DATABASE_URL": url, "DAGSTER_DATABASE_URL": "postgresql://elsewhere/dagster"})
    assert dagster_url(direct) == "postgresql://elsewhere/dagster?client_encoding=UTF8"
