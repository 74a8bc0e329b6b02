"""Put the stand-in pod, an embedded PostgreSQL, two syncs and the UI together, as a demo."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from oracle_sync.config.settings import SETTINGS
from oracle_sync.config.syncs import Sync, declared
from oracle_sync.operations.address import demand_free

if TYPE_CHECKING:
    from oracle_sync.sandbox import Pod

ROWS = 2_000
LATENCY_MS = 30.0
BATCH_SIZE = 50
HOME = ".oracle_sync_demo"
HOST = "127.0.0.1"

FIELDS = "OptyNumber,Name,Revenue,StatusCode,TargetPartyId,LastUpdateDate,*_c"
"""What is read of the opportunities."""

SYNC_FILE = """\
[syncs.crm]
collection = "accounts"
fields = ["PartyNumber", "OrganizationName", "Country", "*_c"]
"""
"""Declares the second sync, beside the one of the environment."""

QUESTIONS = {
    "Won in the last 30 days:": """\
SELECT count(*) AS deals, sum(revenue) AS revenue
FROM minimal_opportunities
WHERE status_code = 'WON' AND last_update_date > now() - interval '30 days'""",
    "The accounts that most of it comes from:": """\
SELECT a.organization_name AS account, a.country, count(*) AS deals, sum(o.revenue) AS revenue
FROM minimal_opportunities o
JOIN crm.accounts a ON a.party_id = o.target_party_id
WHERE o.status_code = 'WON'
GROUP BY a.party_id, account, a.country
ORDER BY sum(o.revenue) DESC NULLS LAST
LIMIT 3""",
}
"""What an analyst might ask the tables, with the SQL that answers it."""


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
        _date_lately(pod.pod)
        pod.pod.latency_ms = LATENCY_MS
        _only_demo_settings(home, pod.url, *pod.auth)
        say(f"Stand-in Oracle pod: {pod.url}, {ROWS} opportunities, all invented.")
        say(f"Embedded PostgreSQL and Dagster's home: {home}")
        for sync in declared():
            status = _sync(sync)
            if status:
                return status
        _answer_questions(say)
        if once:
            return 0
        say(
            "\nThe sensors are on. Add rows, and see them arrive without a click:\n"
            f"   curl -X POST {pod.url}/sandbox/rows -H 'Content-Type: application/json' "
            "-d '{\"add\": 5}'\n"
            f"More to try, such as changes and deletions: {pod.url}\n"
        )
        from oracle_sync.cli.dev import serve_ui

        # Dagster's processes read the .env of their folder, and prefer it to the environment.
        os.environ["DAGSTER_HOME"] = str(home / "dagster")
        os.chdir(home)
        return serve_ui(HOST, port, say)


def _date_lately(pod: Pod) -> None:
    """Spread the last changes of the opportunities over the last two months."""
    now, days = dt.datetime.now(dt.UTC), 60
    for day in range(days):
        changed = now - dt.timedelta(days=day + 1)
        positions = range(day, ROWS, days)
        pod.edit(positions=positions, LastUpdateDate=f"{changed:%Y-%m-%dT%H:%M:%SZ}")


def _sync(sync: Sync) -> int:
    from oracle_sync.cli.progress import show_progress
    from oracle_sync.cli.sync import Launch

    return Launch(
        sync, batch_size=None, sync_name=sync.name, full_refresh=False, removal_limit=None
    ).run(show_progress)


def _answer_questions(say: Callable[[str], object]) -> None:
    """Ask the tables what an analyst might, and show SQL and answers."""
    from oracle_sync.config.settings import load
    from oracle_sync.postgres.connection import connect, many
    from oracle_sync.postgres.database import url_of

    connection = connect(url_of(load()))
    try:
        for question, sql in QUESTIONS.items():
            say(f"\n{question}\n\n{sql}\n")
            for row in many(connection, sql, {}):
                say("   " + "   ".join(f"{name}: {value}" for name, value in row.items()))
    finally:
        connection.close()


def _only_demo_settings(home: Path, url: str, user: str, password: str) -> None:
    for setting in SETTINGS:
        for name in setting.names:
            os.environ.pop(name, None)
    os.environ.pop("DAGSTER_HOME", None)
    home.mkdir(exist_ok=True)
    syncs = home / "oracle_sync.toml"
    syncs.write_text(SYNC_FILE, encoding="utf-8")
    os.environ |= {
        "ORACLE_BASE_URL": url,
        "ORACLE_USER": user,
        "ORACLE_PASSWORD": password,
        "ORACLE_FIELDS": FIELDS,
        "ORACLE_SYNC_BATCH_SIZE": str(BATCH_SIZE),
        "ORACLE_SYNC_SENSOR": "on",
        "ORACLE_SYNC_SENSOR_INTERVAL": "10",
        "ORACLE_SYNC_HOME": str(home),
        "ORACLE_SYNC_FILE": str(syncs),
    }
