"""The whole system as its users meet it: `oracle-sync dev` in a browser, against a stand-in pod.

Belongs here: what is clicked, and what then stands in the table. Does not belong here: what a
test in this process can show. With SCREENSHOTS=1 the pictures of the README are made anew.
"""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import psycopg2
import pytest

from oracle_sync.sandbox import Pod, SandboxServer
from oracle_sync_tests.support import PROJECT
from oracle_sync_tests.support.dev import ASSET, ENDED, Dev, running
from oracle_sync_tests.support.harness import rows, table
from oracle_sync_tests.support.processes import left_behind, until

if TYPE_CHECKING:
    from playwright.sync_api import Page

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

# One server for all of them: with --dist loadgroup they go to one worker.
pytestmark = [pytest.mark.xdist_group("ui"), pytest.mark.timeout(400)]

CHROMIUM = next(
    (path for path in ("/usr/bin/chromium", "/usr/bin/chromium-browser") if Path(path).is_file()),
    None,
)
IMAGES = PROJECT / "docs" / "images"
SENSOR_INTERVAL = 5
PICTURES = os.environ.get("SCREENSHOTS") == "1"


@pytest.fixture(scope="module")
def database(postgres_url: str) -> Iterator[str]:
    # The name is seen in the pictures.
    name = "crm" if PICTURES else f"ui_{uuid.uuid4().hex[:12]}"

    def admin(statement: str) -> None:
        connection = psycopg2.connect(postgres_url, connect_timeout=10)
        connection.autocommit = True
        connection.cursor().execute(statement)
        connection.close()

    admin(f"CREATE DATABASE {name} TEMPLATE template0")
    url, _, query = postgres_url.partition("?")
    yield f"{url.rsplit('/', 1)[0]}/{name}{'?' if query else ''}{query}"
    admin(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="module")
def dev(database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dev]:
    """`oracle-sync dev` with a pod of 1480 rows."""
    mark = uuid.uuid4().hex
    with SandboxServer(Pod(rows=1480, password=f"hidden-{mark}")) as server:
        folder = tmp_path_factory.mktemp("dev")
        with running(folder, server.pod, database, settings_for(server), mark) as started:
            yield started


def settings_for(server: SandboxServer, **further: str) -> dict[str, str]:
    return {
        "ORACLE_BASE_URL": server.url,
        "ORACLE_USER": server.pod.user,
        "ORACLE_PASSWORD": server.pod.password,
        "ORACLE_SYNC_SENSOR_INTERVAL": str(SENSOR_INTERVAL),
    } | further


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    if CHROMIUM is None:
        pytest.skip("there is no chromium")
    with playwright.sync_playwright() as browsers:
        browser = browsers.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        found = browser.new_page(viewport={"width": 1400, "height": 850})
        found.set_default_timeout(20_000)
        yield found
        browser.close()


def picture(page: Page, name: str) -> None:
    """A picture for the README, where pictures were asked for."""
    if PICTURES:
        IMAGES.mkdir(parents=True, exist_ok=True)
        page.mouse.move(1, 849)
        page.wait_for_timeout(1500)
        page.screenshot(path=str(IMAGES / f"{name}.png"))


def sensor_switch(page: Page, dev: Dev) -> None:
    """Click the switch of the sensor."""
    page.goto(f"{dev.url}/locations/oracle_sync/sensors/new_opportunities")
    page.locator("tr", has_text="Running").locator("label, input, button").first.click()


def set_cursor(page: Page, text: str) -> None:
    """Set the cursor on the sensor's page."""
    page.get_by_role("button", name="Edit").first.click()
    dialog = page.get_by_role("dialog")
    dialog.locator(".CodeMirror, textarea").first.click()
    page.keyboard.press("Control+A")
    page.keyboard.insert_text(text)
    dialog.get_by_role("button", name="Set cursor value").click()
    dialog.wait_for(state="hidden")


