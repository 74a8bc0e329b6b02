"""What the client sends for a page, and how it reads a good answer."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator

import pytest

from oracle_sync.engine.source import Base, PageRequest
from oracle_sync.errors import (
    BadAnswer,
    RequestRefused,
    SettingError,
)
from oracle_sync_tests.support.faulty_pod import FaultyPod, FaultyServer
from oracle_sync_tests.support.fetching import (
    ANY,
    ROOT,
    failure,
    ids,
)
from oracle_sync_tests.support.web import EMPTY_PAGE, Handler, Web, client


@pytest.fixture
def server() -> Iterator[FaultyServer]:
    with FaultyServer(FaultyPod(rows=12)) as running:
        yield running


def test_the_url_keeps_the_grammar_of_the_finder_as_it_is(
    server: FaultyServer,
) -> None:
    client(server).fetch(PageRequest(10, 6, want_total=True))
    assert server.log[-1]["path"] == (
        f"{ROOT}?finder=MyOpportunitiesFinder;RecordSet=%27ALLOPTIES%27&q=RecordSet=%27ALL%27"
        "&fields=OptyId,OptyNumber,LastUpdateDate&orderBy=OptyId:asc&limit=6&offset=10&onlyData=true"
        "&totalResults=true"
    )


def test_the_total_is_requested_only_where_it_is_wanted(server: FaultyServer) -> None:
    page = client(server).fetch(ANY)
    assert server.log[-1]["path"].endswith("&limit=5&offset=0&onlyData=true")
    assert page.total is None


def test_settings_that_are_empty_are_not_sent(server: FaultyServer) -> None:
    client(server, finder="", query="", fields="", order_by="").fetch(ANY)
    assert server.log[-1]["path"] == f"{ROOT}?limit=5&offset=0&onlyData=true"


def test_values_are_encoded_beyond_the_grammar() -> None:
    with Web(lambda h: h.reply(EMPTY_PAGE)) as web:
        client(
            web.url,
            finder="F;name='M\u00fcller & Co #1',x='50%+'",
            query="Name LIKE 'a/b?c \"d\"%'",
        ).fetch(ANY)
        assert web.requests[0][1] == (
            f"{ROOT}?finder=F;name=%27M%C3%BCller%20%26%20Co%20%231%27,x=%2750%25%2B%27"
            "&q=Name%20LIKE%20%27a%2Fb%3Fc%20%22d%22%25%27"
            "&fields=OptyId,OptyNumber,LastUpdateDate&orderBy=OptyId:asc&limit=5&offset=0&onlyData=true"
        )


@pytest.mark.parametrize(
    ("framework", "query", "sent"),
    [
        ("", "RecordSet='ALL'", "RecordSet=%27ALL%27;OptyId%3E=77"),
        ("1", "Name='a';", "Name=%27a%27;OptyId%3E=77"),
        ("1", "", "OptyId%3E=77"),
        ("2", "RecordSet='ALL'", "RecordSet=%27ALL%27%20and%20OptyId%20%3E=%2077"),
        ("9", "", "OptyId%20%3E=%2077"),
        ("4", "A=1 OR B=2", "%28A=1%20OR%20B=2%29%20and%20OptyId%20%3E=%2077"),
        ("4", "Factor='x'", "Factor=%27x%27%20and%20OptyId%20%3E=%2077"),
    ],
)
def test_a_base_is_sent_as_a_condition_on_the_key_and_the_distance_from_it(
    framework: str, query: str, sent: str
) -> None:
    with Web(lambda h: h.reply(EMPTY_PAGE)) as web:
        source = client(web.url, framework_version=framework, query=query)
        source.fetch(PageRequest(1_010, 6, base=Base("77", 1_000)))
        path = web.requests[0][1]
    assert f"&q={sent}&" in path
    assert "&limit=6&offset=10&" in path


def test_a_refusal_of_a_base_says_that_it_was_one(server: FaultyServer) -> None:
    server.pod.configure(refuse_key_q=True)
    with pytest.raises(RequestRefused, match="offset 10, limit 6, by key"):
        client(server).fetch(PageRequest(10, 6, base=Base("77", 5)))


@pytest.mark.parametrize("paging", ["offset", "key"])
def test_a_source_says_whether_it_pages_by_key(paging: str) -> None:
    assert client("http://localhost:1", paging=paging).by_key is (paging == "key")


def test_json_and_gzip_are_asked_for_and_the_client_says_who_it_is() -> None:
    packed = gzip.compress(json.dumps(EMPTY_PAGE | {"items": [{"OptyId": 1}]}).encode())
    with Web(lambda h: h.reply(packed, headers={"Content-Encoding": "gzip"})) as web:
        assert ids(client(web.url).fetch(ANY)) == [1]
        headers = web.requests[0][2]
    assert "gzip" in headers["Accept-Encoding"]
    assert headers["Accept"].startswith("application/json")
    assert "application/vnd.oracle.adf.error+json" in headers["Accept"]
    assert headers["User-Agent"].startswith("oracle_sync/")
    assert headers["REST-Framework-Version"] is None


def test_another_version_and_framework_are_sent_where_they_are_set() -> None:
    with Web(lambda h: h.reply(EMPTY_PAGE)) as web:
        client(web.url + "/prefix", api_version="latest", framework_version="9").fetch(ANY)
        _, path, headers = web.requests[0]
    assert path.startswith("/prefix/crmRestApi/resources/latest/opportunities?")
    assert headers["REST-Framework-Version"] == "9"


def test_numbers_that_arrive_as_strings_are_read_as_numbers(server: FaultyServer) -> None:
    page = client(server, framework_version="9", query="").fetch(PageRequest(0, 5, want_total=True))
    assert all(isinstance(key, str) for key in ids(page))
    answer = {"items": [], "hasMore": "false", "limit": "5", "totalResults": "12"}
    with Web(lambda h: h.reply(answer)) as web:
        page = client(web.url).fetch(PageRequest(0, 5, want_total=True))
    assert (page.limit, page.total, page.has_more) == (5, 12, False)


def test_one_connection_serves_all_requests_of_a_thread() -> None:
    ports: set[int] = set()

    def answer(handler: Handler) -> None:
        ports.add(handler.client_address[1])
        handler.reply(EMPTY_PAGE)

    with Web(answer) as web:
        source = client(web.url)
        for _ in range(5):
            source.fetch(ANY)
    assert len(ports) == 1


def test_items_may_be_absent_from_an_empty_page_but_not_from_one_that_counts_some(
    server: FaultyServer,
) -> None:
    server.pod.configure(omit_empty_items=True)
    assert client(server).fetch(PageRequest(99, 5)).items == []
    server.pod.add_fault("no_items_key", times=None)
    error = failure(client(server))
    assert isinstance(error, BadAnswer)
    assert "counts 5 items and sends none" in str(error)


def test_after_a_refusal_of_the_total_pages_are_fetched_without_it(
    server: FaultyServer,
) -> None:
    server.pod.configure(refuse_total=True)
    source = client(server)
    for _ in range(2):
        page = source.fetch(PageRequest(0, 5, want_total=True))
        assert (len(page.items), page.total) == (5, None)
    assert [entry["status"] for entry in server.log] == [400, 200, 200]


def test_a_client_is_not_made_from_invalid_settings() -> None:
    with pytest.raises(SettingError, match="ORACLE_BASE_URL"):
        client("http://pod.example.com")


def test_no_cookie_is_kept() -> None:
    with Web(lambda h: h.reply(EMPTY_PAGE, headers={"Set-Cookie": "a=b; Path=/"})) as web:
        source = client(web.url)
        source.fetch(ANY)
        source.fetch(ANY)
        assert [headers["Cookie"] for _, _, headers in web.requests] == [None, None]
