"""What `oracle-sync describe` says of a pod, and of what is synced from it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from oracle_sync.cli.main import cli
from oracle_sync.sandbox import Pod, SandboxServer
from oracle_sync_tests.support.harness import rows

pytestmark = pytest.mark.usefixtures("no_settings")

Command = Callable[..., Result]


@pytest.fixture
def server() -> Iterator[SandboxServer]:
    with SandboxServer(Pod(rows=12)) as running:
        yield running


@pytest.fixture
def command(
    server: SandboxServer, monkeypatch: pytest.MonkeyPatch, empty_database_url: str
) -> Command:
    """Run a command against the pod; an exception that is not in words fails the test."""
    user, password = server.auth
    monkeypatch.setenv("ORACLE_BASE_URL", server.url)
    monkeypatch.setenv("ORACLE_USER", user)
    monkeypatch.setenv("ORACLE_PASSWORD", password)
    monkeypatch.setenv("ORACLE_RETRY_SECONDS", "0")
    monkeypatch.setenv("DATABASE_URL", empty_database_url)

    def invoke(*words: str, status: int = 0) -> Result:
        result = CliRunner().invoke(cli, words)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
        assert result.exit_code == status, result.output
        return result

    return invoke


def field(sheet: dict[str, Any], name: str) -> dict[str, Any]:
    """Return one attribute of those that `--json` lists."""
    [one] = [one for one in sheet["attributes"] if one["name"] == name]
    return dict(one)


def test_the_collections_of_the_pod_are_listed_with_the_syncs_that_read_them(
    command: Command, tmp_path: Path
) -> None:
    (tmp_path / "oracle_sync.toml").write_text('[syncs.crm]\ncollection = "accounts"\n')

    lines = command("describe").stdout.splitlines()

    assert lines[0].split() == ["collection", "title", "synced", "by"]
    assert [line.split() for line in lines if line.startswith("accounts")] == [
        ["accounts", "Accounts", "crm"]
    ]
    offers = {offer["path"]: offer for offer in json.loads(command("describe", "--json").stdout)}
    assert offers["opportunities"]["syncs"] == ["oracle_opportunities"]
    assert offers["leads"] == {"path": "leads", "title": "Sales Leads", "syncs": []}


def test_an_attribute_is_shown_with_its_types_and_whether_it_is_custom_and_queryable(
    command: Command,
) -> None:
    sheet = json.loads(command("describe", "accounts", "--json").stdout)

    assert (sheet["path"], sheet["title"]) == ("accounts", "Account")
    assert field(sheet, "PartyId") == {
        "name": "PartyId",
        "title": "Party Id",
        "type": "integer",
        "column_type": "bigint",
        "custom": False,
        "queryable": True,
        "key": True,
        "synced": [],
    }
    location = field(sheet, "Location_c")
    assert (location["column_type"], location["custom"]) == ("jsonb", True)
    assert not location["queryable"]


def test_a_column_is_shown_as_synced_once_its_rows_have_it(
    command: Command, monkeypatch: pytest.MonkeyPatch, empty_database_url: str
) -> None:
    def uses(name: str) -> Any:
        sheet = json.loads(command("describe", "opportunities", "--json").stdout)
        return field(sheet, name)["synced"]

    column = {"sync": "oracle_opportunities", "table": "minimal_opportunities"}
    column |= {"column": "opportunity_number"}
    assert uses("OptyNumber") == [column | {"filled": False}]
    assert uses("Name") == []
    assert rows(empty_database_url, "SELECT 1 FROM pg_tables WHERE schemaname = 'public'") == []

    command("sync", "499")
    assert uses("OptyNumber") == [column | {"filled": True}]
    monkeypatch.setenv("ORACLE_FIELDS", "OptyId,OptyNumber,Name")
    assert uses("Name") == [column | {"column": "name", "filled": False}]
    text = command("describe", "opportunities").stdout
    assert "minimal_opportunities.opportunity_number\n" in text
    assert "minimal_opportunities.name (not yet)\n" in text


def test_a_collection_that_the_pod_lacks_is_named_with_the_nearest(command: Command) -> None:
    said = command("describe", "acounts", status=1).output

    assert "The pod has no collection acounts; did you mean accounts?" in said
    assert "oracle-sync describe lists" in said


def test_several_pods_need_a_name(command: Command, tmp_path: Path, server: SandboxServer) -> None:
    with SandboxServer(Pod(rows=1, password="of-emea")) as emea:
        (tmp_path / "oracle_sync.toml").write_text(
            f'[syncs.emea]\ncollection = "leads"\nORACLE_BASE_URL = "{emea.url}"\n'
            f'ORACLE_USER = "{emea.pod.user}"\nORACLE_PASSWORD = "of-emea"\n'
        )

        assert "have different pods" in command("describe", status=1).output
        assert server.url in command("describe", "opportunities").stdout
        assert emea.url in command("describe", "leads").stdout
        offers = json.loads(command("describe", "--sync-name", "emea", "--json").stdout)
    by = {offer["path"]: offer["syncs"] for offer in offers}
    assert (by["leads"], by["opportunities"]) == (["emea"], [])


def test_words_of_the_pod_stay_on_their_line(command: Command, server: SandboxServer) -> None:
    text = command("describe", "activities").stdout

    assert (
        len(text.splitlines())
        == len(json.loads(command("describe", "activities", "--json").stdout)["attributes"]) + 2
    )
    assert text.startswith(f"activities of {server.url}, described ")


def test_what_a_run_has_kept_is_shown_until_the_pod_is_asked_again(
    command: Command, server: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def names(*words: str) -> set[str]:
        sheet = json.loads(command("describe", "opportunities", "--json", *words).stdout)
        return {one["name"] for one in sheet["attributes"]}

    monkeypatch.setenv("ORACLE_FIELDS", "OptyNumber,Name")
    command("sync", "499")
    server.pod.columns.add("Fresh_c", "string")

    assert "Fresh_c" not in names()
    assert "Fresh_c" in names("--refresh")
    assert "Fresh_c" in names()
