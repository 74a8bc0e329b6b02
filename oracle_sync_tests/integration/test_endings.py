"""How a command ends that can't do its work: in words, with a status, whatever went wrong."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner

from oracle_sync.cli.main import cli
from oracle_sync.config.settings import DEFAULT_SYNC_NAME, load
from oracle_sync.errors import SettingError
from oracle_sync.operations import moves
from oracle_sync.orchestration.instance import dagster_home
from oracle_sync_tests.support import PROJECT
from oracle_sync_tests.support.harness import rows, run
from oracle_sync_tests.support.source import ListSource

pytestmark = pytest.mark.usefixtures("no_settings")

PASSWORD = "S3cr3t-passw0rd"

needs_dev_full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch, database_url: str) -> str:
    """Return a database of 12 rows that the settings lead to."""
    run(database_url, ListSource(12), DEFAULT_SYNC_NAME)
    monkeypatch.setenv("DATABASE_URL", database_url)
    return database_url


def failure(*words: str) -> str:
    """Return the line of cause and the line of advice of a command that must fail."""
    result = CliRunner().invoke(cli, words)
    assert isinstance(result.exception, SystemExit), result.exc_info
    assert result.exit_code == 1, result.output
    return two_lines(result.stderr)


def two_lines(stderr: str) -> str:
    cause, advice = stderr.splitlines()
    assert cause.startswith("Failed: "), stderr
    assert advice.startswith("What to do: "), stderr
    return stderr


def process(
    *words: str, stdout: int = subprocess.PIPE, before: str = "", **environ: str
) -> subprocess.CompletedProcess[str]:
    """Run a command as a process; `before` is Python that runs first."""
    code = f"import sys\n{before}\nfrom oracle_sync.cli.main import main\nmain()"
    return subprocess.run(
        [sys.executable, "-c", code, *words],
        env=os.environ | {"PYTHONPATH": str(PROJECT)} | environ,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        timeout=90,
        check=False,
    )


# -- exceptions ------------------------------------------------------------------------------------


def test_an_exception_that_no_code_was_written_for_ends_in_words_without_a_secret(
    synced: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError(f"division by {PASSWORD} or by t0ken")

    (tmp_path / "token").write_text("t0ken")
    monkeypatch.setenv("ORACLE_PASSWORD", PASSWORD)
    monkeypatch.setenv("ORACLE_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setattr(moves, "move", broken)
    said = failure("reset")
    assert "The command failed unexpectedly: ZeroDivisionError in oracle_sync/cli" in said
    assert "division by *** or by ***" in said
    assert "please report" in said


# -- the output ------------------------------------------------------------------------------------

SHOWING: Sequence[tuple[str, ...]] = [
    ("status",),
    ("status", "--json"),
    ("history",),
    ("reset",),
    ("--help",),
    ("export", "--help"),
    ("--version",),
]


@pytest.mark.parametrize("words", SHOWING, ids=" ".join)
def test_where_nobody_reads_the_output_that_is_said_in_two_lines(
    synced: str, words: tuple[str, ...]
) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        ended = process(*words, stdout=writing)
    finally:
        os.close(writing)
    assert ended.returncode == 1, ended.stderr
    assert "The output can't be written: Broken pipe." in two_lines(ended.stderr)


@needs_dev_full
@pytest.mark.parametrize("words", SHOWING, ids=" ".join)
def test_where_the_output_has_no_room_that_is_said_in_two_lines(
    synced: str, words: tuple[str, ...]
) -> None:
    with Path("/dev/full").open("wb") as full:
        ended = process(*words, stdout=full.fileno())
    assert ended.returncode == 1, ended.stderr
    said = two_lines(ended.stderr)
    assert "The output can't be written: No space left on device." in said
    assert "oracle-sync status" in said


def test_an_export_to_a_standard_output_that_is_closed_does_not_say_that_it_was_done(
    synced: str,
) -> None:
    closed = process("export", "-", before="import os; os.close(1); sys.stdout = None")
    assert closed.returncode == 1
    assert "standard output failed: it is closed" in two_lines(closed.stderr)


def test_what_a_terminal_has_no_letters_for_is_shown_escaped(synced: str) -> None:
    rows(synced, "UPDATE sync_state SET last_error = 'no ☃'")
    shown = process("status", PYTHONIOENCODING="latin-1")
    assert shown.returncode == 0, shown.stderr
    assert r"Last error: no \u2603" in shown.stdout


def test_a_name_from_the_database_reaches_the_terminal_without_its_escapes(synced: str) -> None:
    rows(synced, "INSERT INTO sync_state (sync_name) VALUES (E'\\x1b[31m' || repeat('x', 5000))")
    said = failure("reset", "--sync-name", "nobody")
    assert "Known sync names: " in said
    assert DEFAULT_SYNC_NAME in said
    assert "\x1b" not in said
    assert len(said) < 600


def test_a_name_that_has_no_state_has_no_history_either(synced: str) -> None:
    said = failure("history", "--sync-name", "nobody")
    assert "No sync state found for 'nobody'." in said


# -- folders ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [("status",), ("history",), ("export", "x.csv"), ("metrics",)])
def test_a_home_that_can_not_be_looked_into_is_named(
    monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.setenv("ORACLE_SYNC_HOME", "x" * 300)
    said = failure(*words)
    assert "can't be looked into: File name too long." in said
    assert "ORACLE_SYNC_HOME" in said


@pytest.mark.parametrize("home", ["nowhere", "file", "empty"])
def test_a_home_of_dagster_without_its_file_is_named_instead_of_filled(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, home: str
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / home))
    with pytest.raises(SettingError, match=r"There is no dagster\.yaml in .*, where DAGSTER_HOME"):
        dagster_home(load())


def test_a_home_in_which_nothing_can_be_written_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("ORACLE_SYNC_HOME", str(tmp_path / "file"))
    with pytest.raises(SettingError, match=r"file/dagster can't be used: Not a dir.*\.$"):
        dagster_home(load())
