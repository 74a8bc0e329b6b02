"""Collections by name: what is known of them, what can be said of others, and what is refused."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle_sync.config.collection import COLLECTIONS, OPPORTUNITIES, snake_case
from oracle_sync.config.declaration import declare_collection
from oracle_sync.config.syncs import Sync
from oracle_sync.errors import SettingError


@pytest.mark.parametrize(
    ("path", "key", "column", "table"),
    [
        ("accounts", "PartyId", "party_id", "accounts"),
        ("contacts", "PartyId", "party_id", "contacts"),
        ("leads", "LeadId", "lead_id", "leads"),
        ("activities", "ActivityId", "activity_id", "activities"),
        ("resourceUsers", "ResourceProfileId", "resource_profile_id", "resource_users"),
    ],
)
def test_a_known_collection_has_a_typed_key_and_a_table_named_after_it(
    path: str, key: str, column: str, table: str
) -> None:
    collection = declare_collection(path)

    assert (collection.key.attribute, collection.key.name) == (key, column)
    assert collection.key.type == "bigint"
    assert (collection.table, collection.removed_table) == (table, f"removed_{table}")
    assert (collection.finder, collection.query) == ("", "")
    assert collection.order_by == f"{key}:asc"


def test_opportunities_keep_the_table_the_columns_and_the_recipe_of_the_script() -> None:
    collection = declare_collection("opportunities")

    assert collection == OPPORTUNITIES
    assert collection.table == "minimal_opportunities"
    columns = [(column.name, column.type) for column in (collection.key, *collection.columns)]
    assert columns == [("opportunity_id", "varchar"), ("opportunity_number", "varchar")]
    assert collection.finder == "MyOpportunitiesFinder;RecordSet='ALLOPTIES'"
    assert (collection.default_fields, collection.order_by) == ("OptyId,OptyNumber", "OptyId:asc")


@pytest.mark.parametrize(
    ("path", "key", "name", "type_name"),
    [
        ("deals", "DealId", "deal_id", "bigint"),
        ("partners", "CompanyNumber", "company_number", "text"),
    ],
)
def test_any_other_collection_needs_only_its_key(
    path: str, key: str, name: str, type_name: str
) -> None:
    collection = declare_collection(path, key)

    assert (collection.path, collection.table) == (path, path)
    assert (collection.key.name, collection.key.type) == (name, type_name)
    assert collection.default_fields == "*"


def test_the_table_and_the_type_of_the_key_can_be_chosen() -> None:
    collection = declare_collection(
        "deals", "DealId", table="registered_deals", types={"DealId": "text"}
    )

    assert collection.key.type == "text"
    assert collection.table == "registered_deals"
    assert collection.removed_table == "removed_registered_deals"


def test_another_key_of_a_known_collection_is_no_longer_one_of_its_columns() -> None:
    collection = declare_collection("accounts", "PartyNumber")

    assert (collection.key.name, collection.key.type) == ("party_number", "text")
    assert collection.columns == ()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"path": "acounts"}, "did you mean accounts?"),
        ({"path": "deals"}, "Name its key attribute"),
        ({"path": "a/b", "key": "Id"}, "cannot be a collection"),
        ({"path": "deals", "key": "1"}, "cannot be an attribute"),
        ({"path": "leads", "types": {"Name": "numerik"}}, "did you mean numeric?"),
        ({"path": "leads", "types": {"LeadId": "jsonb"}}, "the key LeadId is 'jsonb'"),
        ({"path": "leads", "table": "sync_state"}, "cannot be called"),
        ({"path": "leads", "table": "removed_leads"}, "cannot be called"),
        ({"path": "leads", "table": "a__b"}, "cannot be called"),
        ({"path": "leads", "table": "l" * 56}, "up to 55"),
        ({"path": "leads", "table": 'a"; DROP TABLE b'}, "cannot be called"),
        ({"path": "syncEvents", "key": "Id"}, "cannot be called"),
    ],
)
def test_what_cannot_be_is_refused_in_words(values: dict[str, str], words: str) -> None:
    with pytest.raises(SettingError) as refused:
        declare_collection(**values)  # type: ignore[arg-type]

    assert words in refused.value.sentence()


@given(st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,99}", fullmatch=True))
def test_names_in_small_letters_stay_so_and_are_what_a_database_takes(name: str) -> None:
    small = snake_case(name)

    assert re.fullmatch(r"[a-z][a-z0-9_]*", small)
    assert snake_case(small) == small


@pytest.mark.parametrize("path", COLLECTIONS)
def test_a_sync_reads_what_suits_its_collection_whatever_the_environment_wants_of_another(
    monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setenv("ORACLE_FINDER", "TheirFinder")
    monkeypatch.setenv("ORACLE_QUERY", "Theirs=1")
    monkeypatch.setenv("ORACLE_FIELDS", "OptyId,Theirs_c")
    monkeypatch.setenv("ORACLE_ORDER_BY", "Theirs:desc")
    monkeypatch.setenv("ORACLE_TIMEOUT", "33")

    oracle = Sync("mine", collection=path).settings().oracle

    collection = COLLECTIONS[path]
    read = (oracle.finder, oracle.query, oracle.fields, oracle.order_by)
    theirs = ("TheirFinder", "Theirs=1", "OptyId,Theirs_c", "Theirs:desc")
    suited = (collection.finder, collection.query, collection.default_fields, collection.order_by)
    assert read == (theirs if path == "opportunities" else suited)
    assert oracle.timeout == 33
    own = Sync("mine", {"ORACLE_FINDER": "F", "ORACLE_ORDER_BY": "X:asc"}, path).settings().oracle
    assert (own.finder, own.order_by) == ("F", "X:asc")


@pytest.mark.parametrize("fields", [["PartyNumber", "*_c"], "PartyNumber,*_c"])
def test_fields_are_given_as_a_list_or_as_a_text(fields: list[str] | str) -> None:
    sync = Sync("crm", collection="accounts", fields=fields)

    assert sync.settings().oracle.fields == "PartyNumber,*_c"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"name": "Crm"}, "cannot name a sync"),
        ({"own": {"ORACLE_BASE_ULR": "x"}}, "did you mean ORACLE_BASE_URL?"),
        ({"own": {"ORACLE_FIELDS": "A"}, "fields": "B"}, "are the same"),
    ],
)
def test_a_sync_that_cannot_be_is_refused_in_words(values: dict[str, str], words: str) -> None:
    with pytest.raises(SettingError) as refused:
        Sync(**values)  # type: ignore[arg-type]

    assert words in refused.value.sentence()
