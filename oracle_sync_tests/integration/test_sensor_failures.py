"""Test how long the sensor waits after failures, and how people hear of them."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from oracle_sync.config.collection import OPPORTUNITIES
from oracle_sync.orchestration import pauses, tick
from oracle_sync.postgres.connection import connect
from oracle_sync.postgres.status import Standing, standings
from oracle_sync_tests.support.code_location import CLICKED, JOB
from oracle_sync_tests.support.sensor_desk import OTHER, SensorDesk, Status

pytestmark = pytest.mark.usefixtures("no_settings")


def standings_of(url: str) -> list[Standing]:
    """Return what the metrics show of each sync."""
    connection = connect(url)
    try:
        return standings(connection, OPPORTUNITIES)
    finally:
        connection.close()


@pytest.mark.parametrize("job", [JOB, CLICKED, OTHER])
def test_after_a_failure_it_pauses_says_until_when_and_asks_again(
    synced: SensorDesk, later: Callable[[float], None], job: str
) -> None:
    run = synced.record_run(Status.FAILURE, job)
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
    synced: SensorDesk, later: Callable[[float], None]
) -> None:
    synced.server.pod.add(1)
    pauses = [60, 120, 240, 480, 960, 1920, 3600, 3600]
    for count, pause in enumerate(pauses, 1):
        synced.record_run(Status.FAILURE, (JOB, CLICKED)[count % 2])
        later(pause - 10)
        assert f"The last {count} runs failed" in synced.skip() or count == 1
        later(pause + 2)
        assert synced.request()


def test_a_success_or_a_cancel_ends_the_count_of_failures(synced: SensorDesk) -> None:
    synced.record_run(Status.FAILURE)
    synced.record_run(Status.FAILURE)
    assert synced.run()
    assert synced.skip().startswith("Up to date at offset 150, ")

    synced.record_run(Status.FAILURE)
    synced.instance.report_run_canceled(synced.record_run(Status.STARTED))
    assert synced.skip().startswith("Up to date at offset 150, ")


def test_the_pause_tells_why_the_run_failed(synced: SensorDesk) -> None:
    synced.server.pod.add(5)
    synced.server.pod.add_fault("status", times=None, status=400, body="bad query")
    assert not synced.run()

    said = synced.skip()

    assert "failed" in said
    assert "400" in said
    assert len(said) < 400


def test_a_moved_cursor_is_heeded_in_a_pause_as_well(synced: SensorDesk) -> None:
    synced.record_run(Status.FAILURE)
    synced.cursor = "100"

    assert synced.skip().startswith("Next try at ")
    assert synced.state()[0] == 100


# -- looks that fail -------------------------------------------------------------------------------


def fail_looks(desk: SensorDesk, later: Callable[[float], None]) -> list[str]:
    """Have looks fail until the one that asks for a run, and return what the others say."""
    said: list[str] = []
    for seconds in (-300, -239, -118):
        later(seconds)
        data = desk.tick()
        if data.run_requests:
            [request] = data.run_requests
            assert request.tags["oracle_sync/reason"].startswith("3 looks in a row have failed")
            return said
        said.append(data.skip_message)
    raise AssertionError("No run was asked for.")


def test_a_wrong_password_ends_in_a_failed_run_which_state_metrics_and_alerts_show(
    synced: SensorDesk, later: Callable[[float], None]
) -> None:
    synced.oracle["password"] = "wr0ng-pa55-phrase"

    said = fail_looks(synced, later)

    assert len(said) == 2
    for text in (*said, synced.cursor or ""):
        assert "401" in text
        assert "Check ORACLE_USER and ORACLE_PASSWORD" in text
        assert "wr0ng" not in text
    assert not synced.run()
    assert "401" in (synced.last_error() or "")
    [standing] = standings_of(synced.url)
    assert standing.state.last_error


def test_looks_and_runs_that_fail_double_the_pause_so_that_nobody_is_locked_out(
    synced: SensorDesk, later: Callable[[float], None]
) -> None:
    synced.oracle["password"] = "wr0ng-pa55-phrase"
    fail_looks(synced, later)
    assert not synced.run()
    before = synced.server.requests

    for seconds in (0, 61, 240, 470):
        later(seconds)
        said = synced.skip()

    assert "The last 3 looks and the last run failed (see run " in said
    assert "401" in said
    assert synced.server.requests == before
    later(490)
    assert "works again" in synced.request().tags["oracle_sync/reason"]
    assert synced.server.requests == before


def test_between_two_failed_looks_oracle_is_left_alone(
    synced: SensorDesk, later: Callable[[float], None]
) -> None:
    synced.oracle["password"] = "wr0ng-pa55-phrase"
    synced.skip()
    before = synced.server.requests

    later(30)
    said = synced.skip()

    assert said.startswith("Next try at ")
    assert "The last look failed: Oracle answered 401" in said
    assert synced.server.requests == before


def test_one_look_that_succeeds_ends_the_count(
    synced: SensorDesk, later: Callable[[float], None]
) -> None:
    for seconds in (0, 70, 140, 210):
        later(seconds)
        synced.server.pod.add_fault("status", times=1, status=404)
        assert "404" in synced.skip()
        later(seconds + 62)
        assert synced.skip().startswith("Up to date at offset 150, ")
        assert "failed_looks" not in synced.mirror()


def test_a_run_that_succeeds_ends_the_count(
    synced: SensorDesk, later: Callable[[float], None]
) -> None:
    synced.server.pod.add_fault("status", times=3, status=404)
    fail_looks(synced, later)
    later(0)
    assert synced.run()

    assert synced.skip().startswith("Up to date at offset 150, ")
    assert "failed_looks" not in synced.mirror()


def test_a_database_that_is_away_ends_in_a_run_whose_failure_people_hear_of(
    synced: SensorDesk, later: Callable[[float], None]
) -> None:
    before = synced.server.requests
    synced.db_url = "postgresql://someone:wr0ng-pa55@127.0.0.1:9/nothing"

    for said in fail_looks(synced, later):
        assert "DATABASE_URL" in said
        assert "So Oracle was not asked either." in said
        assert "wr0ng" not in said

    assert not synced.run()
    assert synced.skip().startswith("Next try at ")
    assert synced.server.requests == before


def test_a_missing_setting_ends_in_a_failed_run_which_the_state_shows(
    synced: SensorDesk, later: Callable[[float], None]
) -> None:
    synced.oracle |= {"base_url": "", "user": "", "password": ""}

    for said in fail_looks(synced, later):
        assert "ORACLE_BASE_URL is not set" in said
        assert "ORACLE_PASSWORD" in said
    assert not synced.run()

    assert "ORACLE_BASE_URL is not set" in (synced.last_error() or "")


def test_an_exception_that_nobody_expected_is_a_look_that_failed(
    synced: SensorDesk, later: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(*given: object) -> None:
        raise RuntimeError(f"broken, with {synced.server.pod.password}")

    monkeypatch.setattr(tick, "probe", break_down)

    for said in fail_looks(synced, later):
        assert said.startswith("The look failed unexpectedly: RuntimeError in oracle_sync/")
        assert synced.server.pod.password not in said
        assert "every row up to the offset that oracle-sync status shows is stored" in said
    assert synced.mirror()["offset"] == 150


def test_an_exception_outside_of_a_look_is_a_sentence_and_keeps_the_cursor(
    synced: SensorDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced.skip()
    before = synced.cursor
    monkeypatch.setattr(pauses.Failures, "of", None)

    assert synced.skip().startswith("The tick failed unexpectedly: TypeError in oracle_sync/")
    assert synced.cursor == before


# -- what can't be asked ---------------------------------------------------------------------------


def test_an_unreachable_pod_skips_with_a_sentence_and_leaves_the_offset(
    synced: SensorDesk,
) -> None:
    synced.skip()
    synced.oracle["base_url"] = "http://127.0.0.1:9"

    assert "127.0.0.1" in synced.skip()
    assert synced.mirror()["offset"] == synced.mirror()["stored_offset"] == 150


def test_a_wish_outlives_a_database_that_is_away(
    unsynced: SensorDesk,
) -> None:
    unsynced.cursor = "100"
    unsynced.db_url = "postgresql://someone:wr0ng-pa55@127.0.0.1:9/nothing"

    unsynced.skip()

    assert unsynced.mirror()["offset"] == 100
    assert "stored_offset" not in unsynced.mirror()


def test_a_broken_setting_skips_naming_it(
    synced: SensorDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORACLE_TIMEOUT", "soon")

    assert "ORACLE_TIMEOUT must be a whole number" in synced.skip()


def test_a_pod_in_trouble_does_not_hold_up_the_tick(synced: SensorDesk) -> None:
    """A tick has 60 seconds, whatever ORACLE_RETRY_SECONDS says."""
    synced.oracle["retry_seconds"] = 300
    synced.server.pod.add_fault("status", times=None, status=503)

    began = time.monotonic()
    assert "503" in synced.skip()
    assert time.monotonic() - began < 30
