"""A run of the asset in this process: what Dagster is told of it, and what it is never told."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import dagster as dg
import pytest
from dagster import serialize_value

from oracle_sync.config.settings import SETTINGS
from oracle_sync.definitions import build_defs
from oracle_sync.errors import SettingError
from oracle_sync.orchestration.failures import failure as step_failure
from oracle_sync.orchestration.progress import Progress
from oracle_sync.orchestration.resources import DbResource, OracleResource
from oracle_sync_tests.support.faulty_pod import FaultyPod as Pod
from oracle_sync_tests.support.faulty_pod import FaultyServer as SandboxServer
from oracle_sync_tests.support.harness import rows, table

NAME = "oracle_opportunities"
PASSWORD = "s3cret-pa55-phrase"
TOKEN = "tok3n-of-the-wrong-pod"

Run = Callable[..., dg.ExecuteInProcessResult]

pytestmark = pytest.mark.filterwarnings("error::DeprecationWarning:oracle_sync")


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    for setting in SETTINGS:
        monkeypatch.delenv(setting.name, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ORACLE_SYNC_BATCH_SIZE", "25")


@pytest.fixture
def server() -> Iterator[SandboxServer]:
    with SandboxServer(Pod(rows=148, password=PASSWORD)) as running:
        yield running


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


@pytest.fixture
def run(server: SandboxServer, database_url: str, instance: dg.DagsterInstance) -> Run:
    """Run the job to its end; `oracle` and `db` replace fields of the resources."""

    def start(
        oracle: dict[str, Any] | None = None, db: dict[str, Any] | None = None, **config: Any
    ) -> dg.ExecuteInProcessResult:
        user, password = server.auth
        fields: dict[str, Any] = {"base_url": server.url, "user": user, "password": password}
        resources = {
            "oracle": OracleResource(**(fields | {"retry_seconds": 1} | (oracle or {}))),
            "db": DbResource(**({"url": database_url} | (db or {}))),
        }
        job = build_defs(resources).resolve_job_def("sync_opportunities")
        return job.execute_in_process(
            run_config={
                "ops": {"minimal_opportunities": {"config": config}},
                "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
            },
            instance=instance,
            raise_on_error=False,
        )

    return start


def metadata(result: dg.ExecuteInProcessResult) -> dict[str, dg.MetadataValue[Any]]:
    assert result.success, failure(result).description
    [event] = result.asset_materializations_for_node("minimal_opportunities")
    return dict(event.metadata)


def values(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    return {name: value.value for name, value in metadata(result).items()}


def failure(result: dg.ExecuteInProcessResult) -> Any:
    """Return the failure of the step, with description and metadata."""
    assert not result.success
    [event] = [e for e in result.all_events if e.is_step_failure]
    data: Any = event.event_specific_data
    assert data.user_failure_data is not None, data.error
    return data.user_failure_data


def logged(result: dg.ExecuteInProcessResult, instance: dg.DagsterInstance) -> list[str]:
    """Return what the asset itself logged, as the UI shows it."""
    entries = instance.all_logs(result.run_id)
    return [entry.user_message for entry in entries if not entry.is_dagster_event]


def everything(result: dg.ExecuteInProcessResult, instance: dg.DagsterInstance) -> str:
    """All that Dagster keeps of a run, as text."""
    entries = [serialize_value(entry) for entry in instance.all_logs(result.run_id)]
    run = instance.get_run_by_id(result.run_id)
    assert run is not None
    return "\n".join([*entries, serialize_value(run), *(str(e) for e in result.all_events)])


# -- what a run tells ------------------------------------------------------------------------------


def test_a_run_makes_the_table_equal_to_the_source_and_says_so(
    run: Run, server: SandboxServer, database_url: str
) -> None:
    told = values(run())

    assert table(database_url) == server.pod.snapshot()
    assert told["dagster/row_count"] == 148
    assert told["rows_received"] == told["rows_inserted"] == 148
    assert (told["offset_before"], told["offset_after"]) == (0, 148)
    assert told["sync_name"] == NAME


def test_rows_added_later_are_the_only_ones_of_the_next_run(
    run: Run, server: SandboxServer
) -> None:
    run()
    server.pod.add(2)

    told = values(run())

    assert told["dagster/row_count"] == 150
    assert told["rows_received"] == told["rows_inserted"] == 2
    assert (told["offset_before"], told["offset_after"]) == (148, 150)


def test_every_kind_of_run_has_the_same_metadata_of_the_same_types(
    run: Run, server: SandboxServer
) -> None:
    """Dagster plots a number only if it is a number, of the same name, each time."""
    first = metadata(run())
    nothing_new = metadata(run())
    server.pod.add(3)
    some_new = metadata(run())
    server.pod.remove(n=2)
    refresh = metadata(run(full_refresh=True))

    for later in (nothing_new, some_new, refresh):
        assert list(later) == list(first)
        assert [type(v) for v in later.values()] == [type(v) for v in first.values()]


def test_each_row_received_is_counted_once(run: Run, server: SandboxServer) -> None:
    server.pod.latency_ms = 5

    for told in (values(run(batch_size=5)), values(run(batch_size=5, full_refresh=True))):
        kinds = ("rows_inserted", "rows_updated", "rows_unchanged", "rows_rejected")
        assert told["rows_received"] == sum(told[kind] for kind in kinds)


def test_the_table_is_named_and_described_for_the_catalog(run: Run, database_url: str) -> None:
    found = metadata(run())

    database = database_url.split("?")[0].rsplit("/", 1)[-1]
    assert found["dagster/table_name"].value == f"{database}.public.minimal_opportunities"
    schema = found["dagster/column_schema"]
    assert isinstance(schema, dg.TableSchemaMetadataValue)
    in_database = rows(
        database_url,
        "SELECT column_name FROM information_schema.columns "
        "WHERE table_name = 'minimal_opportunities' ORDER BY ordinal_position",
    )
    assert [column.name for column in schema.value.columns] == [name for (name,) in in_database]


def test_the_preview_shows_the_rows_that_came_last(run: Run, server: SandboxServer) -> None:
    found = metadata(run())["preview"]

    assert isinstance(found, dg.TableMetadataValue)
    ids = [record.data["opportunity_id"] for record in found.records]
    assert ids == [str(key) for key in reversed(server.pod.ids()[-5:])]
    assert list(found.records[0].data) == ["opportunity_id", "opportunity_number", "synced_at"]


def test_an_empty_collection_ends_well_with_a_warning(
    run: Run, server: SandboxServer, instance: dg.DagsterInstance
) -> None:
    server.pod.remove(n=148)

    result = run()

    assert values(result)["dagster/row_count"] == 0
    assert any("Oracle gave no rows at all" in line for line in logged(result, instance))


# -- config ----------------------------------------------------------------------------------------


def test_a_full_refresh_moves_away_what_is_gone(
    run: Run, server: SandboxServer, database_url: str
) -> None:
    run()
    server.pod.remove(positions=[3, 70])
    server.pod.change(server.pod.ids()[0], OptyNumber="CHANGED")

    told = values(run(full_refresh=True))

    assert table(database_url) == server.pod.snapshot()
    assert (told["rows_removed"], told["rows_updated"]) == (2, 1)
    assert told["full_refreshes"] == 1
    assert told["offset_after"] == told["dagster/row_count"] == 146


def test_the_batch_size_of_the_config_overrides_the_setting(
    run: Run, server: SandboxServer, instance: dg.DagsterInstance
) -> None:
    result = run(batch_size=10)

    assert values(result)["pages"] >= 15
    assert any("10 items per request" in line for line in logged(result, instance))


def test_each_sync_name_has_an_offset_of_its_own(
    run: Run, server: SandboxServer, database_url: str
) -> None:
    run()
    told = values(run(sync_name="another", new_sync=True))

    assert (told["offset_before"], told["rows_inserted"], told["rows_unchanged"]) == (0, 0, 148)
    assert rows(database_url, "SELECT sync_name FROM sync_state ORDER BY 1") == [
        ("another",),
        (NAME,),
    ]


# -- failures --------------------------------------------------------------------------------------

BAD_CONFIG: list[tuple[dict[str, Any], str]] = [
    ({"batch_size": 0}, "batch_size"),
    ({"batch_size": -5}, "batch_size"),
    ({"batch_size": 500}, "batch_size"),
    ({"sync_name": ""}, "sync_name"),
    ({"sync_name": "x" * 101}, "sync_name"),
    ({"sync_name": "two\nlines"}, "sync_name"),
    ({"removal_limit": 101}, "removal_limit"),
]


@pytest.mark.parametrize(("config", "named"), BAD_CONFIG, ids=str)
def test_a_value_out_of_bounds_is_named_and_nothing_is_asked(
    run: Run, server: SandboxServer, config: dict[str, Any], named: str
) -> None:
    told = failure(run(**config))

    assert named in told.description
    assert "\n" not in told.description
    assert server.requests == 0


def test_a_missing_setting_is_named_with_what_to_do(run: Run) -> None:
    told = failure(run(oracle={"base_url": "", "user": "", "password": ""}))

    assert "ORACLE_BASE_URL is not set" in told.description
    assert "ORACLE_USER and ORACLE_PASSWORD" in told.description
    assert ".env" in told.metadata["what to do"].value


def test_a_wrong_password_is_one_sentence_with_advice_and_without_the_password(
    run: Run, instance: dg.DagsterInstance
) -> None:
    result = run(oracle={"password": "not-" + PASSWORD})
    told = failure(result)

    assert "401" in told.description
    assert "Check ORACLE_USER and ORACLE_PASSWORD" in told.description
    assert told.metadata["HTTP status"].value == 401
    assert "Traceback" not in told.description
    assert "\n" not in told.description
    assert PASSWORD not in everything(result, instance)


def test_a_failed_step_is_not_tried_again_by_dagster(run: Run, server: SandboxServer) -> None:
    result = run(oracle={"password": "wrong"})

    assert not [e for e in result.all_events if e.event_type_value == "STEP_UP_FOR_RETRY"]
    assert server.requests <= 2
    step = step_failure(SettingError("Something.", "Do something."))
    assert step.allow_retries is False


def test_a_failure_in_the_middle_says_what_is_stored_and_the_next_run_goes_on(
    run: Run, server: SandboxServer, database_url: str
) -> None:
    server.pod.add_fault("status", times=None, min_offset=70, status=400, body="bad query")

    told = failure(run())

    [(offset,)] = rows(database_url, "SELECT current_offset FROM sync_state")
    assert 0 < offset < 148
    kept = told.metadata["what it means for the data"].value
    assert kept == f"Everything up to offset {offset} is stored."
    server.pod.clear_faults()
    assert values(run())["offset_before"] == offset
    assert table(database_url) == server.pod.snapshot()


def test_an_unreachable_database_fails_with_advice_and_without_its_password(
    run: Run, instance: dg.DagsterInstance
) -> None:
    result = run(db={"url": f"postgresql://someone:{PASSWORD}@127.0.0.1:9/nothing"})
    told = failure(result)

    assert "DATABASE_URL" in told.description
    assert PASSWORD not in everything(result, instance)


def test_an_unreachable_pod_fails_with_the_host_and_advice(run: Run) -> None:
    told = failure(run(oracle={"base_url": "http://127.0.0.1:9"}))

    assert "127.0.0.1" in told.description
    assert told.metadata["what to do"].value


FORGED = "| x | y |\n| forged | [a](https://evil.example) ![p](https://evil.example/p.png)"


def test_nothing_from_oracle_is_read_as_markdown(run: Run, server: SandboxServer) -> None:
    server.pod.change(server.pod.ids()[-1], OptyNumber=FORGED)

    found = metadata(run())

    # Dagster reads these alone as Markdown.
    assert not [
        name for name, value in found.items() if isinstance(value, dg.MarkdownMetadataValue)
    ]
    preview = found["preview"]
    assert isinstance(preview, dg.TableMetadataValue)
    assert preview.records[0].data["opportunity_number"] == FORGED.replace("\n", " ")
    state = found["sync_state"]
    assert isinstance(state, dg.TableMetadataValue)
    assert {"name": "current_offset", "value": "148"} in [line.data for line in state.records]


# -- the run's log ---------------------------------------------------------------------------------


def test_the_log_has_no_line_per_page(
    run: Run, server: SandboxServer, instance: dg.DagsterInstance
) -> None:
    result = run(batch_size=1)

    assert values(result)["pages"] >= 148
    lines = logged(result, instance)
    assert len(lines) <= 10
    assert lines[0].startswith("Sync from offset 0, 1 item per request")
    assert lines[-1].startswith("Sync Complete! Total Synced: 148, Final Offset: 148")


def test_a_run_of_many_hours_logs_some_hundred_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    from oracle_sync.engine.summary import Summary

    clock = iter(range(10**9))
    monkeypatch.setattr(time, "monotonic", lambda: float(next(clock)))
    lines: list[str] = []
    told = Progress(lines.append, None)
    batch: Any = None

    for _ in range(12 * 3600 // 2):  # every commit reads the clock at least twice
        told(Summary(NAME, 0, 5, 5), batch)

    assert 10 < len(lines) < 400


def test_an_outage_is_told_but_not_once_per_try(
    run: Run, server: SandboxServer, instance: dg.DagsterInstance
) -> None:
    server.pod.add_fault("status", times=4, status=503, retry_after=0)

    result = run(oracle={"retry_seconds": 60})

    assert values(result)["retries"] >= 4
    said = [line for line in logged(result, instance) if "503" in line]
    assert 1 <= len(said) <= 2


# -- secrets ---------------------------------------------------------------------------------------


def test_no_event_of_a_run_holds_a_secret(
    run: Run, server: SandboxServer, instance: dg.DagsterInstance, database_url: str
) -> None:
    from urllib.parse import urlsplit, urlunsplit

    parts = urlsplit(database_url)
    # The embedded server trusts whoever comes, so any password will do.
    user, _, host = parts.netloc.rpartition("@")
    name = (user or "postgres").split(":")[0]
    url = urlunsplit(parts._replace(netloc=f"{name}:{TOKEN}@{host}"))

    kept = [everything(run(db={"url": url}), instance)]
    server.pod.add_fault("echo_secret", times=None, status=400)
    server.pod.add(1)
    broken = run(db={"url": url})
    failure(broken)
    kept.append(everything(broken, instance))

    import base64

    basic = base64.b64encode(f"{server.pod.user}:{PASSWORD}".encode()).decode()
    for text in kept:
        for secret in (PASSWORD, TOKEN, basic):
            assert secret not in text


def test_no_event_holds_a_secret_that_an_unexpected_error_names(
    run: Run, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    def explode(*_: Any, **__: Any) -> None:
        raise RuntimeError(f"wrong: {PASSWORD}")

    monkeypatch.setattr("oracle_sync.orchestration.sync_run.run_sync", explode)

    result = run()

    assert "wrong: ***" in str(failure(result))
    assert PASSWORD not in everything(result, instance)


def test_a_bearer_token_is_in_no_event_either(
    run: Run, server: SandboxServer, instance: dg.DagsterInstance
) -> None:
    server.pod.add_fault("echo_secret", times=None, status=400)

    result = run(oracle={"user": "", "password": "", "token": server.pod.token})

    failure(result)
    assert server.pod.token not in everything(result, instance)
