"""Several syncs, declared in a file: settings, tables, jobs and sensors of their own."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import dagster as dg
import pytest
from click.testing import CliRunner

from oracle_sync.cli.main import cli
from oracle_sync.config import syncs
from oracle_sync.config.collection import OPPORTUNITIES
from oracle_sync.config.settings import SETTINGS
from oracle_sync.definitions import build_defs
from oracle_sync.errors import SettingError
from oracle_sync.orchestration.resources import DbResource, OracleResource
from oracle_sync.postgres.database import Database
from oracle_sync.sandbox import Pod, SandboxServer
from oracle_sync_tests.support.harness import rows, run
from oracle_sync_tests.support.source import ListSource

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
Declare = Callable[[str], Path]


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for setting in SETTINGS:
        monkeypatch.delenv(setting.name, raising=False)
        monkeypatch.delenv(f"{setting.name}_FILE", raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def declare(tmp_path: Path) -> Declare:
    def write(text: str) -> Path:
        path = tmp_path / "oracle_sync.toml"
        path.write_text(text)
        return path

    return write


# -- the file --------------------------------------------------------------------------------------


def test_without_a_file_there_is_the_one_of_the_environment() -> None:
    assert syncs.declared() == [syncs.PLAIN]
    assert syncs.PLAIN.path("x") == ["x"]
    assert syncs.PLAIN.label("x") == "x"


def test_a_section_is_a_sync_with_names_of_its_own(declare: Declare) -> None:
    declare('[syncs.emea]\nORACLE_BASE_URL = "https://emea.example"\n[syncs.apac]\n')

    emea, apac = syncs.declared()

    assert (emea.name, emea.schema, apac.name) == ("emea", "emea", "apac")
    assert emea.path("minimal_opportunities") == ["emea", "minimal_opportunities"]
    assert emea.label("new_opportunities") == "new_opportunities_emea"
    assert emea.settings().oracle.base_url == "https://emea.example"


def test_a_section_of_the_default_name_keeps_the_plain_names_and_tables(declare: Declare) -> None:
    declare("[syncs.oracle_opportunities]\nORACLE_SYNC_BATCH_SIZE = 7\n[syncs.emea]\n")

    plain, _ = syncs.declared()

    assert (plain.schema, plain.path("x")) == ("", ["x"])
    assert plain.settings().batch_size == 7


def test_what_a_section_leaves_out_comes_from_the_environment(
    declare: Declare, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORACLE_SYNC_BATCH_SIZE", "77")
    monkeypatch.setenv("ORACLE_SYNC_CONCURRENCY", "3")
    declare("[syncs.emea]\nORACLE_SYNC_CONCURRENCY = 9\nORACLE_SYNC_SENSOR = true\n")

    [emea] = syncs.declared()

    settings = emea.settings()
    assert (settings.batch_size, settings.concurrency, settings.sensor_on) == (77, 9, True)


@pytest.mark.parametrize("own", ['ORACLE_BASE_URL = "https://emea.example"', 'ORACLE_USER = "u"'])
def test_credentials_of_the_environment_never_go_to_the_pod_of_a_section(
    declare: Declare, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, own: str
) -> None:
    (tmp_path / "token").write_text("tok3n")
    monkeypatch.setenv("ORACLE_USER", "somebody")
    monkeypatch.setenv("ORACLE_PASSWORD", "pa55")
    monkeypatch.setenv("ORACLE_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("ORACLE_CLIENT_SECRET", "s3cret")
    declare(f"[syncs.emea]\n{own}\n")

    oracle = syncs.declared()[0].settings().oracle

    assert not any((oracle.password, oracle.token, oracle.client_secret))
    assert oracle.user in ("", "u")


def test_a_secret_of_a_section_may_come_from_a_file_whatever_the_environment_holds(
    declare: Declare, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "password").write_text("of-emea\n")
    monkeypatch.setenv("ORACLE_PASSWORD", "of-the-environment")
    declare(f'[syncs.emea]\nORACLE_PASSWORD_FILE = "{tmp_path}/password"\n')

    assert syncs.declared()[0].settings().oracle.password == "of-emea"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "must hold sections such as [syncs.emea]"),
        ("[syncs", "is not TOML (at end of document)"),
        ("[syncs.emea]\nORACLE_PASSWORD = 'gehei\n", "is not TOML (at "),
        ("[syncs.emea]\nORACLE_TIMEOUT = " + "9" * 5_000, "is not TOML"),
        ("[syncs.emea]\nORACLE_USER = " + "[" * 5_000, "is not TOML"),
        ("[syncs.emea]\nORACLE_TIMEOUT = 0x" + "f" * 5_000, "must be a text or a number"),
        ("[syncs.emea]\nORACLE_PASSWORD.gehei = 1", "must be a text or a number"),
        ("#" * 2_000_000, "larger than 1024 KB"),
        ("syncs = 3", "must hold sections"),
        ("[syncs]\nemea = 3", "is not a section"),
        ("[other]\n[syncs.emea]", "and nothing else"),
        ("[syncs.Emea]", "name of"),
        ('[syncs."e;drop"]', "that of a PostgreSQL schema"),
        ("[syncs.public]", "that of a PostgreSQL schema"),
        ("[syncs.pg_emea]", "that of a PostgreSQL schema"),
        ("[syncs.dagster]", "that of a PostgreSQL schema"),
        (f"[syncs.{'a' * 41}]", "up to 40"),
        (
            "[syncs.emea]\nORACLE_BASE_ULR = 'x'",
            "ORACLE_BASE_ULR cannot be set per sync; did you mean ORACLE_BASE_URL?",
        ),
        ("[syncs.emea]\nORACLE_SYNC_HOME = 'x'", "ORACLE_SYNC_HOME cannot be set per sync"),
        ("[syncs.emea]\nDAGSTER_DATABASE_URL_FILE = 'x'", "cannot be set per sync"),
        ("[syncs.emea]\nORACLE_USER_FILE = 'x'", "ORACLE_USER_FILE cannot be set per sync"),
        ("[syncs.emea]\nORACLE_USER = [1]", "ORACLE_USER must be a text or a number"),
        (
            "[syncs.emea]\ncolection = 'x'",
            "colection cannot be set per sync; did you mean collection?",
        ),
        ("[syncs.emea]\nfeilds = 'x'", "did you mean fields?"),
        ("[syncs.emea]\ncollection = 'acounts'", "did you mean accounts?"),
        ("[syncs.emea]\ncollection = 'deals'", "Name its key attribute"),
        ("[syncs.emea]\nfields = [1]", "fields must be a text, or a list of texts"),
        (
            "[syncs.emea]\nfields = 'A'\nORACLE_FIELDS = 'B'",
            "are the same",
        ),
        ("[syncs.emea]\ntypes = 'numeric'", "types must give each attribute"),
        ("[syncs.emea]\ntypes = { Revenue = 'money' }", "The type of Revenue is 'money'"),
        ("[syncs.emea]\ntable = 3", "table must be a text"),
        ("[syncs.emea]\ntable = 'sync_state'", "cannot be called"),
        ("environment_sync = 1\n[syncs.emea]", "environment_sync must be true or false"),
    ],
)
def test_a_file_that_can_not_be_is_refused_naming_the_place(
    declare: Declare, text: str, told: str
) -> None:
    path = declare(text)

    with pytest.raises(SettingError) as refused:
        syncs.declared()

    assert told.replace("name of", "name is also") in refused.value.sentence()
    assert path.name in refused.value.sentence()
    assert "gehei" not in refused.value.sentence()


def test_a_section_names_its_collection_fields_types_and_table(declare: Declare) -> None:
    declare(
        """
        [syncs.crm]
        collection = "accounts"
        fields = ["PartyNumber", "OrganizationName", "*_c"]
        types = { CreditLimit_c = "numeric" }
        [syncs.deals]
        collection = "deals"
        key = "DealId"
        fields = "Name,Status"
        table = "registered_deals"
        """
    )

    crm, deals = syncs.declared()

    assert (crm.collection.path, crm.table_name) == ("accounts", "crm.accounts")
    assert crm.settings().oracle.fields == "PartyNumber,OrganizationName,*_c"
    assert crm.types == {"CreditLimit_c": "numeric"}
    assert (deals.collection.key.name, deals.table_name) == ("deal_id", "deals.registered_deals")
    assert deals.settings().oracle.order_by == "DealId:asc"


def test_the_sync_of_the_environment_stays_when_a_file_appears(
    declare: Declare, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its rows would otherwise grow old in silence."""
    monkeypatch.setenv("ORACLE_BASE_URL", "https://crm.example")
    declare('[syncs.crm]\ncollection = "accounts"\n')
    assert [sync.name for sync in syncs.declared()] == ["oracle_opportunities", "crm"]

    declare('environment_sync = false\n[syncs.crm]\ncollection = "accounts"\n')
    assert [sync.name for sync in syncs.declared()] == ["crm"]

    declare("[syncs.oracle_opportunities]\nORACLE_SYNC_BATCH_SIZE = 7\n")
    [plain] = syncs.declared()
    assert plain.settings().batch_size == 7


