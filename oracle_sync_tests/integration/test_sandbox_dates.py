"""The stand-in pod compares dates as moments, in both grammars, and finds recent rows fast."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracle_sync.sandbox import Pod, SandboxServer
from oracle_sync.sandbox.grammar import BadRequest
from oracle_sync.sandbox.query import Query, read_query
from oracle_sync.sandbox.records.stamps import read_moment, to_time
from oracle_sync_tests.support.asking import count, refusal, rows

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def server() -> Iterator[SandboxServer]:
    pod = Pod(rows=300)
    pod.clock.freeze(NOON)
    with SandboxServer(pod) as server:
        yield server


def dates(pod: Pod) -> list[datetime]:
    return [to_time(read_moment(text) or 0) for text in pod.values("LastUpdateDate").values()]


def text(time: datetime) -> str:
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@pytest.mark.parametrize("operator", [">=", ">", "<=", "<", "="])
def test_dates_are_compared_as_moments_in_both_grammars(
    server: SandboxServer, operator: str
) -> None:
    server.pod.edit(n=40, Region_c="changed")
    server.pod.clock.advance(60)
    server.pod.edit(n=7, Region_c="again")
    tests = {
        ">=": datetime.__ge__,
        ">": datetime.__gt__,
        "<=": datetime.__le__,
        "<": datetime.__lt__,
        "=": datetime.__eq__,
    }
    all_dates = dates(server.pod)
    for bound in (sorted(all_dates)[100], NOON, NOON + timedelta(seconds=60), NOON - timedelta(1)):
        expected = sum(tests[operator](date, bound) for date in all_dates)
        assert count(server, f"LastUpdateDate{operator}{text(bound)}") == expected
        assert count(server, f"LastUpdateDate {operator} '{text(bound)}'", 3) == expected


def test_framework_1_takes_both_bounds_after_one_name(server: SandboxServer) -> None:
    low, high = sorted(dates(server.pod))[50], sorted(dates(server.pod))[200]
    bounds = f"LastUpdateDate>={text(low)} and <{text(high)}"
    assert count(server, bounds) == 150
    key = server.pod.ids()[150]
    both = count(server, f"OptyId>={key};{bounds}")
    assert both + count(server, f"OptyId<{key};{bounds}") == 150
    assert refusal(server, q=f"LastUpdateDate>={text(low)} and LastUpdateDate<{text(high)}")
    days = [str(date)[:10] for date in dates(server.pod)]
    expected = sum("2015-12-01" <= day < "2016-01-15" for day in days)
    assert 0 < count(server, "LastUpdateDate>=2015-12-01 and <2016-01-15") == expected < 300


def test_later_frameworks_take_quotes_and_parentheses(server: SandboxServer) -> None:
    low, high = sorted(dates(server.pod))[50], sorted(dates(server.pod))[200]
    bounds = f"LastUpdateDate >= '{text(low)}' and LastUpdateDate < '{text(high)}'"
    assert count(server, bounds, 2) == 150
    assert count(server, f"(RecordSet='ALL' or OptyId > 1) and {bounds}", 2) == 150
    won, lost = (
        count(server, f"StatusCode = '{code}' and {bounds}", 2) for code in ("WON", "LOST")
    )
    either = f"(StatusCode = 'WON' or StatusCode = 'LOST') and {bounds}"
    assert 0 < won < count(server, either, 2) == won + lost


def test_a_date_in_another_zone_or_without_one_is_the_same_moment(server: SandboxServer) -> None:
    server.pod.edit(n=5, Region_c="changed")
    assert count(server, "LastUpdateDate>=2026-03-01T13:00:00+01:00") == 5
    assert count(server, "LastUpdateDate>=2026-03-01T12:00:00") == 5
    assert count(server, "LastUpdateDate>2026-03-01T12:00:00.000Z") == 0
    assert "date" in refusal(server, q="LastUpdateDate>=yesterday")


def test_any_other_date_can_be_compared_too(server: SandboxServer) -> None:
    values = server.pod.values("EffectiveDate").values()
    later = sum(value >= "2016-06-01" for value in values)
    assert 0 < count(server, "EffectiveDate>=2016-06-01") == later < 300
    signed = [read_moment(v or "") for v in server.pod.values("SignedAt_c").values()]
    bound = read_moment("2016-03-01T00:00:00Z")
    assert bound is not None
    earlier = sum(moment < bound for moment in signed if moment is not None)
    assert 0 < count(server, "SignedAt_c<2016-03-01T00:00:00Z") == earlier < 300


def test_the_order_by_date_is_by_moment_whatever_its_form(server: SandboxServer) -> None:
    items = rows(server, orderBy="LastUpdateDate:asc,OptyId:asc", limit=300)["items"]
    moments = [(read_moment(item["LastUpdateDate"]), item["OptyId"]) for item in items]
    assert moments == sorted(moments)
    assert len(moments) == 300


def test_a_pod_may_refuse_or_pass_over_the_date(server: SandboxServer) -> None:
    q = "LastUpdateDate>=2099-01-01"
    server.pod.configure(ignore_date_q=True)
    assert count(server, q) == 300
    server.pod.configure(refuse_date_q=True)
    assert "LastUpdateDate" in refusal(server, q=q)
    server.pod.configure(refuse_date_field=True)
    assert "LastUpdateDate" in refusal(server, fields="OptyId,LastUpdateDate")
    assert "LastUpdateDate" not in rows(server, limit=1)["items"][0]


def test_a_pod_may_refuse_or_demand_quotes(server: SandboxServer) -> None:
    second = {"REST-Framework-Version": "2"}
    quoted, plain = "LastUpdateDate > '2016-01-01'", "LastUpdateDate > 2016-01-01"
    assert count(server, quoted, 2) == count(server, plain, 2)
    server.pod.configure(quotes="refused")
    assert "Quotes" in refusal(server, second, q=quoted)
    assert count(server, plain, 2)
    server.pod.configure(quotes="demanded")
    assert "quoted" in refusal(server, second, q=plain)
    assert count(server, f"{quoted} and OptyId > 1", 2)


@pytest.mark.parametrize(
    ("kept", "printed", "rounding", "date", "compared"),
    [
        ("millisecond", "mixed", "cut", "12:00:01.750+00:00", "12:00:01.750"),
        ("millisecond", "second", "cut", "12:00:01+00:00", "12:00:01.750"),
        ("millisecond", "second", "round", "12:00:02+00:00", "12:00:01.750"),
        ("second", "mixed", "cut", "12:00:01+00:00", "12:00:01"),
        ("second", "millisecond", "round", "12:00:02.000+00:00", "12:00:02"),
        ("microsecond", "microsecond", "cut", "12:00:01.750400+00:00", "12:00:01.750400"),
        ("microsecond", "mixed", "cut", "12:00:01.750+00:00", "12:00:01.750400"),
    ],
)
def test_dates_are_kept_and_printed_as_exactly_as_is_set(
    server: SandboxServer, kept: str, printed: str, rounding: str, date: str, compared: str
) -> None:
    pod = server.pod
    pod.clock.freeze(NOON + timedelta(seconds=1, microseconds=750_400))
    pod.configure(kept_precision=kept, printed_precision=printed, date_rounding=rounding)
    key = pod.ids()[3]
    pod.change(key, Region_c="x")
    assert pod.value(key, "LastUpdateDate") == f"2026-03-01T{date}"
    assert count(server, f"LastUpdateDate=2026-03-01T{compared}Z") == 1
    assert count(server, f"LastUpdateDate>2026-03-01T{compared}Z") == 0


def test_a_date_printed_to_the_second_is_so_in_unchanged_rows_too(server: SandboxServer) -> None:
    server.pod.configure(printed_precision="second")
    texts = server.pod.values("LastUpdateDate").values()
    assert all(re.fullmatch(r"\S{10}T\d\d:\d\d:\d\d\+00:00", one) for one in texts)


def test_a_row_without_a_date_passes_no_bound(server: SandboxServer) -> None:
    server.pod.change(server.pod.ids()[0], LastUpdateDate=None)
    server.pod.change(server.pod.ids()[1], LastUpdateDate="not a date")
    assert count(server, "LastUpdateDate<=2099-01-01") == 298
    assert count(server, "LastUpdateDate>=1999-01-01") == 298
    assert count(server, "LastUpdateDate is null", 2) == 2


def total(pod: Pod, q: str) -> int:
    """Return a count without HTTP."""
    query = read_query({"q": q, "totalResults": "true", "limit": "1"}, 1, pod, pod.columns)
    found = pod.page(query).total
    assert found is not None
    return found


def seconds(action: Any) -> float:
    """Return the processor time of the fastest of five calls."""
    times = []
    for _ in range(5):
        begin = time.thread_time()
        action()
        times.append(time.thread_time() - begin)
    return min(times)


def test_counts_of_recent_rows_are_fast_among_a_million() -> None:
    pod = Pod(rows=1_000_000)
    keys = pod.ids()
    pod.edit(n=50, Region_c="changed")
    bound = text(datetime.now(UTC) - timedelta(minutes=5))
    assert total(pod, f"LastUpdateDate>={bound}") == 50
    for way in (">=", "<="):
        for q in (
            f"LastUpdateDate{way}{bound}",
            f"OptyId>={keys[400_000]};LastUpdateDate{way}{bound}",
        ):

            def act(q: str = q) -> None:
                pod.change(keys[17], Region_c="again")
                total(pod, q)

            assert seconds(act) < 0.05
    halves = [f"OptyId<{keys[5]}", f"OptyId>={keys[5]}"]
    assert sum(total(pod, f"{half};LastUpdateDate<={bound}") for half in halves) == 999_949


MINUTES = st.integers(0, 30)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["add", "change", "silent", "remove", "hide", "show", "undated", "old"]),
        st.integers(0, 40),
    ),
    max_size=25,
)


@settings(max_examples=80, deadline=None)
@given(STEPS, MINUTES, MINUTES, st.integers(0, 60), st.booleans())
def test_counts_by_date_and_key_agree_with_a_look_at_every_row(
    steps: list[tuple[str, int]], since: int, until: int, place: int, early: bool
) -> None:
    pod = Pod(rows=60)
    pod.clock.freeze(NOON)
    for action, number in steps:
        pod.clock.advance(60)
        target: dict[str, Any] = {"positions": [number]}
        if action == "add":
            pod.add(2, where="low")
        elif action == "remove":
            pod.remove(**target)
        elif action == "hide":
            pod.hide(**target)
        elif action == "show":
            pod.show()
        elif action == "undated":
            pod.edit(**target, LastUpdateDate=None)
        elif action == "old":
            pod.edit(**target, LastUpdateDate="2015-12-05T00:00:00Z")
        else:
            pod.edit(**target, silent=action == "silent", Region_c="x")
    opened = datetime(2015, 11, 12, tzinfo=UTC)
    low = opened + timedelta(days=3 * since) if early else NOON + timedelta(minutes=since)
    high = NOON + timedelta(minutes=until)
    key = [*pod.ids(), 0][min(place, len(pod))]
    moments = {int(k): read_moment(v or "") for k, v in pod.values("LastUpdateDate").items()}

    def expected(first: datetime | None, last: datetime | None) -> int:
        return sum(
            moment is not None
            and (first is None or to_time(moment) >= first)
            and (last is None or to_time(moment) <= last)
            and row >= key
            for row, moment in moments.items()
        )

    for first, last in ((low, None), (None, low), (None, high), (low, high)):
        pairs = ((">=", first), ("<=", last))
        bounds = [f"{operator}{text(bound)}" for operator, bound in pairs if bound]
        q = f"OptyId>={key};LastUpdateDate" + " and ".join(bounds)
        assert total(pod, q) == expected(first, last)
        everything = Query(0, 499, ("OptyId",), (("OptyId", False),), read(pod, q))
        items = pod.page(everything).items
        assert len(items) == expected(first, last)
        assert all(low <= high for low, high in pairwise(items))


def read(pod: Pod, q: str) -> Any:
    try:
        return read_query({"q": q}, 1, pod, pod.columns).terms
    except BadRequest as refusal:
        raise AssertionError(refusal.detail) from refusal
