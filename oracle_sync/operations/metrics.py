"""The exporter for Prometheus: how each sync stands, in numbers.

It does without Dagster, so that it stays up when that does not.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from oracle_sync.errors import SettingError, SyncError
from oracle_sync.operations.address import shown
from oracle_sync.postgres.connection import connect, errors
from oracle_sync.postgres.database import Database
from oracle_sync.postgres.status import COUNTED, Standing, standings, table_rows

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

STATEMENT_MS = 5_000
"""A statement that takes longer is ended, so that it does not outlive its scrape."""

OF_A_SYNC: tuple[tuple[str, Callable[[Standing], float | None], str], ...] = (
    ("lag_rows", lambda s: s.lag, "Rows that Oracle counted and that lie beyond the offset."),
    ("seconds_since_success", lambda s: s.seconds_since_success, "Age of the last success."),
    (
        "proven_seconds",
        lambda s: s.seconds_since_proof,
        "Seconds since the table was shown to equal Oracle.",
    ),
    (
        "equal",
        lambda s: s.state.proof.equal if s.state.proof else None,
        "1: the last comparison showed the table equal to Oracle; 0: it did not.",
    ),
    ("offset", lambda s: s.state.offset, "Offset up to which everything is stored."),
    ("source_rows", lambda s: s.state.source_total, "Rows that Oracle counted at the last run."),
    ("complete", lambda s: s.state.complete, "1: the last walk reached the end."),
    ("rejected_open", lambda s: s.rejected, "Items that could not be stored, not resolved."),
    ("removed_rows", lambda s: s.removed, "Rows gone from Oracle, kept aside."),
    ("refresh_due", lambda s: s.state.doubt is not None, "1: a proof or a full refresh is due."),
    ("fields_refilling", lambda s: len(s.state.refilling_fields), "Fields not in every row yet."),
    ("removal_held", lambda s: s.state.removal_held or 0, "Rows too many to remove unconfirmed."),
    ("refreshing", lambda s: s.state.refreshing, "1: a full refresh has begun and not ended."),
    ("running", lambda s: s.running is not None, "1: somebody holds the lock of this sync."),
    ("last_run_failed", lambda s: s.state.last_error is not None, "1: the last run failed."),
)
"""Name of each metric of a sync, its value (None is left out), and its help."""


@dataclass(frozen=True)
class Reading:
    """The numbers of one database: how its syncs stand, and rows by table."""

    standings: list[Standing]
    rows: dict[str, int]


class _Watched:
    """One database, read by at most one thread at a time, which all scrapes share."""

    def __init__(self, database: Database, say: Callable[[str], Any]) -> None:
        self.schema = database.schema
        self._database = database
        self._say = say
        self._guard = threading.Lock()
        self._reading: Future[Reading] | None = None
        self._trouble = ""

    def begin(self) -> Future[Reading]:
        """Start to read, unless a reading is under way."""
        with self._guard:
            if self._reading is None or self._reading.done():
                self._reading = Future()
                # Not from a pool, which at the end would wait for a database that hangs.
                threading.Thread(target=self._read, args=[self._reading], daemon=True).start()
            return self._reading

    def end(self, reading: Future[Reading], seconds: float) -> Reading | None:
        """Return the numbers, or None where they can't be had within `seconds`."""
        found, trouble = None, ""
        try:
            found = reading.result(max(0.0, seconds))
        except TimeoutError:
            trouble = f"The database did not answer within {SCRAPE_SECONDS:.0f} s."
        except SyncError as error:
            trouble = error.sentence()
        except Exception as error:
            trouble = f"The reading failed unexpectedly: {type(error).__name__}."
        with self._guard:
            if trouble != self._trouble:
                self._trouble = trouble
                where = f" ({self.schema})" if self.schema else ""
                up = f"0{where}: {trouble}" if trouble else f"1{where}"
                self._say(f"oracle_sync_up {up}")
        return found

    def _read(self, reading: Future[Reading]) -> None:
        url, collection = self._database.url, self._database.collection
        try:
            connection = connect(url, "oracle_sync metrics")
            try:
                with errors("reading the metrics"):
                    with connection.cursor() as cursor:
                        cursor.execute(f"SET statement_timeout = {STATEMENT_MS}")
                    found = standings(connection, collection)
                    reading.set_result(Reading(found, table_rows(connection, collection)))
            finally:
                connection.close()
        except Exception as error:
            reading.set_exception(error)


class Exporter(Collector):
    """Reads each database at each scrape, over a connection that it then closes.

    The label `schema` is that of the tables. It is empty, which to Prometheus is the same as
    none, where the connection's own schema is used.
    """

    def __init__(self, databases: Sequence[Database], say: Callable[[str], Any]) -> None:
        """Take note of the databases; none is read yet.

        Args:
            databases: one for each schema.
            say: called once when a database can't be read, and once when it can be again.
        """
        self._watched = [_Watched(database, say) for database in databases]

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Return every metric, with its values of this moment."""
        up = GaugeMetricFamily(
            "oracle_sync_up", "1: the database could be read.", labels=["schema"]
        )
        tables = GaugeMetricFamily(
            "oracle_sync_table_rows",
            f"Rows of the table; above {COUNTED} PostgreSQL's estimate.",
            labels=["schema", "table"],
        )
        of_a_sync = [
            GaugeMetricFamily(f"oracle_sync_{name}", text, labels=["schema", "sync_name"])
            for name, _, text in OF_A_SYNC
        ]
        for schema, reading in self._read():
            up.add_metric([schema], float(reading is not None))
            if reading is None:
                continue
            for table, rows in reading.rows.items():
                tables.add_metric([schema, table], rows)
            for standing in reading.standings:
                for family, (_, value, _) in zip(of_a_sync, OF_A_SYNC, strict=True):
                    number = value(standing)
                    if number is not None:
                        family.add_metric([schema, standing.state.sync_name], float(number))
        return iter([up, tables, *of_a_sync])

    def _read(self) -> Iterator[tuple[str, Reading | None]]:
        deadline = time.monotonic() + SCRAPE_SECONDS
        readings = [(watched, watched.begin()) for watched in self._watched]
        for watched, reading in readings:
            yield watched.schema, watched.end(reading, deadline - time.monotonic())


def serve(databases: Sequence[Database], host: str, port: int, say: Callable[[str], Any]) -> None:
    """Answer scrapes until Ctrl-C or SIGTERM."""
    registry = CollectorRegistry()
    registry.register(Exporter(databases, say))
    stop = threading.Event()
    # In a container it is process 1, which without a handler would not be ended by SIGTERM.
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    server, _ = start_http_server(port, host, registry)
    say(f"Metrics: {shown(host, server.server_port)}/metrics (Ctrl-C stops)")
    try:
        # In slices: on Windows an endless wait cannot be interrupted.
        while not stop.wait(0.5):
            pass
    except KeyboardInterrupt:
        pass
    server.shutdown()
    server.server_close()
    say("Stopped.")
