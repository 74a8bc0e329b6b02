"""One way for tests to run a sync and to look at what it left in the database."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import psycopg2

from oracle_sync.config.collection import OPPORTUNITIES, Collection
from oracle_sync.config.columns import resolve_columns
from oracle_sync.engine.run import run_sync
from oracle_sync.engine.source import Source
from oracle_sync.engine.summary import Options, Report, Summary
from oracle_sync.postgres.database import Database
from oracle_sync.postgres.writer import Writer

NAME = "opportunities"


def wide(**types: str) -> Collection:
    """Return opportunities with further columns: the type of each by its attribute."""
    columns = resolve_columns(OPPORTUNITIES, ["OptyNumber", *types], None, types).columns
    return replace(OPPORTUNITIES, columns=columns)


def writer(
    url: str,
    name: str = NAME,
    holder: str = "test",
    collection: Collection = OPPORTUNITIES,
    **options: Any,
) -> Writer:
    """Return a writer that does not retry for long. It waits for closed sessions to end."""
    arguments: dict[str, Any] = {"wait": 5.0, "retry_seconds": 5.0, "new_sync": True} | options
    return Writer(url, collection, name, holder, **arguments)


def run(
    url: str, source: Source, name: str = NAME, report: Report | None = None, **options: Any
) -> Summary:
    """One sync to the end, with the columns of the source's collection."""
    Database(url, source.collection).prepare()
    with writer(url, name, collection=source.collection) as store:
        store.use_columns(source.collection, OPPORTUNITIES)
        reporting = report or (lambda _summary, _batch: None)
        return run_sync(source, store, Options(**options), reporting)


def rows(url: str, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
    """All rows of a query, or none of a statement without."""
    connection = psycopg2.connect(url, connect_timeout=10)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement, parameters or None)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()


def table(url: str) -> dict[str, str | None]:
    """Id and number of every row."""
    return dict(rows(url, "SELECT opportunity_id, opportunity_number FROM minimal_opportunities"))


def removed(url: str) -> set[str]:
    return {row[0] for row in rows(url, "SELECT opportunity_id FROM removed_opportunities")}


def state(url: str, columns: str, name: str = NAME) -> tuple[Any, ...]:
    """Columns of `sync_state`."""
    return rows(url, f"SELECT {columns} FROM sync_state WHERE sync_name = %s", name)[0]


def offset(url: str, name: str = NAME) -> int:
    return int(state(url, "current_offset", name)[0])
