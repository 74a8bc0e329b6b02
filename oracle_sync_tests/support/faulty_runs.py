"""Sync from a pod with faults, and compare what has become of it."""

from __future__ import annotations

import time
from typing import Any

from oracle_sync.engine.summary import Summary
from oracle_sync_tests.support.faulty_pod import FaultyServer
from oracle_sync_tests.support.harness import run, state, table
from oracle_sync_tests.support.web import client

ROWS = 42
FROM = 17
"""Faults begin at this offset, so that rows before it are committed when they strike."""


def go(url: str, server: FaultyServer, **options: Any) -> Summary:
    """Sync to the end, with little patience; it may not take long whatever happens."""
    began = time.monotonic()
    timeout, retry_seconds = options.pop("timeout", 2), options.pop("retry_seconds", 4)
    source = client(server, timeout=timeout, retry_seconds=retry_seconds)
    try:
        return run(url, source, **{"batch_size": 5, "concurrency": 4} | options)
    finally:
        assert time.monotonic() - began < 60


def assert_equal(url: str, server: FaultyServer) -> None:
    """Assert that the table equals the source, and that the state says so."""
    assert table(url) == server.pod.snapshot()
    assert state(url, "current_offset, is_complete, doubt, refreshing") == (
        len(server.pod),
        1,
        None,
        False,
    )
