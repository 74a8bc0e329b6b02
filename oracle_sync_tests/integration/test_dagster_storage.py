"""Test that Dagster's storage outlives a restart of the server between two of its queries."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from oracle_sync.config.settings import load
from oracle_sync.orchestration.instance import instance
from oracle_sync_tests.support import PROJECT
from oracle_sync_tests.support.harness import rows

pytestmark = pytest.mark.usefixtures("no_settings")


def test_a_connection_that_the_server_has_closed_is_not_used_again(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shutil.copy(PROJECT / "dagster.yaml", tmp_path)
    shutil.copy(PROJECT / "workspace.yaml", tmp_path)
    monkeypatch.setenv("DATABASE_URL", empty_database_url)
    with instance(load()) as home:
        home.optimize_for_webserver(statement_timeout=60_000, pool_recycle=600, max_overflow=1)
        assert home.get_runs_count() == 0
        closed = rows(
            empty_database_url,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )
        assert closed, "no connection was kept"
        assert home.get_runs_count() == 0
