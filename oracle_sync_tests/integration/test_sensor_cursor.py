"""Test what the cursor of the sensor shows, and how a person moves the sync with it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.sensor_definition import SensorType
from dagster._core.scheduler.instigation import SensorInstigatorData

from oracle_sync.engine.probe import Probe, probe
from oracle_sync.orchestration import tick
from oracle_sync_tests.support.code_location import NAME
from oracle_sync_tests.support.harness import rows, table, writer
from oracle_sync_tests.support.sensor_desk import SensorDesk, Status

pytestmark = pytest.mark.usefixtures("no_settings")


def test_the_cursor_mirrors_sync_state_as_json_that_a_person_can_read(synced: SensorDesk) -> None:
    times = "covered_until = '2026-03-01 12:00:05+00', proven_at = '2026-03-01 14:00:00+02'"
    rows(synced.url, f"UPDATE sync_state SET {times}")
    synced.tick()

    assert synced.mirror() == {
        "offset": 150,
        "stored_offset": 150,
        "total_synced": 150,
        "complete": True,
        "sync_name": NAME,
        "covered_until": "2026-03-01T12:00:05+00:00",
        "proven_at": "2026-03-01T12:00:00+00:00",
    }


def test_what_is_not_known_of_equality_is_null_in_the_cursor(synced: SensorDesk) -> None:
    rows(synced.url, "UPDATE sync_state SET covered_until = NULL, proven_at = NULL")
    synced.tick()
    assert synced.mirror()["covered_until"] is synced.mirror()["proven_at"] is None


def test_a_stale_mirror_is_brought_up_to_date_and_moves_nothing(synced: SensorDesk) -> None:
    synced.cursor = json.dumps({"offset": 20, "stored_offset": 20, "complete": False})
    before = synced.state()

    synced.skip()

    assert synced.mirror()["offset"] == 150
    assert synced.state() == before


@pytest.mark.parametrize("text", ["0", "100", " 100\n", "007", '{"offset": 100}'])
def test_an_offset_moves_the_sync_there_and_leaves_a_line_of_history(
    synced: SensorDesk, text: str
) -> None:
    synced.cursor = text
    wanted = json.loads(text)["offset"] if text.startswith("{") else int(text)

    synced.request()

    assert synced.state()[0] == wanted
    assert synced.mirror()["offset"] == wanted
    action, before, after, reason = synced.history()[-1]
    assert (action, before, after) == ("rewind", 150, wanted)
    assert "cursor" in reason
    assert len(table(synced.url)) == 150  # rows stay
    assert synced.run()
    assert synced.skip().startswith("Up to date at offset 150, ")


def test_the_offset_edited_in_what_the_page_shows_moves_the_sync_there(synced: SensorDesk) -> None:
    synced.skip()
    synced.edit(offset=100)

    synced.request()

    assert synced.state()[0] == 100
    assert synced.mirror()["offset"] == synced.mirror()["stored_offset"] == 100
    assert synced.run()
    assert synced.skip().startswith("Up to date at offset 150, ")


def test_the_offset_edited_while_a_run_moved_the_sync_on_is_still_a_wish(
    synced: SensorDesk,
) -> None:
    synced.skip()
    synced.edit(offset=100)
    synced.server.pod.add(10)
    assert synced.run()

    synced.request()

    assert synced.state()[0] == 100


def test_a_wish_is_fulfilled_once_though_oracle_does_not_answer_after_it(
    synced: SensorDesk, later: Callable[[float], None]
) -> None:
    rows(synced.url, "UPDATE sync_state SET last_success_at = now()")
    synced.cursor = "0"
    synced.server.pod.add_fault("status", times=1, status=404)
    assert "404" in synced.skip()
    assert synced.state()[0] == 0
    assert synced.run()

    later(65)
    synced.skip()

    assert synced.state()[0] == 150


@pytest.mark.parametrize("offset", [-1, 1.5, "100", None, True, 10**9, [100]])
def test_an_edited_offset_that_is_no_offset_is_refused_with_a_reason(
    synced: SensorDesk, offset: object
) -> None:
    synced.skip()
    synced.edit(offset=offset)
    text, before = synced.cursor, synced.state()

    said = synced.skip()

    assert "is not a whole number from 0 to" in said
    assert (synced.cursor, synced.state()) == (text, before)


def test_a_cursor_set_during_a_tick_is_not_written_over(
    synced: SensorDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The one in memory keeps no cursors.
    with dg.DagsterInstance.local_temp() as instance:
        synced.instance = instance
        set_during_a_tick(synced, monkeypatch)


def set_during_a_tick(synced: SensorDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    synced.tick()
    stored = synced.store_cursor()
    synced.server.pod.add(5)

    def look(*given: Any) -> Probe:
        seen = probe(*given)
        data = SensorInstigatorData(cursor="100", sensor_type=SensorType.STANDARD)
        synced.instance.update_instigator_state(stored.with_data(data))
        return seen

    with monkeypatch.context() as patched:
        patched.setattr(tick, "probe", look)
        assert "set during this tick" in synced.skip()
    assert synced.cursor == "100"
    assert synced.state()[0] == 150
    synced.tick()
    assert synced.state()[0] == 100


def test_a_cursor_set_to_the_offset_there_is_changes_nothing(synced: SensorDesk) -> None:
    before, history = synced.state(), synced.history()
    synced.cursor = "150"

    assert synced.skip().startswith("Up to date at offset 150, ")
    assert (synced.state(), synced.history()) == (before, history)
    assert synced.mirror()["offset"] == 150


def test_a_cursor_of_0_before_the_first_sync_is_no_news(unsynced: SensorDesk) -> None:
    unsynced.cursor = "0"

    assert unsynced.request().tags["oracle_sync/reason"] == "the first sync"


@pytest.mark.parametrize("text", ["151", "999999999"])
def test_a_cursor_beyond_what_is_committed_is_refused_and_nothing_moves(
    synced: SensorDesk, text: str
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
    synced: SensorDesk, text: str
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


def test_a_cursor_set_during_a_run_waits_for_its_end(synced: SensorDesk) -> None:
    run = synced.record_run(Status.STARTED)
    synced.cursor = "100"

    assert run.run_id[:8] in synced.skip()
    assert synced.cursor == "100"
    assert synced.state()[0] == 150

    synced.instance.report_run_canceled(run)
    synced.request()
    assert synced.state()[0] == 100


def test_a_cursor_set_while_another_process_syncs_waits_for_it(synced: SensorDesk) -> None:
    synced.cursor = "100"
    with writer(synced.url, NAME, "the command line"):
        said = synced.skip()

    assert "offset 100" in said
    assert "the command line" in said
    assert synced.cursor == "100"
    synced.request()
    assert synced.state()[0] == 100
