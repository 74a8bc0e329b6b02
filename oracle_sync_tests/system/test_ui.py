"""The UI as its users meet it: `oracle-sync dev` in a browser, against a stand-in pod.

With SCREENSHOTS=1 the pictures of the README are taken again.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import psutil
import pytest

from oracle_sync_tests.support.browser import picture, write
from oracle_sync_tests.support.dev import ASSET, Dev
from oracle_sync_tests.support.harness import rows, table
from oracle_sync_tests.support.processes import PATIENCE, until

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.xdist_group("ui"), pytest.mark.timeout(900)]


def test_a_run_started_from_the_launchpad_fills_the_table_and_shows_its_figures(
    dev: Dev, page: Page
) -> None:
    dev.pod.add(20)
    offset, source = dev.offset(), len(dev.pod)
    page.goto(f"{dev.url}/assets/{ASSET}")
    page.get_by_role("button", name="Materialize").click(modifiers=["Shift"])
    dialog = page.get_by_role("dialog")
    editor = dialog.locator(".CodeMirror").first
    editor.wait_for()
    dialog.get_by_text("No errors").wait_for()
    # What the Launchpad offers by itself must be fit to be launched.
    assert "********" not in editor.inner_text()

    write(page, editor, f"ops:\n  {ASSET}:\n    config:\n      batch_size: 50\n")
    dialog.get_by_text("No errors").wait_for()
    dialog.get_by_role("button", name="Materialize").click()

    page.wait_for_url("**/runs/*")
    run_id = page.url.rsplit("/", 1)[-1]
    page.get_by_text(f"Sync from offset {offset}, 50 items per request").wait_for()
    page.get_by_text(f"Final Offset: {source}").first.wait_for()
    assert dev.outcome(run_id) == "SUCCESS"
    page.get_by_text("Success", exact=True).first.wait_for()
    assert dev.equal()
    page.mouse.move(900, 700)
    page.mouse.wheel(0, -330)  # from the end of the log to the summary of the sync
    picture(page, "run")

    page.goto(f"{dev.url}/assets/{ASSET}?view=events")
    page.get_by_text("rows_received").first.wait_for()
    for name, value in (("dagster/row_count", source), ("offset_after", source)):
        row = page.locator("tr", has_text=name).first
        assert str(value) in row.inner_text()
    picture(page, "asset")


def test_the_columns_of_the_table_are_shown_with_their_types(dev: Dev, page: Page) -> None:
    dev.sync()
    page.goto(f"{dev.url}/assets/{ASSET}")

    types = {"revenue": "numeric", "last_update_date": "timestamptz", "tags_c": "jsonb"}
    for name, type_name in types.items():
        row = page.locator("tr", has_text=name).first
        row.wait_for()
        assert type_name in row.inner_text()
    page.mouse.move(640, 700)
    page.mouse.wheel(0, 480)  # down to the table
    picture(page, "columns")


def test_the_lineage_leads_from_oracle_to_the_table(dev: Dev, page: Page) -> None:
    page.goto(f"{dev.url}/asset-groups")

    for name in ("oracle_opportunities", ASSET):
        page.get_by_text(name).first.wait_for()
    page.get_by_text("Oracle", exact=True).first.wait_for()
    page.get_by_text("Postgres", exact=True).first.wait_for()
    picture(page, "lineage")


def test_a_terminated_run_keeps_what_it_committed_and_the_next_one_continues(
    dev: Dev, page: Page
) -> None:
    dev.sync()
    start = dev.offset()
    dev.pod.add(600)
    dev.pod.latency_ms = 400
    try:
        run_id = dev.launch(batch_size=5)
        until(PATIENCE, "a first commit", lambda: dev.offset() > start)
        page.goto(f"{dev.url}/runs/{run_id}")
        page.get_by_role("button", name="Terminate").first.click()
        page.get_by_role("dialog").get_by_role("button", name="Terminate").click()
        assert dev.outcome(run_id) == "CANCELED"
    finally:
        dev.pod.latency_ms = 0

    until(PATIENCE, "the end of its processes", lambda: not dev.processes("spawn_main"))
    stored = dev.offset()
    assert start < stored < len(dev.pod)
    assert len(table(dev.database_url)) == stored

    assert dev.outcome(dev.launch(batch_size=100)) == "SUCCESS"
    assert dev.equal()


def test_two_runs_launched_at_once_both_succeed(dev: Dev) -> None:
    dev.pod.add(100)

    both = [dev.launch(batch_size=5), dev.launch(batch_size=5)]

    assert [dev.outcome(run_id) for run_id in both] == ["SUCCESS", "SUCCESS"]
    assert dev.equal()


def test_the_password_is_in_no_answer_of_the_ui_no_tables_of_dagster_and_no_process_arguments(
    dev: Dev,
) -> None:
    good, bad = dev.launch(batch_size=499), dev.launch(batch_size=500)
    assert [dev.outcome(run_id) for run_id in (good, bad)] == ["SUCCESS", "FAILURE"]
    secret = dev.pod.password
    answers = [
        dev.query(
            """query($id: ID!) { logsForRun(runId: $id) { ... on EventConnection { events {
                 __typename ... on MessageEvent { message }
                 ... on ExecutionStepFailureEvent { error { message stack } } } } }
               runOrError(runId: $id) { ... on Run { runConfigYaml } } }""",
            id=run_id,
        )
        for run_id in (good, bad)
    ]
    answers.append(dev.query("{ instance { info } }"))
    answers.append(
        dev.query(
            """{ repositoriesOrError { ... on RepositoryConnection { nodes {
                 allTopLevelResourceDetails { configFields { name description }
                   configuredValues { key value } } } } } }"""
        )
    )
    text = json.dumps(answers)
    assert "batch_size must be a whole number from 1 to 499" in text
    assert secret not in text
    for name in ("event_logs", "runs", "job_ticks", "kvs", "instance_info"):
        for row in rows(dev.database_url, f"SELECT t::text FROM dagster.{name} t"):
            assert secret not in row[0]
    for process in psutil.process_iter(["cmdline"]):
        assert secret not in " ".join(process.info["cmdline"] or [])


def test_the_checks_show_their_results_and_can_be_run_by_a_click(dev: Dev, page: Page) -> None:
    dev.sync()
    page.goto(f"{dev.url}/assets/{ASSET}?view=checks")
    for name in ("anchor_stands", "matches_oracle_count", "nothing_rejected"):
        page.get_by_text(name).first.wait_for()
    page.get_by_text("matches_oracle_count").first.click()
    page.get_by_text(f"{len(dev.pod)} rows here, about {len(dev.pod)} in Oracle").first.wait_for()
    picture(page, "checks")
    dev.pod.add(4)
    known = {run["runId"] for run in dev.runs()}

    page.get_by_role("button", name="Execute").last.click()

    def check_run() -> str | None:
        return next((run["runId"] for run in dev.runs() if run["runId"] not in known), None)

    assert dev.outcome(until(PATIENCE, "a run of the check", check_run)) == "SUCCESS"
    page.get_by_text(f"about {len(dev.pod)} in Oracle").first.wait_for()
    assert not dev.equal()  # a check writes nothing


def test_the_overview_shows_its_picture(dev: Dev, page: Page) -> None:
    dev.pod.add(200)
    assert dev.outcome(dev.launch(batch_size=50)) == "SUCCESS"
    assert dev.outcome(dev.launch("sync_overview")) == "SUCCESS"

    page.goto(f"{dev.url}/assets/sync_overview")
    page.get_by_text("[Show Markdown]").first.click()

    image = page.get_by_role("dialog").get_by_role("img", name="Rows over time")
    image.wait_for()
    assert image.evaluate("element => element.naturalWidth") > 300
    picture(page, "overview")


def test_an_offset_is_moved_by_a_job_that_demands_a_reason(dev: Dev, page: Page) -> None:
    dev.sync()
    page.goto(f"{dev.url}/locations/oracle_sync/jobs/reset_or_rewind/playground")
    page.get_by_text('Missing required config entry "reason"').first.wait_for()
    write(
        page,
        page.locator(".CodeMirror").first,
        "ops:\n  move_offset:\n    config:\n      offset: 700\n      reason: tried in the UI\n",
    )
    page.get_by_text("No errors").first.wait_for()
    page.get_by_role("button", name="Launch Run").click()

    page.wait_for_url("**/runs/*")
    assert dev.outcome(page.url.rsplit("/", 1)[-1]) == "SUCCESS"
    assert dev.offset() == 700
    [line] = rows(
        dev.database_url,
        "SELECT action, to_offset, reason FROM sync_history ORDER BY id DESC LIMIT 1",
    )
    assert line == ("rewind", 700, "tried in the UI")
    dev.sync()
    assert dev.equal()
