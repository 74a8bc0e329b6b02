"""What can be done from the UI without a shell, and the other assets, in this process."""

from __future__ import annotations

import base64
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd
import pytest

from oracle_sync.config.settings import SETTINGS
from oracle_sync.definitions import build_defs
from oracle_sync.orchestration.resources import DbResource, OracleResource
from oracle_sync_tests.support.faulty_pod import FaultyPod as Pod
from oracle_sync_tests.support.faulty_pod import FaultyServer as SandboxServer
from oracle_sync_tests.support.harness import rows, table, writer

NAME = "oracle_opportunities"
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    for setting in SETTINGS:
        monkeypatch.delenv(setting.name, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ORACLE_SYNC_BATCH_SIZE", "50")
    monkeypatch.setenv("ORACLE_SYNC_LOCK_WAIT", "0")


@pytest.fixture
def server() -> Iterator[SandboxServer]:
    with SandboxServer(Pod(rows=120)) as running:
        yield running


class Desk:
    """The code location on an instance of its own, with assets of a user's beside ours."""

    def __init__(
        self, instance: dg.DagsterInstance, server: SandboxServer, url: str, *assets: Any
    ) -> None:
        user, password = server.auth
        self.url = url
        self.instance = instance
        self.defs = dg.Definitions.merge(
            build_defs(
                {
                    "oracle": OracleResource(
                        base_url=server.url, user=user, password=password, retry_seconds=0
                    ),
                    "db": DbResource(url=url),
                }
            ),
            dg.Definitions(assets=assets, jobs=[dg.define_asset_job("everything", selection="*")]),
        )

    def run(self, job: str, config: dict[str, Any] | None = None) -> dg.ExecuteInProcessResult:
        return self.defs.resolve_job_def(job).execute_in_process(
            run_config=QUIET | (config or {}), instance=self.instance, raise_on_error=False
        )

    def move(self, **config: Any) -> dg.ExecuteInProcessResult:
        return self.run("reset_or_rewind", {"ops": {"move_offset": {"config": config}}})

    def replay(self, **config: Any) -> dg.ExecuteInProcessResult:
        return self.run("replay_rejected_items", {"ops": {"replay_rejects": {"config": config}}})

    def offset(self) -> int:
        return int(rows(self.url, "SELECT current_offset FROM sync_state")[0][0])


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


@pytest.fixture
def desk(instance: dg.DagsterInstance, server: SandboxServer, database_url: str) -> Desk:
    return Desk(instance, server, database_url)


def why(result: dg.ExecuteInProcessResult) -> str:
    assert not result.success
    [event] = [event for event in result.all_events if event.is_step_failure]
    data: Any = event.event_specific_data
    assert data.user_failure_data is not None, data.error
    return str(data.user_failure_data.description)


# -- reset and rewind ------------------------------------------------------------------------------


@pytest.mark.parametrize(("offset", "action"), [(0, "reset"), (40, "rewind"), (120, "rewind")])
def test_the_offset_is_moved_with_who_and_why_in_the_history(
    desk: Desk, server: SandboxServer, offset: int, action: str
) -> None:
    assert desk.run("sync_opportunities").success

    result = desk.move(offset=offset, reason="a number was mended in Oracle")

    assert result.success
    assert desk.offset() == offset
    assert len(table(desk.url)) == 120
    [line] = rows(desk.url, "SELECT action, from_offset, to_offset, who, reason FROM sync_history")
    assert line[:3] == (action, 120, offset)
    assert result.run_id in line[3]
    assert line[4] == "a number was mended in Oracle"
    assert desk.run("sync_opportunities").success
    assert table(desk.url) == server.pod.snapshot()


def test_a_move_without_a_reason_can_not_even_be_launched(desk: Desk) -> None:
    with pytest.raises(dg.DagsterInvalidConfigError, match="reason"):
        desk.move(offset=0)


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"reason": "  "}, "The reason is empty"),
        ({"reason": "x", "offset": 121}, "can't be set to 121: only 0 to 120"),
        ({"reason": "x", "offset": -1}, "can't be set to -1"),
        ({"reason": "x", "sync_name": "nobody"}, "No sync state found for 'nobody'"),
        ({"reason": "x", "sync_name": ""}, "1 to 100 characters"),
    ],
)
def test_a_move_that_can_not_be_is_refused_in_a_sentence_and_changes_nothing(
    desk: Desk, config: dict[str, Any], told: str
) -> None:
    assert desk.run("sync_opportunities").success

    assert told in why(desk.move(**config))

    assert desk.offset() == 120
    assert rows(desk.url, "SELECT 1 FROM sync_history") == []


def test_a_move_waits_for_a_sync_at_work_and_says_for_whom(desk: Desk) -> None:
    assert desk.run("sync_opportunities").success

    with writer(desk.url, NAME, holder="somebody@elsewhere"):
        assert "somebody@elsewhere" in why(desk.move(reason="x"))

    assert desk.move(reason="x").success


