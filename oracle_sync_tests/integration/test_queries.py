"""The queries of the README, each run as it stands there on a database that a sync has filled."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import psycopg2
import psycopg2.extras
import pytest

from oracle_sync_tests.support import PROJECT
from oracle_sync_tests.support.harness import NAME, rows, run, writer
from oracle_sync_tests.support.source import ListSource

README = (PROJECT / "README.md").read_text()
SECTION = README.partition("### Queries\n")[2].partition("\n## ")[0]
QUERIES = re.findall(r"```sql\n(.+?)```", SECTION, re.S)


@pytest.fixture
def filled(database_url: str) -> str:
    """Thirty rows, and of each thing asked for one that must be shown and one that must not."""
    run(database_url, ListSource(30), batch_size=10)
    rows(
        database_url,
        "UPDATE minimal_opportunities SET synced_at = synced_at - interval '2 days' WHERE id <= 20",
    )
    rows(
        database_url,
        "INSERT INTO removed_opportunities (opportunity_id, sync_name, removed_by, removed_at) "
        "VALUES ('gone', %s, 'run 1', now()), ('long gone', %s, 'run 0', now() - interval '1 y')",
        NAME,
        NAME,
    )
    rows(
        database_url,
        "INSERT INTO rejected_items (sync_name, at_offset, raw, reason, digest, walk, resolved_at) "
        "SELECT %s, n, '{}', 'no id', n::text, 0, CASE WHEN n = 7 THEN now() END "
        "FROM generate_series(7, 9) n",
        NAME,
    )
    rows(database_url, "UPDATE sync_state SET source_total = 42")
    with writer(database_url) as store:
        store.move(25, "rewind", "to look again")
    return database_url


def answers(url: str, about: str) -> list[dict[str, Any]]:
    """Return the rows of the one query that reads a table first."""
    [query] = [query for query in QUERIES if re.search(rf"(?m)^FROM {about}$", query)]
    connection = psycopg2.connect(url, cursor_factory=psycopg2.extras.RealDictCursor)
    try:
        with connection.cursor() as cursor:
            cursor.execute(query)
            return [dict(row) for row in cursor.fetchall()]
    finally:
        connection.close()


def test_there_are_queries_and_each_is_tried_here() -> None:
    about = [re.findall(r"(?m)^FROM (\w+)$", query) for query in QUERIES]
    tried = re.findall(r'answers\(filled, "(\w+)"\)', Path(__file__).read_text())
    assert [name for [name] in about] == tried


def test_rows_that_came_today(filled: str) -> None:
    assert len(answers(filled, "minimal_opportunities")) == 10


def test_rows_that_are_gone(filled: str) -> None:
    [found] = answers(filled, "removed_opportunities")
    assert (found["opportunity_id"], found["removed_by"]) == ("gone", "run 1")


def test_open_rejects(filled: str) -> None:
    [found] = answers(filled, "rejected_items")
    assert (found["reason"], found["items"], found["first_offset"]) == ("no id", 2, 8)


def test_how_far_behind(filled: str) -> None:
    [found] = answers(filled, "sync_state")
    assert (found["current_offset"], found["lag"]) == (25, 17)
    assert found["since_success"].total_seconds() < 600


def test_moves(filled: str) -> None:
    found = answers(filled, "sync_history")
    assert (found[0]["action"], found[0]["to_offset"]) == ("rewind", 25)
    assert found[0]["reason"] == "to look again"
