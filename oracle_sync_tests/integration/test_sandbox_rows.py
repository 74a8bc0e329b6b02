"""The rows of the stand-in pod, and the pages in which they come."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest

from oracle_sync.sandbox import Pod, SandboxServer
from oracle_sync_tests.support.asking import ask, ids, page, refusal


@pytest.fixture(scope="module")
def shared() -> Iterator[SandboxServer]:
    with SandboxServer(Pod(rows=0)) as server:
        yield server


@pytest.fixture
def server(shared: SandboxServer) -> SandboxServer:
    """Return a pod as new, behind a server that all tests of this file share."""
    Pod.__init__(shared.pod)
    return shared


def test_the_same_seed_makes_the_same_rows() -> None:
    assert Pod(50, seed=3).snapshot() == Pod(50, seed=3).snapshot() != Pod(50, seed=4).snapshot()


def test_keys_have_15_digits_and_ascend_with_irregular_gaps() -> None:
    keys = Pod(1000).ids()
    gaps = {high - low for low, high in pairwise(keys)}
    assert keys == sorted(set(keys))
    assert {len(str(key)) for key in keys} == {15}
    assert min(gaps) >= 20
    assert len(gaps) > 100


def test_numbers_are_mostly_digits_sometimes_text_and_sometimes_null() -> None:
    numbers = list(Pod(2000).snapshot().values())
    texts = [number for number in numbers if number is not None]
    assert len(texts) < len(numbers)
    assert sum(text.isdigit() for text in texts) > 1500
    assert any(text.startswith("OPP_SAMPLE_CSV_") for text in texts)
    assert any(not text.isascii() for text in texts)
    assert len(set(texts)) == len(texts)


def test_dates_come_in_three_forms_and_names_in_several_scripts() -> None:
    pod = Pod(300)
    stamps = [pod.value(key, "LastUpdateDate") for key in pod.ids()]
    names = "".join(pod.value(key, "Name") for key in pod.ids())
    for form in (r".*\d\+00:00", r".*\.\d{3}\+00:00", r".*\dZ"):
        assert any(re.fullmatch(form, stamp) for stamp in stamps)
    for script in ("\u0412", "\u0634", "\u4e1c", "\U0001f680", "A"):
        assert script.lower() in names.lower()
    for column in ("Revenue", "WinProb", "Region_c"):
        assert any(pod.value(key, column) is None for key in pod.ids())


def test_rows_added_low_are_spread_below_the_last_and_those_at_the_end_above_it() -> None:
    pod = Pod(100)
    before = pod.ids()
    low = pod.add(3, where="low")
    end = pod.add(2)
    assert [pod.ids().index(key) for key in low] == [25, 51, 77]
    assert pod.ids()[-2:] == end
    assert min(end) > before[-1]
    assert pod.ids() == sorted(set(before) | set(low) | set(end))


def test_a_row_can_be_slipped_in_at_a_position_as_often_as_wanted() -> None:
    pod = Pod(10)
    (new,) = pod.add(1, after=4)
    assert pod.ids()[5] == new
    (first,) = pod.add(1, after=-1)
    assert pod.ids()[0] == first
    for _ in range(40):
        pod.add(30, after=4)
    assert len(set(pod.ids())) == 12 + 1200
    assert pod.ids() == sorted(pod.ids())


def test_a_key_is_never_used_twice() -> None:
    pod = Pod(20)
    used = set(pod.ids())
    for _ in range(60):
        new = pod.add(5, where="low") + pod.add(5)
        assert used.isdisjoint(new)
        used.update(new)
        pod.remove(n=9)
        pod.remove(positions=[-1])


def test_rows_are_removed_by_key_by_position_or_spread() -> None:
    pod = Pod(10)
    keys = pod.ids()
    assert pod.remove(ids=[keys[3], str(keys[4]), 1]) == keys[3:5]
    assert pod.remove(positions=[0]) == keys[:1]
    assert len(pod.remove(n=3)) == 3
    assert len(pod.remove(n=99)) == 4
    assert len(pod) == 0
    assert len(pod.add(4, where="low")) == 4


def test_a_changed_row_shows_its_new_values(server: SandboxServer) -> None:
    key = server.pod.ids()[2]
    server.pod.change(key, OptyNumber='say "hi"\n')
    assert page(server)["items"][2] == {"OptyId": key, "OptyNumber": 'say "hi"\n'}
    assert server.pod.snapshot()[str(key)] == 'say "hi"\n'
    with pytest.raises(ValueError, match="Nothing_c"):
        server.pod.change(key, Nothing_c=1)
    with pytest.raises(KeyError):
        server.pod.change(1, OptyNumber="x")


@pytest.mark.parametrize("limit", [1, 7, 50, 499])
def test_pages_in_order_give_every_row_once(server: SandboxServer, limit: int) -> None:
    rows: dict[str, Any] = {}
    more, offset = True, 0
    while more:
        answer = page(server, limit=limit, offset=offset)
        assert answer["count"] == len(answer["items"])
        assert answer["offset"] == offset
        rows.update((str(item["OptyId"]), item["OptyNumber"]) for item in answer["items"])
        offset += answer["count"]
        more = answer["hasMore"]
    assert rows == server.pod.snapshot()
    assert offset == 150


def test_without_an_order_two_requests_differ(server: SandboxServer) -> None:
    params = {"fields": "OptyId", "limit": 100}
    one, two = (ask(server, params=params).json() for _ in range(2))
    assert ids(one) != ids(two)
    assert set(ids(one)) != set(ids(two))


def test_without_an_order_a_large_collection_still_gives_every_row_to_one_request() -> None:
    pod = Pod(6000, max_limit=6000)
    with SandboxServer(pod) as server:
        answer = ask(server, params={"fields": "OptyId", "limit": 6000, "onlyData": "true"}).json()
    assert ids(answer) != pod.ids()
    assert sorted(ids(answer)) == pod.ids()


def test_the_order_may_be_by_any_field_and_descending(server: SandboxServer) -> None:
    assert ids(page(server, orderBy="OptyId:desc", limit=150)) == server.pod.ids()[::-1]
    items = page(server, orderBy="WinProb:desc,OptyId", fields="OptyId,WinProb", limit=150)["items"]
    filled = [item for item in items if item["WinProb"] is not None]
    assert filled == sorted(filled, key=lambda item: (-item["WinProb"], item["OptyId"]))
    assert "Nope" in refusal(server, orderBy="Nope:asc")
    assert refusal(server, orderBy="OptyId:upwards")


def test_rows_equal_in_the_order_asked_for_come_in_no_certain_order(server: SandboxServer) -> None:
    pages = [ids(page(server, orderBy="Region_c:asc", limit=150)) for _ in range(2)]
    assert pages[0] != pages[1]


def test_a_limit_above_the_maximum_is_capped_and_the_response_says_so() -> None:
    with SandboxServer(Pod(600)) as server:
        answer = page(server, limit=1000)
        assert (answer["limit"], answer["count"], answer["hasMore"]) == (499, 499, True)


def test_the_default_limit_is_25(server: SandboxServer) -> None:
    assert page(server)["limit"] == page(server)["count"] == 25


@pytest.mark.parametrize("wrong", [{"limit": "x"}, {"limit": -1}, {"offset": -1}, {"limit": "0"}])
def test_a_limit_or_offset_that_is_not_a_number_is_refused(
    server: SandboxServer, wrong: dict[str, Any]
) -> None:
    assert next(iter(wrong)) in refusal(server, **wrong)


def test_past_the_end_there_are_no_items_and_maybe_no_list_of_them(server: SandboxServer) -> None:
    answer = page(server, offset=150)
    assert (answer["items"], answer["count"], answer["hasMore"]) == ([], 0, False)
    server.pod.omit_empty_items = True
    assert "items" not in page(server, offset=10**12)


def test_the_total_is_given_when_asked_for_and_may_be_wrong_or_refused(
    server: SandboxServer,
) -> None:
    assert "totalResults" not in page(server)
    assert page(server, totalResults="true")["totalResults"] == 150
    server.pod.total_error = -20
    assert page(server, totalResults="true")["totalResults"] == 130
    server.pod.refuse_total = True
    assert "totalResults" in refusal(server, totalResults="true")
