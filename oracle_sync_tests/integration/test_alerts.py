"""The failure alert: who is told what, how often, and what happens when nobody listens.

Ticks of the sensor on real runs, with a real HTTP server as the webhook.
"""

from __future__ import annotations

import datetime as dt
import json
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from oracle_sync.config.settings import SETTINGS, load
from oracle_sync.config.syncs import PLAIN, Sync, declared
from oracle_sync.definitions import build_defs
from oracle_sync.errors import RemovalHeld, SettingError
from oracle_sync.orchestration import alerts, outages, runs, webhook
from oracle_sync.orchestration.alerts import build_alert_sensor
from oracle_sync.orchestration.resources import DbResource, OracleResource
from oracle_sync_tests.support.faulty_pod import FaultyPod as Pod
from oracle_sync_tests.support.faulty_pod import FaultyServer as SandboxServer
from oracle_sync_tests.support.web import Handler, Web

JOB = "sync_opportunities"
CLICKED = "__ASSET_JOB"
OTHER = "a_job_of_the_user"
BROKEN = "something_else_of_the_user"
TABLE = dg.AssetKey("minimal_opportunities")
NAME = "oracle_opportunities"
PASSWORD = "S3cr3t-passw0rd"
TOKEN = "T000/B000/X3cr3t-t0ken"
Status = dg.DagsterRunStatus


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for setting in SETTINGS:
        monkeypatch.delenv(setting.name, raising=False)
        monkeypatch.delenv(f"{setting.name}_FILE", raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def server() -> Iterator[SandboxServer]:
    with SandboxServer(Pod(rows=20, user="ann", password=PASSWORD)) as running:
        yield running


class Listener:
    """The webhook: what it was sent, and what it answers."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.status = 200
        self.headers: dict[str, str] = {}
        self.pause = 0.0

    def __call__(self, request: Handler) -> None:
        time.sleep(self.pause)
        content = json.loads(request.body)
        assert list(content) == ["text"]
        assert request.headers["Content-Type"] == "application/json"
        if self.status == 200:
            self.texts.append(content["text"])
        request.reply(b"ok", self.status, self.headers)

    def take(self) -> list[str]:
        taken, self.texts = self.texts, []
        return taken


class Desk:
    """The sensor, the runs that it looks at, and the people it tells."""

    def __init__(self, instance: dg.DagsterInstance, server: SandboxServer, url: str) -> None:
        self.instance = instance
        self.server = server
        self.listener = Listener()
        self.cursor: str | None = None
        self.said: list[str] = []
        user, password = server.auth
        oracle = OracleResource(base_url=server.url, user=user, password=password, retry_seconds=0)
        self.defs = dg.Definitions.merge(
            build_defs({"oracle": oracle, "db": DbResource(url=url)}),
            dg.Definitions(
                assets=[something_else],
                jobs=[
                    dg.define_asset_job(OTHER, selection=[TABLE]),
                    dg.define_asset_job(BROKEN, selection=[TABLE, something_else.key]),
                ],
            ),
        )

    def tick(self, *syncs: Sync) -> list[str]:
        """Return the messages that a tick sends. The next tick gets its cursor."""
        with dg.build_sensor_context(
            instance=self.instance, cursor=self.cursor, definitions=self.defs
        ) as context:
            sensor = build_alert_sensor(syncs or (PLAIN,), running=True)
            data = sensor.evaluate_tick(context)
        self.cursor = data.cursor or self.cursor
        assert data.skip_message
        assert "\n" not in data.skip_message
        self.said.append(data.skip_message)
        return self.listener.take()

    def sync(self, job: str = JOB, **config: Any) -> str:
        """Run a sync to its end, and return the run's id."""
        given = {"batch_size": 50} | config
        return (
            self.defs.resolve_job_def(job)
            .execute_in_process(
                run_config={
                    "ops": {TABLE.path[-1]: {"config": given}},
                    "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
                },
                instance=self.instance,
                raise_on_error=False,
            )
            .run_id
        )

    def failing(self, **fault: Any) -> str:
        """Run a sync that fails at Oracle, with no fault after it."""
        self.server.pod.add_fault("status", times=None, **{"status": 400, "body": "bad q"} | fault)
        try:
            return self.sync()
        finally:
            self.server.pod.clear_faults()

    def made(
        self, status: dg.DagsterRunStatus, job: str = JOB, name: str = "", **tags: str
    ) -> dg.DagsterRun:
        """Record a run in Dagster without running anything."""
        config = {"ops": {TABLE.path[-1]: {"config": {"sync_name": name}}}} if name else None
        run = self.instance.create_run_for_job(
            self.defs.get_repository_def().get_job(job),
            run_config=config,
            status=Status.STARTED,
            tags={f"dagster/{tag}": text for tag, text in tags.items()},
            asset_selection=frozenset([TABLE]) if job == CLICKED else None,
        )
        time.sleep(0.002)  # no two runs end at the very same moment
        if status == Status.FAILURE:
            self.instance.report_run_failed(run, "The worker crashed.")
        elif status == Status.CANCELED:
            self.instance.report_run_canceled(run)
        else:
            self.instance.report_dagster_event(
                dg.DagsterEvent(dg.DagsterEventType.RUN_SUCCESS.value, job), run.run_id
            )
        return run


@dg.asset(deps=[TABLE])
def something_else() -> None:
    """Fail always, as an asset of the user's after ours."""
    raise RuntimeError("nothing to do with us")


@pytest.fixture
def desk(
    server: SandboxServer, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Desk]:
    with dg.DagsterInstance.ephemeral() as instance:
        made = Desk(instance, server, database_url)
        with Web(made.listener) as web:
            monkeypatch.setenv("ORACLE_SYNC_ALERT_WEBHOOK", f"{web.url}/services/{TOKEN}")
            yield made
        seen = " ".join([*made.said, made.cursor or ""])
        for secret in (TOKEN, TOKEN.rsplit("/", 1)[1], PASSWORD):
            assert secret not in seen


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Let it be so many seconds later."""

    def shift(seconds: float) -> None:
        now = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=seconds)
        monkeypatch.setattr(runs, "now", lambda: now)

    return shift


# -- an outage, told once --------------------------------------------------------------------------


def test_an_outage_is_told_once_and_once_more_when_it_is_over(desk: Desk) -> None:
    desk.sync()
    assert desk.tick() == []
    assert desk.said[-1] == "No sync is failing."

    desk.server.pod.add(5)
    failed = desk.failing()
    [told] = desk.tick()
    first, *lines = told.splitlines()
    assert first.startswith(f"Sync {NAME} has been failing since 2")
    assert first.endswith(" UTC.")
    assert "Oracle answered 400" in lines[0]
    assert "up to offset 20 is stored" in lines[0]
    assert lines[1].startswith("What to do: Check ORACLE_FINDER")
    assert lines[-1] == f"Run: {failed}"
    assert desk.said[-1] == f"Reported: {NAME} is failing."

    desk.failing()
    desk.failing()
    assert desk.tick() == []
    assert desk.said[-1] == f"{NAME} is still failing; already reported."

    mended = desk.sync()
    [told] = desk.tick()
    assert told.startswith(f"Sync {NAME} has been working again since 2")
    assert "It had been failing for " in told
    assert "(3 runs)" in told
    assert "it is at offset 25 now" in told
    assert told.endswith(f"Run: {mended}")
    assert "Oracle answered 400" not in told
    assert desk.tick() == []


def test_each_outage_is_told_even_where_both_lie_between_two_ticks(desk: Desk) -> None:
    desk.failing()
    [_told] = desk.tick()
    desk.sync()
    again = desk.failing()
    over, second = desk.tick()
    assert "working again" in over
    assert "failing since" in second
    assert f"Run: {again}" in second


def test_an_outage_that_began_and_ended_between_two_ticks_is_told(desk: Desk) -> None:
    desk.tick()
    desk.failing()
    desk.sync()
    failed, over = desk.tick()
    assert "failing since" in failed
    assert "working again" in over


def test_an_outage_that_goes_on_at_the_first_tick_is_told_and_one_that_is_over_is_not(
    desk: Desk,
) -> None:
    desk.failing()
    desk.sync()
    assert desk.tick() == []
    desk.cursor = None
    desk.made(Status.FAILURE, name="another")
    [told] = desk.tick()
    assert "another has been failing" in told


def test_after_days_without_a_look_only_what_still_matters_is_told(desk: Desk) -> None:
    def days_ago() -> None:
        memory = json.loads(desk.cursor or "")
        desk.cursor = json.dumps(memory | {"looked": memory["looked"] - 3 * 86_400})

    desk.failing()
    assert len(desk.tick()) == 1
    days_ago()
    assert desk.tick() == []
    days_ago()
    desk.made(Status.FAILURE, name="another")
    desk.made(Status.SUCCESS, name="another")
    desk.sync()
    [told] = desk.tick()
    assert told.startswith(f"Sync {NAME} has been working again")


def test_what_oracle_says_is_no_link_in_a_message(desk: Desk) -> None:
    desk.failing(body="bad: <https://evil.example|log in> [here](https://evil.example) @channel")
    [told] = desk.tick()
    assert "log in" in told
    assert "<" not in told
    assert "https://evil" not in told
    assert "@channel" not in told


# -- whose run it is -------------------------------------------------------------------------------


@pytest.mark.parametrize("job", [JOB, CLICKED, OTHER])
def test_a_crashed_run_of_whatever_job_is_told_in_dagsters_words(desk: Desk, job: str) -> None:
    run = desk.made(Status.FAILURE, job)
    [told] = desk.tick()
    assert "The worker crashed." in told
    assert "What to do: Look at the run's log" in told
    assert run.run_id in told


def test_each_sync_name_has_outages_of_its_own(desk: Desk) -> None:
    desk.made(Status.FAILURE, name="one")
    desk.made(Status.FAILURE, name="other")
    assert sorted(text.split()[1] for text in desk.tick()) == ["one", "other"]
    desk.made(Status.SUCCESS, name="other")
    [told] = desk.tick()
    assert told.startswith("Sync other has been working again")


def test_syncs_with_assets_of_their_own_are_told_by_their_names(desk: Desk) -> None:
    Path("oracle_sync.toml").write_text("[syncs.apac]\n[syncs.emea]\nORACLE_TIMEOUT = 0\n")
    desk.defs = build_defs()
    run = desk.instance.create_run_for_job(
        desk.defs.get_repository_def().get_job(CLICKED),
        status=Status.STARTED,
        asset_selection=frozenset([dg.AssetKey(["emea", TABLE.path[-1]])]),
    )
    desk.instance.report_run_failed(run)
    [told] = desk.tick(*declared())
    assert told.startswith("Sync emea has been failing")
    assert desk.tick(*declared()) == []


def test_a_run_of_something_else_is_nobodys_business(desk: Desk) -> None:
    @dg.op
    def nothing() -> None: ...

    @dg.job(name="elsewhere")
    def elsewhere() -> None:
        nothing()

    run = desk.instance.create_run_for_job(elsewhere, status=Status.STARTED)
    desk.instance.report_run_failed(run)
    assert desk.tick() == []


def test_a_run_whose_sync_succeeded_is_no_outage_though_something_after_it_failed(
    desk: Desk,
) -> None:
    failed = desk.sync(BROKEN)
    record = desk.instance.get_run_record_by_id(failed)
    assert record is not None
    assert record.dagster_run.status == Status.FAILURE
    assert desk.tick() == []


def test_a_cancelled_run_neither_begins_nor_ends_an_outage(desk: Desk) -> None:
    desk.made(Status.CANCELED)
    assert desk.tick() == []
    desk.made(Status.FAILURE)
    assert len(desk.tick()) == 1
    desk.made(Status.CANCELED)
    assert desk.tick() == []


def test_a_crashed_run_that_dagster_starts_anew_is_told_only_if_it_does_not(
    desk: Desk, later: Callable[[float], None]
) -> None:
    run = desk.made(Status.FAILURE, will_retry="true")
    assert desk.tick() == []
    later(240)
    assert desk.tick() == []
    later(400)
    [told] = desk.tick()
    assert run.run_id in told


def test_a_crashed_run_that_was_started_anew_counts_as_the_new_run_does(desk: Desk) -> None:
    run = desk.made(Status.FAILURE, will_retry="true")
    desk.instance.add_run_tags(run.run_id, {"dagster/auto_retry_run_id": "0" * 36})
    assert desk.tick() == []
    anew = desk.made(Status.FAILURE)
    [told] = desk.tick()
    assert anew.run_id in told


def test_a_tag_added_to_an_old_run_is_no_news(desk: Desk) -> None:
    old = desk.made(Status.FAILURE)
    desk.made(Status.SUCCESS)
    desk.tick()
    desk.instance.add_run_tags(old.run_id, {"noted": "by a person"})
    assert desk.tick() == []


def test_more_runs_than_a_tick_looks_at_are_left_to_the_next(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alerts, "MOST_RUNS", 3)
    for number in range(8):
        desk.made(Status.FAILURE, name=f"sync_{number}")
    told = [len(desk.tick()) for _ in range(3)]
    assert (told[0], sum(told)) == (3, 8)


# -- a webhook that does not listen ----------------------------------------------------------------


@pytest.mark.parametrize("status", [302, 404, 410, 429, 500])
def test_a_webhook_that_refuses_is_said_and_told_again_at_the_next_tick(
    desk: Desk, status: int
) -> None:
    desk.failing()
    desk.listener.status, desk.listener.headers = status, {"Location": "/elsewhere"}
    assert desk.tick() == []
    assert f"127.0.0.1 answered {status}" in desk.said[-1]
    assert "ORACLE_SYNC_ALERT_WEBHOOK" in desk.said[-1]
    assert "tried again at the next tick" in desk.said[-1]
    desk.listener.status = 200
    [told] = desk.tick()
    assert "Oracle answered 400" in told


def test_a_webhook_that_is_gone_breaks_nothing_and_loses_nothing(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with monkeypatch.context() as patch:
        patch.setenv("ORACLE_SYNC_ALERT_WEBHOOK", f"http://127.0.0.1:{port}/{TOKEN}?t={TOKEN}")
        first = desk.failing()
        assert desk.tick() == []
        assert "refused" in desk.said[-1]
        desk.failing()
        assert desk.tick() == []
        desk.sync()
        assert desk.tick() == []
    [told] = desk.tick()
    assert "working again" in told
    assert "(2 runs)" in told
    assert "What had happened: Oracle answered 400" in told
    assert first not in told
    assert desk.tick() == []


def test_a_webhook_that_hangs_does_not_hold_up_the_tick(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook, "TIMEOUT", (0.3, 0.3))
    for number in range(3):
        desk.made(Status.FAILURE, name=f"sync_{number}")
    desk.listener.pause = 1.0
    began = time.monotonic()
    desk.tick()
    assert time.monotonic() - began < 5
    assert "can't be reached" in desk.said[-1]
    desk.listener.pause = 0.0
    time.sleep(1.2)
    desk.listener.take()
    assert len(desk.tick()) == 3


def test_an_unusable_cursor_begins_anew(desk: Desk) -> None:
    desk.failing()
    for cursor in ("nonsense", "[1]", '{"looked": 1, "syncs": {"a": 3}}', "[" * 100_000):
        desk.cursor = cursor
        assert len(desk.tick()) == 1


# -- what is said ----------------------------------------------------------------------------------


def test_no_message_shows_a_secret_and_none_is_markup(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORACLE_PASSWORD", PASSWORD)

    def explode(*_: Any, **__: Any) -> None:
        raise RuntimeError(f"<!channel> & {PASSWORD} via basic c2VjcmV0OnNlY3JldA==\nsecond line")

    monkeypatch.setattr("oracle_sync.orchestration.sync_run.run_sync", explode)
    desk.sync()
    [told] = desk.tick()
    assert PASSWORD not in told
    assert "c2VjcmV0" not in told
    assert "&lt;!channel&gt; &amp; ***" in told
    assert "RuntimeError" in told
    assert "please report" in told


def test_a_secret_that_is_a_common_word_takes_nothing_out_of_our_own_sentences(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORACLE_PASSWORD", "rows")
    monkeypatch.setenv("ORACLE_TOKEN", "3014")
    sentence = "400 of the 3014 rows in minimal_opportunities are no longer in Oracle."

    def hold(*_: Any, **__: Any) -> None:
        raise RemovalHeld(sentence)

    monkeypatch.setattr("oracle_sync.orchestration.sync_run.run_sync", hold)
    desk.sync()

    [text] = desk.tick()

    assert sentence in text


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "1 second"),
        (59, "59 seconds"),
        (60, "1 minute"),
        (3_725, "1 hour 2 minutes"),
        (2 * 86_400 + 5, "2 days 5 seconds"),
    ],
)
def test_how_long_it_lasted_is_told_as_people_say_it(seconds: float, words: str) -> None:
    assert outages.duration(seconds) == words


# -- the setting -----------------------------------------------------------------------------------


def test_it_is_on_by_itself_only_where_asked_for_and_says_what_is_missing(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    on, off = build_alert_sensor(running=True), build_alert_sensor(running=False)
    assert on.default_status == dg.DefaultSensorStatus.RUNNING
    assert off.default_status == dg.DefaultSensorStatus.STOPPED
    monkeypatch.delenv("ORACLE_SYNC_ALERT_WEBHOOK")
    desk.cursor = "kept"
    desk.tick()
    assert "ORACLE_SYNC_ALERT_WEBHOOK is not set" in desk.said[-1]
    assert desk.cursor == "kept"


def test_the_webhook_may_come_from_a_file(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "webhook"
    file.write_text(load().alert_webhook + "\n")
    monkeypatch.delenv("ORACLE_SYNC_ALERT_WEBHOOK")
    monkeypatch.setenv("ORACLE_SYNC_ALERT_WEBHOOK_FILE", str(file))
    desk.failing()
    assert len(desk.tick()) == 1


@pytest.mark.parametrize(
    "url",
    [
        f"http://hooks.example.com/{TOKEN}",
        f"ftp://hooks.example.com/{TOKEN}",
        TOKEN,
        f"https:///{TOKEN}",
        f"https://[{TOKEN}",
        f"https://hooks.example.com:port/{TOKEN}",
    ],
)
def test_a_webhook_must_be_https_and_the_refusal_does_not_show_it(url: str) -> None:
    with pytest.raises(SettingError) as caught:
        load({"ORACLE_SYNC_ALERT_WEBHOOK": url})
    said = caught.value.sentence()
    assert "ORACLE_SYNC_ALERT_WEBHOOK must look like https://host/" in said
    assert TOKEN not in said
    assert TOKEN not in repr(load({"ORACLE_SYNC_ALERT_WEBHOOK": f"https://h.example.com/{TOKEN}"}))
