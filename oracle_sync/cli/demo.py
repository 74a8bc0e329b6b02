"""Put the stand-in pod, an embedded PostgreSQL, a sync and the UI together, as a demo."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from oracle_sync.config.settings import SETTINGS
from oracle_sync.config.syncs import PLAIN
from oracle_sync.operations.address import demand_free

ROWS = 2_000
LATENCY_MS = 30.0
BATCH_SIZE = 50
HOME = ".oracle_sync_demo"
HOST = "127.0.0.1"


def run_demo(*, once: bool, port: int, say: Callable[[str], object]) -> int:
    """Run it and return the exit status; without `once` it ends with Ctrl-C.

    Nothing of the user's is read: every setting is set here, or taken away.

    Raises:
        SettingError: if the port for the UI can't be used.
        SyncError: if the sync failed.
    """
    from oracle_sync.sandbox import Pod, SandboxServer

    if not once:
        demand_free(HOST, port)
    home = Path(HOME).absolute()
    with SandboxServer(Pod(rows=ROWS)) as pod:
        pod.pod.latency_ms = LATENCY_MS
        _only_demo_settings(home, pod.url, *pod.auth)
        say(f"Stand-in Oracle pod: {pod.url}, {ROWS} opportunities, all invented.")
        say(f"Embedded PostgreSQL and Dagster's home: {home}")
        from oracle_sync.cli.progress import show_progress
        from oracle_sync.cli.sync import Launch

        status = Launch(
            PLAIN, batch_size=None, sync_name=PLAIN.name, full_refresh=False, removal_limit=None
        ).run(show_progress)
        if status or once:
            return status
        say(
            "\nThe sensor is on. Add rows, and see them arrive without a click:\n"
            f"   curl -X POST {pod.url}/sandbox/rows -H 'Content-Type: application/json' "
            "-d '{\"add\": 5}'\n"
        )
        from oracle_sync.cli.dev import serve_ui

        # Dagster's processes read the .env of their folder, and prefer it to the environment.
        os.environ["DAGSTER_HOME"] = str(home / "dagster")
        os.chdir(home)
        return serve_ui(HOST, port, say)


def _only_demo_settings(home: Path, url: str, user: str, password: str) -> None:
    for setting in SETTINGS:
        for name in setting.names:
            os.environ.pop(name, None)
    os.environ.pop("DAGSTER_HOME", None)
    os.environ |= {
        "ORACLE_BASE_URL": url,
        "ORACLE_USER": user,
        "ORACLE_PASSWORD": password,
        "ORACLE_SYNC_BATCH_SIZE": str(BATCH_SIZE),
        "ORACLE_SYNC_SENSOR": "on",
        "ORACLE_SYNC_SENSOR_INTERVAL": "10",
        "ORACLE_SYNC_HOME": str(home),
        "ORACLE_SYNC_FILE": "",
    }
