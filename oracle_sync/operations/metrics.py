"""`oracle-sync metrics`: what `sync_state` and the tables say, for Prometheus.

Belongs here: the exporter and the names of its metrics. Does not belong here: reading the
numbers (`storage/figures.py`); and no Dagster, so that it stays up when that does not.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from oracle_sync.errors import SettingError, SyncError
from oracle_sync.postgres.connection import connect, errors
from oracle_sync.postgres.database import Database
from oracle_sync.postgres.figures import COUNTED, Figures, figures

try:
    from prometheus_client import CollectorRegistry, start_http_server
    from prometheus_client.core import GaugeMetricFamily
    from prometheus_client.registry import Collector
except ImportError:
    raise SettingError(
        "The exporter needs prometheus_client, which is not installed.",
        "Install it: pip install 'oracle-sync[metrics]'.",
    ) from None

SCRAPE_SECONDS = 8.0
"""Prometheus gives up after ten; a database that takes longer counts as down."""

# Name of the metric, its column in the figures, and its help.
OF_A_SYNC = (
    ("lag_rows", "lag", "Rows that Oracle counted and that lie beyond the offset."),
    ("seconds_since_success", "seconds_since_success", "Age of the last successful run."),
    ("offset", "offset", "Offset up to which everything is stored."),
    ("source_rows", "source_total", "Rows that Oracle counted at the last run."),
    ("complete", "complete", "1: the last walk reached the end of the collection."),
    ("rejected_open", "rejected", "Items that could not be stored and are not resolved."),
    ("removed_rows", "removed", "Rows gone from Oracle, kept aside."),
    ("refresh_due", "refresh_due", "1: rows moved, so that a full refresh is due."),
    ("refreshing", "refreshing", "1: a full refresh has begun and not ended."),
    ("running", "running", "1: somebody holds the lock of this sync."),
    ("last_run_failed", "last_run_failed", "1: the last run that ended failed."),
)
TABLE_HELP = f"Rows of the table; above {COUNTED} PostgreSQL's estimate."


class _Reading(threading.Thread):
    """One look at one database: `answer` is its figures, or why there are none.

    A thread of our own and no pool, which at the end would wait for a database that hangs.
    """

    def __init__(self, database: Database) -> None:
        super().__init__(name="metrics", daemon=True)
        self._database = database
        self.answer: Figures | str = "The reading ended without an answer."
        self.start()

    def run(self) -> None:
        try:
            connection = connect(self._database.url, "oracle_sync metrics")
            try:
                with errors(self._database.url, "reading the metrics"):
                    self.answer = figures(connection, self._database.collection)
            finally:
                connection.close()
        except SyncError as error:
            self.answer = error.sentence()


class Exporter(Collector):
    """Reads each database at each scrape, over a connection that it then closes.

    The label `schema` is that of the tables; empty, which to Prometheus is the same as none,
    where the connection's own is used. Scrapes at once share one reading, and a database that
    hangs keeps one thread and delays no other.
    """

    def __init__(self, databases: Mapping[str, Database], say: Callable[[str], Any]) -> None:
        """Nothing is read yet.

        Args:
            databases: by schema.
            say: told when a database can't be read, and when it can be again.
        """
        self._databases = dict(databases)
        self._say = say
        self._guard = threading.Lock()
        self._reading: dict[str, _Reading] = {}
        self._trouble: dict[str, str] = {}

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Every metric, as they are now."""
        found = self._read()
        up = GaugeMetricFamily(
            "oracle_sync_up", "1: the database could be read.", labels=["schema"]
        )
        tables = GaugeMetricFamily("oracle_sync_table_rows", TABLE_HELP, labels=["schema", "table"])
        of_a_sync = [
            (GaugeMetricFamily(f"oracle_sync_{name}", text, labels=["schema", "sync_name"]), column)
            for name, column, text in OF_A_SYNC
        ]
        for schema, numbers in found.items():
            up.add_metric([schema], float(numbers is not None))
            if numbers is None:
                continue
            for table, rows in numbers.tables.items():
                tables.add_metric([schema, table], rows)
            for sync in numbers.syncs:
                for family, column in of_a_sync:
                    if sync[column] is not None:
                        family.add_metric([schema, sync["sync_name"]], float(sync[column]))
        yield up
        yield tables
        yield from (family for family, _ in of_a_sync)

    def _read(self) -> dict[str, Figures | None]:
        """The figures of each schema; None where they can't be had now."""
        deadline = time.monotonic() + SCRAPE_SECONDS
        with self._guard:
            for schema, database in self._databases.items():
                if schema not in self._reading:
                    self._reading[schema] = _Reading(database)
            asked = dict(self._reading)
        found: dict[str, Figures | None] = {}
        for schema, reading in asked.items():
            reading.join(max(0.0, deadline - time.monotonic()))
            answer = reading.answer
            if reading.is_alive():
                answer = f"The database did not answer within {SCRAPE_SECONDS:.0f} s."
            with self._guard:
                if not reading.is_alive() and self._reading.get(schema) is reading:
                    del self._reading[schema]
                self._note(schema, answer if isinstance(answer, str) else "")
            found[schema] = answer if isinstance(answer, Figures) else None
        return found

    def _note(self, schema: str, trouble: str) -> None:
        if trouble == self._trouble.get(schema, ""):
            return
        self._trouble[schema] = trouble
        where = f" ({schema})" if schema else ""
        self._say(f"oracle_sync_up 0{where}: {trouble}" if trouble else f"oracle_sync_up 1{where}")


def serve(
    databases: Mapping[str, Database], host: str, port: int, say: Callable[[str], Any]
) -> None:
    """Answer scrapes until Ctrl-C or SIGTERM.

    Raises:
        SettingError: if the address can't be listened on.
    """
    registry = CollectorRegistry()
    registry.register(Exporter(databases, say))
    stop = threading.Event()
    # In a container it is process 1, which without a handler would not be ended by SIGTERM.
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    try:
        server, _ = start_http_server(port, host, registry)
    except OSError as error:
        raise SettingError(
            f"Port {port} on {host} can't be used: {error.strerror or error}.",
            "Choose others with --host and --port.",
        ) from None
    say(f"Metrics: http://{host}:{server.server_port}/metrics (Ctrl-C stops)")
    try:
        # In slices: on Windows an endless wait cannot be interrupted.
        while not stop.wait(0.5):
            pass
    except KeyboardInterrupt:
        pass
    server.shutdown()
    server.server_close()
    say("Stopped.")
