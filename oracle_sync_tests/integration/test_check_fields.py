"""`oracle-sync check` names the fields that a pod refuses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from oracle_sync.cli.main import cli
from oracle_sync.config.collection import OPPORTUNITIES, Column
from oracle_sync.config.settings import OracleSettings
from oracle_sync.operations.columns import refused_fields
from oracle_sync.oracle.client import OracleClient
from oracle_sync.sandbox import Pod, SandboxServer

pytestmark = pytest.mark.usefixtures("no_settings")

KNOWN = ("OptyNumber", "Name", "Revenue", "StatusCode", "WinProb")


@pytest.fixture(scope="module")
def server() -> Iterator[SandboxServer]:
    with SandboxServer(Pod(rows=3)) as running:
        yield running


@pytest.fixture
def environment(server: SandboxServer, empty_database_url: str) -> Mapping[str, str]:
    user, password = server.auth
    return {
        "ORACLE_BASE_URL": server.url,
        "ORACLE_USER": user,
        "ORACLE_PASSWORD": password,
        "DATABASE_URL": empty_database_url,
    }


def check(environment: Mapping[str, str], *, status: int) -> str:
    result = CliRunner().invoke(cli, ["check"], env=dict(environment))
    assert result.exit_code == status, result.output
    return result.output


def test_the_bad_ones_of_many_fields_are_named_with_the_nearest(
    environment: Mapping[str, str],
) -> None:
    fields = "OptyId,OptyNumber,Name,Reveneu,StatusCode,WinProb,Nothing_like_it_c"

    said = check({**environment, "ORACLE_FIELDS": fields}, status=1)

    [line] = [line for line in said.splitlines() if line.startswith("FAIL  fields")]
    assert "Oracle refuses Reveneu (did you mean Revenue?), Nothing_like_it_c" in line
    assert "oracle-sync describe opportunities" in said


def test_each_sync_is_tried_with_its_own_fields(
    environment: Mapping[str, str], tmp_path: Path
) -> None:
    (tmp_path / "oracle_sync.toml").write_text(
        '[syncs.crm]\ncollection = "accounts"\nfields = ["PartyNumber", "Ctiy"]\n'
    )

    plain, _, crm = check(environment, status=1).partition("crm:\n")

    assert "ok    fields" in plain
    assert "Oracle refuses Ctiy (did you mean City?)" in crm


@settings(max_examples=15)
@given(
    good=st.sets(st.sampled_from(KNOWN)),
    bad=st.sets(st.sampled_from(["A1", "B2", "C3"]), min_size=1),
    random=st.randoms(),
)
def test_exactly_the_refused_fields_are_named(
    server: SandboxServer, good: set[str], bad: set[str], random: Random
) -> None:
    names = [*good, *bad]
    random.shuffle(names)
    columns = tuple(Column(name, name) for name in names)
    client = OracleClient(settings_of(server), replace(OPPORTUNITIES, columns=columns))

    assert set(refused_fields(client)) == bad


def test_no_field_is_blamed_for_what_is_refused_without_any(server: SandboxServer) -> None:
    wrong = replace(settings_of(server), query="Nope=1")
    columns = (Column("OptyNumber", "opty_number"), Column("A1", "a1"))

    assert refused_fields(OracleClient(wrong, replace(OPPORTUNITIES, columns=columns))) == []


def settings_of(server: SandboxServer) -> OracleSettings:
    user, password = server.auth
    return OracleSettings(base_url=server.url, user=user, password=password)
