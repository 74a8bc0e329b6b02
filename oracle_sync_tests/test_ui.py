"""The whole system as its users meet it: `oracle-sync dev` in a browser, against a stand-in pod.

Belongs here: what is clicked, and what then stands in the table. Does not belong here: what a
test in this process can show. With SCREENSHOTS=1 the pictures of the README are made anew.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import psycopg2
import pytest
import requests

from oracle_sync.sandbox import Pod, SandboxServer
from oracle_sync.settings import SETTINGS
from oracle_sync_tests.harness import rows, table

if TYPE_CHECKING:
    from playwright.sync_api import Page

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

# One server for all of them: with --dist loadgroup they go to one worker.
pytestmark = [pytest.mark.xdist_group("ui"), pytest.mark.timeout(120)]

CHROMIUM = next(
    (path for path in ("/usr/bin/chromium", "/usr/bin/chromium-browser") if Path(path).is_file()),
    None,
)
IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images"
ASSET = "minimal_opportunities"
SENSOR_INTERVAL = 5
PICTURES = os.environ.get("SCREENSHOTS") == "1"
ENDED = ("SUCCESS", "FAILURE", "CANCELED")
MARK = "ORACLE_SYNC_TEST_MARK"


def until(seconds: float, what: str, found: Callable[[], Any], pause: float = 0.25) -> Any:
    """Wait for something to be true, and give it."""
    deadline = time.monotonic() + seconds
    while True:
        value = found()
        if value:
            return value
        assert time.monotonic() < deadline, f"Not within {seconds} s: {what}"
        time.sleep(pause)


@dataclass
class Dev:
    """A running `oracle-sync dev`, and the pod and database behind it."""

    url: str
    pod: Pod
    database_url: str

    def ask(self, query: str, **variables: Any) -> Any:
        answer = requests.post(
            f"{self.url}/graphql", json={"query": query, "variables": variables}, timeout=30
        ).json()
        assert "errors" not in answer, answer
        return answer["data"]

    def launch(self, **config: Any) -> str:
        """Start a run as the button Materialize does, and give its id."""
        told = self.ask(
            """mutation($p: ExecutionParams!) { launchRun(executionParams: $p) {
                 __typename ... on LaunchRunSuccess { run { runId } } } }""",
            p={
                "selector": {
                    "repositoryLocationName": "oracle_sync",
                    "repositoryName": "__repository__",
                    "jobName": "__ASSET_JOB",
                    "assetSelection": [{"path": [ASSET]}],
                },
                "runConfigData": {"ops": {ASSET: {"config": config}}},
            },
        )["launchRun"]
        assert told["__typename"] == "LaunchRunSuccess", told
        return str(told["run"]["runId"])

    def runs(self) -> list[dict[str, Any]]:
        query = "{runsOrError(limit:20){...on Runs{results{runId status tags{key value}}}}}"
        return list(self.ask(query)["runsOrError"]["results"])

    def status(self, run_id: str) -> str:
        return next(str(run["status"]) for run in self.runs() if run["runId"] == run_id)

    def ends(self, run_id: str, seconds: float = 45) -> str:
        """How a run ends."""

        def ended() -> str | None:
            status = self.status(run_id)
            return status if status in ENDED else None

        return str(until(seconds, f"the end of run {run_id}", ended))

    def offset(self) -> int:
        try:
            found = rows(self.database_url, "SELECT current_offset FROM sync_state")
        except psycopg2.errors.UndefinedTable:  # the first run makes the tables
            return 0
        return int(found[0][0]) if found else 0

    def equal(self) -> bool:
        """Whether the table holds what the pod holds."""
        return table(self.database_url) == self.pod.snapshot()


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


def left_behind(mark: str) -> list[str]:
    """Names of the processes that were started, directly or not, with our mark."""
    names = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == mark:
                names.append(f"{process.pid} {process.name()}")
        except psutil.Error:
            continue
    return names


@pytest.fixture(scope="module")
def dev(database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dev]:
    """`oracle-sync dev` on a free port; stopped with Ctrl-C, after which nothing may be left."""
    folder = tmp_path_factory.mktemp("dev")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    ours = {name for s in SETTINGS for name in (s.name, f"{s.name}_FILE")} | {"DAGSTER_HOME"}
    mark = uuid.uuid4().hex
    pod = Pod(rows=1480, password=f"hidden-{mark}")
    with SandboxServer(pod) as server, (folder / "log").open("w") as log:
        environment = {name: value for name, value in os.environ.items() if name not in ours} | {
            "ORACLE_BASE_URL": server.url,
            "ORACLE_USER": server.pod.user,
            "ORACLE_PASSWORD": server.pod.password,
            "ORACLE_SYNC_SENSOR_INTERVAL": str(SENSOR_INTERVAL),
            "ORACLE_SYNC_HOME": str(folder / "home"),
            "DATABASE_URL": database,
            MARK: mark,
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "oracle_sync", "dev", "--port", str(port)],
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        url = f"http://127.0.0.1:{port}"
        try:
            until(60, "an answer of the UI", lambda: process.poll() is None and _answers(url))
            yield Dev(url, server.pod, database)
        finally:
            began = time.monotonic()
            process.send_signal(signal.SIGINT)
            try:
                process.wait(60)
            finally:
                seconds = time.monotonic() - began
                left = left_behind(mark)
                for line in left:
                    psutil.Process(int(line.split()[0])).kill()
    assert process.returncode == 0, (folder / "log").read_text()[-3000:]
    assert seconds < 45
    assert not left, f"left behind: {left}"


def _answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/server_info", timeout=2).ok
    except requests.RequestException:
        return False


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
        until(45, "a first commit", lambda: dev.offset() > start)
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

        until(60, "the new rows", dev.equal)

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
