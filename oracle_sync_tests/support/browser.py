"""What tests do in the Dagster UI with a browser, each step with its effect awaited."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from oracle_sync_tests.support import PROJECT
from oracle_sync_tests.support.dev import Dev
from oracle_sync_tests.support.processes import PATIENCE, until

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

CHROMIUM = next(
    (path for path in ("/usr/bin/chromium", "/usr/bin/chromium-browser") if Path(path).is_file()),
    None,
)
IMAGES = PROJECT / "docs" / "images"
PICTURES = os.environ.get("SCREENSHOTS") == "1"
"""Whether the pictures of the README are taken again."""


@contextmanager
def browser_page() -> Iterator[Page]:
    """Open a page of Chromium that waits patiently for what it is asked to find."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("there is no chromium")
    with playwright.sync_playwright() as browsers:
        browser = browsers.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        page: Page = browser.new_page(viewport={"width": 1400, "height": 850})
        page.set_default_timeout(PATIENCE * 1000)
        yield page
        browser.close()


def picture(page: Page, name: str) -> None:
    """Take a picture for the README, if SCREENSHOTS=1 asks for it."""
    if PICTURES:
        IMAGES.mkdir(parents=True, exist_ok=True)
        page.mouse.move(1, 849)
        page.wait_for_timeout(1500)
        page.screenshot(path=str(IMAGES / f"{name}.png"))


def switch_sensor(page: Page, dev: Dev, status: str) -> None:
    """Switch the sensor to "RUNNING" or "STOPPED" on its page, and wait until it is.

    The page shows the switch before it knows the sensor's state, and a click in that moment does
    nothing. So the click is repeated until Dagster says that the sensor has changed.
    """
    page.goto(f"{dev.url}/locations/oracle_sync/sensors/new_opportunities")
    row = page.locator("tr", has=page.get_by_role("cell", name="Running", exact=True))
    switch = row.get_by_role("checkbox")

    def switched() -> bool:
        if dev.sensor()["status"] == status:
            return True
        if switch.is_enabled() and switch.is_checked() != (status == "RUNNING"):
            # The input itself has no size: the label that belongs to it takes the click.
            row.locator("label").first.click()
        return False

    until(PATIENCE, f"the sensor {status}", switched, pause=3)
    until(PATIENCE, "the switch", lambda: switch.is_checked() == (status == "RUNNING"))


def set_cursor(page: Page, text: str) -> None:
    """Set the cursor on the sensor's page."""
    page.get_by_role("button", name="Edit").first.click()
    dialog = page.get_by_role("dialog")
    write(page, dialog.locator(".CodeMirror, textarea").first, text)
    dialog.get_by_role("button", name="Set cursor value").click()
    dialog.wait_for(state="hidden")


def write(page: Page, editor: Locator, text: str) -> None:
    """Replace the text in an editor of the UI."""
    editor.click()
    page.keyboard.press("Control+A")
    page.keyboard.insert_text(text)