# -- replay ----------------------------------------------------------------------------------------


def test_items_set_aside_are_replayed_after_a_fix(desk: Desk, server: SandboxServer) -> None:
    nulls = list(server.pod.snapshot().values()).count(None)
    server.pod.add_fault("bad_value", rows=[7], value="nul")
    assert desk.run("sync_opportunities").success
    assert list(table(desk.url).values()).count(None) == nulls + 1
    assert desk.replay().output_for_node is not None

    rows(
        desk.url,
        "UPDATE rejected_items SET raw = replace(raw::text, '\\u0000', '')::json",
    )
    result = desk.replay()

    assert result.success
    assert list(table(desk.url).values()).count(None) == nulls
    [output] = [e for e in result.all_events if e.event_type_value == "STEP_OUTPUT"]
    data: Any = output.event_specific_data
    assert data.metadata["stored"].value == 1
    assert data.metadata["refused"].value == 0


def test_items_that_still_cannot_be_stored_are_listed_as_plain_text(
    desk: Desk, server: SandboxServer
) -> None:
    server.pod.add_fault("bad_value", rows=[7], value="nul")
    assert desk.run("sync_opportunities").success

    result = desk.replay()

    [output] = [e for e in result.all_events if e.event_type_value == "STEP_OUTPUT"]
    data: Any = output.event_specific_data
    why = data.metadata["why"]
    assert isinstance(why, dg.TableMetadataValue)
    [line] = why.records
    assert "NUL" in str(line.data["reason"])


def test_a_replay_of_a_sync_that_never_was_says_so(desk: Desk) -> None:
    assert "Known sync names: none yet" in why(desk.replay())


# -- the overview, and data frames -----------------------------------------------------------------


def test_the_overview_draws_a_picture_of_all_runs(desk: Desk, server: SandboxServer) -> None:
    desk.run("sync_opportunities")
    server.pod.add(30)

    result = desk.run("everything")

    [event] = result.asset_materializations_for_node("sync_overview")
    told: dict[str, Any] = {name: value.value for name, value in event.metadata.items()}
    assert told["rows"] == 150
    assert told["runs"] == 2
    text = told["picture"].partition("base64,")[2].rstrip(")")
    assert base64.b64decode(text).startswith(b"\x89PNG")
    # It is one row of Dagster's event log, which the UI loads whole.
    assert len(text) < 60_000
    assert "| 150 |" in told["changed per day"]


def test_the_overview_of_a_table_without_rows_is_no_error(
    instance: dg.DagsterInstance, database_url: str
) -> None:
    with SandboxServer(Pod(rows=0)) as server:
        assert Desk(instance, server, database_url).run("everything").success


def test_an_asset_of_the_user_takes_the_table_as_a_data_frame(
    instance: dg.DagsterInstance, server: SandboxServer, database_url: str
) -> None:
    seen: list[pd.DataFrame] = []

    @dg.asset
    def whole(minimal_opportunities: pd.DataFrame) -> dg.MaterializeResult[Any]:
        seen.append(minimal_opportunities)
        return dg.MaterializeResult()

    @dg.asset(ins={"minimal_opportunities": dg.AssetIn(metadata={"columns": ["opportunity_id"]})})
    def ids(minimal_opportunities: pd.DataFrame) -> dg.MaterializeResult[Any]:
        seen.append(minimal_opportunities)
        return dg.MaterializeResult()

    assert Desk(instance, server, database_url, whole, ids).run("everything").success

    one, other = sorted(seen, key=lambda frame: len(frame.columns))
    assert list(one.columns) == ["opportunity_id"]
    assert set(one["opportunity_id"]) == set(server.pod.snapshot())
    numbers = other["opportunity_number"].astype(object).where(other["opportunity_number"].notna())
    shown = dict(zip(other["opportunity_id"], numbers.replace({np.nan: None}), strict=True))
    assert shown == server.pod.snapshot()
    assert {"id", "synced_at", "source_updated_at", "sync_names"} <= set(other.columns)


def test_a_column_that_is_not_there_is_named(
    instance: dg.DagsterInstance, server: SandboxServer, database_url: str
) -> None:
    @dg.asset(ins={"minimal_opportunities": dg.AssetIn(metadata={"columns": ["nmber"]})})
    def wrong(minimal_opportunities: pd.DataFrame) -> dg.MaterializeResult[Any]:
        return dg.MaterializeResult()

    result = Desk(instance, server, database_url, wrong).run("everything")

    assert not result.success
    errors = [str(e.event_specific_data) for e in result.all_events if e.is_step_failure]
    assert "it has id, opportunity_id" in errors[0]


def test_pandas_and_matplotlib_are_not_imported_with_the_definitions() -> None:
    code = "import sys, oracle_sync.definitions; print({'pandas', 'matplotlib'} & set(sys.modules))"

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )

    assert done.stdout.strip() == "set()", done.stderr
