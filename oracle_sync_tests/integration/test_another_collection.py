"""Test that another collection, with a typed key and several columns, is a declaration alone."""

from __future__ import annotations

from typing import Any

from oracle_sync.config.collection import Collection, Column
from oracle_sync.engine.run import run_sync
from oracle_sync.engine.summary import Options, Summary
from oracle_sync.operations.replay import replay
from oracle_sync.postgres.database import Database
from oracle_sync_tests.support.harness import rows
from oracle_sync_tests.support.source import ListSource

LEADS = Collection(
    path="leads",
    key=Column("LeadId", "lead_id", "bigint", "LeadId in Oracle, unique"),
    columns=(Column("Name", "name", "text"), Column("Owner", "owner", "varchar")),
    table="leads",
    removed_table="removed_leads",
)
SELECT = "SELECT lead_id, name, owner FROM leads ORDER BY lead_id"


def leads(count: int) -> ListSource:
    """Return a source of leads."""
    source = ListSource()
    source.collection = LEADS
    source.items = {key: lead(key) for key in range(10, 10 + count)}
    return source


def lead(key: int, **values: Any) -> dict[str, Any]:
    """Return a lead, whose name follows from its key unless given."""
    return {"LeadId": key, "Name": f"lead {key}", "Owner": None} | values


def sync(database: Database, source: ListSource, **options: Any) -> Summary:
    """Sync once, to the end."""
    with database.writer("leads", "test") as writer:
        return run_sync(source, writer, Options(batch_size=8, **options))


def expected(source: ListSource) -> list[tuple[Any, ...]]:
    """Return the rows that the table should have."""
    return [(item["LeadId"], item["Name"], item["Owner"]) for item in source.items.values()]


def test_another_collection_is_synced_refreshed_and_replayed_into_its_own_table(
    database_url: str,
) -> None:
    database, source = Database(database_url, LEADS), leads(50)

    assert sync(database, source).inserted == 50
    assert rows(database_url, SELECT) == expected(source)

    source.items[12] = lead(12, Owner="Ann")
    source.items[13] = lead(13, Name="bad\0")
    del source.items[20]
    done = sync(database, source, full_refresh=True)
    assert (done.updated, done.removed, done.rejected) == (2, 1, 1)
    assert rows(database_url, "SELECT lead_id, name FROM removed_leads") == [(20, "lead 20")]

    source.items[13] = lead(13, Name="good", Owner="Bo")
    rows(
        database_url,
        'UPDATE rejected_items SET raw = \'{"LeadId": 13, "Name": "good", "Owner": "Bo"}\'',
    )
    assert replay(database, "leads", "test").stored == 1
    assert rows(database_url, SELECT) == expected(source)


def test_its_status_and_its_data_frame_are_those_of_its_table(database_url: str) -> None:
    database, source = Database(database_url, LEADS), leads(9)
    sync(database, source)

    status = database.status("leads")
    assert status is not None
    assert (status.table, status.rows, status.own_rows) == ("leads", 9, 9)
    details = database.details("leads", 2)
    assert [row[:3] for row in details.latest] == [(18, "lead 18", None), (17, "lead 17", None)]
    assert list(database.frame(["lead_id", "name"])["lead_id"]) == list(range(10, 19))
