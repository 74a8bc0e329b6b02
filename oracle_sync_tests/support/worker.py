"""A sync as a separate process, without Dagster's start: for tests that kill it often.

Run as `python -m oracle_sync_tests.support.worker BATCH_SIZE CONCURRENCY`; settings come
from the environment.
"""

from __future__ import annotations

import sys

from oracle_sync.config.collection import OPPORTUNITIES
from oracle_sync.config.settings import DEFAULT_SYNC_NAME, load
from oracle_sync.engine.run import run_sync
from oracle_sync.engine.summary import Options
from oracle_sync.errors import SyncError
from oracle_sync.oracle.client import OracleClient
from oracle_sync.postgres.database import Database
from oracle_sync.postgres.reader import this_process


def main(batch_size: int, concurrency: int, full_refresh: bool) -> None:
    """Sync to the end, saying when the lock is held and what was done."""
    settings = load()
    database = Database(settings.database_url, OPPORTUNITIES)
    client = OracleClient(settings.oracle, OPPORTUNITIES)
    with database.writer(DEFAULT_SYNC_NAME, this_process(), wait=settings.lock_wait) as writer:
        print("working", flush=True)
        options = Options(batch_size=batch_size, concurrency=concurrency, full_refresh=full_refresh)
        summary = run_sync(client, writer, options)
    print(f"done received={summary.received} refreshes={summary.refreshes}", flush=True)


if __name__ == "__main__":
    try:
        main(int(sys.argv[1]), int(sys.argv[2]), "full" in sys.argv[3:])
    except SyncError as error:
        print(error.sentence(), flush=True)
        sys.exit(1)
