"""Test when a tick of the sensor asks for a run, and which runs it waits for."""

from __future__ import annotations

from collections.abc import Callable

import dagster as dg
import pytest
from dagster._core.utils import make_new_run_id
from dagster_shared.record import copy

from oracle_sync.config.collection import OPPORTUNITIES
from oracle_sync.postgres.database import Database
from oracle_sync_tests.support.code_location import CLICKED, JOB, NAME, TABLE
from oracle_sync_tests.support.harness import rows, table
from oracle_sync_tests.support.sensor_desk import OTHER, SensorDesk, Status

pytestmark = pytest.mark.usefixtures("no_settings")


def test_the_first_tick_asks_for_the_first_sync(unsynced: SensorDesk) -> None:
    request = unsynced.request()

    assert request.tags["oracle_sync/reason"] == "the first sync"
    assert unsynced.mirror()["offset"] == 0


def test_a_tick_makes_no_table_and_the_run_it_asks_for_does(
    unsynced: SensorDesk, empty_database_url: str, instance: dg.DagsterInstance
) -> None:
    desk = SensorDesk(instance, unsynced.server, empty_database_url)

    assert desk.request().tags["oracle_sync/reason"] == "the first sync"
    assert rows(desk.url, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'") == []

    assert desk.run()
    assert desk.skip().startswith("Up to date at offset 150, ")


def test_an_empty_collection_is_up_to_date_at_0(unsynced: SensorDesk) -> None:
    unsynced.server.pod.remove(n=150)

    assert unsynced.skip() == "Up to date at offset 0."


def test_a_table_that_is_up_to_date_skips_naming_the_offset(synced: SensorDesk) -> None:
    assert synced.skip().startswith("Up to date at offset 150, ")


def test_a_tick_costs_two_requests_at_most(synced: SensorDesk) -> None:
    before = synced.server.requests
    synced.skip()
    assert synced.server.requests - before == 2
    synced.server.pod.add(40)
    synced.request()
    assert synced.server.requests - before == 3


def test_a_changed_row_asks_for_one_run_and_it_brings_it(synced: SensorDesk) -> None:
    synced.server.pod.change(synced.server.pod.ids()[70], OptyNumber="changed")
    assert synced.request().tags["oracle_sync/reason"] == "rows have changed"
    assert synced.run()
    assert table(synced.url) == synced.server.pod.snapshot()
    synced.skip()


@pytest.mark.parametrize("how", ["refuse_date_q", "ignore_date_q", "refuse_date_field"])
def test_a_pod_that_does_not_give_its_changes_is_looked_at_as_before(
    synced: SensorDesk, how: str
) -> None:
    synced.server.pod.configure(**{how: True})
    assert synced.skip().startswith("Up to date at offset 150")


def test_new_rows_ask_for_one_run_and_it_brings_them(synced: SensorDesk) -> None:
    synced.server.pod.add(3)

    request = synced.request()

    ours = {k: v for k, v in request.tags.items() if not k.startswith("dagster/")}
    assert ours == {
        "oracle_sync/sync_name": NAME,
        "oracle_sync/offset": "150",
        "oracle_sync/reason": "new rows after offset 150",
    }
    config = request.run_config["ops"]["minimal_opportunities"]["config"]
    assert config == {"sync_name": NAME}
    assert synced.run(**config)
    assert synced.skip().startswith("Up to date at offset 153, ")
    assert table(synced.url) == synced.server.pod.snapshot()


def test_a_request_has_no_run_key_which_a_failed_run_would_spend(synced: SensorDesk) -> None:
    synced.server.pod.add(1)

    assert synced.request().run_key is None


def test_after_an_hour_without_a_run_one_confirms_that_nothing_is_new(
    synced: SensorDesk, later: Callable[[float], None]
) -> None:
    """Dagster counts freshness from the last materialization, not from the last look."""
    later(3_500)
    synced.skip()
    later(3_700)

    request = synced.request()

    assert "confirms" in request.tags["oracle_sync/reason"]


def test_a_pod_that_is_down_for_an_hour_ends_in_a_failed_run_which_people_hear_of(
    synced: SensorDesk, later: Callable[[float], None]
) -> None:
    synced.server.stop()
    assert "failed" in synced.skip()
    later(3_700)

    synced.request()
    assert not synced.run()

    later(10)
    assert synced.skip().startswith("Next try at")


def test_after_a_failed_run_another_one_shows_that_it_works_again_though_nothing_is_new(
    synced: SensorDesk, later: Callable[[float], None]
) -> None:
    synced.server.pod.add_fault("status", status=404, times=1)
    assert not synced.run()
    later(65)

    assert "works again" in synced.request().tags["oracle_sync/reason"]
    assert synced.run()
    assert synced.skip().startswith("Up to date at offset 150, ")


def test_rows_that_moved_ask_for_a_run_which_repairs_them(synced: SensorDesk) -> None:
    synced.server.pod.remove(positions=[10])
    synced.server.pod.add(2)

    request = synced.request()

    config = request.run_config["ops"]["minimal_opportunities"]["config"]
    assert config == {"sync_name": NAME}
    assert "rows moved" in request.tags["oracle_sync/reason"]
    assert synced.run(**config)
    assert table(synced.url) == synced.server.pod.snapshot()


def test_an_unfinished_sync_is_asked_to_go_on_without_asking_oracle(synced: SensorDesk) -> None:
    rows(synced.url, "UPDATE sync_state SET is_complete = 0")
    before = synced.server.requests

    request = synced.request()

    assert request.tags["oracle_sync/reason"] == "an unfinished sync continues from offset 150"
    assert synced.server.requests == before


# -- runs that are not over ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "status",
    [Status.QUEUED, Status.NOT_STARTED, Status.STARTING, Status.STARTED, Status.CANCELING],
    ids=lambda status: status.value,
)
@pytest.mark.parametrize("job", [JOB, CLICKED, OTHER])
def test_an_unfinished_run_of_whatever_job_is_waited_for(
    synced: SensorDesk, status: dg.DagsterRunStatus, job: str
) -> None:
    run = synced.record_run(status, job)
    synced.server.pod.add(5)
    before = synced.server.requests

    assert synced.skip() == f"Run {run.run_id[:8]} is at offset 150."
    assert synced.server.requests == before
    assert synced.mirror()["offset"] == 150


