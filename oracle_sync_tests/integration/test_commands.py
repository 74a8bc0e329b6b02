"""The commands in this process: what they say and leave, whatever they are given."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from oracle_sync.cli.main import cli
from oracle_sync.config.settings import DEFAULT_SYNC_NAME
from oracle_sync_tests.support.faulty_pod import FaultyPod as Pod
from oracle_sync_tests.support.faulty_pod import FaultyServer as SandboxServer
from oracle_sync_tests.support.harness import run
from oracle_sync_tests.support.source import ListSource

pytestmark = pytest.mark.usefixtures("no_settings")

Command = Callable[..., Result]


@pytest.fixture
def command() -> Command:
    """Run a command; an exception that it does not put into words fails the test."""

    def invoke(*words: str, status: int = 0) -> Result:
        result = CliRunner().invoke(cli, words)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
        assert result.exit_code == status, result.output
        return result

    return invoke


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch, database_url: str) -> str:
    """Fill the database of the settings with 12 rows."""
    run(database_url, ListSource(12), DEFAULT_SYNC_NAME)
    monkeypatch.setenv("DATABASE_URL", database_url)
    return database_url


# -- a folder in which nothing has been synced -----------------------------------------------------


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (("status",), 0),
        (("history",), 0),
        (("metrics", "--port", "0"), 1),
        (("export", "out.csv"), 1),
        (("export", "-"), 1),
        (("reset",), 1),
        (("rewind", "0", "--reason", "x"), 1),
        (("replay",), 1),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else "",
)
def test_where_nothing_has_been_synced_a_command_says_where_it_looked_and_makes_no_database(
    command: Command, tmp_path: Path, words: tuple[str, ...], status: int
) -> None:
    said = command(*words, status=status).output
    assert "Nothing has been synced here yet" in said
    assert str(tmp_path / ".oracle_sync" / "postgres") in said
    assert "oracle-sync sync" in said
    assert os.listdir(tmp_path) == []


def test_where_nothing_has_been_synced_the_status_is_unknown_to_programs(command: Command) -> None:
    shown = json.loads(command("status", "--json").stdout)
    assert shown == {"sync_name": DEFAULT_SYNC_NAME, "known": False}


def test_the_status_for_programs_keeps_its_names(command: Command, synced: str) -> None:
    shown = json.loads(command("status", "--json").stdout)
    assert set(shown) == {
        *("sync_name", "known", "current_offset", "total_synced", "is_complete", "last_sync_at"),
        *("refreshing", "doubt", "source_total", "lag", "last_success_at", "seconds_since_success"),
        *("fields", "removal_held", "removal_held_at", "last_error", "last_error_at"),
        *("rows", "own_rows", "removed", "rejected"),
        *("rejected_examples", "table", "running"),
    }
    assert (shown["known"], shown["current_offset"], shown["rows"]) == (True, 12, 12)


# -- check -----------------------------------------------------------------------------------------


@pytest.fixture
def pod(monkeypatch: pytest.MonkeyPatch, database_url: str) -> Iterator[Pod]:
    """Run the pod of the settings, which also name a database."""
    with SandboxServer(Pod(rows=20)) as server:
        user, password = server.auth
        monkeypatch.setenv("ORACLE_BASE_URL", server.url)
        monkeypatch.setenv("ORACLE_USER", user)
        monkeypatch.setenv("ORACLE_PASSWORD", password)
        monkeypatch.setenv("ORACLE_RETRY_SECONDS", "0")
        monkeypatch.setenv("DATABASE_URL", database_url)
        yield server.pod


@pytest.mark.parametrize(
    ("bad", "mark", "status"), [(0, "ok", 0), (1, "warn", 0), (19, "warn", 0), (20, "FAIL", 1)]
)
def test_check_fails_where_no_row_can_be_stored_and_warns_where_some_can_not(
    command: Command, pod: Pod, bad: int, mark: str, status: int
) -> None:
    if bad:
        pod.add_fault("bad_value", times=None, rows=list(range(bad)), value={"not": "text"})
    said = command("check", status=status).output
    assert re.search(rf"^{mark} +rows +{20 - bad} of the first 20 can be stored", said, re.M), said
    assert ("OptyNumber is neither text nor a number" in said) is bool(bad)
