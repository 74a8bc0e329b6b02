"""`oracle-sync verify` says by its exit status whether the table equals Oracle."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from click.testing import CliRunner

from oracle_sync.cli.main import cli
from oracle_sync.sandbox import Pod, SandboxServer
from oracle_sync_tests.support.harness import table

pytestmark = pytest.mark.usefixtures("no_settings")

Command = Callable[..., str]


@pytest.fixture
def server() -> Iterator[SandboxServer]:
    with SandboxServer(Pod(rows=1_000)) as running:
        yield running


@pytest.fixture
def command(server: SandboxServer, database_url: str) -> Command:
    """Return what runs a command on a table that was synced, and returns what it says."""
    user, password = server.auth
    environment = {
        "ORACLE_BASE_URL": server.url,
        "ORACLE_USER": user,
        "ORACLE_PASSWORD": password,
        "DATABASE_URL": database_url,
    }

    def run(*words: str, status: int = 0) -> str:
        result = CliRunner().invoke(cli, words, env=environment)
        assert result.exit_code == status, result.output
        return result.output

    run("sync", "499")
    return run


def test_a_table_that_equals_oracle_ends_with_status_0(command: Command) -> None:
    assert command("verify").startswith("Equal to Oracle as of ")


def test_rows_that_differ_are_named_end_with_status_3_and_stay_until_they_are_repaired(
    command: Command, server: SandboxServer, database_url: str
) -> None:
    gone = server.pod.ids()[100:103]
    server.pod.remove(gone)

    said = command("verify", status=3)

    assert "3 rows differ:" in said
    assert all(f"{key} gone" in said for key in gone)
    assert "Not shown equal to Oracle: " in said
    assert len(table(database_url)) == 1_000
    assert "3 rows differed:" in command("verify", "--repair")
    assert table(database_url) == server.pod.snapshot()
    assert command("verify").startswith("Equal to Oracle as of ")


@pytest.mark.parametrize("setting", ["total_unknown", "refuse_date_q", "refuse_date_field"])
def test_where_equality_cannot_be_said_it_ends_with_status_1_and_says_why(
    command: Command, server: SandboxServer, setting: str
) -> None:
    server.pod.configure(**{setting: True})
    assert command("verify", status=1).startswith("Not compared with Oracle: ")
