"""Text in any alphabet, whatever the environment and the database say of encodings."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest
from click.testing import CliRunner
from dagster_postgres.utils import create_pg_connection
from sqlalchemy import create_engine, text

from oracle_sync.cli.main import cli
from oracle_sync.config.collection import OPPORTUNITIES
from oracle_sync.config.settings import load
from oracle_sync.errors import StoreRefused
from oracle_sync.orchestration.instance import dagster_url
from oracle_sync.postgres.database import Database
from oracle_sync_tests.support.harness import rows, run, table
from oracle_sync_tests.support.source import ListSource

NAME = "Łódź Żubr 株式会社 🦬"


@pytest.fixture(params=["LATIN1", "SQL_ASCII"])
def other_encoding(postgres_url: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """Create a database that can't hold every character."""
    name = f"t_{uuid.uuid4().hex[:16]}"
    rows(
        postgres_url,
        f"CREATE DATABASE {name} ENCODING '{request.param}' LC_COLLATE 'C' LC_CTYPE 'C' "
        "TEMPLATE template0",
    )
    yield urlunsplit(urlsplit(postgres_url)._replace(path=f"/{name}"))
    rows(postgres_url, f"DROP DATABASE {name} WITH (FORCE)")


def test_any_alphabet_is_stored_although_the_environment_names_another_encoding(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    source = ListSource(12)
    source.items[source.keys[3]]["OptyNumber"] = NAME
    run(database_url, source)
    monkeypatch.delenv("PGCLIENTENCODING")
    assert table(database_url) == source.table()


@pytest.mark.parametrize("apart", [False, True], ids=["in the sync's database", "in its own"])
def test_dagster_stores_any_alphabet_although_the_environment_names_another_encoding(
    database_url: str, monkeypatch: pytest.MonkeyPatch, apart: bool
) -> None:
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    further = {"DAGSTER_DATABASE_URL": database_url} if apart else {}
    engine = create_engine(dagster_url(load({"DATABASE_URL": database_url} | further)))
    with create_pg_connection(engine) as connection:
        assert connection.execute(text("SELECT :name"), {"name": NAME}).scalar() == NAME
    engine.dispose()


def test_a_database_that_cannot_hold_every_character_is_refused_with_what_to_do(
    other_encoding: str,
) -> None:
    with pytest.raises(StoreRefused, match="UTF8") as caught:
        Database(other_encoding, OPPORTUNITIES).prepare()
    assert "CREATE DATABASE" in caught.value.advice
    assert rows(other_encoding, "SELECT to_regclass('sync_state')") == [(None,)]


def test_check_names_a_database_that_cannot_hold_every_character(
    other_encoding: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, setting in {
        "DATABASE_URL": other_encoding,
        "ORACLE_BASE_URL": "http://127.0.0.1:9",
        "ORACLE_USER": "user",
        "ORACLE_PASSWORD": "password",
        "ORACLE_RETRY_SECONDS": "0",
    }.items():
        monkeypatch.setenv(name, setting)
    result = CliRunner().invoke(cli, ["check"])
    assert result.exit_code == 1
    assert "UTF8" in result.output
