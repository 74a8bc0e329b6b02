"""The checks of the table: with a run, alone, and when something is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import dagster as dg
import pytest

from oracle_sync.config.settings import SETTINGS
from oracle_sync.definitions import build_defs
from oracle_sync.engine.probe import Probe
from oracle_sync.engine.store import State
from oracle_sync.orchestration import assets, checks
from oracle_sync.orchestration.resources import DbResource, OracleResource
from oracle_sync.orchestration.sync_run import run_table
from oracle_sync.postgres.status import Status
from oracle_sync_tests.support.faulty_pod import FaultyPod as Pod
from oracle_sync_tests.support.faulty_pod import FaultyServer as SandboxServer
from oracle_sync_tests.support.harness import rows

TABLE = dg.AssetKey("minimal_opportunities")
ALL = {checks.EQUAL, checks.COUNT, checks.ANCHOR, checks.REJECTS, checks.OFFSET, checks.OPEN}

Results = dict[str, dg.AssetCheckEvaluation]
Execute = Callable[..., Results]


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    for setting in SETTINGS:
        monkeypatch.delenv(setting.name, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ORACLE_SYNC_BATCH_SIZE", "50")


@pytest.fixture
def server() -> Iterator[SandboxServer]:
    with SandboxServer(Pod(rows=120)) as running:
        yield running


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


@pytest.fixture
def execute(
    server: SandboxServer, database_url: str, instance: dg.DagsterInstance
) -> Callable[..., dg.ExecuteInProcessResult]:
    user, password = server.auth

    def start(selection: dg.AssetSelection, **config: Any) -> dg.ExecuteInProcessResult:
        defs = build_defs(
            {
                "oracle": OracleResource(
                    base_url=server.url, user=user, password=password, retry_seconds=0
                ),
                "db": DbResource(url=database_url),
            }
        )
        job = dg.Definitions.merge(
            defs, dg.Definitions(jobs=[dg.define_asset_job("tried", selection=selection)])
        ).resolve_job_def("tried")
        return job.execute_in_process(
            run_config={
                "ops": {"minimal_opportunities": {"config": config}},
                "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
            },
            instance=instance,
            raise_on_error=False,
        )

    return start


@pytest.fixture
def sync(execute: Callable[..., dg.ExecuteInProcessResult]) -> Execute:
    """Return a function that syncs, and returns the checks of its run."""

    def start(**config: Any) -> Results:
        return evaluations(execute(dg.AssetSelection.assets(TABLE), **config))

    return start


@pytest.fixture
def look(execute: Callable[..., dg.ExecuteInProcessResult]) -> Execute:
    """Return a function that runs checks without a sync."""

    def start(*names: str, **config: Any) -> Results:
        keys = [dg.AssetCheckKey(TABLE, name) for name in names or ALL]
        result = execute(dg.AssetSelection.checks(*keys), **config)
        assert not result.asset_materializations_for_node("minimal_opportunities")
        return evaluations(result)

    return start


def evaluations(result: dg.ExecuteInProcessResult) -> Results:
    assert result.success
    return {found.check_name: found for found in result.get_asset_check_evaluations()}


def numbers(found: dg.AssetCheckEvaluation) -> dict[str, Any]:
    return {name: value.value for name, value in found.metadata.items()}


def test_a_run_carries_all_checks_and_asks_one_small_request_for_them(
    sync: Execute, server: SandboxServer
) -> None:
    sync()
    before = server.requests

    found = sync()

    assert set(found) == ALL
    assert all(check.passed for check in found.values())
    # The run's own three join and confirm the end, read the changes and count.
    assert server.requests == before + 4
    assert server.log[-1]["limit"] == 2
    assert numbers(found[checks.COUNT]) == {
        "rows_in_table": 120,
        "rows_in_oracle": 120,
        "rows_rejected": 0,
    }
    assert numbers(found[checks.ANCHOR])["found"] == str(server.pod.ids()[-1])


def test_a_row_gone_right_after_the_last_page_makes_the_anchor_of_the_run_fall(
    sync: Execute, server: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run_and_lose_a_row(*given: Any) -> Any:
        summary = run_table(*given)
        server.pod.remove(positions=[5])
        return summary

    monkeypatch.setattr(assets, "run_table", run_and_lose_a_row)

    found = sync()

    assert not found[checks.ANCHOR].passed
    assert found[checks.ANCHOR].severity == dg.AssetCheckSeverity.ERROR
    assert not found[checks.COUNT].passed


@pytest.mark.parametrize("alone", [False, True])
def test_where_oracle_does_not_answer_a_check_says_that_nothing_was_compared(
    sync: Execute,
    look: Execute,
    server: SandboxServer,
    monkeypatch: pytest.MonkeyPatch,
    alone: bool,
) -> None:
    def run_and_lose_the_pod(*given: Any) -> Any:
        summary = run_table(*given)
        server.pod.add_fault("status", times=None, status=403)
        return summary

    monkeypatch.setattr(assets, "run_table", run_and_lose_the_pod)
    found = sync()
    if alone:
        found = look()

    for name in (checks.COUNT, checks.ANCHOR):
        assert not found[name].passed
        assert found[name].severity == dg.AssetCheckSeverity.WARN
        assert (found[name].description or "").startswith("Nothing was compared: ")
        assert "403" in (found[name].description or "")
    for name in (checks.REJECTS, checks.OFFSET):
        assert found[name].passed


def test_a_table_without_a_row_has_nothing_to_compare_and_says_so(
    sync: Execute, server: SandboxServer
) -> None:
    server.pod.remove(n=120)

    found = sync()

    for name in (checks.ANCHOR, checks.OFFSET):
        assert not found[name].passed
        assert found[name].severity == dg.AssetCheckSeverity.WARN
        assert (found[name].description or "").startswith("Nothing was compared: ")


def test_each_check_can_be_run_alone_with_one_request_at_most(
    sync: Execute, look: Execute, server: SandboxServer
) -> None:
    sync()
    for name in ALL:
        before = server.requests

        found = look(name)

        assert set(found) == {name}
        assert found[name].passed
        assert server.requests == before + (name in checks.ASKING)


def test_new_rows_in_oracle_are_a_warning_with_both_numbers(
    sync: Execute, look: Execute, server: SandboxServer
) -> None:
    sync()
    server.pod.add(7)

    found = look(checks.COUNT)[checks.COUNT]

    assert not found.passed
    assert found.severity == dg.AssetCheckSeverity.WARN
    assert numbers(found)["rows_in_table"] == 120
    assert numbers(found)["rows_in_oracle"] == 127
    assert "120" in (found.description or "")
    assert "127" in (found.description or "")


def test_without_a_count_from_the_pod_the_check_says_that_nothing_was_compared(
    sync: Execute, look: Execute, server: SandboxServer
) -> None:
    sync()
    server.pod.add_fault("total_refused", times=None)

    found = look(checks.COUNT)[checks.COUNT]

    assert not found.passed
    assert found.severity == dg.AssetCheckSeverity.WARN
    assert (found.description or "").startswith("Nothing was compared: ")


def test_a_row_gone_before_the_offset_makes_the_anchor_fall(
    sync: Execute, look: Execute, server: SandboxServer
) -> None:
    sync()
    server.pod.remove(positions=[5])

    found = look(checks.ANCHOR)[checks.ANCHOR]

    assert not found.passed
    assert found.severity == dg.AssetCheckSeverity.ERROR
    assert "The next run" in (found.description or "")
    told = numbers(found)
    assert told["offset"] == "120"
    assert told["stored"] != told.get("found")


def test_what_oracle_says_is_no_link_in_a_check(
    sync: Execute, look: Execute, server: SandboxServer
) -> None:
    """The UI reads the text of a check as Markdown."""
    sync()
    evil = "[log in](https://evil.example/) ![p](https://evil.example/p.png)"
    server.pod.add_fault("status", times=None, status=400, body=evil)

    text = look(checks.COUNT)[checks.COUNT].description or ""

    assert "log in" in text
    assert "](" not in text
    assert "https://evil" not in text


def test_rejected_items_are_counted_and_shown_until_they_are_mended(
    sync: Execute, look: Execute, server: SandboxServer
) -> None:
    server.pod.add_fault("no_id", rows=[3])

    found = sync()[checks.REJECTS]

    assert not found.passed
    assert numbers(found)["open"] >= 1
    examples = found.metadata["examples"]
    assert isinstance(examples, dg.TableMetadataValue)
    assert examples.records[-1].data == {"offset": "3", "reason": "OptyId is missing or empty"}
    assert "replay" in (found.description or "")
    assert look(checks.REJECTS)[checks.REJECTS].passed is False


def test_rows_removed_by_hand_are_missed(sync: Execute, look: Execute, database_url: str) -> None:
    sync()
    rows(database_url, "DELETE FROM minimal_opportunities WHERE id <= 3")

    found = look(checks.OFFSET)[checks.OFFSET]

    assert not found.passed
    assert found.severity == dg.AssetCheckSeverity.ERROR
    assert "3 rows are missing" in (found.description or "")

    assert sync(full_refresh=True)[checks.OFFSET].passed


def test_after_a_rewind_a_missing_row_could_not_be_seen_and_the_check_says_so(
    sync: Execute, look: Execute, database_url: str
) -> None:
    sync()
    rows(
        database_url,
        "UPDATE sync_state SET current_offset = 50, anchor = NULL, is_complete = 0",
    )
    rows(database_url, "DELETE FROM minimal_opportunities WHERE id <= 3")

    found = look(checks.OFFSET)[checks.OFFSET]

    assert not found.passed
    assert found.severity == dg.AssetCheckSeverity.WARN
    assert (found.description or "").startswith("Nothing was compared: ")


def test_rows_that_oracle_does_not_have_any_more_are_too_many(
    sync: Execute,
    execute: Callable[..., dg.ExecuteInProcessResult],
    look: Execute,
    server: SandboxServer,
) -> None:
    """The removal limit kept them, and the full refresh failed."""
    sync()
    server.pod.remove(n=60)
    refresh = execute(dg.AssetSelection.assets(TABLE), full_refresh=True, removal_limit=10)
    assert not refresh.success

    found = look(checks.OFFSET)[checks.OFFSET]

    assert not found.passed
    assert found.severity == dg.AssetCheckSeverity.ERROR
    assert "60 rows too many" in (found.description or "")


def test_checks_of_a_sync_name_count_its_own_rows(sync: Execute, look: Execute) -> None:
    sync()
    sync(sync_name="another", new_sync=True)

    for name in ("oracle_opportunities", "another"):
        found = look(sync_name=name)
        assert numbers(found[checks.OFFSET])["rows_in_table"] == 120
        assert all(check.passed for check in found.values())


def test_a_check_before_the_first_sync_says_what_to_do(
    execute: Callable[..., dg.ExecuteInProcessResult],
) -> None:
    result = execute(dg.AssetSelection.checks(dg.AssetCheckKey(TABLE, checks.OFFSET)))

    assert not result.success
    [event] = [event for event in result.all_events if event.is_step_failure]
    data: Any = event.event_specific_data
    assert "Materialize first" in data.user_failure_data.description


@pytest.mark.parametrize(
    ("total", "passed"), [(None, False), (9, False), (10, True), (12, True), (13, False)]
)
def test_items_set_aside_may_or_may_not_have_a_row(total: int | None, passed: bool) -> None:
    status = Status(
        state=State("one"),
        lag=None,
        seconds_since_proof=None,
        seconds_since_success=None,
        removed=0,
        rejected=2,
        running=None,
        table="opportunities",
        rows=10,
        own_rows=10,
        rejected_examples=(),
    )

    [found] = checks.results(TABLE, {checks.COUNT}, status, Probe(None, False, None, total))

    assert found.passed is passed
