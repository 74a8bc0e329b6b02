"""What the code location offers, and that it loads whatever is set or not."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from oracle_sync.config.collection import Collection, Column
from oracle_sync.config.settings import SETTINGS
from oracle_sync.config.syncs import Sync
from oracle_sync.definitions import build_defs
from oracle_sync.errors import SettingError
from oracle_sync.orchestration import assets
from oracle_sync.orchestration.foreign_text import as_markdown
from oracle_sync.orchestration.resources import DbResource, OracleResource
from oracle_sync_tests.support import PROJECT

TABLE = dg.AssetKey("minimal_opportunities")
ORACLE = dg.AssetKey("oracle_opportunities")
OVERVIEW = dg.AssetKey("sync_overview")

# Warnings of Dagster about its own commands, which say nothing of this project.
COMMANDS = ["-W", "ignore:Function `.*command` is superseded"]


def environment(folder: Path, **further: str) -> dict[str, str]:
    """Return an environment without settings of this project, and with a new Dagster home."""
    ours = {name for s in SETTINGS for name in (s.name, f"{s.name}_FILE")} | {"DAGSTER_HOME"}
    kept = {name: value for name, value in os.environ.items() if name not in ours}
    home = folder / "home"
    home.mkdir(exist_ok=True)
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\nnux: {enabled: false}\n")
    return kept | {"DAGSTER_HOME": str(home), "HOME": str(folder)} | further


def python(
    folder: Path, *arguments: str, cwd: Path = PROJECT, **further: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env=environment(folder, **further),
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


@pytest.fixture(scope="module")
def defs() -> dg.Definitions:
    return build_defs()


@pytest.fixture(scope="module")
def specs(defs: dg.Definitions) -> Mapping[dg.AssetKey, dg.AssetSpec]:
    return {spec.key: spec for spec in defs.resolve_all_asset_specs()}


# -- loading ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("", ""),
        ("ORACLE_SYNC_BATCH_SIZE", "many"),
        ("ORACLE_SYNC_SENSOR", "perhaps"),
        ("ORACLE_SYNC_SENSOR_INTERVAL", "-1"),
        ("DATABASE_URL", "mysql://nowhere"),
        ("ORACLE_BASE_URL", "ftp://pod"),
        ("ORACLE_PASSWORD_FILE", "/no/such/file"),
    ],
)
def test_definitions_load_without_settings_and_with_a_broken_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, value: str
) -> None:
    for setting in SETTINGS:
        monkeypatch.delenv(setting.name, raising=False)
    monkeypatch.chdir(tmp_path)  # no .env here
    if name:
        monkeypatch.setenv(name, value)

    defs = build_defs()

    assert {spec.key for spec in defs.resolve_all_asset_specs()} == {TABLE, ORACLE, OVERVIEW}
    dg.Definitions.validate_loadable(defs)


def test_loading_the_definitions_gives_no_warning_of_any_kind(tmp_path: Path) -> None:
    done = python(tmp_path, "-W", "error", "-c", "import oracle_sync.definitions", cwd=tmp_path)

    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stderr == ""


def test_loading_the_definitions_starts_nothing_and_writes_nothing(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()

    done = python(tmp_path, "-c", "import oracle_sync.definitions", cwd=work)

    assert done.returncode == 0, done.stderr[-2000:]
    assert list(work.iterdir()) == []


# -- what there is ---------------------------------------------------------------------------------


def test_the_table_comes_from_the_collection_outside_dagster(
    specs: Mapping[dg.AssetKey, dg.AssetSpec],
) -> None:
    assert set(specs) == {TABLE, ORACLE, OVERVIEW}
    assert [dep.asset_key for dep in specs[OVERVIEW].deps] == [TABLE]
    assert [dep.asset_key for dep in specs[TABLE].deps] == [ORACLE]
    assert list(specs[ORACLE].deps) == []


def test_the_collection_can_only_be_looked_at_and_the_table_be_made(defs: dg.Definitions) -> None:
    graph = defs.resolve_asset_graph()

    assert graph.get(TABLE).is_materializable
    assert not graph.get(ORACLE).is_materializable
    assert graph.get(ORACLE).is_external


def test_assets_have_group_kinds_owners_and_a_description(
    specs: Mapping[dg.AssetKey, dg.AssetSpec],
) -> None:
    assert {spec.group_name for spec in specs.values()} == {"oracle_sync"}
    assert specs[TABLE].kinds == {"postgres", "python"}
    assert specs[ORACLE].kinds == {"oracle"}
    assert specs[OVERVIEW].kinds == {"pandas"}
    assert list(specs[TABLE].owners) == ["team:data-engineering"]
    assert specs[TABLE].tags["source"] == "oracle_fusion"
    assert all(len(spec.description or "") > 40 for spec in specs.values())


def test_the_table_shows_its_columns_before_it_is_made(
    specs: Mapping[dg.AssetKey, dg.AssetSpec],
) -> None:
    schema = specs[TABLE].metadata["dagster/column_schema"]

    names = [column.name for column in schema.columns]
    assert names[:4] == ["id", "opportunity_id", "opportunity_number", "synced_at"]
    assert all(column.description for column in schema.columns)


def test_job_sensor_schedule_and_resources_have_the_names_that_scripts_rely_on(
    defs: dg.Definitions,
) -> None:
    repository = defs.get_repository_def()

    jobs = {job.name for job in repository.get_all_jobs()} - {"__ASSET_JOB"}
    assert jobs == {
        "sync_opportunities",
        "reset_or_rewind",
        "replay_rejected_items",
        "verify_table",
    }
    # The other one is Dagster's own, for the hourly overview.
    ours = {sensor.name for sensor in repository.sensor_defs}
    assert ours == {"new_opportunities", "sync_alerts", "default_automation_condition_sensor"}
    assert [schedule.name for schedule in repository.schedule_defs] == ["nightly_full_refresh"]
    assert set(repository.get_top_level_resources()) == {"oracle", "db", "frames"}


def test_the_job_writes_the_table_and_nothing_else(defs: dg.Definitions) -> None:
    job = defs.resolve_job_def("sync_opportunities")

    assert set(job.asset_layer.executable_asset_keys) == {TABLE}


def test_each_asset_of_ours_links_to_its_code(
    specs: Mapping[dg.AssetKey, dg.AssetSpec],
) -> None:
    for key, module in ((TABLE, "assets.py"), (OVERVIEW, "overview.py")):
        references = specs[key].metadata["dagster/code_references"].code_references
        assert [Path(reference.file_path).name for reference in references] == [module]


def test_a_table_that_nobody_looks_after_becomes_stale(
    specs: Mapping[dg.AssetKey, dg.AssetSpec],
) -> None:
    policy: Any = specs[TABLE].freshness_policy

    # The sensor has a run confirm that nothing is new every hour.
    assert policy.warn_window.to_timedelta() > assets.CONFIRM_AFTER
    assert policy.fail_window.to_timedelta() > policy.warn_window.to_timedelta()


@pytest.mark.parametrize(
    "name",
    [
        "sync_opportunities",
        "__ASSET_JOB",
        "reset_or_rewind",
        "replay_rejected_items",
        "verify_table",
    ],
)
def test_a_run_is_one_process_also_if_it_was_clicked(defs: dg.Definitions, name: str) -> None:
    """The step of a killed run would otherwise live on, and write."""
    job = defs.get_repository_def().get_job(name)

    assert job.executor_def.name == "in_process"


def test_the_nightly_full_refresh_is_off_until_switched_on(defs: dg.Definitions) -> None:
    schedule = defs.resolve_schedule_def("nightly_full_refresh")

    assert schedule.default_status == dg.DefaultScheduleStatus.STOPPED
    assert schedule.cron_schedule == "30 2 * * *"
    data = schedule.evaluate_tick(dg.build_schedule_context())
    [request] = data.run_requests or []
    config = request.run_config["ops"]["minimal_opportunities"]["config"]
    assert config == {"full_refresh": True}


@pytest.mark.parametrize(("text", "status"), [("on", "RUNNING"), ("off", "STOPPED")])
def test_the_sensor_is_on_only_if_the_setting_says_so(
    monkeypatch: pytest.MonkeyPatch, text: str, status: str
) -> None:
    monkeypatch.setenv("ORACLE_SYNC_SENSOR", text)
    monkeypatch.setenv("ORACLE_SYNC_SENSOR_INTERVAL", "17")

    sensor = build_defs().resolve_sensor_def("new_opportunities")

    assert sensor.default_status.value == status
    assert sensor.minimum_interval_seconds == 17


def test_syncs_can_be_handed_over_and_each_has_objects_of_its_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "oracle_sync.toml").write_text("[syncs.apac]\n")
    accounts = Collection(
        path="accounts",
        key=Column("PartyId", "party_id", "bigint", "PartyId in Oracle, unique"),
        columns=(
            Column("PartyNumber", "party_number", description="PartyNumber in Oracle"),
            Column(
                *("OrganizationName", "organization_name", "varchar"),
                "name of the [account](https://evil.example)",
            ),
        ),
        table="accounts",
        removed_table="removed_accounts",
    )

    defs = build_defs(syncs=[Sync("emea"), Sync("crm", collection=accounts)])

    specs = {spec.key.to_user_string(): spec for spec in defs.resolve_all_asset_specs()}
    assert set(specs) == {
        *("emea/oracle_opportunities", "emea/minimal_opportunities", "emea/sync_overview"),
        *("crm/oracle_accounts", "crm/accounts", "crm/sync_overview"),
    }
    columns = specs["crm/accounts"].metadata["dagster/column_schema"].columns
    assert [(column.name, column.type) for column in columns[1:4]] == [
        ("party_id", "bigint"),
        ("party_number", "varchar"),
        ("organization_name", "varchar"),
    ]
    # A title in Oracle, say; Dagster reads it as Markdown.
    assert columns[3].description == as_markdown("name of the [account](https://evil.example)")
    assert "](" not in columns[3].description
    repository = defs.get_repository_def()
    jobs = {job.name for job in repository.get_all_jobs()}
    assert {"sync_opportunities_emea", "sync_accounts_crm"} < jobs
    assert not any("apac" in name for name in jobs)
    sensors = {sensor.name for sensor in repository.sensor_defs}
    assert {"new_opportunities_emea", "new_accounts_crm", "sync_alerts"} < sensors
    dg.Definitions.validate_loadable(defs)


def test_two_syncs_of_one_name_are_refused() -> None:
    with pytest.raises(SettingError, match="Two syncs are called emea"):
        build_defs(syncs=[Sync("emea"), Sync("emea", collection="accounts")])


@pytest.fixture(scope="module")
def three() -> dg.Definitions:
    return build_defs(
        syncs=[Sync(), Sync("emea"), Sync("team", collection="resourceUsers", table="sellers")]
    )


def test_each_sync_is_a_group_of_its_own_in_the_lineage(three: dg.Definitions) -> None:
    groups: dict[str | None, set[str]] = {}
    for spec in three.resolve_all_asset_specs():
        groups.setdefault(spec.group_name, set()).add(spec.key.to_user_string())

    assert groups == {
        "oracle_sync": {"oracle_opportunities", "minimal_opportunities", "sync_overview"},
        "emea": {"emea/oracle_opportunities", "emea/minimal_opportunities", "emea/sync_overview"},
        "team": {"team/oracle_resource_users", "team/sellers", "team/sync_overview"},
    }
    dg.Definitions.validate_loadable(three)


def test_assets_of_one_sync_or_of_one_collection_can_be_selected(three: dg.Definitions) -> None:
    graph = three.resolve_asset_graph()

    def selected(tag: str, value: str) -> set[str]:
        selection = dg.AssetSelection.tag(tag, value).resolve(graph)
        return {key.to_user_string() for key in selection}

    of_emea = {"emea/minimal_opportunities", "emea/sync_overview"}
    assert of_emea <= selected("oracle_sync/sync_name", "emea")
    assert not selected("oracle_sync/sync_name", "emea") & {"minimal_opportunities", "team/sellers"}
    assert "team/sellers" in selected("oracle_sync/collection", "resourceUsers")


def test_every_description_says_whose_sync_or_table_it_is_about(three: dg.Definitions) -> None:
    repository = three.get_repository_def()
    names = {"oracle_opportunities": "minimal_opportunities", "team": "team.sellers"}
    names["emea"] = "emea.minimal_opportunities"
    for spec in three.resolve_all_asset_specs():
        sync = spec.tags["oracle_sync/sync_name"]
        described = spec.description or ""
        assert f"sync {sync}" in described
        assert names[sync] in described or "oracle_" in spec.key.path[-1]

    made = {
        *((sensor.name, sensor.description) for sensor in repository.sensor_defs),
        *((schedule.name, schedule.description) for schedule in repository.schedule_defs),
        *((job.name, job.description) for job in repository.get_all_jobs()),
    }
    for suffix, table in (("_emea", "emea.minimal_opportunities"), ("_team", "team.sellers")):
        of_one = [description for name, description in made if name.endswith(suffix)]
        assert len(of_one) == 3
        assert all(table in (description or "") for description in of_one)


# -- what the Launchpad shows ----------------------------------------------------------------------


def config_fields(defs: dg.Definitions, *path: str) -> dict[str, Any]:
    schema: Any = defs.resolve_job_def("sync_opportunities").run_config_schema.config_type
    for name in path:
        schema = schema.fields[name].config_type
    return dict(schema.fields)


def test_every_field_of_the_run_config_says_what_it_means(defs: dg.Definitions) -> None:
    fields = config_fields(defs, "ops", "minimal_opportunities", "config")

    assert {"batch_size", "sync_name", "full_refresh"} <= set(fields)
    assert all(len(field.description or "") > 20 for field in fields.values())
    assert not any(field.is_required for field in fields.values())


@pytest.mark.parametrize("resource", ["oracle", "db"])
def test_every_field_of_a_resource_names_the_setting_behind_it(
    defs: dg.Definitions, resource: str
) -> None:
    fields = config_fields(defs, "resources", resource, "config")

    names = [setting.name for setting in SETTINGS]
    for field in fields.values():
        assert any(name in (field.description or "") for name in names)


def test_a_field_that_holds_a_secret_is_masked_in_the_ui(defs: dg.Definitions) -> None:
    oracle = config_fields(defs, "resources", "oracle", "config")
    db = config_fields(defs, "resources", "db", "config")

    secret = {name for name, field in (oracle | db).items() if field.is_secret}
    assert secret == {"password", "token", "client_secret", "url"}


def test_the_launchpad_offers_no_mask_as_the_value_of_a_secret(defs: dg.Definitions) -> None:
    """Dagster writes ******** for a masked default, which a run would take for the password."""
    oracle = config_fields(defs, "resources", "oracle", "config")
    db = config_fields(defs, "resources", "db", "config")

    assert not any(f.default_provided for f in (oracle | db).values() if f.is_secret)
    assert OracleResource().password is None
    assert DbResource().url is None


# -- Dagster's own tools, from the project's folder ------------------------------------------------


def test_dagster_validates_the_project_without_flags(tmp_path: Path) -> None:
    done = python(tmp_path, *COMMANDS, "-m", "dagster", "definitions", "validate")

    assert done.returncode == 0, done.stderr[-2000:]
    assert "oracle_sync" in done.stdout + done.stderr
    assert "Deprecat" not in done.stderr


@pytest.mark.parametrize("command", [["check", "defs"], ["list", "defs", "--json"]])
def test_dg_knows_the_project_without_flags(tmp_path: Path, command: list[str]) -> None:
    script = Path(sys.executable).with_name("dg")
    if not script.is_file():
        pytest.skip("dagster-dg-cli is not installed")

    done = python(tmp_path, str(script), *command)

    assert done.returncode == 0, (done.stdout + done.stderr)[-2000:]
    if "list" in command:
        for name in ("minimal_opportunities", "sync_opportunities", "new_opportunities"):
            assert name in done.stdout
