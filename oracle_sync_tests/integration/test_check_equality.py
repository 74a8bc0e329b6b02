"""`oracle-sync check` says whether a pod gives what equality is shown with."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from click.testing import CliRunner

from oracle_sync.cli.main import cli
from oracle_sync.sandbox import Pod, SandboxServer

pytestmark = pytest.mark.usefixtures("no_settings")

ROWS = 1_000


@pytest.fixture
def server() -> Iterator[SandboxServer]:
    with SandboxServer(Pod(rows=ROWS)) as running:
        yield running


@pytest.fixture
def environment(server: SandboxServer, empty_database_url: str) -> Mapping[str, str]:
    user, password = server.auth
    return {
        "ORACLE_BASE_URL": server.url,
        "ORACLE_USER": user,
        "ORACLE_PASSWORD": password,
        "DATABASE_URL": empty_database_url,
    }


def said(environment: Mapping[str, str], status: int = 0, **settings: str) -> dict[str, str]:
    """Return each step's mark and result, by its name."""
    result = CliRunner().invoke(cli, ["check"], env={**environment, **settings})
    assert result.exit_code == status, result.output
    lines = re.findall(r"^(ok|FAIL|warn) +(changes|equality) +(.*)", result.output, re.M)
    return {name: f"{mark}: {words}" for mark, name, words in lines}


@pytest.mark.parametrize("framework", ["", "1", "2", "9"])
@pytest.mark.parametrize("quotes", ["either", "as the version has it"])
def test_a_good_pod_gives_changes_and_counts_in_each_grammar(
    server: SandboxServer, environment: Mapping[str, str], framework: str, quotes: str
) -> None:
    if quotes != "either":
        server.pod.configure(quotes="demanded" if framework > "1" else "refused")

    steps = said(environment, ORACLE_FRAMEWORK_VERSION=framework, ORACLE_QUERY="")

    assert steps["changes"] == "ok: read by date, which the pod prints to the millisecond"
    assert re.fullmatch(
        rf"ok: shown by counts: two halves of the keys, 501 and 499 rows, sum to {ROWS}; "
        r"a count takes \d+\.\d\d s",
        steps["equality"],
    )


@pytest.mark.parametrize("rounding", ["cut", "round"])
@pytest.mark.parametrize("unit", ["second", "millisecond"])
def test_the_printed_precision_is_named_and_is_no_obstacle(
    server: SandboxServer, environment: Mapping[str, str], unit: str, rounding: str
) -> None:
    server.pod.configure(printed_precision=unit, date_rounding=rounding)
    steps = said(environment)
    assert steps["changes"].endswith(f"prints to the {unit}")
    assert steps["equality"].startswith("ok: ")


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        ("refuse_date_q", "the pod refuses a condition: Oracle answered 400"),
        ("ignore_date_q", "asked for a later date, the pod gives the row with key"),
        ("refuse_date_field", "the pod refuses the field LastUpdateDate"),
    ],
)
def test_a_pod_without_dates_is_warned_of_and_fails_only_where_changes_are_demanded(
    server: SandboxServer, environment: Mapping[str, str], setting: str, reason: str
) -> None:
    server.pod.configure(**{setting: True})

    steps = said(environment)
    demanded = said(environment, status=1, ORACLE_SYNC_CHANGES="on")

    assert steps["changes"].startswith("warn: not read by date, so that equality is not shown")
    assert reason in steps["changes"]
    assert demanded["changes"].startswith("FAIL: not read by date")
    assert "equality" not in steps


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"total_cap": 500}, "the pod counts wrong: two halves of the keys, 251 and 500 rows"),
        ({"total_unknown": True}, "the pod does not say how many rows there are"),
        ({"refuse_total": True}, "the pod does not say how many rows there are"),
        ({"total_error": 1}, "502 and 500 rows, do not sum to 1001"),
        ({"total_error": -3}, "the pod counts wrong"),
        ({"total_factor": 1.5}, "1126 and 374 rows, are not those that it gives, of 1500"),
        ({"total_factor": 3.0}, "it gives no row at offset 1500"),
    ],
    ids=str,
)
def test_a_pod_whose_counts_are_not_right_is_warned_of_although_its_changes_are_read(
    server: SandboxServer,
    environment: Mapping[str, str],
    settings: Mapping[str, Any],
    reason: str,
) -> None:
    server.pod.configure(**settings)
    steps = said(environment)
    assert steps["changes"].startswith("ok: ")
    assert steps["equality"].startswith("warn: not shown by counts: ")
    assert reason in steps["equality"]


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        ("refuse_key_q", "the pod refuses a condition: Oracle answered 400"),
        ("ignore_key_q", "the pod does not heed a condition on the key"),
    ],
)
def test_where_no_row_can_be_asked_for_by_its_key_nothing_is_claimed_about_dates(
    server: SandboxServer, environment: Mapping[str, str], setting: str, reason: str
) -> None:
    server.pod.configure(**{setting: True})
    steps = said(environment)
    assert list(steps) == ["changes"]
    assert steps["changes"].startswith(f"warn: not tried, since {reason}")


def test_where_changes_are_switched_off_it_says_what_that_costs(
    environment: Mapping[str, str],
) -> None:
    steps = said(environment, ORACLE_SYNC_CHANGES="off")
    assert list(steps) == ["changes"]
    assert steps["changes"].startswith("warn: not read by date")


def test_an_empty_collection_has_nothing_to_try_it_with(
    server: SandboxServer, environment: Mapping[str, str]
) -> None:
    server.pod.configure(visible_share=0.0)
    assert said(environment) == {}
