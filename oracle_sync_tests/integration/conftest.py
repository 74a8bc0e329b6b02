"""Fixtures that several tests of commands share."""

from __future__ import annotations

from pathlib import Path

import pytest

from oracle_sync.config.settings import SETTINGS


@pytest.fixture
def no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Take every setting away, and go to an empty folder."""
    for setting in SETTINGS:
        for name in setting.names:
            monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    monkeypatch.chdir(tmp_path)
