"""The stand-in pod has clocks of its own, and changes that a client finds hard to see."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from oracle_sync.sandbox import Pod, SandboxServer
from oracle_sync_tests.support.asking import ask, count, ids, page, rows

NOON = datetime(2026, 3, 1, 12, 0, 5, tzinfo=UTC)
FINDER = "MyOpportunitiesFinder;RecordSet='ALLOPTIES'"


@pytest.fixture
def server() -> Iterator[SandboxServer]:
    with SandboxServer(Pod(rows=200)) as server:
        yield server


@pytest.fixture
def frozen(server: SandboxServer) -> SandboxServer:
    server.pod.clock.freeze(NOON)
    return server


def header(server: SandboxServer, path: str = "/") -> datetime:
    return parsedate_to_datetime(ask(server, path).headers["Date"])


def date(server: SandboxServer, key: int) -> datetime:
    return datetime.fromisoformat(server.pod.value(key, "LastUpdateDate"))


def test_the_date_header_follows_the_clock_of_the_pod(server: SandboxServer) -> None:
    assert abs(header(server) - datetime.now(UTC)) < timedelta(seconds=10)
    server.pod.clock.advance(3600)
    ahead = header(server) - datetime.now(UTC)
    assert timedelta(seconds=3590) < ahead < timedelta(seconds=3610)
    server.pod.clock.freeze(NOON)
    assert header(server) == NOON
    server.pod.clock.advance(0.5)
    server.pod.clock.advance(-60)
    assert header(server) == NOON - timedelta(seconds=60)
    server.pod.clock.run()
    assert timedelta() <= header(server) - NOON + timedelta(seconds=60) < timedelta(seconds=10)


def test_every_answer_has_one_date_refusals_among_them(frozen: SandboxServer) -> None:
    for response in (ask(frozen), ask(frozen, auth=None), ask(frozen, "/nowhere")):
        assert response.raw.headers.getlist("Date") == ["Sun, 01 Mar 2026 12:00:05 GMT"]


def test_new_and_changed_rows_carry_the_present_date(frozen: SandboxServer) -> None:
    pod = frozen.pod
    (new,) = pod.add(Name="new")
    pod.clock.advance(60)
    pod.change(pod.ids()[4], Name="changed")
    assert date(frozen, new) == NOON
    assert datetime.fromisoformat(pod.value(new, "CreationDate")) == NOON
    assert date(frozen, pod.ids()[4]) == NOON + timedelta(seconds=60)
    answer = rows(frozen, q="LastUpdateDate>=2026-03-01T12:00:05Z", orderBy="OptyId")
    assert [item["Name"] for item in answer["items"]] == ["changed", "new"]


def test_the_clock_of_the_rows_may_differ_from_that_of_the_header(frozen: SandboxServer) -> None:
    for skew in (100, -100):
        frozen.pod.configure(clock_skew_seconds=skew)
        assert date(frozen, frozen.pod.add()[0]) == NOON + timedelta(seconds=skew)
        assert header(frozen) == NOON


def test_a_late_commit_appears_with_the_date_at_which_it_was_made(frozen: SandboxServer) -> None:
    pod = frozen.pod
    key = pod.ids()[7]
    old = date(frozen, key)
    pod.change(key, late=30, Name="late")
    (new,) = pod.add(late=30)
    pod.add()
    pod.clock.advance(29)
    assert (date(frozen, key), len(pod)) == (old, 201)
    pod.clock.advance(1)
    assert (date(frozen, key), pod.value(key, "Name")) == (NOON, "late")
    assert date(frozen, new) == NOON
    assert pod.ids()[-2] == new


def test_a_late_commit_can_wait_until_it_is_published(frozen: SandboxServer) -> None:
    pod = frozen.pod
    new = pod.add(2, late=math.inf)
    pod.clock.advance(1_000_000)
    assert page(frozen, totalResults="true")["totalResults"] == 200
    pod.publish()
    assert page(frozen, totalResults="true")["totalResults"] == 202
    assert date(frozen, new[0]) == NOON
    assert count(frozen, "LastUpdateDate>=2026-03-01") == 2


def test_a_late_change_of_a_row_that_is_gone_is_nothing(frozen: SandboxServer) -> None:
    pod = frozen.pod
    pod.change(pod.ids()[0], late=5, Name="late")
    pod.remove(positions=[0])
    pod.clock.advance(5)
    assert len(pod) == 199
    assert count(frozen, "LastUpdateDate>=2026-03-01") == 0


def test_a_silent_change_leaves_the_date_alone(frozen: SandboxServer) -> None:
    pod = frozen.pod
    key = pod.ids()[3]
    before = pod.value(key, "LastUpdateDate")
    pod.change(key, silent=True, Revenue=1)
    assert pod.value(key, "Revenue") == 1
    assert pod.value(key, "LastUpdateDate") == before
    pod.change(key, Revenue=2)
    pod.change(key, silent=True, Revenue=3)
    assert date(frozen, key) == NOON


def test_dates_can_be_old_from_the_start_or_go_back(frozen: SandboxServer) -> None:
    pod = frozen.pod
    (new,) = pod.add(LastUpdateDate="2019-05-05T00:00:00+00:00")
    pod.change(new, LastUpdateDate="2018-05-05T00:00:00+00:00")
    assert pod.value(new, "LastUpdateDate") == "2018-05-05T00:00:00+00:00"
    assert count(frozen, "LastUpdateDate>=2018-05-05 and <2018-05-06") == 1
    pod.change(new, Name="dated again")
    assert date(frozen, new) == NOON


def test_hidden_rows_come_back_with_their_values_and_dates(frozen: SandboxServer) -> None:
    pod = frozen.pod
    pod.edit(positions=[5], Name="changed")
    before = pod.values("Name"), pod.values("LastUpdateDate")
    hidden = pod.hide(positions=[5, 6, 7])
    assert len(pod) == page(frozen, totalResults="true")["totalResults"] == 197
    assert count(frozen, "LastUpdateDate>=2026-03-01") == 0
    assert count(frozen, "LastUpdateDate<=2026-04-01") == 197
    assert pod.show([hidden[0]]) == hidden[:1]
    assert count(frozen, "LastUpdateDate>=2026-03-01") == 1
    assert pod.show() == hidden[1:]
    assert (pod.values("Name"), pod.values("LastUpdateDate")) == before


def test_the_window_of_the_finder_moves_with_the_clock(frozen: SandboxServer) -> None:
    pod = frozen.pod
    closes = {int(key): value for key, value in pod.values("EffectiveDate").items()}
    pod.configure(window_from="2016-03-01", window_to="2016-09-01")
    inside = [key for key, day in closes.items() if "2016-03-01" <= day <= "2016-09-01"]
    assert 0 < len(inside) < 200
    assert ids(page(frozen, finder=FINDER, limit=499)) == inside
    assert page(frozen, totalResults="true")["totalResults"] == 200
    pod.configure(window_from="-30", window_to="")
    pod.clock.freeze(datetime(2016, 7, 1, 23, tzinfo=UTC))
    assert pod.window_from == "-30"
    for first in ("2016-06-01", "2016-06-02"):
        inside = [key for key, day in closes.items() if day >= first]
        assert ids(page(frozen, finder=FINDER, limit=499)) == inside
        pod.clock.advance(3600)


@pytest.mark.parametrize(
    "wrong",
    [
        {"window_from": "yesterday"},
        {"quotes": "sometimes"},
        {"kept_precision": "hour"},
        {"refuse_describe": 500},
        {"total_factor": -1},
        {"total_factor": math.inf},
    ],
)
def test_a_setting_that_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Pod(rows=0, **wrong)


def test_the_total_may_be_wrong_in_several_ways(server: SandboxServer) -> None:
    def total() -> int:
        answer = page(server, totalResults="true", limit=1)["totalResults"]
        assert isinstance(answer, int)
        return answer

    server.pod.configure(total_factor=1.1, total_error=-5)
    assert total() == 215
    server.pod.configure(total_cap=100)
    assert total() == 100
    assert count(server, f"OptyId<{server.pod.ids()[10]}") == 6
    server.pod.configure(total_unknown=True)
    assert total() == -1
