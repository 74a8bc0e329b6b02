"""The client gets what a pod says of its collections, or says why it can't."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from oracle_sync.config.collection import OPPORTUNITIES
from oracle_sync.errors import BadAnswer, RequestRefused, SourceError
from oracle_sync.oracle.client import OracleClient
from oracle_sync.sandbox import Pod, SandboxServer
from oracle_sync_tests.support.fetching import oauth
from oracle_sync_tests.support.web import Web, client

VERSION = "/crmRestApi/resources/11.12.1.0"


@pytest.fixture
def server() -> Iterator[SandboxServer]:
    with SandboxServer(Pod(rows=3)) as running:
        yield running


def description_failure(source: OracleClient) -> SourceError:
    with pytest.raises(SourceError) as caught:
        source.describe("leads")
    assert caught.value.sentence().isprintable()
    return caught.value


def test_a_collection_is_described_with_its_key_and_the_types_of_its_attributes(
    server: SandboxServer,
) -> None:
    description = client(server).describe(OPPORTUNITIES.path)
    assert description.path == OPPORTUNITIES.path
    assert description.title == "Opportunity"
    assert description.key == (OPPORTUNITIES.key.attribute,)
    types = {one.name: one.column_type for one in description.attributes}
    assert types["Revenue"] == "numeric"
    assert types["LastUpdateDate"] == "timestamptz"
    assert types["OptyNumber"] == "text"


def test_the_collections_of_a_pod_are_listed_by_path_and_title(server: SandboxServer) -> None:
    collections = client(server).collections()
    assert ("opportunities", "Opportunities") in collections
    assert ("accounts", "Accounts") in collections
    assert collections == sorted(collections)


def test_every_collection_that_a_pod_lists_can_be_described(server: SandboxServer) -> None:
    source = client(server)
    for path, _ in source.collections():
        assert source.describe(path).attributes


def test_a_description_is_signed_in_for_like_a_page(server: SandboxServer) -> None:
    assert oauth(server).describe("leads").key == ("LeadId",)


def test_the_documented_addresses_are_asked() -> None:
    answer = {"Resources": {"leads": {"title": "Lead", "attributes": [{"name": "LeadId"}]}}}
    with Web(lambda h: h.reply(answer)) as web:
        source = client(web.url)
        source.describe("leads")
        source.collections()
    assert [path for _, path, _ in web.requests] == [
        f"{VERSION}/leads/describe",
        f"{VERSION}/describe?metadataMode=minimal",
    ]
    assert source.requests == 2


def test_a_pod_without_descriptions_is_asked_once_and_named() -> None:
    with Web(lambda h: h.reply({"title": "Not Found"}, 404)) as web:
        error = description_failure(client(web.url))
    assert isinstance(error, RequestRefused)
    assert "description of leads" in str(error)
    assert len(web.requests) == 1


def test_a_description_that_fails_for_a_moment_is_asked_for_again() -> None:
    answer = {"Resources": {"leads": {"attributes": [{"name": "LeadId"}]}}}
    with Web(lambda h: h.reply(answer, 503 if len(web.requests) == 1 else 200)) as web:
        assert client(web.url).describe("leads").attributes
        assert len(web.requests) == 2


@pytest.mark.parametrize(
    "answer", [[], {}, {"items": []}, {"Resources": {}}, {"Resources": {"leads": {}}}]
)
def test_an_answer_that_is_not_a_description_is_refused(answer: object) -> None:
    with Web(lambda h: h.reply(answer)) as web:
        assert isinstance(description_failure(client(web.url)), BadAnswer)


def test_a_description_of_tens_of_megabytes_is_read_and_a_larger_one_refused() -> None:
    attributes = [{"name": f"A{n}_c", "title": "x" * 1_000} for n in range(40_000)]
    answer = {"Resources": {"leads": {"attributes": attributes}}}
    with Web(lambda h: h.reply(answer)) as web:
        assert len(client(web.url).describe("leads").attributes) == 40_000
        attributes += attributes
        error = description_failure(client(web.url))
    assert "more than 48 MB" in str(error)
