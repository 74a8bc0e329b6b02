"""Test runs whose fields change, whose pod forgets some, or which describes nothing."""

from __future__ import annotations

from typing import Any

import dagster as dg
import pytest

from oracle_sync.config.collection import OPPORTUNITIES
from oracle_sync.orchestration import checks
from oracle_sync.postgres.database import Database
from oracle_sync.postgres.status import Status
from oracle_sync_tests.support.code_location import NAME, TABLE, failure_of
from oracle_sync_tests.support.harness import rows
from oracle_sync_tests.support.sensor_desk import SensorDesk

FIELDS = "OptyId,OptyNumber"


def ask_for(desk: SensorDesk, fields: str, **oracle: Any) -> None:
    """Change ORACLE_FIELDS, and other settings of Oracle's."""
    desk.oracle |= {"fields": fields} | oracle


def sync(desk: SensorDesk) -> dg.ExecuteInProcessResult:
    result = desk.execute(batch_size=100)
    assert result.success, failure_of(result).description
    return result


def why(desk: SensorDesk) -> str:
    """Return why a run fails."""
    return str(failure_of(desk.execute(batch_size=100)).description)


def warned(desk: SensorDesk, result: dg.ExecuteInProcessResult) -> str:
    """Return the warnings of a run's log."""
    entries = desk.instance.all_logs(result.run_id)
    return "\n".join(entry.user_message for entry in entries if entry.level == 30)


def values(desk: SensorDesk, column: str) -> dict[str, Any]:
    """Return a column of the table by key."""
    return dict(rows(desk.url, f'SELECT opportunity_id, "{column}" FROM minimal_opportunities'))


def column_types(desk: SensorDesk) -> dict[str, str]:
    found = rows(
        desk.url,
        "SELECT column_name, data_type FROM information_schema.columns "
        "WHERE table_name = 'minimal_opportunities'",
    )
    return dict(found)


def status(desk: SensorDesk) -> Status:
    found = Database(desk.url, OPPORTUNITIES).status(NAME)
    assert found is not None
    return found


def described(desk: SensorDesk) -> int:
    """Return how often the pod was asked for a description."""
    return sum("/describe" in entry["path"] for entry in desk.server.log)


def in_pod(desk: SensorDesk, attribute: str) -> dict[str, Any]:
    return {str(key): value for key, value in desk.server.pod.values(attribute).items()}


def as_numbers(contents: dict[str, Any]) -> dict[str, float | None]:
    return {key: None if one is None else float(one) for key, one in contents.items()}


def test_every_attribute_is_a_typed_column_with_its_title_as_comment(unsynced: SensorDesk) -> None:
    ask_for(unsynced, "OptyNumber,Name,Revenue,LastUpdateDate,*_c")
    sync(unsynced)

    types = column_types(unsynced)
    assert list(types)[:2] == ["id", "opportunity_id"]
    assert types["revenue"] == "numeric"
    assert types["last_update_date"] == "timestamp with time zone"
    assert types["score_c"] == "bigint"
    assert values(unsynced, "name") == in_pod(unsynced, "Name")
    assert as_numbers(values(unsynced, "revenue")) == as_numbers(in_pod(unsynced, "Revenue"))
    [(comment,)] = rows(
        unsynced.url,
        "SELECT col_description(attrelid, attnum) FROM pg_attribute WHERE attname = 'revenue' "
        "AND attrelid = 'minimal_opportunities'::regclass",
    )
    description = Database(unsynced.url, OPPORTUNITIES).description("opportunities")
    assert description is not None
    assert description.description is not None
    revenue = description.description.attribute("Revenue")
    assert revenue is not None
    assert comment == revenue.title


def test_the_plain_sync_asks_for_no_description(unsynced: SensorDesk) -> None:
    sync(unsynced)
    unsynced.skip()
    assert described(unsynced) == 0


def test_a_description_is_asked_for_once_and_again_when_the_fields_change(
    unsynced: SensorDesk,
) -> None:
    ask_for(unsynced, f"{FIELDS},Name")
    sync(unsynced)
    sync(unsynced)
    unsynced.skip()
    assert described(unsynced) == 1
    unsynced.server.pod.columns.add("Extra_c", "number")
    ask_for(unsynced, f"{FIELDS},Name,Extra_c")
    sync(unsynced)
    sync(unsynced)
    assert described(unsynced) == 2
    assert column_types(unsynced)["extra_c"] == "numeric"


def test_a_field_that_is_added_is_due_until_every_row_has_it(synced: SensorDesk) -> None:
    ask_for(synced, f"{FIELDS},Revenue")
    assert "columns" in synced.request().tags["oracle_sync/reason"]
    synced.server.pod.add_fault("status", status=400, min_offset=100, times=None)
    why(synced)

    assert status(synced).state.refilling == "Revenue"
    verdict = checks._open(status(synced))
    assert not verdict.passed
    assert "Revenue" in verdict.text
    assert not status(synced).state.complete

    synced.server.pod.clear_faults()
    sync(synced)
    assert as_numbers(values(synced, "revenue")) == as_numbers(in_pod(synced, "Revenue"))
    assert status(synced).state.refilling is None
    assert status(synced).state.complete
    assert checks._open(status(synced)).passed


def test_a_field_that_is_dropped_needs_no_refresh_and_keeps_its_column(
    unsynced: SensorDesk,
) -> None:
    ask_for(unsynced, f"{FIELDS},Name,Revenue")
    sync(unsynced)
    before = values(unsynced, "revenue")
    ask_for(unsynced, f"{FIELDS},Name")

    assert "fields" in unsynced.request().tags["oracle_sync/reason"]
    result = sync(unsynced)

    [event] = result.asset_materializations_for_node("minimal_opportunities")
    assert event.metadata["full_refreshes"].value == 0
    assert values(unsynced, "revenue") == before
    assert [one.column for one in status(unsynced).unfilled] == ["revenue"]
    unsynced.skip()