def test_the_environment_can_name_another_collection(
    declare: Declare, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORACLE_COLLECTION", "accounts")
    monkeypatch.setenv("ORACLE_FIELDS", "PartyNumber,City")
    [accounts] = syncs.declared()
    assert (accounts.name, accounts.table_name) == ("accounts", "accounts.accounts")
    oracle = accounts.settings().oracle
    assert (oracle.finder, oracle.query, oracle.fields) == ("", "", "PartyNumber,City")
    assert syncs.find("second").collection.path == "accounts"

    declare("[syncs.emea]\n[syncs.sales]\ncollection = 'opportunities'\n")
    emea, sales = syncs.declared()
    assert emea.collection.path == "accounts"
    assert sales.settings().oracle.fields == "OptyId,OptyNumber"


@pytest.mark.parametrize(
    ("path", "key", "words"),
    [("acounts", "", "did you mean accounts?"), ("deals", "", "ORACLE_KEY"), ("a b", "X", "a b")],
)
def test_a_collection_of_the_environment_that_cannot_be_is_refused(
    monkeypatch: pytest.MonkeyPatch, path: str, key: str, words: str
) -> None:
    monkeypatch.setenv("ORACLE_COLLECTION", path)
    monkeypatch.setenv("ORACLE_KEY", key)

    with pytest.raises(SettingError) as refused:
        syncs.declared()

    assert words in refused.value.sentence()


def test_a_bad_value_names_the_sync(declare: Declare) -> None:
    declare("[syncs.emea]\nORACLE_SYNC_BATCH_SIZE = 5000\n")

    with pytest.raises(SettingError, match=r"^Sync emea: ORACLE_SYNC_BATCH_SIZE must be"):
        syncs.declared()[0].settings()


def test_a_named_file_must_be_there_and_an_empty_name_is_none(
    declare: Declare, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare("[syncs.emea]")
    monkeypatch.setenv("ORACLE_SYNC_FILE", "elsewhere.toml")
    with pytest.raises(SettingError, match=r"names no file: elsewhere\.toml"):
        syncs.declared()

    monkeypatch.setenv("ORACLE_SYNC_FILE", "")
    assert syncs.declared() == [syncs.PLAIN]


def test_fields_given_in_code_do_not_go_to_pods_of_the_file(declare: Declare) -> None:
    declare('[syncs.emea]\nORACLE_BASE_URL = "https://emea.example"\n')

    with pytest.raises(SettingError, match="given password in code"):
        OracleResource(password="x").settings(syncs.declared()[0])


def test_fields_of_a_section_go_together_with_a_pod_given_in_code(declare: Declare) -> None:
    declare('[syncs.crm]\ncollection = "accounts"\nfields = "City"\n')
    [crm] = syncs.declared()

    oracle = OracleResource(base_url="https://crm.example", user="u", password="x").settings(crm)
    assert (oracle.base_url, oracle.fields) == ("https://crm.example", "City")
    with pytest.raises(SettingError, match="given fields in code"):
        OracleResource(fields="Country").settings(crm)


# -- two syncs at work -----------------------------------------------------------------------------


@pytest.fixture
def pods() -> Iterator[dict[str, SandboxServer]]:
    with (
        SandboxServer(Pod(rows=120, password="of-emea")) as emea,
        SandboxServer(Pod(rows=80, password="of-apac")) as apac,
    ):
        emea.pod.add(3)
        yield {"emea": emea, "apac": apac}


@pytest.fixture
def both(
    declare: Declare,
    monkeypatch: pytest.MonkeyPatch,
    pods: dict[str, SandboxServer],
    empty_database_url: str,
) -> dg.Definitions:
    """Definitions of two syncs in one database, each with a pod and credentials of its own."""
    monkeypatch.setenv("DATABASE_URL", empty_database_url)
    monkeypatch.setenv("ORACLE_SYNC_BATCH_SIZE", "50")
    monkeypatch.setenv("ORACLE_RETRY_SECONDS", "0")
    sections = [
        f'[syncs.{name}]\nORACLE_BASE_URL = "{server.url}"\n'
        f'ORACLE_USER = "{server.pod.user}"\nORACLE_PASSWORD = "{server.pod.password}"\n'
        for name, server in pods.items()
    ]
    declare("\n".join(sections))
    return build_defs()


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


def sync(defs: dg.Definitions, instance: dg.DagsterInstance, name: str) -> bool:
    job = defs.resolve_job_def(f"sync_opportunities_{name}")
    return job.execute_in_process(run_config=QUIET, instance=instance, raise_on_error=False).success


def stored(url: str, name: str) -> dict[str, str | None]:
    return dict(
        rows(url, f"SELECT opportunity_id, opportunity_number FROM {name}.minimal_opportunities")
    )


def tick(defs: dg.Definitions, instance: dg.DagsterInstance, name: str) -> Any:
    resources = {"oracle": OracleResource(), "db": DbResource()}
    with dg.build_sensor_context(
        instance=instance, definitions=defs, resources=resources
    ) as context:
        sensor = defs.resolve_sensor_def(f"new_opportunities_{name}")
        return sensor.evaluate_tick(context)


def test_each_sync_has_assets_job_schedule_and_sensor_of_its_own(both: dg.Definitions) -> None:
    dg.Definitions.validate_loadable(both)
    repository = both.get_repository_def()

    keys = {spec.key.to_user_string() for spec in both.resolve_all_asset_specs()}
    names = {sensor.name for sensor in repository.sensor_defs}
    schedules = {schedule.name for schedule in repository.schedule_defs}

    for name in ("emea", "apac"):
        kinds = ("oracle_opportunities", "minimal_opportunities", "sync_overview")
        assert {f"{name}/{kind}" for kind in kinds} <= keys
        assert f"new_opportunities_{name}" in names
        assert f"nightly_full_refresh_{name}" in schedules
    assert len(keys) == 6


def test_each_sync_fills_tables_of_its_own_from_its_own_pod(
    both: dg.Definitions,
    instance: dg.DagsterInstance,
    pods: dict[str, SandboxServer],
    empty_database_url: str,
) -> None:
    for name, server in pods.items():
        assert sync(both, instance, name)
        assert stored(empty_database_url, name) == server.pod.snapshot()

    [(other,)] = rows(empty_database_url, "SELECT sync_name FROM apac.sync_state")
    assert other == "apac"
    assert (
        rows(empty_database_url, "SELECT tablename FROM pg_tables WHERE schemaname='public'") == []
    )


def test_a_full_refresh_of_one_leaves_the_other_alone(
    both: dg.Definitions,
    instance: dg.DagsterInstance,
    pods: dict[str, SandboxServer],
    empty_database_url: str,
) -> None:
    for name in pods:
        assert sync(both, instance, name)
    pods["emea"].pod.remove(positions=[4])

    assert sync(both, instance, "emea")

    for name, server in pods.items():
        assert stored(empty_database_url, name) == server.pod.snapshot()


def test_a_dead_pod_fails_its_own_sync_and_tick_alone(
    both: dg.Definitions, instance: dg.DagsterInstance, pods: dict[str, SandboxServer]
) -> None:
    for name in pods:
        assert sync(both, instance, name)
    pods["emea"].stop()
    pods["apac"].pod.add(1)

    assert "failed" in (tick(both, instance, "emea").skip_message or "")
    [request] = tick(both, instance, "apac").run_requests
    assert request.tags["oracle_sync/sync_name"] == "apac"
    assert list(request.run_config["ops"]) == ["apac__minimal_opportunities"]
    assert not sync(both, instance, "emea")
    assert sync(both, instance, "apac")


def test_the_overview_and_the_operations_know_whose_they_are(
    both: dg.Definitions,
    instance: dg.DagsterInstance,
    pods: dict[str, SandboxServer],
    empty_database_url: str,
) -> None:
    for name in pods:
        assert sync(both, instance, name)
    defs = dg.Definitions.merge(
        both,
        dg.Definitions(jobs=[dg.define_asset_job("seen", selection=["apac/sync_overview"])]),
    )

    result = defs.resolve_job_def("seen").execute_in_process(instance=instance, run_config=QUIET)
    [event] = result.asset_materializations_for_node("apac__sync_overview")
    assert event.metadata["rows"].value == 80
    assert event.metadata["runs"].value == 1

    config = {"ops": {"move_offset": {"config": {"reason": "x", "sync_name": "emea"}}}}
    assert (
        defs.resolve_job_def("reset_or_rewind")
        .execute_in_process(instance=instance, run_config=QUIET | config)
        .success
    )
    offsets = {
        name: rows(empty_database_url, f"SELECT current_offset FROM {name}.sync_state")[0][0]
        for name in pods
    }
    assert offsets == {"emea": 0, "apac": 80}


def test_the_command_line_knows_them_by_name(
    both: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    assert sync(both, instance, "emea")
    runner = CliRunner()

    everything = json.loads(runner.invoke(cli, ["status", "--json"]).output)
    assert [found["sync_name"] for found in everything] == ["emea", "apac"]
    assert [found["known"] for found in everything] == [True, False]
    one = json.loads(runner.invoke(cli, ["status", "--json", "--sync-name", "emea"]).output)
    assert one["rows"] == 123
    unnamed = runner.invoke(cli, ["reset"])
    assert unnamed.exit_code == 1
    assert "Several syncs are declared: emea, apac" in unnamed.output
    assert runner.invoke(cli, ["reset", "--sync-name", "emea"]).exit_code == 0


def test_check_tries_each_of_them_or_the_one_that_is_named(
    both: dg.Definitions, pods: dict[str, SandboxServer]
) -> None:
    pods["apac"].pod.password = "changed"
    runner = CliRunner()

    everything = runner.invoke(cli, ["check"])
    assert everything.exit_code == 1
    emea, _, apac = everything.output.partition("apac:\n")
    assert emea.startswith("emea:\n")
    assert "about 123 in all" in emea
    assert "known syncs" not in emea
    assert "FAIL  sign-in" in apac
    assert runner.invoke(cli, ["check", "--sync-name", "emea"]).exit_code == 0


def test_a_misspelt_name_is_said_once_by_each_command_and_by_check(
    monkeypatch: pytest.MonkeyPatch, empty_database_url: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", empty_database_url)
    monkeypatch.setenv("ORACLE_PASWORD", "geheim")
    for command in ("status", "check", "history"):
        output = CliRunner().invoke(cli, [command]).output
        assert output.count("ORACLE_PASWORD is set, but there is no such setting") == 1
        assert "did you mean ORACLE_PASSWORD?" in output
        assert "geheim" not in output


def test_threads_that_make_the_tables_of_several_syncs_at_once_make_all_of_each(
    empty_database_url: str,
) -> None:
    names = [f"s{number}" for number in range(8)]
    ready = Barrier(len(names))

    def make(name: str) -> None:
        database = Database(empty_database_url, OPPORTUNITIES, name)
        ready.wait(30)
        database.prepare()

    with ThreadPoolExecutor(len(names)) as threads:
        list(threads.map(make, names))
    count = "SELECT count(*) FROM pg_tables WHERE schemaname = %s"
    found = {name: rows(empty_database_url, count, name)[0][0] for name in names}
    assert found == dict.fromkeys(names, 8)


def test_rows_of_a_sync_that_is_no_longer_declared_are_said_by_status_and_check(
    declare: Declare, monkeypatch: pytest.MonkeyPatch, database_url: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    run(database_url, ListSource(3), "oracle_opportunities")
    runner = CliRunner()
    said = (
        "minimal_opportunities holds rows of the sync oracle_opportunities, which is not declared"
    )

    assert said not in runner.invoke(cli, ["status"]).output
    declare("[syncs.emea]\n")
    for command in ("status", "check"):
        output = runner.invoke(cli, [command]).output
        assert said in output
        assert "[syncs.oracle_opportunities]" in output
    json.loads(runner.invoke(cli, ["status", "--json"]).stdout)
    declare("[syncs.oracle_opportunities]\n[syncs.emea]\n")
    assert said not in runner.invoke(cli, ["status"]).output
