"""Test the `q` parameter in both grammars."""

from __future__ import annotations

import datetime as dt

import pytest

from oracle_sync.engine.scope import EVERYTHING, Scope
from oracle_sync.oracle.query import write_query

SINCE = dt.datetime(2026, 11, 25, 14, 5, 10, tzinfo=dt.UTC)
UNTIL = dt.datetime(2026, 11, 25, 16, 5, 10, 123_000, tzinfo=dt.timezone(dt.timedelta(hours=1)))


@pytest.mark.parametrize(
    ("version", "query", "scope", "written"),
    [
        ("", "RecordSet='ALL'", EVERYTHING, "RecordSet='ALL'"),
        ("4", "a = 1 or b = 2", EVERYTHING, "a = 1 or b = 2"),
        (
            "",
            "RecordSet='ALL'; ",
            Scope(from_key="7", to_key="9"),
            "RecordSet='ALL';OptyId>=7 and <=9",
        ),
        (
            "1",
            "",
            Scope(changed_since=SINCE, changed_until=UNTIL, after_key="7"),
            "OptyId>7;LastUpdateDate>=2026-11-25T14:05:10Z and <=2026-11-25T15:05:10.123Z",
        ),
        (
            "3",
            "a = 1 OR b = 2",
            Scope(changed_since=SINCE, to_key="9"),
            "(a = 1 OR b = 2) and OptyId <= 9 and LastUpdateDate >= '2026-11-25T14:05:10Z'",
        ),
        ("9", "", Scope(from_key="7"), "OptyId >= 7"),
    ],
)
def test_a_scope_is_written_in_the_grammar_of_the_framework(
    version: str, query: str, scope: Scope, written: str
) -> None:
    assert write_query(query, version, "OptyId", scope) == written
