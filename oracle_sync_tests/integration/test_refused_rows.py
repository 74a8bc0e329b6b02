"""Rows that PostgreSQL refuses: the good ones of their batch are stored, the bad ones set aside."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import psycopg2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oracle_sync.config.settings import DEFAULT_SYNC_NAME
from oracle_sync.engine.rows import Batch
from oracle_sync.engine.run import run_sync
from oracle_sync.engine.summary import Options
from oracle_sync.errors import Fenced, OnlyRejects
from oracle_sync.operations.replay import replay
from oracle_sync.postgres.database import Database
from oracle_sync_tests.support.harness import offset, removed, rows, run, state, table, wide, writer
from oracle_sync_tests.support.source import ListSource

NARROW = "ALTER TABLE minimal_opportunities ALTER opportunity_number TYPE varchar(20)"
LONG = "a number that is longer than twenty characters"


def nested(depth: int) -> Any:
    """Return lists in objects, so deep."""
    content: Any = "innermost"
    for level in range(depth):
        content = {"a": content} if level % 2 else [content]
    return content


def open_rejects(url: str) -> list[tuple[int, str, str]]:
    return rows(
        url,
        "SELECT at_offset, raw::jsonb->>'OptyId', reason FROM rejected_items "
        "WHERE resolved_at IS NULL ORDER BY 1",
    )


def expected(source: ListSource, bad: set[int]) -> dict[str, str | None]:
    ids = {str(source.keys[position]) for position in bad}
    return {key: number for key, number in source.table().items() if key not in ids}


@pytest.mark.parametrize("batch_size", [5, 7, 499])
def test_values_that_do_not_fit_a_column_are_set_aside_and_the_rest_is_stored(
    database_url: str, batch_size: int
) -> None:
    rows(database_url, NARROW)
    source, bad = ListSource(60), {0, 4, 17, 18, 34, 59}
    for position in bad:
        source.items[source.keys[position]]["OptyNumber"] = LONG
    done = run(database_url, source, batch_size=batch_size)
    assert table(database_url) == expected(source, bad)
    assert (done.offset_after, done.inserted, done.rejected, done.unchanged) == (60, 54, 6, 0)
    assert any("6 items could not be stored" in warning for warning in done.warnings)
    reason = "PostgreSQL refuses it: value too long for type character varying(20)"
    assert open_rejects(database_url) == [
        (position, str(source.keys[position]), reason) for position in sorted(bad)
    ]
    assert state(database_url, "current_offset, total_synced, is_complete") == (60, 60, 1)


def test_a_refused_row_at_the_end_is_not_counted_again_by_each_run(database_url: str) -> None:
    rows(database_url, NARROW)
    source = ListSource(20)
    source.items[source.keys[-1]]["OptyNumber"] = LONG
    assert run(database_url, source).rejected == 1
    again = run(database_url, source)
    assert (again.rejected, again.warnings) == (0, [])
    assert len(open_rejects(database_url)) == 1


def test_a_refused_value_leaves_the_row_it_was_for_and_a_refresh_does_not_remove_it(
    database_url: str,
) -> None:
    source = ListSource(30)
    run(database_url, source)
    rows(database_url, NARROW)
    before = source.table()
    source.items[source.keys[9]]["OptyNumber"] = LONG
    done = run(database_url, source, full_refresh=True)
    assert (done.rejected, done.removed) == (1, 0)
    assert table(database_url) == before
    assert removed(database_url) == set()
    source.items[source.keys[9]]["OptyNumber"] = "short"
    assert run(database_url, source, full_refresh=True).updated == 1
    assert open_rejects(database_url) == []


def test_a_column_that_demands_a_value_of_every_row_stops_the_sync_and_says_so(
    database_url: str,
) -> None:
    rows(database_url, "ALTER TABLE minimal_opportunities ADD COLUMN region varchar NOT NULL")
    source = ListSource(20)
    with pytest.raises(OnlyRejects, match='null value in column "region"') as caught:
        run(database_url, source)
    assert "offset 0" in caught.value.kept
    assert (offset(database_url), table(database_url)) == (0, {})
    assert len(open_rejects(database_url)) == 5


def test_a_column_that_demands_a_value_sets_the_items_without_one_aside(
    database_url: str,
) -> None:
    rows(database_url, "ALTER TABLE minimal_opportunities ALTER opportunity_number SET NOT NULL")
    source, bad = ListSource(20), {3, 4}
    for position in bad:
        source.items[source.keys[position]]["OptyNumber"] = None
    run(database_url, source)
    assert table(database_url) == expected(source, bad)
    assert [at for at, _, _ in open_rejects(database_url)] == [3, 4]


def test_a_constraint_that_is_looked_at_late_sets_a_row_aside_too(database_url: str) -> None:
    rows(
        database_url,
        "ALTER TABLE minimal_opportunities ADD UNIQUE (opportunity_number) "
        "DEFERRABLE INITIALLY DEFERRED",
    )
    source = ListSource(20)
    source.items[source.keys[8]]["OptyNumber"] = source.items[source.keys[2]]["OptyNumber"]
    run(database_url, source)
    assert table(database_url) == expected(source, {8})
    assert [at for at, _, _ in open_rejects(database_url)] == [8]


def test_a_trigger_that_refuses_a_row_sets_it_aside_with_its_words_on_one_line(
    database_url: str,
) -> None:
    rows(
        database_url,
        """
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF NEW.opportunity_number = 'bad' THEN
                RAISE E'no bad ones\\n\\x1b[31mplease';
            END IF;
            RETURN NEW;
        END $$;
        CREATE TRIGGER refuse BEFORE INSERT ON minimal_opportunities
        FOR EACH ROW EXECUTE FUNCTION refuse();
        """,
    )
    source = ListSource(20)
    source.items[source.keys[8]]["OptyNumber"] = "bad"
    run(database_url, source)
    assert table(database_url) == expected(source, {8})
    assert [r for *_, r in open_rejects(database_url)] == [
        "PostgreSQL refuses it: no bad ones please"
    ]


def test_what_was_set_aside_holds_every_field_and_can_be_replayed(database_url: str) -> None:
    rows(database_url, NARROW)
    source = ListSource(10)
    key = source.keys[3]
    source.items[key] |= {"OptyNumber": LONG, "Name": "Łódź", "Team": {"share": Decimal("12.50")}}
    source.collection = wide(Name="text", Team="jsonb")
    run(database_url, source, DEFAULT_SYNC_NAME)
    database = Database(database_url, source.collection)
    first = replay(database, DEFAULT_SYNC_NAME, "test")
    assert (first.stored, len(first.refused)) == (0, 1)
    assert "too long" in first.refused[0]
    assert len(open_rejects(database_url)) == 1
    rows(database_url, "ALTER TABLE minimal_opportunities ALTER opportunity_number TYPE varchar")
    assert replay(database, DEFAULT_SYNC_NAME, "test").stored == 1
    assert table(database_url) == source.table()
    further = "SELECT name, team::text FROM minimal_opportunities WHERE opportunity_id = %s"
    assert rows(database_url, further, str(key)) == [("Łódź", '{"share": 12.50}')]


def test_a_writer_that_was_replaced_sets_nothing_aside(database_url: str) -> None:
    rows(database_url, NARROW)
    with writer(database_url) as store:
        rows(database_url, "UPDATE sync_state SET epoch = epoch + 1")
        with pytest.raises(Fenced):
            store.commit(
                Batch(
                    0,
                    2,
                    "2",
                    2,
                    1,
                    False,
                    keys=["1", "2"],
                    values=[("a",), (LONG,)],
                    dates=[None] * 2,
                )
            )
    assert (table(database_url), open_rejects(database_url)) == ({}, [])


def test_a_failure_while_rows_are_set_aside_leaves_nothing_half_done(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows(database_url, NARROW)
    source = ListSource(20)
    source.items[source.keys[8]]["OptyNumber"] = LONG
    seen: list[tuple[int, int]] = []

    class Cut(psycopg2.extensions.cursor):
        def execute(self, query: Any, parameters: Any = None) -> None:
            if "RELEASE" in str(query) and len(seen) < 2:
                seen.append((offset(database_url), len(table(database_url))))
                self.connection.close()
                raise psycopg2.OperationalError("server closed the connection unexpectedly")
            super().execute(query, parameters)

    with writer(database_url) as store:
        connection = store._session._connection
        assert connection is not None
        connection.cursor_factory = Cut
        run_sync(source, store, Options())
    assert seen == [(5, 5)]
    assert table(database_url) == expected(source, {8})


@pytest.mark.parametrize("depth", [99, 100, 500, 952, 970, 5_000])
def test_an_item_that_is_nested_deep_is_stored_or_set_aside_and_the_rest_stored(
    database_url: str, depth: int
) -> None:
    source = ListSource(20)
    key = source.keys[8]
    source.items[key]["Deep"] = nested(depth)
    source.items[source.keys[11]] = nested(depth + 1)
    source.collection = wide(Deep="jsonb")
    run(database_url, source)
    bad = {8, 11} if depth > 100 else {11}
    assert len(table(database_url)) == 19
    reasons = dict(rows(database_url, "SELECT at_offset, reason FROM rejected_items"))
    assert set(reasons) == bad
    if 8 in bad:
        assert "nested deeper than 100 levels" in reasons[8]
        (raw,) = rows(database_url, "SELECT raw FROM rejected_items WHERE at_offset = 8")[0]
        assert raw["OptyId"] == key


@given(
    bad=st.sets(st.integers(0, 39), max_size=25),
    same=st.sets(st.integers(0, 39), max_size=5),
    size=st.sampled_from([2, 5, 13, 40]),
)
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_whatever_rows_are_refused_each_is_stored_or_set_aside(
    database_url: str, bad: set[int], same: set[int], size: int
) -> None:
    rows(
        database_url,
        f"TRUNCATE sync_state, minimal_opportunities, rejected_items; {NARROW};"
        "CREATE UNIQUE INDEX IF NOT EXISTS one_each ON minimal_opportunities (opportunity_number)",
    )
    source = ListSource(40)
    for position in same:
        source.items[source.keys[position]]["OptyNumber"] = "the same"
    for position in bad:
        source.items[source.keys[position]]["OptyNumber"] = LONG
    try:
        run(database_url, source, batch_size=size)
    except OnlyRejects:
        return
    twice = sorted(same - bad)[1:]
    assert table(database_url) == expected(source, bad | set(twice))
    assert [at for at, _, _ in open_rejects(database_url)] == sorted(bad | set(twice))
