"""The stand-in pod describes its collections, and their attributes can change meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from oracle_sync.oracle.describe import read_collections, read_description
from oracle_sync.sandbox import Pod, SandboxServer
from oracle_sync_tests.support.asking import ROOT, VERSION, ask, page, refusal, rows


@pytest.fixture
def server() -> Iterator[SandboxServer]:
    with SandboxServer(Pod(rows=40)) as server:
        yield server


def described(server: SandboxServer, name: str = "opportunities") -> dict[str, Any]:
    response = ask(server, f"{VERSION}/{name}/describe")
    assert response.status_code == 200
    resource: dict[str, Any] = response.json()["Resources"][name]
    return resource


def attributes(server: SandboxServer) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in described(server)["attributes"]}


def test_a_collection_is_described_as_a_pod_does(server: SandboxServer) -> None:
    resource = described(server)
    assert (resource["title"], resource["titlePlural"]) == ("Opportunity", "Opportunities")
    assert resource["collection"]["rangeSize"] == 25
    assert "ChildRevenue" in resource["children"]
    assert any("cardinality" in link for link in resource["item"]["links"])
    known = attributes(server)
    for name in known:
        assert {"type", "updatable", "mandatory", "queryable", "allowChanges", "title"} < set(
            known[name]
        )
    assert known["OptyId"]["mandatory"] is True
    assert known["Tags_c"]["queryable"] is False
    assert known["LastUpdateDate"]["title"] == "Last Update Date"
    assert known["Name"]["maxLength"] == "240"
    assert known["Revenue"]["precision"] == 18
    types = {one["type"] for one in known.values()}
    assert types == {
        *("string", "integer", "number", "boolean", "date", "datetime", "array", "object")
    }


def test_a_date_may_hide_behind_a_string(server: SandboxServer) -> None:
    hidden = attributes(server)["Kickoff_c"]
    assert hidden["type"] == "string"
    assert hidden["properties"] == {"fnd:OSN_GADGET_TYPE": "date"}
    values = {item["Kickoff_c"] for item in rows(server)["items"]} - {None}
    assert all(len(value) == 10 and value[4] == "-" for value in values)


@pytest.mark.parametrize(
    ("name", "key"),
    [("opportunities", "OptyId"), ("accounts", "PartyId"), ("resourceUsers", "ResourceProfileId")],
)
def test_what_is_described_is_what_is_served_and_names_the_key(
    server: SandboxServer, name: str, key: str
) -> None:
    description = read_description({"Resources": {name: described(server, name)}}, name)
    assert description.key == (key,)
    listed = [attribute.name for attribute in description.attributes]
    assert listed == list(rows(server, name)["items"][0])


def test_the_root_lists_the_collections(server: SandboxServer) -> None:
    minimal = ask(server, f"{VERSION}/describe", params={"metadataMode": "minimal"}).json()
    assert len(read_collections(minimal)) == 6
    assert "attributes" not in minimal["Resources"]["leads"]
    full = ask(server, f"{VERSION}/describe").json()
    assert full["Resources"]["leads"] == described(server, "leads")


@pytest.mark.parametrize("status", [403, 404])
def test_describe_may_be_refused(server: SandboxServer, status: int) -> None:
    server.pod.configure(refuse_describe=status)
    assert ask(server, f"{ROOT}/describe").status_code == status
    assert ask(server, f"{VERSION}/describe").status_code == status
    assert page(server)["count"] == 25


def test_an_attribute_can_be_added_while_the_pod_runs(server: SandboxServer) -> None:
    server.pod.columns.add("Extra_c", "boolean")
    assert attributes(server)["Extra_c"]["type"] == "boolean"
    assert {item["Extra_c"] for item in rows(server)["items"]} == {True, False, None}
    server.pod.change(server.pod.ids()[0], Extra_c=True)
    assert page(server, fields="Extra_c", limit=1)["items"] == [{"Extra_c": True}]


def test_a_renamed_attribute_keeps_its_values_and_is_refused_by_its_old_name(
    server: SandboxServer,
) -> None:
    server.pod.change(server.pod.ids()[3], Region_c="Moon")
    before = list(server.pod.values("Region_c").values())
    server.pod.columns.rename("Region_c", "Area_c")
    assert [item["Area_c"] for item in page(server, fields="Area_c", limit=40)["items"]] == before
    assert "Region_c" in refusal(server, fields="OptyId,Region_c")
    assert "Region_c" not in attributes(server)


def test_an_attribute_can_change_its_type(server: SandboxServer) -> None:
    assert len(rows(server, q="Score_c>=0")["items"])
    server.pod.columns.retype("Score_c", "string")
    assert attributes(server)["Score_c"]["type"] == "string"
    values = {item["Score_c"] for item in rows(server)["items"]}
    assert {type(value) for value in values} <= {str, type(None)}
    assert len(rows(server, q="Score_c=first")["items"])


def test_a_dropped_attribute_is_refused_by_name_and_gone_from_the_items(
    server: SandboxServer,
) -> None:
    server.pod.columns.drop("Revenue")
    assert "Revenue" in refusal(server, fields="OptyId,Revenue")
    assert "Revenue" in refusal(server, q="Revenue>1")
    assert "Revenue" not in rows(server)["items"][0]
    server.pod.columns.add("Revenue", "number")
    assert "Revenue" in rows(server)["items"][0]


def test_what_the_pod_cannot_do_without_stays() -> None:
    columns = Pod(rows=1).columns
    for name in ("OptyId", "OptyNumber", "LastUpdateDate"):
        with pytest.raises(ValueError, match=f"cannot do without {name}"):
            columns.drop(name)
    for wrong in (("Name", "string"), ("a b", "string"), ("Extra_c", "text")):
        with pytest.raises(ValueError, match=wrong[0] if wrong[1] == "string" else "text"):
            columns.add(*wrong)
    with pytest.raises(ValueError, match="no attribute Nope"):
        columns.rename("Nope", "Extra_c")
    with pytest.raises(ValueError, match="an attribute Name"):
        columns.rename("Region_c", "Name")
