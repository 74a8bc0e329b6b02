"""Test how attributes become columns: names, types, stars, and what is refused."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle_sync.config.collection import OPPORTUNITIES, Collection, Column
from oracle_sync.config.columns import (
    LONGEST_NAME,
    OURS,
    column_name,
    needs_description,
    read_fields,
    resolve_columns,
)
from oracle_sync.config.description import Attribute, Description
from oracle_sync.errors import SettingError

ACCOUNTS = Collection(
    path="accounts",
    key=Column("PartyId", "party_id", "bigint"),
    columns=(),
    table="accounts",
    removed_table="removed_accounts",
)
DESCRIPTION = Description(
    "opportunities",
    "Opportunity",
    ("OptyId",),
    (
        Attribute("OptyId", "integer"),
        Attribute("OptyNumber", "string", "Number", queryable=True),
        Attribute("Revenue", "number", "Revenue", precision=30),
        Attribute("Closed_c", "boolean"),
        Attribute("Since_c", "string", gadget="date"),
        Attribute("Big_c", "integer", precision=30),
        Attribute("Parts", "array"),
        Attribute("Odd", "something new"),
    ),
)


@pytest.mark.parametrize(
    ("attribute", "name"),
    [
        ("Revenue", "revenue"),
        ("LastUpdateDate", "last_update_date"),
        ("Good1_c", "good1_c"),
        ("CRMConversionRate", "crm_conversion_rate"),
        ("PrimaryOrganizationId", "primary_organization_id"),
        ("Deal_Size_c", "deal_size_c"),
        ("Id", "id_"),
        ("SyncedAt", "synced_at_"),
        ("Xmin", "xmin_"),
    ],
)
def test_a_column_is_named_after_its_attribute(attribute: str, name: str) -> None:
    assert column_name(attribute) == name


@given(st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,199}", fullmatch=True))
def test_every_attribute_gives_a_name_that_postgresql_keeps_whole(attribute: str) -> None:
    name = column_name(attribute)
    assert len(name) <= LONGEST_NAME
    assert name not in OURS
    assert name == name.lower()


def test_types_come_from_the_description() -> None:
    resolved = resolve_columns(OPPORTUNITIES, read_fields("*"), DESCRIPTION)
    assert {column.name: column.type for column in resolved.columns} == {
        "opportunity_number": "varchar",
        "revenue": "numeric",
        "closed_c": "boolean",
        "since_c": "date",
        "big_c": "numeric",
        "parts": "jsonb",
        "odd": "text",
    }
    assert resolved.columns[1].description == "Revenue"


def test_types_that_are_declared_outrank_the_description() -> None:
    resolved = resolve_columns(
        OPPORTUNITIES, ("Since_c", "Revenue"), DESCRIPTION, {"Since_c": "text"}
    )
    assert [column.type for column in resolved.columns] == ["text", "numeric"]


def test_without_a_description_columns_are_text() -> None:
    resolved = resolve_columns(ACCOUNTS, ("PartyNumber", "PartyId"), None)
    assert resolved.columns == (Column("PartyNumber", "party_number", "text"),)


def test_a_star_stands_for_all_attributes_or_the_custom_ones_each_once() -> None:
    custom = resolve_columns(OPPORTUNITIES, read_fields("Big_c,*_c"), DESCRIPTION)
    assert [column.attribute for column in custom.columns] == ["Big_c", "Closed_c", "Since_c"]


def test_a_star_without_a_description_is_refused_with_what_to_do() -> None:
    with pytest.raises(SettingError, match="does not describe opportunities") as error:
        resolve_columns(OPPORTUNITIES, ("*_c",), None)
    assert "one by one" in error.value.advice


def test_two_attributes_for_one_column_are_refused_by_name() -> None:
    with pytest.raises(SettingError, match="would both be the column deal_size"):
        resolve_columns(OPPORTUNITIES, ("DealSize", "Deal_Size"), None)


@pytest.mark.parametrize("fields", ["Opty Id", "1st", "Näme", "a;b", "x" * 300])
def test_what_cannot_be_an_attribute_is_refused(fields: str) -> None:
    with pytest.raises(SettingError, match="cannot be an attribute"):
        read_fields(f"OptyId,{fields}")


def test_an_unknown_type_is_refused_with_the_known_ones() -> None:
    with pytest.raises(SettingError, match="money") as error:
        resolve_columns(OPPORTUNITIES, ("Revenue",), None, {"Revenue": "money"})
    assert "numeric" in error.value.advice


def test_the_script_s_two_fields_need_no_description() -> None:
    assert not needs_description(read_fields("OptyId, OptyNumber,"), OPPORTUNITIES)
    assert needs_description(("OptyId", "Name"), OPPORTUNITIES)
    assert needs_description(("*",), OPPORTUNITIES)


def test_a_description_survives_as_json() -> None:
    assert Description.from_data(json.loads(json.dumps(DESCRIPTION.as_data()))) == DESCRIPTION


def test_a_type_for_an_attribute_that_is_not_read_is_refused() -> None:
    with pytest.raises(SettingError) as refused:
        resolve_columns(OPPORTUNITIES, ("Revenue",), None, {"Revenu": "numeric"})
    assert "did you mean Revenue?" in refused.value.sentence()

    resolve_columns(OPPORTUNITIES, ("Revenue",), None, {"OptyId": "text", "Revenue": "numeric"})
