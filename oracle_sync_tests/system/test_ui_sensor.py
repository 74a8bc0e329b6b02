"""The sensor as its users meet it: switched on in a browser, its cursor set, its pauses read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from oracle_sync_tests.support.browser import picture, set_cursor, switch_sensor
from oracle_sync_tests.support.dev import SENSOR_INTERVAL, Dev
from oracle_sync_tests.support.harness import rows
from oracle_sync_tests.support.processes import PATIENCE, until

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.xdist_group("ui sensor"), pytest.mark.timeout(900)]


@contextmanager
def sensor_on(page: Page, dev: Dev) -> Iterator[None]:
    """Have the sensor on for the duration of a block."""
    switch_sensor(page, dev, "RUNNING")
    try:
        yield
    finally:
        switch_sensor(page, dev, "STOPPED")
        dev.wait_for_runs()


def test_with_the_sensor_on_new_rows_arrive_without_a_click(dev: Dev, page: Page) -> None:
    dev.sync()
    known = {run["runId"] for run in dev.runs()}
    with sensor_on(page, dev):
        page.get_by_text("Up to date at offset").or_(page.get_by_text('"offset"')).first.wait_for()
        dev.pod.add(7)

        until(PATIENCE, "the new rows", dev.equal)

        [run] = [run for run in dev.runs() if run["runId"] not in known]
        tags = {tag["key"]: tag["value"] for tag in run["tags"]}
        assert tags["dagster/sensor_name"] == "new_opportunities"
        assert tags["oracle_sync/reason"].startswith("new rows after offset")
        assert dev.outcome(run["runId"]) == "SUCCESS"
        page.get_by_text(f'"offset": {len(dev.pod)}').first.wait_for()
        page.reload()
        page.get_by_text("1 run requested").first.wait_for()
        picture(page, "sensor")


def test_a_cursor_set_by_hand_moves_the_sync_and_the_history_says_who(dev: Dev, page: Page) -> None:
    dev.sync()
    with sensor_on(page, dev):
        page.get_by_text('"offset"').first.wait_for()

        def moves() -> list[tuple[Any, ...]]:
            moves = rows(
                dev.database_url,
                "SELECT action, to_offset, who, reason FROM sync_history "
                "WHERE reason LIKE '%cursor%'",
            )
            if not moves:
                # Dagster may still overwrite it in the last moment of a tick.
                set_cursor(page, "0")
            return moves

        [(action, offset, who, reason)] = until(
            PATIENCE, "the move to 0", moves, pause=2 * SENSOR_INTERVAL + 2
        )
        assert (action, offset) == ("rewind", 0)
        assert "sensor cursor" in who
        assert "by hand" in reason
        until(PATIENCE, "the run that reads it again", lambda: dev.offset() == len(dev.pod))


def test_a_wrong_password_is_tried_again_after_a_pause_that_the_sensor_explains(
    dev: Dev, page: Page
) -> None:
    dev.sync()
    dev.pod.add(5)
    password = dev.pod.password
    dev.pod.password = f"changed-{password}"
    try:
        assert dev.outcome(dev.launch(batch_size=499)) == "FAILURE"
        with sensor_on(page, dev):
            until(PATIENCE, "a tick that waits", lambda: "Next try at" in dev.skip_reason())
            page.reload()
            ticks = page.locator("table").last
            ticks.get_by_role("button", name="0 runs requested").first.click()
            page.get_by_role("dialog").get_by_text("Next try at").first.wait_for()
            assert "401" in page.get_by_role("dialog").inner_text()
            picture(page, "backoff")
            dev.pod.password = password

            # The first pause is a minute.
            until(PATIENCE, "the rows, without a click", dev.equal, pause=1)
    finally:
        dev.pod.password = password
