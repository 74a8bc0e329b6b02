"""The stand-in pod reads `q` on every attribute that can be queried, in two grammars."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from oracle_sync.sandbox import Pod, SandboxServer
from oracle_sync_tests.support.asking import count, refusal, rows

SECOND = {"REST-Framework-Version": "2"}


@pytest.fixture(scope="module")
def server() -> Iterator[SandboxServer]:
    with SandboxServer(Pod(rows=300)) as server:
        yield server


def column(server: SandboxServer, name: str) -> list[Any]:
    return list(server.pod.values(name).values())


@pytest.mark.parametrize(
    ("old", "new", "name", "test"),
    [
        ("WinProb>=50", "WinProb >= 50", "WinProb", lambda v: v >= 50),
        ("Score_c<-20.5", "Score_c < -20.5", "Score_c", lambda v: v < -20.5),
        ("Revenue>2500000", "Revenue > 2500000", "Revenue", lambda v: v > 2_500_000),
        ("StatusCode=WON", "StatusCode = 'WON'", "StatusCode", lambda v: v == "WON"),
        ("StatusCode!=WON", "StatusCode <> 'WON'", "StatusCode", lambda v: v != "WON"),
        ("Strategic_c=true", "Strategic_c = 'Y'", "Strategic_c", lambda v: v is True),
        (
            "Kickoff_c<2015-12-20",
            "Kickoff_c < '2015-12-20'",
            "Kickoff_c",
            lambda v: v < "2015-12-2",
        ),
        ("GoLive_c>=2016-06-01", "GoLive_c >= '2016-06-01'", "GoLive_c", lambda v: v >= "2016-06"),
        (
            "Region_c=EMEA or APAC",
            "Region_c in ('EMEA', 'APAC')",
            "Region_c",
            lambda v: v in ("EMEA", "APAC"),
        ),
    ],
)
def test_values_of_each_type_are_compared(
    server: SandboxServer, old: str, new: str, name: str, test: Any
) -> None:
    expected = sum(value is not None and test(value) for value in column(server, name))
    assert 0 < expected < 300
    assert count(server, old) == count(server, new, 2) == expected


def test_every_attribute_that_is_called_queryable_is(server: SandboxServer) -> None:
    for attribute in server.pod.columns.attributes.values():
        if attribute.queryable:
            nulls = count(server, f"{attribute.name} is null", 2)
            assert nulls + count(server, f"{attribute.name} IS NOT NULL", 2) == 300
            assert nulls == column(server, attribute.name).count(None)
        else:
            assert "queryable" in refusal(server, SECOND, q=f"{attribute.name} is null")
            assert "queryable" in refusal(server, orderBy=attribute.name)


def test_exact_keys_are_named_in_both_grammars(server: SandboxServer) -> None:
    keys = server.pod.ids()[5:8]
    second = f"OptyId in ({', '.join(map(str, keys))})"
    first = "OptyId=" + " or ".join(map(str, keys))
    for q, framework in ((first, 1), (second, 2)):
        listed = rows(server, framework=framework, q=q, orderBy="OptyId")["items"]
        assert [item["OptyId"] for item in listed] == keys
    assert count(server, f"OptyId not in ({keys[0]})", 2) == 299
    assert count(server, f"OptyId={keys[0]}.5") == 0
    assert count(server, f"OptyId>{keys[0]}.5") == 294


def test_expressions_nest(server: SandboxServer) -> None:
    won, large = column(server, "StatusCode"), column(server, "WinProb")
    pairs = list(zip(won, large, strict=True))
    both = sum(status == "WON" and (prob or 0) > 50 for status, prob in pairs)
    either = sum(status == "WON" or (prob or 0) > 50 for status, prob in pairs)
    assert count(server, "StatusCode = 'WON' and WinProb > 50", 2) == both
    assert count(server, "StatusCode = 'WON' or WinProb > 50", 2) == either
    tree = "((StatusCode = 'WON') or (WinProb > 50)) and OptyId > 1"
    assert count(server, tree, 2) == either
    assert count(server, "StatusCode like 'L_S%'", 2) == won.count("LOST")
    assert count(server, "StatusCode not like 'L%'", 2) == 300 - won.count("LOST")


def test_a_quoted_quote_is_doubled(server: SandboxServer) -> None:
    key = server.pod.ids()[0]
    server.pod.change(key, Name="it's; a and b")
    assert count(server, "Name = 'it''s; a and b'", 2) == 1
    assert count(server, "Name='it''s; a and b';OptyId>1") == 1


@pytest.mark.parametrize(
    "q", ["OptyId", "OptyId>", "OptyId>>1", ">1", "OptyId>1;;", "Name='x", "a b c", "(OptyId>1)"]
)
def test_what_is_not_a_query_of_framework_1_is_refused(server: SandboxServer, q: str) -> None:
    assert refusal(server, q=q)


@pytest.mark.parametrize(
    "q", ["OptyId > 1 and", "(OptyId > 1", "OptyId in ()", "OptyId not 1", "OptyId > 1) or (OptyId"]
)
def test_what_is_not_a_query_of_framework_2_is_refused(server: SandboxServer, q: str) -> None:
    assert refusal(server, SECOND, q=q)


def test_other_collections_have_other_attributes(server: SandboxServer) -> None:
    accounts = server.pod.collections["accounts"]
    prospects = list(accounts.values("Type").values()).count("ZCA_PROSPECT")
    assert count(server, "Type=ZCA_PROSPECT", name="accounts") == prospects
    assert "accounts" in str(rows_refused(server, "OptyId>1"))
    assert rows_refused(server, "RecordSet='ALL'")


def rows_refused(server: SandboxServer, q: str) -> str:
    with pytest.raises(AssertionError) as refused:
        rows(server, "accounts", q=q)
    return str(refused.value)