def test_a_pod_that_describes_nothing_gives_columns_of_text_and_that_is_said(
    unsynced: SensorDesk,
) -> None:
    unsynced.server.pod.configure(refuse_describe=403)
    ask_for(unsynced, f"{FIELDS},Name,Revenue")

    result = sync(unsynced)

    assert column_types(unsynced)["revenue"] == "text"
    assert as_numbers(values(unsynced, "revenue")) == as_numbers(in_pod(unsynced, "Revenue"))
    assert "does not describe opportunities, so Name, Revenue are columns of text" in warned(
        unsynced, result
    )
    assert "describe" in str(status(unsynced).description_refusal)
    sync(unsynced)
    assert described(unsynced) == 1


def test_a_star_without_a_description_is_refused_in_a_sentence(unsynced: SensorDesk) -> None:
    unsynced.server.pod.configure(refuse_describe=404)
    ask_for(unsynced, "*")
    assert "the pod does not describe opportunities" in why(unsynced)
    assert "one by one" in str(unsynced.last_error())


def test_a_pod_that_refuses_everything_is_not_taken_for_one_that_describes_nothing(
    unsynced: SensorDesk,
) -> None:
    ask_for(unsynced, f"{FIELDS},Name", password="wrong")
    why(unsynced)
    assert Database(unsynced.url, OPPORTUNITIES).description("opportunities") is None


@pytest.mark.parametrize("describes", [True, False])
def test_a_mistyped_field_is_named_before_a_column_is_made(
    unsynced: SensorDesk, describes: bool
) -> None:
    unsynced.server.pod.configure(refuse_describe=0 if describes else 404)
    ask_for(unsynced, f"{FIELDS},Name,Revenu,StatusCode,WinProbability")
    said = why(unsynced)
    names = "Revenu, WinProbability"
    if describes:
        names = "Revenu (did you mean Revenue?), WinProbability (did you mean WinProb?)"
    assert f"Oracle refuses {names} of opportunities" in said
    assert "ORACLE_SYNC_MISSING_FIELDS=skip" in said
    assert not {"revenu", "win_probability", "name"} & set(column_types(unsynced))


def test_a_field_that_vanishes_from_the_pod_is_named_and_nothing_is_lost(
    unsynced: SensorDesk,
) -> None:
    ask_for(unsynced, f"{FIELDS},Name,Region_c")
    sync(unsynced)
    before = values(unsynced, "region_c")
    unsynced.server.pod.columns.drop("Region_c")

    assert "Oracle refuses Region_c of opportunities" in why(unsynced)

    assert "Region_c" in str(unsynced.last_error())
    assert status(unsynced).missing == ("Region_c",)
    assert values(unsynced, "region_c") == before


def test_a_sync_goes_on_without_a_vanished_field_where_it_may(unsynced: SensorDesk) -> None:
    ask_for(unsynced, f"{FIELDS},Name,Region_c", missing_fields="skip")
    sync(unsynced)
    before = values(unsynced, "region_c")
    unsynced.server.pod.columns.drop("Region_c")
    unsynced.server.pod.add(3)

    result = sync(unsynced)

    assert "refuses Region_c" in warned(unsynced, result)
    assert values(unsynced, "name") == in_pod(unsynced, "Name")
    assert {key: values(unsynced, "region_c")[key] for key in before} == before
    assert status(unsynced).missing == ("Region_c",)
    assert [one.column for one in status(unsynced).unfilled] == ["region_c"]
    unsynced.skip()
    before_again = described(unsynced)
    sync(unsynced)
    assert described(unsynced) == before_again
    assert values(unsynced, "name") == in_pod(unsynced, "Name")


def test_a_renamed_field_is_one_dropped_and_one_added(unsynced: SensorDesk) -> None:
    ask_for(unsynced, f"{FIELDS},*_c")
    sync(unsynced)
    unsynced.server.pod.columns.rename("Region_c", "Area_c")
    assert "Region_c" in why(unsynced)
    ask_for(unsynced, f"{FIELDS},Name,*_c")

    sync(unsynced)

    assert values(unsynced, "area_c") == in_pod(unsynced, "Area_c")
    assert [one.column for one in status(unsynced).unfilled] == ["region_c"]


def test_a_type_that_changes_in_the_pod_is_followed_where_it_widens(unsynced: SensorDesk) -> None:
    ask_for(unsynced, f"{FIELDS},Score_c")
    sync(unsynced)
    unsynced.server.pod.columns.retype("Score_c", "string")
    ask_for(unsynced, f"{FIELDS},Score_c,Name")

    sync(unsynced)

    assert column_types(unsynced)["score_c"] == "text"
    assert values(unsynced, "score_c") == in_pod(unsynced, "Score_c")


def test_the_columns_of_a_run_are_shown_in_dagster_with_types_and_titles(
    unsynced: SensorDesk,
) -> None:
    ask_for(unsynced, f"{FIELDS},Revenue")
    sync(unsynced)
    event = unsynced.instance.get_latest_materialization_event(TABLE)
    assert event is not None
    assert event.asset_materialization is not None
    schema: Any = event.asset_materialization.metadata["dagster/column_schema"].value
    shown = {column.name: (column.type, column.description) for column in schema.columns}
    assert shown["revenue"][0] == "numeric"
    assert shown["revenue"][1] == "Revenue"
