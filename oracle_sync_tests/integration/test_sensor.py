"""One tick of the sensor: what it asks for, what it tells a person, and what the cursor does."""

from __future__ import annotations

import datetime as dt
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.definitions.sensor_definition import SensorType
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteRepositoryOrigin
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    SensorInstigatorData,
)
from dagster._core.utils import make_new_run_id
from dagster_shared.record import copy

from oracle_sync.config.collection import OPPORTUNITIES
from oracle_sync.config.settings import SETTINGS, OracleSettings
from oracle_sync.definitions import build_defs
from oracle_sync.engine.probe import Probe, probe
from oracle_sync.oracle.client import OracleClient
from oracle_sync.orchestration import runs, sensors
from oracle_sync.orchestration.resources import DbResource, OracleResource
from oracle_sync.postgres.database import Database
from oracle_sync_tests.support.faulty_pod import FaultyPod as Pod
from oracle_sync_tests.support.faulty_pod import FaultyServer as SandboxServer
from oracle_sync_tests.support.harness import rows, run, table, writer

NAME = "oracle_opportunities"
JOB = "sync_opportunities"
SENSOR = "new_opportunities"
CLICKED = "__ASSET_JOB"
OTHER = "a_job_of_the_user"
TABLE = dg.AssetKey("minimal_opportunities")
Status = dg.DagsterRunStatus


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    for setting in SETTINGS:
        monkeypatch.delenv(setting.name, raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def server() -> Iterator[SandboxServer]:
    with SandboxServer(Pod(rows=150)) as running:
        yield running


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


class Desk:
    """The sensor, and what a test does to it; the cursor stays from tick to tick."""

    def __init__(self, instance: dg.DagsterInstance, server: SandboxServer, url: str) -> None:
        self.instance = instance
        self.server = server
        self.url = url
        self.cursor: str | None = None
        self.oracle: dict[str, Any] = {"retry_seconds": 0}
        self.db_url = url

        # Made once: that takes longer than a tick.
        self.defs = dg.Definitions.merge(
            build_defs(self.resources()),
            dg.Definitions(jobs=[dg.define_asset_job(OTHER, selection=["minimal_opportunities"])]),
        )

    def resources(self) -> dict[str, Any]:
        user, password = self.server.auth
        fields = {"base_url": self.server.url, "user": user, "password": password} | self.oracle
        return {"oracle": OracleResource(**fields), "db": DbResource(url=self.db_url)}

    def tick(self) -> Any:
        sensor = self.defs.resolve_sensor_def(SENSOR)
        with dg.build_sensor_context(
            sensor_name=SENSOR,
            instance=self.instance,
            cursor=self.cursor,
            definitions=self.defs,
            resources=self.resources(),
        ) as context:
            data = sensor.evaluate_tick(context)
        self.cursor = data.cursor
        return data

    def store_cursor(self) -> InstigatorState:
        """Have Dagster keep the cursor, as the daemon does."""
        origin = RemoteRepositoryOrigin(
            RegisteredCodeLocationOrigin("oracle_sync"), "__repository__"
        ).get_instigator_origin(SENSOR)
        data = SensorInstigatorData(cursor=self.cursor, sensor_type=SensorType.STANDARD)
        state = InstigatorState(origin, InstigatorType.SENSOR, InstigatorStatus.RUNNING, data)
        return self.instance.add_instigator_state(state)

    def skip(self) -> str:
        """Return why a tick asks for no run."""
        data = self.tick()
        assert not data.run_requests
        assert data.skip_message
        assert "\n" not in data.skip_message
        return str(data.skip_message)

    def request(self) -> dg.RunRequest:
        data = self.tick()
        [request] = data.run_requests
        assert not data.skip_message
        return request  # type: ignore[no-any-return]

    def run(self, **config: Any) -> bool:
        job = self.defs.resolve_job_def(JOB)
        return job.execute_in_process(
            run_config={
                "ops": {"minimal_opportunities": {"config": {"batch_size": 50} | config}},
                "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
            },
            instance=self.instance,
            raise_on_error=False,
        ).success

    def made(
        self, status: dg.DagsterRunStatus, job: str = JOB, tags: dict[str, str] | None = None
    ) -> dg.DagsterRun:
        """Record a run in Dagster without running anything."""
        definition = self.defs.get_repository_def().get_job(job)
        run = self.instance.create_run_for_job(
            definition,
            status=Status.STARTED if status == Status.FAILURE else status,
            tags=tags,
            remote_job_origin=RemoteRepositoryOrigin(
                RegisteredCodeLocationOrigin("oracle_sync"), "__repository__"
            ).get_job_origin(job),
            asset_selection=frozenset([TABLE]) if job == CLICKED else None,
        )
        if status == Status.FAILURE:
            self.instance.report_run_failed(run)
        return run

    def mirror(self) -> Any:
        assert self.cursor is not None
        return json.loads(self.cursor)

    def state(self) -> tuple[Any, ...]:
        found = rows(self.url, "SELECT current_offset, total_synced, epoch FROM sync_state")
        return found[0] if found else ()

    def history(self) -> list[tuple[Any, ...]]:
        return rows(
            self.url,
            "SELECT action, from_offset, to_offset, reason FROM sync_history ORDER BY id",
        )


@pytest.fixture
def desk(instance: dg.DagsterInstance, server: SandboxServer, database_url: str) -> Desk:
    return Desk(instance, server, database_url)


@pytest.fixture
def synced(desk: Desk) -> Desk:
    user, password = desk.server.auth
    settings = OracleSettings(base_url=desk.server.url, user=user, password=password)
    run(desk.url, OracleClient(settings, OPPORTUNITIES), name=NAME, batch_size=100)
    return desk


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Let it be so many seconds later."""

    def shift(seconds: float) -> None:
        now = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=seconds)
        monkeypatch.setattr(runs, "now", lambda: now)

    return shift


# -- when a run is asked for -----------------------------------------------------------------------


def test_the_first_tick_asks_for_the_first_sync(desk: Desk) -> None:
    request = desk.request()

    assert request.tags["oracle_sync/reason"] == "the first sync"
    assert desk.mirror()["offset"] == 0


def test_an_empty_collection_is_up_to_date_at_0(desk: Desk) -> None:
    desk.server.pod.remove(n=150)

    assert desk.skip() == "Up to date at offset 0."


def test_a_table_that_is_up_to_date_skips_naming_the_offset(synced: Desk) -> None:
    assert synced.skip() == "Up to date at offset 150."


def test_a_tick_costs_one_request_whatever_it_finds(synced: Desk) -> None:
    before = synced.server.requests
    synced.skip()
    synced.server.pod.add(40)
    synced.request()

    assert synced.server.requests - before == 2
    assert {entry["limit"] for entry in synced.server.log[-2:]} == {2}


def test_new_rows_ask_for_one_run_and_it_brings_them(synced: Desk) -> None:
    synced.server.pod.add(3)

    request = synced.request()

    ours = {k: v for k, v in request.tags.items() if not k.startswith("dagster/")}
    assert ours == {
        "oracle_sync/sync_name": NAME,
        "oracle_sync/offset": "150",
        "oracle_sync/reason": "new rows after offset 150",
    }
    config = request.run_config["ops"]["minimal_opportunities"]["config"]
    assert config == {"sync_name": NAME, "full_refresh": False}
    assert synced.run(**config)
    assert synced.skip() == "Up to date at offset 153."
    assert table(synced.url) == synced.server.pod.snapshot()


def test_a_request_has_no_run_key_which_a_failed_run_would_spend(synced: Desk) -> None:
    synced.server.pod.add(1)

    assert synced.request().run_key is None


def test_after_an_hour_without_a_run_one_confirms_that_nothing_is_new(
    synced: Desk, later: Callable[[float], None]
) -> None:
    """Dagster counts freshness from the last materialization, not from the last look."""
    later(3_500)
    synced.skip()
    later(3_700)

    request = synced.request()

    assert "confirms" in request.tags["oracle_sync/reason"]
    assert request.run_config["ops"]["minimal_opportunities"]["config"]["full_refresh"] is False


def test_a_pod_that_is_down_for_an_hour_ends_in_a_failed_run_which_people_hear_of(
    synced: Desk, later: Callable[[float], None]
) -> None:
    synced.server.stop()
    assert "failed" in synced.skip()
    later(3_700)

    synced.request()
    assert not synced.run()

    later(10)
    assert synced.skip().startswith("Next try at")


def test_after_a_failed_run_another_one_shows_that_it_works_again_though_nothing_is_new(
    synced: Desk, later: Callable[[float], None]
) -> None:
    synced.server.pod.add_fault("status", status=404, times=1)
    assert not synced.run()
    later(65)

    assert "works again" in synced.request().tags["oracle_sync/reason"]
    assert synced.run()
    assert synced.skip() == "Up to date at offset 150."


def test_rows_that_moved_ask_for_a_full_refresh(synced: Desk) -> None:
    synced.server.pod.remove(positions=[10])
    synced.server.pod.add(2)

    request = synced.request()

    config = request.run_config["ops"]["minimal_opportunities"]["config"]
    assert config["full_refresh"] is True
    assert "rows moved" in request.tags["oracle_sync/reason"]
    assert synced.run(**config)
    assert table(synced.url) == synced.server.pod.snapshot()


def test_an_unfinished_sync_is_asked_to_go_on_without_asking_oracle(synced: Desk) -> None:
    rows(synced.url, "UPDATE sync_state SET is_complete = 0")
    before = synced.server.requests

    request = synced.request()

    assert request.tags["oracle_sync/reason"] == "an unfinished sync continues from offset 150"
    assert synced.server.requests == before


# -- the cursor ------------------------------------------------------------------------------------


def test_the_cursor_mirrors_sync_state_as_json_that_a_person_can_read(synced: Desk) -> None:
    synced.skip()

    assert synced.mirror() == {
        "offset": 150,
        "total_synced": 150,
        "complete": True,
        "sync_name": NAME,
    }


def test_a_stale_mirror_is_brought_up_to_date_and_moves_nothing(synced: Desk) -> None:
    synced.cursor = json.dumps({"offset": 20, "complete": False})
    before = synced.state()

    synced.skip()

    assert synced.mirror()["offset"] == 150
    assert synced.state() == before


@pytest.mark.parametrize("text", ["0", "100", " 100\n", "007"])
def test_a_bare_number_moves_the_sync_there_and_leaves_a_line_of_history(
    synced: Desk, text: str
) -> None:
    synced.cursor = text
    wanted = int(text)

    synced.request()

    assert synced.state()[0] == wanted
    assert synced.mirror()["offset"] == wanted
    action, before, after, reason = synced.history()[-1]
    assert (action, before, after) == ("rewind", 150, wanted)
    assert "cursor" in reason
    assert len(table(synced.url)) == 150  # rows stay
    assert synced.run()
    assert synced.skip() == "Up to date at offset 150."


def test_a_cursor_set_during_a_tick_is_not_written_over(
    synced: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The one in memory keeps no cursors.
    with dg.DagsterInstance.local_temp() as instance:
        synced.instance = instance
        set_during_a_tick(synced, monkeypatch)


def set_during_a_tick(synced: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    synced.tick()
    stored = synced.store_cursor()
    synced.server.pod.add(5)

    def look(*given: Any) -> Probe:
        seen = probe(*given)
        data = SensorInstigatorData(cursor="100", sensor_type=SensorType.STANDARD)
        synced.instance.update_instigator_state(stored.with_data(data))
        return seen

    with monkeypatch.context() as patched:
        patched.setattr(sensors, "probe", look)
        assert "set during this tick" in synced.skip()
    assert synced.cursor == "100"
    assert synced.state()[0] == 150
    synced.tick()
    assert synced.state()[0] == 100


def test_a_cursor_set_to_the_offset_there_is_changes_nothing(synced: Desk) -> None:
    before, history = synced.state(), synced.history()
    synced.cursor = "150"

    assert synced.skip() == "Up to date at offset 150."
    assert (synced.state(), synced.history()) == (before, history)
    assert synced.mirror()["offset"] == 150


def test_a_cursor_of_0_before_the_first_sync_is_no_news(desk: Desk) -> None:
    desk.cursor = "0"

    assert desk.request().tags["oracle_sync/reason"] == "the first sync"


@pytest.mark.parametrize("text", ["151", "999999999"])
def test_a_cursor_beyond_what_is_committed_is_refused_and_nothing_moves(
    synced: Desk, text: str
) -> None:
    before, history = synced.state(), synced.history()
    synced.cursor = text

    said = synced.skip()

    assert f"asks for offset {text}" in said
    assert "0 to 150" in said
    assert synced.cursor == text
    assert synced.state()[:2] == before[:2]
    assert synced.history() == history


@pytest.mark.parametrize(
    "text",
    [
        *("-1", "1.5", "ten", "1e3", "[100]", "null", "{}", '{"complete": true}'),
        *("\u0663", "1234567890", "[" * 100_000),
    ],
    ids=lambda text: text[:12],
)
def test_any_other_cursor_is_refused_with_a_reason_and_changes_nothing(
    synced: Desk, text: str
) -> None:
    before = synced.state()
    requests = synced.server.requests
    synced.cursor = text

    said = synced.skip()

    assert "neither a number nor what this sensor writes" in said
    assert "Set it to an offset such as 0, or clear it." in said
    assert len(said) < 300
    assert synced.cursor == text
    assert synced.state() == before
    assert synced.server.requests == requests


def test_a_cursor_set_during_a_run_waits_for_its_end(synced: Desk) -> None:
    run = synced.made(Status.STARTED)
    synced.cursor = "100"

    assert run.run_id[:8] in synced.skip()
    assert synced.cursor == "100"
    assert synced.state()[0] == 150

    synced.instance.report_run_canceled(run)
    synced.request()
    assert synced.state()[0] == 100


def test_a_cursor_set_while_another_process_syncs_waits_for_it(synced: Desk) -> None:
    synced.cursor = "100"
    with writer(synced.url, NAME, "the command line"):
        said = synced.skip()

    assert "offset 100" in said
    assert "the command line" in said
    assert synced.cursor == "100"
    synced.request()
    assert synced.state()[0] == 100


# -- runs that are not over ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "status",
    [Status.QUEUED, Status.NOT_STARTED, Status.STARTING, Status.STARTED, Status.CANCELING],
    ids=lambda status: status.value,
)
@pytest.mark.parametrize("job", [JOB, CLICKED, OTHER])
def test_an_unfinished_run_of_whatever_job_is_waited_for(
    synced: Desk, status: dg.DagsterRunStatus, job: str
) -> None:
    run = synced.made(status, job)
    synced.server.pod.add(5)
    before = synced.server.requests

    assert synced.skip() == f"Run {run.run_id[:8]} is at offset 150."
    assert synced.server.requests == before
    assert synced.mirror()["offset"] == 150


def test_a_run_whose_process_is_gone_is_not_waited_for_for_ever(
    synced: Desk, later: Callable[[float], None]
) -> None:
    run = synced.made(Status.STARTED)
    synced.server.pod.add(5)
    later(3600)
    with Database(synced.url, OPPORTUNITIES).writer(NAME, "a run that takes its time"):
        assert run.run_id[:8] in synced.skip()

    assert synced.request()

    later(60)
    assert run.run_id[:8] in synced.skip()


def test_a_run_of_something_else_is_not_waited_for(synced: Desk) -> None:
    @dg.op
    def nothing() -> None: ...

    @dg.job(name="elsewhere")
    def elsewhere() -> None:
        nothing()

    synced.instance.create_run_for_job(elsewhere, status=Status.STARTED)
    synced.server.pod.add(1)

    assert synced.request()


def test_a_run_under_another_sync_name_is_not_waited_for(synced: Desk) -> None:
    config = {"ops": {"minimal_opportunities": {"config": {"sync_name": "another"}}}}
    job = synced.defs.resolve_job_def(JOB)
    synced.instance.create_run_for_job(job, run_config=config, status=Status.STARTED)
    synced.server.pod.add(1)

    assert synced.request()


def test_a_crashed_run_that_dagster_will_start_anew_is_waited_for(
    synced: Desk, later: Callable[[float], None]
) -> None:
    run = synced.made(Status.FAILURE, tags={"dagster/will_retry": "true"})
    synced.server.pod.add(1)

    later(120)  # the pause after a failure is over
    assert run.run_id[:8] in synced.skip()

    later(3600)  # Dagster does not, it seems
    assert synced.request()


def test_a_crashed_run_that_was_started_anew_is_not_waited_for(
    synced: Desk, later: Callable[[float], None]
) -> None:
    run = synced.made(Status.FAILURE, tags={"dagster/will_retry": "true"})
    synced.instance.add_run_tags(run.run_id, {"dagster/auto_retry_run_id": "0" * 36})
    synced.server.pod.add(1)

    later(120)
    assert synced.request()


@pytest.mark.parametrize("status", [Status.STARTED, Status.FAILURE])
def test_a_run_of_checks_alone_is_neither_waited_for_nor_counted(
    synced: Desk, status: dg.DagsterRunStatus
) -> None:
    clicked = synced.made(Status.SUCCESS, CLICKED)
    checks = frozenset([dg.AssetCheckKey(TABLE, "anchor_stands")])
    synced.instance.add_run(
        copy(
            clicked,
            run_id=make_new_run_id(),
            status=status,
            asset_selection=None,
            asset_check_selection=checks,
        )
    )
    synced.server.pod.add(1)

    assert synced.request()


# -- after failures --------------------------------------------------------------------------------


@pytest.mark.parametrize("job", [JOB, CLICKED, OTHER])
def test_after_a_failure_it_pauses_says_until_when_and_asks_again(
    synced: Desk, later: Callable[[float], None], job: str
) -> None:
    run = synced.made(Status.FAILURE, job)
    synced.server.pod.add(1)
    before = synced.server.requests

    said = synced.skip()

    assert said.startswith("Next try at ")
    assert f"The last run failed (see run {run.run_id[:8]})" in said
    assert synced.server.requests == before
    later(50)
    synced.skip()
    later(62)
    assert synced.request()


def test_the_pause_doubles_with_each_failure_up_to_an_hour(
    synced: Desk, later: Callable[[float], None]
) -> None:
    synced.server.pod.add(1)
    pauses = [60, 120, 240, 480, 960, 1920, 3600, 3600]
    for count, pause in enumerate(pauses, 1):
        synced.made(Status.FAILURE, (JOB, CLICKED)[count % 2])
        later(pause - 10)
        assert f"The last {count} runs failed" in synced.skip() or count == 1
        later(pause + 2)
        assert synced.request()


def test_a_success_or_a_cancel_ends_the_count_of_failures(synced: Desk) -> None:
    synced.made(Status.FAILURE)
    synced.made(Status.FAILURE)
    assert synced.run()
    assert synced.skip() == "Up to date at offset 150."

    synced.made(Status.FAILURE)
    synced.instance.report_run_canceled(synced.made(Status.STARTED))
    assert synced.skip() == "Up to date at offset 150."


def test_the_pause_tells_why_the_run_failed(synced: Desk) -> None:
    synced.server.pod.add(5)
    synced.server.pod.add_fault("status", times=None, status=400, body="bad query")
    assert not synced.run()

    said = synced.skip()

    assert "failed" in said
    assert "400" in said
    assert len(said) < 400


def test_a_moved_cursor_is_heeded_in_a_pause_as_well(synced: Desk) -> None:
    synced.made(Status.FAILURE)
    synced.cursor = "100"

    assert synced.skip().startswith("Next try at ")
    assert synced.state()[0] == 100


# -- what can't be asked ---------------------------------------------------------------------------


def test_an_unreachable_pod_skips_with_a_sentence_and_leaves_the_cursor(synced: Desk) -> None:
    synced.skip()
    before = synced.cursor
    synced.oracle["base_url"] = "http://127.0.0.1:9"

    assert "127.0.0.1" in synced.skip()
    assert synced.cursor == before


def test_a_wrong_password_skips_with_advice_and_without_the_password(synced: Desk) -> None:
    synced.oracle["password"] = "wr0ng-pa55-phrase"

    said = synced.skip()

    assert "401" in said
    assert "Check ORACLE_USER and ORACLE_PASSWORD" in said
    assert "wr0ng" not in said


def test_missing_settings_skip_naming_them(synced: Desk) -> None:
    synced.oracle = {"base_url": "", "user": "", "password": ""}

    said = synced.skip()

    assert "ORACLE_BASE_URL is not set" in said
    assert "ORACLE_PASSWORD" in said


def test_an_unreachable_database_skips_with_advice_and_without_its_password(desk: Desk) -> None:
    desk.cursor = "100"
    desk.db_url = "postgresql://someone:wr0ng-pa55@127.0.0.1:9/nothing"

    said = desk.skip()

    assert "DATABASE_URL" in said
    assert "wr0ng" not in said
    assert desk.cursor == "100"


def test_a_broken_setting_skips_naming_it(synced: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORACLE_TIMEOUT", "soon")

    assert "ORACLE_TIMEOUT must be a whole number" in synced.skip()


def test_a_pod_in_trouble_does_not_hold_up_the_tick(synced: Desk) -> None:
    """A tick has 60 seconds, whatever ORACLE_RETRY_SECONDS says."""
    synced.oracle["retry_seconds"] = 300
    synced.server.pod.add_fault("status", times=None, status=503)

    began = time.monotonic()
    assert "503" in synced.skip()
    assert time.monotonic() - began < 30
