"""Fixtures that tests of the UI share: a running `oracle-sync dev`, and a browser's page."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

import pytest

from oracle_sync.sandbox import Pod, SandboxServer
from oracle_sync_tests.support.browser import PICTURES, browser_page
from oracle_sync_tests.support.dev import Dev, running, settings_for
from oracle_sync_tests.support.harness import rows

if TYPE_CHECKING:
    from playwright.sync_api import Page


FIELDS = "OptyId,OptyNumber,Name,Revenue,StatusCode,TargetPartyId,LastUpdateDate,*_c"


@pytest.fixture(scope="module")
def module_database_url(postgres_url: str) -> Iterator[str]:
    """Create an empty database for all tests of a module."""
    # The name shows in the pictures.
    name = "crm" if PICTURES else f"m_{uuid.uuid4().hex[:16]}"
    rows(postgres_url, f"CREATE DATABASE {name} TEMPLATE template0")
    yield urlunsplit(urlsplit(postgres_url)._replace(path=f"/{name}"))
    rows(postgres_url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="module")
def dev(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dev]:
    """Run `oracle-sync dev` with a pod of 1480 rows."""
    mark = uuid.uuid4().hex
    with SandboxServer(Pod(rows=1480, password=f"hidden-{mark}")) as server:
        folder = tmp_path_factory.mktemp("dev")
        settings = settings_for(server, ORACLE_FIELDS=FIELDS)
        with running(folder, server.pod, module_database_url, settings, mark) as server_process:
            yield server_process


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    """Open a page of a browser."""
    with browser_page() as opened:
        yield opened
