"""Test that tables follow the columns that are asked for, and lose nothing by it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from oracle_sync.config.collection import OPPORTUNITIES, Collection, Column
from oracle_sync.config.columns import column_name
from oracle_sync.errors import StoreRefused
from oracle_sync.postgres.columns import Fitted
from oracle_sync.postgres.database import Database
from oracle_sync.postgres.writer import Writer
from oracle_sync_tests.support.harness import rows, run, state, writer
from oracle_sync_tests.support.source import ListSource

TABLES = ("minimal_opportunities", "removed_opportunities")
CONTENT = {
    "text": "'1'",
    "varchar": "'1'",
    "varchar(7)": "'1'",
    "smallint": "1",
    "integer": "1",
    "bigint": "1",
    "numeric": "1.50",
    "numeric(9,2)": "1.50",
    "boolean": "true",
    "date": "'2026-11-25'",
    "timestamptz": "'2026-11-25T10:00:00Z'",
    "jsonb": "'[1]'",
}


def collection(**types: str) -> Collection:
    """Return opportunities with further columns, of the attributes and types given."""
    more = [Column(name, column_name(name), type_name) for name, type_name in types.items()]
    return replace(OPPORTUNITIES, columns=(*OPPORTUNITIES.columns, *more))


def use(store: Writer, **types: str) -> Fitted:
    return store.use_columns(collection(**types), OPPORTUNITIES)


def columns(url: str, table: str = TABLES[0]) -> dict[str, str]:
    """Return the type of each column."""
    found = rows(
        url,
        "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute "
        "WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped",
        table,
    )
    return dict(found)


def comment(url: str, column: str) -> str | None:
    [(text,)] = rows(
        url,
        "SELECT col_description(attrelid, attnum) FROM pg_attribute "
        "WHERE attrelid = 'minimal_opportunities'::regclass AND attname = %s",
        column,
    )
    return None if text is None else str(text)


@pytest.fixture
def store(database_url: str) -> Iterator[Writer]:
    run(database_url, ListSource(20), batch_size=20)
    with writer(database_url) as opened:
        yield opened


def test_a_column_that_is_new_is_added_to_both_tables_and_due_in_every_row(
    store: Writer, database_url: str
) -> None:
    use(store, Revenue="numeric", Parts="jsonb")
    for table in TABLES:
        found = columns(database_url, table)
        assert (found["revenue"], found["parts"]) == ("numeric", "jsonb")
    assert state(database_url, "fields, refilling, is_complete") == (
        "OptyId,OptyNumber,Parts,Revenue",
        "Parts,Revenue",
        0,
    )


def test_before_the_first_row_nothing_is_due(database_url: str) -> None:
    with writer(database_url) as store:
        use(store, Revenue="numeric")
        assert store.state.refilling is None
        assert store.state.fields == "OptyId,OptyNumber,Revenue"


def test_what_is_there_already_is_neither_changed_nor_due(store: Writer) -> None:
    use(store, Revenue="numeric")
    store.begin_refresh("test")
    again = use(store, Revenue="numeric")
    assert not again.widened
    assert (store.state.refreshing, store.state.refilling) == (True, "Revenue")


def test_a_field_added_during_a_full_refresh_has_it_begin_again(store: Writer) -> None:
    use(store, Revenue="numeric")
    store.begin_refresh("test")
    use(store, Revenue="numeric", Name="text")
    assert (store.state.refreshing, store.state.refilling) == (False, "Name,Revenue")


def test_a_field_that_is_dropped_keeps_its_column_with_a_comment_since_when(
    store: Writer, database_url: str
) -> None:
    use(store, Revenue="numeric")
    store.begin_refresh("test")
    rows(database_url, "UPDATE minimal_opportunities SET revenue = 7")

    use(store)

    assert rows(database_url, "SELECT DISTINCT revenue FROM minimal_opportunities") == [(7,)]
    [(today,)] = rows(database_url, "SELECT current_date::text")
    assert comment(database_url, "revenue") == f"Revenue in Oracle; not filled since {today}"
    assert (store.state.fields, store.state.refilling) == ("OptyId,OptyNumber", None)
    status = Database(database_url, OPPORTUNITIES).status("opportunities")
    assert status is not None
    assert [(one.column, one.since) for one in status.unfilled] == [("revenue", today)]


def test_a_field_that_comes_back_is_due_again_and_loses_that_comment(
    store: Writer, database_url: str
) -> None:
    use(store, Revenue="numeric")
    use(store)
    use(store, Revenue="numeric")
    assert comment(database_url, "revenue") == "Revenue in Oracle"
    assert store.state.refilling == "Revenue"


def test_a_comment_of_somebody_else_s_stays(store: Writer, database_url: str) -> None:
    use(store, Revenue="numeric")
    rows(database_url, "COMMENT ON COLUMN minimal_opportunities.revenue IS 'in euros'")
    use(store, Revenue="numeric")
    assert comment(database_url, "revenue") == "in euros"


@pytest.mark.parametrize(
    ("present", "wanted"),
    [
        ("bigint", "numeric"),
        ("integer", "bigint"),
        ("numeric(9,2)", "numeric"),
        ("date", "timestamptz"),
        *((kind, "text") for kind in CONTENT if "text" not in kind and "varchar" not in kind),
        ("jsonb", "varchar"),
    ],
)
def test_a_type_that_widens_is_altered_with_its_values_and_due_in_every_row(
    store: Writer, database_url: str, present: str, wanted: str
) -> None:
    for table in TABLES:
        rows(database_url, f"ALTER TABLE {table} ADD COLUMN value {present}")
    rows(database_url, f"UPDATE minimal_opportunities SET value = {CONTENT[present]}")
    rows(database_url, "UPDATE sync_state SET fields = 'OptyId,OptyNumber,Value'")
    [(before,)] = rows(
        database_url, f"SELECT DISTINCT value::{wanted}::text FROM minimal_opportunities"
    )

    fitted = use(store, Value=wanted)

    assert fitted.widened == {"Value"}
    assert store.state.refilling == "Value"
    for table in TABLES:
        assert columns(database_url, table)["value"].startswith(
            {"varchar": "character varying", "timestamptz": "timestamp with"}.get(wanted, wanted)
        )
    after = rows(database_url, "SELECT DISTINCT value::text FROM minimal_opportunities")
    assert after == [(before,)]


@pytest.mark.parametrize(
    ("present", "wanted"),
    [("numeric", "bigint"), ("timestamptz", "date"), ("text", "varchar"), ("varchar", "text")],
)
def test_a_column_that_is_wide_enough_stays_as_it_is(
    store: Writer, database_url: str, present: str, wanted: str
) -> None:
    use(store, Value=present)
    fitted = use(store, Value=wanted)
    assert fitted.collection.columns[-1].type == present
    assert not fitted.widened
    assert not fitted.warnings


def test_a_length_that_somebody_set_stays(store: Writer, database_url: str) -> None:
    use(store, Name="varchar")
    rows(database_url, "ALTER TABLE minimal_opportunities ALTER name TYPE varchar(20)")
    use(store, Name="text")
    assert columns(database_url)["name"] == "character varying(20)"


def test_a_column_of_text_stays_with_a_word_on_how_to_convert_it(store: Writer) -> None:
    use(store, Revenue="text")
    [warning] = use(store, Revenue="numeric").warnings
    assert "TYPE numeric USING revenue::numeric" in warning


@pytest.mark.parametrize(
    ("present", "wanted"),
    [("jsonb", "bigint"), ("boolean", "numeric"), ("numeric", "date"), ("bytea", "bigint")],
)
def test_a_type_that_can_not_be_reached_is_refused_with_what_to_do_and_nothing_is_changed(
    store: Writer, database_url: str, present: str, wanted: str
) -> None:
    rows(database_url, f"ALTER TABLE minimal_opportunities ADD COLUMN value {present}")
    before = columns(database_url), state(database_url, "fields, refilling")

    with pytest.raises(StoreRefused, match=f"value of minimal_opportunities is {present}") as error:
        use(store, Name="text", Value=wanted)

    assert "ALTER TABLE" in error.value.advice
    assert (columns(database_url), state(database_url, "fields, refilling")) == before


def test_a_view_on_a_column_that_must_widen_is_named(store: Writer, database_url: str) -> None:
    use(store, Value="bigint")
    rows(database_url, "CREATE VIEW mine AS SELECT value FROM minimal_opportunities")
    with pytest.raises(StoreRefused, match="used by a view") as error:
        use(store, Value="numeric")
    assert "make it again" in error.value.advice


def test_names_that_sql_reserves_are_columns_like_others(store: Writer, database_url: str) -> None:
    use(store, Order="text", User="bigint")
    assert {"order", "user"} <= set(columns(database_url))


def test_a_sync_whose_columns_change_writes_the_new_ones_on_the_same_connection(
    database_url: str,
) -> None:
    source = ListSource(20)
    for key, item in source.items.items():
        item["Value"] = key
    kinds: list[dict[str, Any]] = [{}, {"Value": "bigint"}, {"Value": "text"}]
    with writer(database_url) as store:
        from oracle_sync.engine.run import run_sync
        from oracle_sync.engine.summary import Options

        for types in kinds:
            source.collection = use(store, **types).collection
            assert run_sync(source, store, Options(batch_size=7)).complete
    found = rows(database_url, "SELECT opportunity_id, value FROM minimal_opportunities")
    assert found == [(str(key), str(key)) for key in source.keys]
    assert state(database_url, "refilling, is_complete") == (None, 1)
