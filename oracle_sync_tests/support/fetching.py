"""One page fetched by the client, and what every error of it must look like."""

from __future__ import annotations

import socket
import time
from typing import Any

import pytest

from oracle_sync.engine.source import Page, PageRequest
from oracle_sync.errors import SourceError
from oracle_sync.oracle.client import OracleClient
from oracle_sync.sandbox import SandboxServer
from oracle_sync_tests.support.web import client

ROOT = "/crmRestApi/resources/11.12.1.0/opportunities"
ANY = PageRequest(0, 5)


def failure(source: OracleClient, request: PageRequest = ANY) -> SourceError:
    """Return the error that a fetch ends in; it must be fit for a person, on one line."""
    with pytest.raises(SourceError) as caught:
        source.fetch(request)
    sentence = caught.value.sentence()
    assert "\n" not in sentence
    assert len(sentence) < 900
    assert "object at 0x" not in sentence
    assert "Traceback" not in sentence
    assert str(caught.value).endswith(".")
    assert ".." not in str(caught.value).replace("...", "")
    return caught.value


def in_seconds(seconds: float, began: float) -> None:
    """Demand that no more time has passed since `began`."""
    assert time.monotonic() - began < seconds


def ids(page: Page) -> list[Any]:
    """Return the keys of a page."""
    return [item["OptyId"] for item in page.items]


def closed_port() -> int:
    """Return a port on which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def oauth(server: SandboxServer, **changes: Any) -> OracleClient:
    """Return a client that signs in with client credentials."""
    settings: dict[str, Any] = {
        "user": "",
        "password": "",
        "token_url": f"{server.url}/oauth2/v1/token",
        "client_id": "sandbox-client",
        "client_secret": "sandbox-secret",
    }
    return client(server, **settings | changes)