# -- what is clicked -------------------------------------------------------------------------------


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

    editor.click()
    page.keyboard.press("Control+A")
    page.keyboard.insert_text(f"ops:\n  {ASSET}:\n    config:\n      batch_size: 50\n")
    dialog.get_by_text("No errors").wait_for()
    dialog.get_by_role("button", name="Materialize").click()

    page.wait_for_url("**/runs/*")
    run_id = page.url.rsplit("/", 1)[-1]
    page.get_by_text(f"Sync from offset {offset}, 50 items per request").wait_for(timeout=45_000)
    page.get_by_text(f"Final Offset: {source}").first.wait_for(timeout=45_000)
    assert dev.ends(run_id) == "SUCCESS"
    page.get_by_text("Success", exact=True).first.wait_for()
    assert dev.equal()
    page.mouse.move(900, 700)
    page.mouse.wheel(0, -330)  # from the end of the log to what the sync said
    picture(page, "run")

    page.goto(f"{dev.url}/assets/{ASSET}?view=events")
    page.get_by_text("rows_received").first.wait_for()
    for name, value in (("dagster/row_count", source), ("offset_after", source)):
        row = page.locator("tr", has_text=name).first
        assert str(value) in row.inner_text()
    picture(page, "asset")


def test_the_lineage_leads_from_oracle_to_the_table(dev: Dev, page: Page) -> None:
    page.goto(f"{dev.url}/asset-groups")

    for name in ("oracle_opportunities", ASSET):
        page.get_by_text(name).first.wait_for()
    page.get_by_text("Oracle", exact=True).first.wait_for()
    page.get_by_text("Postgres", exact=True).first.wait_for()
    picture(page, "lineage")


def test_a_terminated_run_keeps_what_it_committed_and_the_next_one_goes_on(
    dev: Dev, page: Page
) -> None:
    dev.ends(dev.launch(batch_size=499))
    start = dev.offset()
    dev.pod.add(600)
    dev.pod.latency_ms = 400
    try:
        run_id = dev.launch(batch_size=5)
        until(90, "a first commit", lambda: dev.offset() > start)
        page.goto(f"{dev.url}/runs/{run_id}")
        page.get_by_role("button", name="Terminate").first.click()
        page.get_by_role("dialog").get_by_role("button", name="Terminate").click()
        assert dev.ends(run_id, 15) == "CANCELED"
    finally:
        dev.pod.latency_ms = 0

    kept = dev.offset()
    assert start < kept < len(dev.pod)
    assert len(table(dev.database_url)) == kept
    time.sleep(1)
    assert dev.offset() == kept  # nobody writes any more

    assert dev.ends(dev.launch(batch_size=100)) == "SUCCESS"
    assert dev.equal()


def test_with_the_sensor_on_new_rows_arrive_without_a_click(dev: Dev, page: Page) -> None:
    assert dev.ends(dev.launch(batch_size=499)) == "SUCCESS"
    known = {run["runId"] for run in dev.runs()}
    sensor_switch(page, dev)
    try:
        page.get_by_text("Up to date at offset").or_(page.get_by_text('"offset"')).first.wait_for(
            timeout=45_000
        )
        dev.pod.add(7)

        until(120, "the new rows", dev.equal)

        started = [run for run in dev.runs() if run["runId"] not in known]
        assert len(started) == 1
        tags = {tag["key"]: tag["value"] for tag in started[0]["tags"]}
        assert tags["dagster/sensor_name"] == "new_opportunities"
        assert tags["oracle_sync/reason"].startswith("new rows after offset")
        assert dev.ends(started[0]["runId"]) == "SUCCESS"
        page.get_by_text(f'"offset": {len(dev.pod)}').first.wait_for(timeout=45_000)
        page.reload()
        page.get_by_text("1 run requested").first.wait_for()
        picture(page, "sensor")
    finally:
        sensor_switch(page, dev)


def test_two_runs_launched_at_once_both_succeed(dev: Dev) -> None:
    dev.pod.add(100)

    both = [dev.launch(batch_size=5), dev.launch(batch_size=5)]

    assert [dev.ends(run_id, 60) for run_id in both] == ["SUCCESS", "SUCCESS"]
    assert dev.equal()


