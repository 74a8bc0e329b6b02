"""The stand-in pod serves six collections, with attributes of every type and keys that join."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from oracle_sync.sandbox import Pod, SandboxServer
from oracle_sync_tests.support.asking import VERSION, ask, control, rows

KEYS = {
    "opportunities": "OptyId",
    "accounts": "PartyId",
    "contacts": "PartyId",
    "leads": "LeadId",
    "activities": "ActivityId",
    "resourceUsers": "ResourceProfileId",
}
COLLECTIONS = {"accounts": 50, "contacts": 40, "leads": 30, "activities": 60, "resourceUsers": 9}


@pytest.fixture(scope="module")
def server() -> Iterator[SandboxServer]:
    with SandboxServer(Pod(rows=450, collections=COLLECTIONS)) as server:
        yield server


def items(server: SandboxServer, name: str, **options: Any) -> list[dict[str, Any]]:
    answer = rows(server, name, orderBy=f"{KEYS[name]}:asc", **options)
    listed: list[dict[str, Any]] = answer["items"]
    return listed


@pytest.mark.parametrize("name", KEYS)
def test_each_collection_is_read_in_pages_by_its_key(server: SandboxServer, name: str) -> None:
    pages = [items(server, name, offset=offset, limit=23) for offset in range(0, 500, 23)]
    keys = [item[KEYS[name]] for page in pages for item in page]
    assert keys == server.pod.collections[name].ids()
    assert len(keys) == ({"opportunities": 450} | COLLECTIONS)[name]
    assert {len(str(key)) for key in keys} == {15}
    half = items(server, name, q=f"{KEYS[name]}>{keys[6]}")
    assert [item[KEYS[name]] for item in half] == keys[7:]


def test_collections_have_the_attributes_of_their_kind(server: SandboxServer) -> None:
    counts = {name: len(items(server, name, limit=1)[0]) for name in KEYS}
    assert 30 <= counts["opportunities"] <= 45
    assert 15 <= counts["accounts"] <= 18
    assert all(8 <= counts[name] <= 12 for name in ("contacts", "leads", "activities"))
    for name in KEYS:
        assert {"CreationDate", "LastUpdateDate", KEYS[name]} <= items(server, name)[0].keys()


def test_the_same_seed_makes_the_same_values_in_every_attribute() -> None:
    one, same, other = Pod(40, seed=3), Pod(40, seed=3), Pod(40, seed=4)
    for name, collection in one.collections.items():
        for attribute in collection.columns.attributes:
            values = collection.values(attribute)
            assert values == same.collections[name].values(attribute)
    assert one.values("Name") != other.values("Name")


def test_a_row_does_not_depend_on_how_many_others_there_are() -> None:
    pods = [Pod(count, collections={"accounts": 30}) for count in (10, 2_000)]
    for attribute in pods[0].columns.attributes:
        few, many = (pod.values(attribute) for pod in pods)
        common = few.keys() & many.keys()
        assert len(common) > 5
        assert {key: few[key] for key in common} == {key: many[key] for key in common}


def test_keys_of_other_collections_join(server: SandboxServer) -> None:
    for name, attribute, other in (
        ("opportunities", "TargetPartyId", "accounts"),
        ("opportunities", "KeyContactId", "contacts"),
        ("contacts", "AccountPartyId", "accounts"),
        ("leads", "CustomerId", "accounts"),
        ("activities", "OpportunityId", "opportunities"),
        ("accounts", "OwnerPartyId", "resourceUsers"),
    ):
        values = set(server.pod.collections[name].values(attribute).values()) - {None}
        assert values <= set(server.pod.collections[other].ids())
        assert len(values) > 4


def test_an_empty_collection_is_referred_to_by_nobody() -> None:
    pod = Pod(20, collections={"accounts": 0})
    assert set(pod.values("TargetPartyId").values()) == {None}
    with pytest.raises(ValueError, match="no collection deals"):
        Pod(collections={"deals": 5})


def test_opportunities_hold_every_type_and_nulls(server: SandboxServer) -> None:
    types: dict[str, set[type]] = {}
    for item in items(server, "opportunities"):
        for name, value in item.items():
            types.setdefault(name, set()).add(type(value))
    none = type(None)
    for name, expected in {
        "OptyId": {int},
        "Name": {str},
        "StatusCode": {str},
        "TargetPartyId": {int, none},
        "Region_c": {str, none},
        "Score_c": {int, none},
        "Volume_c": {Decimal},
        "Ratio_c": {Decimal, none},
        "Strategic_c": {bool, none},
        "Tags_c": {list, none},
        "Site_c": {dict, none},
        "GoLive_c": {str, none},
    }.items():
        assert types[name] == expected, name
    assert sum(name.endswith("_c") for name in types) == 15


def test_opportunities_hold_what_is_hard_to_keep(server: SandboxServer) -> None:
    listed = items(server, "opportunities")

    def texts(name: str) -> list[str]:
        return [str(item[name]) for item in listed if item[name] is not None]

    assert set(texts("StatusCode")) == {"OPEN", "WON", "LOST"}
    assert all(re.fullmatch(r"\d+\.\d\d?", text) for text in texts("Revenue"))
    assert {len(text) for text in texts("Remark_c")} >= {4_000}
    assert {"", "NULL", "1E5"} < set(texts("Description"))
    assert any(not text.isascii() for text in texts("Segment_c"))
    assert any(Decimal(text) != Decimal(repr(float(text))) for text in texts("Volume_c"))
    assert any(len(text.replace(".", "")) > 20 for text in texts("UpsideAmount"))
    ratios = ask(server, params={"fields": "Ratio_c", "limit": 499}).text
    assert re.search(r'"Ratio_c":\d+E-7[,}]', ratios)
    assert any(int(text) > 2**53 for text in texts("LegacyId_c"))
    assert {text[-6:] for text in texts("CallAt_c")} == {"+02:00"}
    for form in (r".*\d\+00:00", r".*\.\d{3}\+00:00", r".*\dZ"):
        assert any(re.fullmatch(form, text) for text in texts("SignedAt_c"))


def test_from_framework_9_on_every_id_and_decimal_is_a_string(server: SandboxServer) -> None:
    old, new = (items(server, "opportunities", framework=framework) for framework in (4, 9))
    numbers = {"Revenue", "ExpectAmount", "DownsideAmount", "UpsideAmount"}
    numbers |= {"Discount_c", "Volume_c", "Ratio_c"}
    ids = {"OptyId", "TargetPartyId", "KeyContactId", "OwnerResourcePartyId", "PrimaryCompetitorId"}
    for before, after in zip(old, new, strict=True):
        for name, value in before.items():
            if name in numbers | ids and value is not None:
                assert isinstance(after[name], str)
                assert Decimal(after[name]) == value
            else:
                assert after[name] == value


def test_items_are_found_by_finder_and_by_address(server: SandboxServer) -> None:
    for name, key in KEYS.items():
        number = server.pod.collections[name].ids()[4]
        (found,) = items(server, name, finder=f"PrimaryKey;{key}={number}", onlyData="false")
        assert found[key] == number
        address = found["links"][0]["href"].removeprefix(server.url)
        assert ask(server, address, params={"fields": key}).json()[key] == number
        assert found["links"][0]["name"] == name
    assert ask(server, f"{VERSION}/deals").status_code == 404


def test_changed_values_come_as_they_were_given() -> None:
    with SandboxServer(Pod(rows=5)) as server:
        key = server.pod.ids()[1]
        odd = '{"Revenue": 12345678901234567890.10, "Name": "\\u0000 \\ud800", "Tags_c": [1.50]}'
        body = json.loads(odd, parse_float=Decimal)
        server.pod.change(key, **body)
        assert '"Revenue":12345678901234567890.10' in ask(server).text
        assert '"Tags_c":[1.50]' in ask(server).text.replace(" ", "")
        item = rows(server, orderBy="OptyId:asc")["items"][1]
        assert item | body == item
        assert control(server, "PATCH", f"/rows/{key}", {"Name": "plain"}).status_code == 200
        assert rows(server, orderBy="OptyId:asc")["items"][1]["Name"] == "plain"