def test_a_run_whose_process_is_gone_is_not_waited_for_for_ever(
    synced: SensorDesk, later: Callable[[float], None]
) -> None:
    run = synced.record_run(Status.STARTED)
    synced.server.pod.add(5)
    later(3600)
    with Database(synced.url, OPPORTUNITIES).writer(NAME, "a run that takes its time"):
        assert run.run_id[:8] in synced.skip()

    assert synced.request()

    later(60)
    assert run.run_id[:8] in synced.skip()


def test_a_run_of_something_else_is_not_waited_for(synced: SensorDesk) -> None:
    @dg.op
    def nothing() -> None: ...

    @dg.job(name="elsewhere")
    def elsewhere() -> None:
        nothing()

    synced.instance.create_run_for_job(elsewhere, status=Status.STARTED)
    synced.server.pod.add(1)

    assert synced.request()


def test_a_run_under_another_sync_name_is_not_waited_for(synced: SensorDesk) -> None:
    config = {"ops": {"minimal_opportunities": {"config": {"sync_name": "another"}}}}
    job = synced.defs.resolve_job_def(JOB)
    synced.instance.create_run_for_job(job, run_config=config, status=Status.STARTED)
    synced.server.pod.add(1)

    assert synced.request()


def test_a_crashed_run_that_dagster_will_start_anew_is_waited_for(
    synced: SensorDesk, later: Callable[[float], None]
) -> None:
    run = synced.record_run(Status.FAILURE, tags={"dagster/will_retry": "true"})
    synced.server.pod.add(1)

    later(120)  # the pause after a failure is over
    assert run.run_id[:8] in synced.skip()

    later(3600)  # Dagster does not, it seems
    assert synced.request()


def test_a_crashed_run_that_was_started_anew_is_not_waited_for(
    synced: SensorDesk, later: Callable[[float], None]
) -> None:
    run = synced.record_run(Status.FAILURE, tags={"dagster/will_retry": "true"})
    synced.instance.add_run_tags(run.run_id, {"dagster/auto_retry_run_id": "0" * 36})
    synced.server.pod.add(1)

    later(120)
    assert synced.request()


@pytest.mark.parametrize("status", [Status.STARTED, Status.FAILURE])
def test_a_run_of_checks_alone_is_neither_waited_for_nor_counted(
    synced: SensorDesk, status: dg.DagsterRunStatus
) -> None:
    clicked = synced.record_run(Status.SUCCESS, CLICKED)
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