def test_the_password_is_in_no_answer_of_the_ui_no_tables_of_dagster_and_no_process_arguments(
    dev: Dev,
) -> None:
    good, bad = dev.launch(batch_size=499), dev.launch(batch_size=500)
    assert [dev.ends(run_id, 60) for run_id in (good, bad)] == ["SUCCESS", "FAILURE"]
    secret = dev.pod.password
    told = [
        dev.ask(
            """query($id: ID!) { logsForRun(runId: $id) { ... on EventConnection { events {
                 __typename ... on MessageEvent { message }
                 ... on ExecutionStepFailureEvent { error { message stack } } } } }
               runOrError(runId: $id) { ... on Run { runConfigYaml } } }""",
            id=run_id,
        )
        for run_id in (good, bad)
    ]
    told.append(dev.ask("{ instance { info } }"))
    told.append(
        dev.ask(
            """{ repositoriesOrError { ... on RepositoryConnection { nodes {
                 allTopLevelResourceDetails { configFields { name description }
                   configuredValues { key value } } } } } }"""
        )
    )
    text = json.dumps(told)
    assert "batch_size must be from 1 to 499" in text
    assert secret not in text
    for name in ("event_logs", "runs", "job_ticks", "kvs", "instance_info"):
        for row in rows(dev.database_url, f"SELECT t::text FROM dagster.{name} t"):
            assert secret not in row[0]
    for process in psutil.process_iter(["cmdline"]):
        assert secret not in " ".join(process.info["cmdline"] or [])


def test_the_checks_show_their_results_and_can_be_run_by_a_click(dev: Dev, page: Page) -> None:
    assert dev.ends(dev.launch(batch_size=499)) == "SUCCESS"
    page.goto(f"{dev.url}/assets/{ASSET}?view=checks")
    for name in ("anchor_stands", "matches_oracle_count", "nothing_rejected"):
        page.get_by_text(name).first.wait_for()
    page.get_by_text("matches_oracle_count").first.click()
    page.get_by_text(f"{len(dev.pod)} rows here, about {len(dev.pod)} in Oracle").first.wait_for()
    picture(page, "checks")
    dev.pod.add(4)
    known = {run["runId"] for run in dev.runs()}

    page.get_by_role("button", name="Execute").last.click()

    def checked() -> str | None:
        return next((run["runId"] for run in dev.runs() if run["runId"] not in known), None)

    assert dev.ends(until(20, "a run of the check", checked)) == "SUCCESS"
    page.get_by_text(f"about {len(dev.pod)} in Oracle").first.wait_for(timeout=30_000)
    assert not dev.equal()  # a check writes nothing


def test_the_overview_shows_its_picture(dev: Dev, page: Page) -> None:
    dev.pod.add(200)
    assert dev.ends(dev.launch(batch_size=50)) == "SUCCESS"
    assert dev.ends(dev.launch("sync_overview")) == "SUCCESS"

    page.goto(f"{dev.url}/assets/sync_overview")
    page.get_by_text("[Show Markdown]").first.click()

    image = page.get_by_role("dialog").get_by_role("img", name="Rows over time")
    image.wait_for()
    assert image.evaluate("element => element.naturalWidth") > 300
    picture(page, "overview")


def test_an_offset_is_moved_by_a_job_that_demands_a_reason(dev: Dev, page: Page) -> None:
    assert dev.ends(dev.launch(batch_size=499)) == "SUCCESS"
    page.goto(f"{dev.url}/locations/oracle_sync/jobs/reset_or_rewind/playground")
    page.get_by_text('Missing required config entry "reason"').first.wait_for()
    editor = page.locator(".CodeMirror").first
    editor.click()
    page.keyboard.press("Control+A")
    page.keyboard.insert_text(
        "ops:\n  move_offset:\n    config:\n      offset: 700\n      reason: tried in the UI\n"
    )
    page.get_by_text("No errors").first.wait_for()
    page.get_by_role("button", name="Launch Run").click()

    until(90, "the move", lambda: dev.offset() == 700)

    [line] = rows(
        dev.database_url,
        "SELECT action, to_offset, reason FROM sync_history ORDER BY id DESC LIMIT 1",
    )
    assert line == ("rewind", 700, "tried in the UI")
    assert dev.ends(dev.launch(batch_size=499)) == "SUCCESS"
    assert dev.equal()


def test_a_cursor_set_by_hand_moves_the_sync_and_the_history_says_who(dev: Dev, page: Page) -> None:
    assert dev.ends(dev.launch(batch_size=499)) == "SUCCESS"
    sensor_switch(page, dev)
    try:
        page.get_by_text('"offset"').first.wait_for(timeout=45_000)

        def moved() -> list[tuple[Any, ...]]:
            found = rows(
                dev.database_url,
                "SELECT action, to_offset, who, reason FROM sync_history "
                "WHERE reason LIKE '%cursor%'",
            )
            if not found:
                # Dagster may still write over it in the last moment of a tick.
                set_cursor(page, "0")
            return found

        [line] = until(120, "the move to 0", moved, pause=12)
        assert line[:2] == ("rewind", 0)
        assert "sensor cursor" in line[2]
        assert "by hand" in line[3]
        until(90, "the run that reads it again", lambda: dev.offset() == len(dev.pod))
    finally:
        sensor_switch(page, dev)


