"""Each setting is read, bounded and refused by its name; foreign text is made safe."""

from __future__ import annotations

from dataclasses import replace

import pytest

from oracle_sync.config.collection import OPPORTUNITIES, Column
from oracle_sync.config.setting import Setting, Whole
from oracle_sync.config.settings import SETTINGS, OracleSettings, load
from oracle_sync.config.urls import is_loopback
from oracle_sync.errors import SettingError

GOOD: dict[str, str] = {
    "ORACLE_BASE_URL": "https://pod.example.com",
    "ORACLE_USER": "ann",
    "ORACLE_PASSWORD": "s3cret-pass",
}


def refused(changes: dict[str, str]) -> str:
    with pytest.raises(SettingError) as caught:
        load(GOOD | changes).oracle.checked()
    return caught.value.sentence()


# Reading


def test_without_any_setting_the_defaults_are_those_of_the_recipe() -> None:
    found = load({})
    assert found.oracle.finder == "MyOpportunitiesFinder;RecordSet='ALLOPTIES'"
    assert found.oracle.query == "RecordSet='ALL'"
    assert found.oracle.fields == "OptyId,OptyNumber"
    assert found.oracle.order_by == "OptyId:asc"
    assert found.oracle.api_version == "11.12.1.0"
    assert (found.batch_size, found.concurrency) == (5, 4)
    assert not found.sensor_on


def test_every_documented_default_can_be_loaded_as_it_stands() -> None:
    assert load({setting.name: setting.default for setting in SETTINGS}) == load({})


def test_finder_and_query_can_be_set_empty_and_others_fall_back_to_their_defaults() -> None:
    found = load({"ORACLE_FINDER": "", "ORACLE_QUERY": "", "ORACLE_FIELDS": ""}).oracle
    assert (found.finder, found.query, found.fields) == ("", "", "OptyId,OptyNumber")


def test_spaces_around_a_value_and_a_slash_after_the_url_do_not_count() -> None:
    found = load({"ORACLE_BASE_URL": " https://pod.example.com/ ", "ORACLE_TIMEOUT": " 7 "})
    assert (found.oracle.base_url, found.oracle.timeout) == ("https://pod.example.com", 7)


# Bounds


NUMBERS = [setting for setting in SETTINGS if isinstance(setting.kind, Whole)]


@pytest.mark.parametrize("setting", NUMBERS, ids=lambda setting: setting.name)
def test_a_number_is_taken_within_its_bounds_and_refused_by_name_outside(setting: Setting) -> None:
    low, high = setting.kind.bounds.split(" to ")
    for good in (low, high):
        load(GOOD | {setting.name: good}).oracle.checked()
    outside = (str(int(low) - 1), str(int(high) + 1))
    for wrong in (*outside, "many", "1.5", "-1", "1e2", "\u0663", "9" * 400):
        words = refused({setting.name: wrong})
        assert f"{setting.name} must be a whole number from {low} to {high}" in words
        assert len(words) < 300


def test_a_secret_in_the_place_of_a_number_or_a_switch_is_not_repeated() -> None:
    for name in ("ORACLE_TIMEOUT", "ORACLE_SYNC_BATCH_SIZE", "ORACLE_SYNC_SENSOR"):
        assert "s3cret" not in refused({name: "s3cret-pass"})
    assert "not 5000" in refused({"ORACLE_SYNC_BATCH_SIZE": "5000"})


@pytest.mark.parametrize(("given_text", "wanted"), [("on", True), ("ON", True), ("off", False)])
def test_a_switch_is_on_or_off(given_text: str, wanted: bool) -> None:
    assert load({"ORACLE_SYNC_SENSOR": given_text}).sensor_on is wanted


def test_a_switch_that_is_neither_is_refused_by_name() -> None:
    assert "ORACLE_SYNC_SENSOR must be on or off" in refused({"ORACLE_SYNC_SENSOR": "yes"})


# Addresses


@pytest.mark.parametrize(
    "url",
    [
        "https://pod.example.com",
        "https://pod.example.com:8443/prefix",
        "http://localhost:8099",
        "http://127.0.0.1:1",
        "http://127.8.8.8",
        "http://[::1]:8099",
    ],
)
def test_https_anywhere_and_plain_http_on_this_machine_are_accepted(url: str) -> None:
    assert load(GOOD | {"ORACLE_BASE_URL": url}).oracle.checked().base_url == url


@pytest.mark.parametrize(
    "host", ["pod.example.com", "10.0.0.1", "localhost.evil.com", "127.0.0.1.evil.com", "0.0.0.0"]
)
def test_plain_http_to_another_machine_is_refused(host: str) -> None:
    assert not is_loopback(host)
    for name in ("ORACLE_BASE_URL", "ORACLE_TOKEN_URL"):
        words = refused(
            {name: f"http://{host}", "ORACLE_CLIENT_ID": "c", "ORACLE_CLIENT_SECRET": "d"}
        )
        assert f"{name} must be https" in words


@pytest.mark.parametrize(
    "url",
    [
        "pod.example.com",
        "ftp://pod.example.com",
        "https://",
        "https://pod.example.com:99999",
        "https://[::1",
        "https://ann:geheim@pod.example.com",
        "https://geheim@pod.example.com",
        "https://pod.example.com/?key=geheim",
        "https://pod.example.com/#geheim",
    ],
)
def test_what_is_no_plain_address_is_refused_without_repeating_it(url: str) -> None:
    words = refused({"ORACLE_BASE_URL": url})
    assert "ORACLE_BASE_URL" in words
    assert "geheim" not in words