def test_a_wrong_password_is_tried_again_after_a_pause_that_the_sensor_explains(
    dev: Dev, page: Page
) -> None:
    assert dev.ends(dev.launch(batch_size=499)) == "SUCCESS"
    dev.pod.add(5)
    good = dev.pod.password
    dev.pod.password = f"changed-{good}"
    failed = dev.launch(batch_size=499)
    assert dev.ends(failed) == "FAILURE"
    sensor_switch(page, dev)
    try:
        until(90, "a tick that waits", lambda: "Next try at" in dev.last_skip(), pause=1)
        page.reload()
        page.locator("table").last.get_by_role("button", name="0 runs requested").first.click()
        page.get_by_role("dialog").get_by_text("Next try at").first.wait_for()
        assert "401" in page.get_by_role("dialog").inner_text()
        picture(page, "backoff")
        dev.pod.password = good

        # The first pause is a minute.
        until(100, "the rows, without a click", dev.equal, pause=1)
    finally:
        dev.pod.password = good
        sensor_switch(page, dev)


# -- what is killed --------------------------------------------------------------------------------


def processes(dev: Dev, word: str) -> list[psutil.Process]:
    """Those of this server whose command has a word in it."""
    found = []
    for process in left_behind(dev.mark):
        with suppress(psutil.Error):  # it may have ended meanwhile
            if word in " ".join(process.cmdline()):
                found.append(process)
    return found


@pytest.mark.parametrize("victim", ["spawn_main", "api grpc"], ids=["run", "code server"])
def test_a_killed_run_or_code_server_keeps_no_rows_back(dev: Dev, victim: str) -> None:
    assert dev.ends(dev.launch(batch_size=499)) == "SUCCESS"
    start = dev.offset()
    dev.pod.add(400)
    dev.pod.latency_ms = 300
    try:
        run_id = dev.launch(batch_size=5)
        until(90, "a first commit", lambda: dev.offset() > start)
        victims = processes(dev, victim)
        assert victims
        for process in victims:
            process.kill()
    finally:
        dev.pod.latency_ms = 0

    # Dagster starts a crashed run anew by itself; where its code server died, the run goes on.
    until(110, "the rows, without a click", dev.equal, pause=1)
    # In production a code server starts anew by itself. Here it takes the button Reload.
    dev.ask("mutation { reloadWorkspace { __typename } }")
    until(
        120, "the end of all runs", lambda: all(r["status"] in ENDED for r in dev.runs()), pause=1
    )
    assert dev.status(run_id) == ("FAILURE" if victim == "spawn_main" else "SUCCESS")
    dev.pod.add(3)
    again = until(
        120, "a launch", lambda: dev.press(config={"batch_size": 499}).get("run"), pause=1
    )
    assert dev.ends(again["runId"], 120) == "SUCCESS"
    assert dev.equal()


def test_a_killed_daemon_ends_it_and_the_next_start_goes_on_by_itself(
    empty_database_url: str, tmp_path: Path
) -> None:
    mark = uuid.uuid4().hex
    with SandboxServer(Pod(rows=600)) as server:
        pod = server.pod
        settings = settings_for(server, ORACLE_SYNC_SENSOR="on")
        pod.latency_ms = 2000
        with running(tmp_path, pod, empty_database_url, settings, mark, status=1) as dev:
            dev.launch(batch_size=5)
            until(90, "a first commit", lambda: dev.offset() > 0)
            for process in processes(dev, "dagster._daemon"):
                process.kill()
        kept = dev.offset()
        assert 0 < kept < 600
        assert "What its runs committed is kept" in (tmp_path / "log").read_text()
        pod.latency_ms = 0
        with running(tmp_path, pod, empty_database_url, settings, mark) as dev:
            until(110, "the rows, without a click", dev.equal, pause=1)
            until(120, "the end", lambda: all(r["status"] in ENDED for r in dev.runs()), pause=1)