# Paging


@pytest.mark.parametrize("order", ["OptyId", "OptyId:asc", " OptyId : asc"])
@pytest.mark.parametrize("paging", ["key", " Key"])
def test_paging_by_key_takes_the_order_of_the_key(order: str, paging: str) -> None:
    chosen = GOOD | {"ORACLE_SYNC_PAGING": paging, "ORACLE_ORDER_BY": order}
    assert load(chosen).oracle.checked().paging == "key"


@pytest.mark.parametrize("order", ["OptyId:desc", "Name:asc,OptyId:asc", "OptyNumber", "optyid"])
def test_paging_by_key_is_refused_in_any_other_order(order: str) -> None:
    words = refused({"ORACLE_SYNC_PAGING": "key", "ORACLE_ORDER_BY": order})
    assert "ORACLE_ORDER_BY=OptyId:asc" in words
    assert load(GOOD | {"ORACLE_ORDER_BY": order}).oracle.checked().paging == "offset"


def test_the_order_has_to_be_that_of_the_collection_that_is_read() -> None:
    other = replace(OPPORTUNITIES, key=Column("PartyId", "party_id"))
    chosen = load(GOOD | {"ORACLE_SYNC_PAGING": "key"}).oracle
    with pytest.raises(SettingError, match="ORACLE_ORDER_BY=PartyId:asc"):
        chosen.checked(other)


def test_another_way_of_paging_is_refused() -> None:
    assert "ORACLE_SYNC_PAGING must be offset or key" in refused({"ORACLE_SYNC_PAGING": "page"})


# Signing in


def test_every_missing_setting_is_named_at_once() -> None:
    with pytest.raises(SettingError) as caught:
        load({}).oracle.checked()
    words = caught.value.sentence()
    for name in ("ORACLE_BASE_URL", "ORACLE_USER", "ORACLE_PASSWORD", ".env"):
        assert name in words


@pytest.mark.parametrize(
    "ways",
    [
        {"ORACLE_USER": "ann", "ORACLE_PASSWORD": "x"},
        {"ORACLE_TOKEN": "abc.def-ghi"},
        {
            "ORACLE_TOKEN_URL": "https://id.example.com/oauth2/v1/token",
            "ORACLE_CLIENT_ID": "c",
            "ORACLE_CLIENT_SECRET": "d",
        },
    ],
)
def test_each_of_the_three_ways_to_sign_in_is_enough(ways: dict[str, str]) -> None:
    load({"ORACLE_BASE_URL": "https://pod.example.com"} | ways).oracle.checked()


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"ORACLE_PASSWORD": ""}, "ORACLE_PASSWORD"),
        ({"ORACLE_USER": ""}, "ORACLE_USER"),
        ({"ORACLE_TOKEN_URL": "https://id.example.com"}, "ORACLE_CLIENT_ID"),
        ({"ORACLE_CLIENT_ID": "c", "ORACLE_CLIENT_SECRET": "d"}, "ORACLE_TOKEN_URL"),
        ({"ORACLE_FRAMEWORK_VERSION": "10"}, "ORACLE_FRAMEWORK_VERSION"),
        ({"ORACLE_FRAMEWORK_VERSION": "0"}, "ORACLE_FRAMEWORK_VERSION"),
        ({"ORACLE_API_VERSION": "../x"}, "ORACLE_API_VERSION"),
        ({"ORACLE_CA_BUNDLE": "/nowhere/ca.pem"}, "ORACLE_CA_BUNDLE"),
        ({"DATABASE_URL": "mysql://ann:s3cret-pass@db/x"}, "DATABASE_URL"),
        ({"DAGSTER_DATABASE_URL": "s3cret-pass"}, "DAGSTER_DATABASE_URL"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_by_name_and_without_secrets(
    changes: dict[str, str], named: str
) -> None:
    words = refused(changes)
    assert named in words
    assert "s3cret-pass" not in words


@pytest.mark.parametrize("token", ["two\nlines", "tok\u20acn", "a b", "nul\x00"])
def test_a_token_that_no_header_can_carry_is_refused_without_showing_it(token: str) -> None:
    words = refused({"ORACLE_TOKEN": token})
    assert "ORACLE_TOKEN" in words
    assert token not in words


@pytest.mark.parametrize(
    "scheme", ["postgres", "postgresql", "postgresql+psycopg2", "postgres+psycopg2"]
)
def test_every_spelling_of_a_postgresql_url_is_understood(scheme: str) -> None:
    assert load({"DATABASE_URL": f"{scheme}://u@h/d"}).database_url == "postgresql://u@h/d"


def test_no_secret_is_in_the_repr_of_the_settings() -> None:
    secrets = {
        "ORACLE_PASSWORD": "geheim-1",
        "ORACLE_TOKEN": "geheim-2",
        "ORACLE_CLIENT_SECRET": "geheim-3",
        "DATABASE_URL": "postgresql://u:geheim-4@h/d",
        "DAGSTER_DATABASE_URL": "postgresql://u:geheim-5@h/d",
    }
    shown = repr(load(GOOD | secrets))
    assert "geheim" not in shown
    assert "pod.example.com" in shown


def test_settings_can_be_made_by_hand_without_the_environment() -> None:
    made = OracleSettings(base_url="http://localhost:1", user="a", password="b")
    assert made.checked() is made
