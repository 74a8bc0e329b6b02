"""Run contestants on workloads, in turn, and keep what each took: `python -m benchmarks.run`."""

from __future__ import annotations

import argparse
import atexit
import datetime as dt
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg2

from benchmarks import bars, table
from benchmarks.server import PASSWORD, USER
from benchmarks.workloads import CONTESTANTS, IN_FLIGHT, WORKLOADS, Workload, command
from oracle_sync.postgres import embedded

ROOT = Path(__file__).resolve().parent.parent
DIGEST = """
    SELECT count(*), coalesce(sum(hashtextextended(k || coalesce('=' || v, ''), 0)::numeric), 0)
    FROM ({}) AS stored(k, v)
"""
"""Two tables with the same rows give the same; a million rows are compared in a second."""

WRITTEN = """
    SELECT sum(n_tup_ins), sum(n_tup_upd), sum(n_tup_del) FROM pg_stat_user_tables
    WHERE schemaname = 'public' AND relname IN ('minimal_opportunities', 'removed_opportunities')
"""
TIMEOUT = 900


@dataclass(frozen=True)
class Source:
    """A server of the benchmark's rows, in a separate process."""

    url: str

    def command(self, words: str) -> dict[str, Any]:
        """Send it a command; see `server.py`."""
        with urllib.request.urlopen(f"{self.url}/bench/{words}", timeout=60) as answer:  # noqa: S310 - ours, loopback
            content: dict[str, Any] = json.load(answer)
            return content


@contextmanager
def serving(rows: int) -> Iterator[Source]:
    """Start a server."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.server", str(rows)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    try:
        assert process.stdout is not None
        yield Source(process.stdout.readline().strip())
    finally:
        process.kill()
        process.communicate()


class Databases:
    """Databases of one server, whose names begin with `prefix`."""

    def __init__(self, url: str, prefix: str = "bench") -> None:
        self.url = url
        self._prefix = prefix
        self._names: set[str] = set()

    def at(self, name: str) -> str:
        """Return the URL of a database."""
        return self.url.replace("/postgres?", f"/{self._prefix}_{name}?")

    def make(self, name: str, like: str | None = None) -> str:
        """Create a database, empty or as a copy of another one, in place of one of that name."""
        template = f"{self._prefix}_{like}" if like else "template0"
        self.drop(name)
        self._names.add(name)
        self.query(
            "", f"CREATE DATABASE {self._prefix}_{name} TEMPLATE {template} STRATEGY file_copy"
        )
        # Otherwise PostgreSQL would write it while the next contestant is measured.
        self.query("", "CHECKPOINT")
        return self.at(name)

    def drop(self, name: str) -> None:
        """Remove a database, if it is there."""
        self.query("", f"DROP DATABASE IF EXISTS {self._prefix}_{name} WITH (FORCE)")
        self._names.discard(name)

    def close(self) -> None:
        """Remove the databases that were created."""
        for name in list(self._names):
            self.drop(name)

    def query(self, name: str, statement: str) -> list[tuple[Any, ...]]:
        """Run a statement in a database, and return its rows, if it has any."""
        url = self.at(name) if name else self.url
        connection = psycopg2.connect(url, connect_timeout=10)
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def lost(self, name: str, stored: str, source: Mapping[str, str | None]) -> int:
        """Return how many rows are not stored as the source has them, or are not the source's."""
        pairs = self.query(name, stored)
        rows = dict(pairs)
        equal = sum(1 for key, value in source.items() if (key, value) in rows.items())
        others = len(pairs) - len(rows.keys() & source.keys())
        return len(source) - equal + others


class Bench:
    """One run: sources, databases, and the results so far."""

    def __init__(self, databases: Databases, folder: Path, peers: Path, log: Any) -> None:
        self.databases = databases
        self._folder = folder
        self._peers = peers
        self._log = log
        self._stack = ExitStack()
        self._stack.callback(databases.close)
        self._sources: dict[tuple[int, int], Source] = {}
        self._expected: dict[tuple[int, int], tuple[Any, ...]] = {}
        self._templates: dict[int, str] = {}
        self.results: dict[str, dict[str, list[dict[str, Any]]]] = {}

    def __enter__(self) -> Bench:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def measure(self, key: str, workload: Workload) -> None:
        """Measure all contestants once, then all again, as often as the workload says."""
        template = self.template(workload.begins_with) if workload.begins_with else None
        source = self.source(workload.rows - workload.added, workload.added)
        results = self.results.setdefault(key, {})
        for turn in range(max(workload.repeats.values(), default=0)):
            for name, repeats in workload.repeats.items():
                if turn < repeats:
                    run = self._once(name, workload, source, template)
                    results.setdefault(name, []).append(run)
                    print(f"  {key} {turn + 1} {name}: {table.one(run)}", flush=True)

    def ticks(self, small: int, large: int) -> dict[str, list[float]]:
        """Return the seconds of the sensor's ticks on tables of two sizes, in turn."""
        tables = {}
        for rows in (small, large):
            name = f"ticks_{rows}"
            self.databases.make(name, self.template(rows))
            tables[str(rows)] = [self.source(rows, 0).url, self.databases.at(name)]
        environment = self.environment(next(iter(tables.values()))[0], "", WORKLOADS["t"])
        process = subprocess.run(
            [sys.executable, "-m", "benchmarks.contestants.ticks", json.dumps(tables)],
            env=environment,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            check=True,
            timeout=TIMEOUT,
        )
        seconds: dict[str, list[float]] = json.loads(process.stdout.splitlines()[-1])
        return seconds

    def source(self, rows: int, added: int) -> Source:
        """Return a server with so many rows and its pages prepared."""
        if (rows, added) not in self._sources:
            source = self._stack.enter_context(serving(rows))
            if added:
                source.command(f"add?rows={added}")
            if rows > 1_000:
                source.command("prepare?limit=499")
            self._sources[rows, added] = source
        return self._sources[rows, added]

    def template(self, rows: int) -> str:
        """Return the name of a database into which oracle-sync has read so many rows."""
        if rows not in self._templates:
            name = f"synced_{rows}"
            workload = Workload("", rows, repeats={"ours": 1})
            run = self._once("ours", workload, self.source(rows, 0), None, name)
            assert not run["status"], "the first sync failed; see the log"
            self._templates[rows] = name
        return self._templates[rows]

    def environment(self, source: str, database: str, workload: Workload) -> dict[str, str]:
        """Return the environment of a contestant, which says what to do."""
        ours = {
            "ORACLE_BASE_URL": source,
            "ORACLE_USER": USER,
            "ORACLE_PASSWORD": PASSWORD,
            "ORACLE_SYNC_CONCURRENCY": str(IN_FLIGHT),
            "ORACLE_SYNC_HOME": str(self._folder),
            "DATABASE_URL": database,
            "BENCH_ROWS": str(workload.rows),
            "BENCH_PAGE": str(workload.page),
            "PYTHONPATH": str(ROOT),
            "RUNTIME__DLTHUB_TELEMETRY": "false",
        }
        return {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")} | ours

    def _once(
        self,
        name: str,
        workload: Workload,
        source: Source,
        template: str | None,
        database: str = "run",
    ) -> dict[str, Any]:
        contestant = CONTESTANTS[name]
        url = self.databases.make(database, template)
        source.command(f"begin?latency_ms={workload.latency_ms}")
        launcher = [sys.executable, "-I", "-S", str(ROOT / "benchmarks" / "measure.py")]
        process = subprocess.run(
            [*launcher, *command(contestant, workload.page, self._peers)],
            env=self.environment(source.url, url, workload),
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            check=True,
            timeout=TIMEOUT,
        )
        run: dict[str, Any] = json.loads(process.stdout.splitlines()[-1])
        run |= source.command("end")
        if contestant.stored and not run["status"]:
            run["lost"] = self.lost(database, contestant.stored, workload)
            # Statistics arrive a moment after the sessions that made them have ended.
            time.sleep(0.3)
            run["written"] = [int(n or 0) for n in self.databases.query(database, WRITTEN)[0]]
        return run

    def lost(self, database: str, stored: str, workload: Workload) -> int:
        """Return what `Databases.lost` does, which is 0 if the digests are equal."""
        size = (workload.rows - workload.added, workload.added)
        source: dict[str, str | None] | None = None
        if size not in self._expected:
            source = rows_of(*size)
            self._expected[size] = self._digest_of(source)
        if self.databases.query(database, DIGEST.format(stored))[0] == self._expected[size]:
            return 0
        return self.databases.lost(database, stored, source or rows_of(*size))

    def _digest_of(self, source: Mapping[str, str | None]) -> tuple[Any, ...]:
        connection = psycopg2.connect(self.databases.url, connect_timeout=10)
        try:
            with connection.cursor() as cursor:
                lists = json.dumps(list(source)), json.dumps(list(source.values()))
                rows = "SELECT * FROM ROWS FROM (json_array_elements_text(%s), "
                cursor.execute(DIGEST.format(f"{rows} json_array_elements_text(%s))"), lists)
                digest = cursor.fetchone()
                assert digest is not None
                return digest
        finally:
            connection.close()


def rows_of(rows: int, added: int) -> dict[str, str | None]:
    """Return the rows of a server that has so many."""
    from oracle_sync.sandbox import Pod

    pod = Pod(rows)
    if added:
        pod.add(added)
    return pod.snapshot()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench ARGS=...", description=__doc__)
    parser.add_argument("workloads", nargs="*", default=list(WORKLOADS), help=", ".join(WORKLOADS))
    parser.add_argument("--repeats", type=int, help="at most so many of each")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the rows, to try it out")
    parser.add_argument("--only", help="contestants, with commas")
    parser.add_argument("--peers", type=Path, required=True, help="interpreter of the peers")
    parser.add_argument("--json", type=Path, default=ROOT / "benchmarks" / "results.json")
    parser.add_argument("--picture", type=Path, default=ROOT / "docs" / "images" / "bench.png")
    parser.add_argument("--log", type=Path, help="where contestants' own output goes")
    return parser.parse_args()


def adapted(
    workload: Workload, scale: float, repeats: int | None, only: set[str] | None
) -> Workload:
    """Return a workload as the arguments change it."""
    return replace(
        workload,
        rows=max(1, int((workload.rows - workload.added) * scale)) + workload.added,
        begins_with=int(workload.begins_with * scale),
        repeats={
            name: min(times, repeats or times)
            for name, times in workload.repeats.items()
            if only is None or name in only
        },
    )


def machine() -> str:
    """Describe the machine, on which the figures depend."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{os.cpu_count()} cores, {memory:.0f} GB, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}"
    )


def main() -> None:
    """Measure, print and store the results."""
    arguments = _arguments()
    only = set(arguments.only.split(",")) if arguments.only else None
    began = time.monotonic()
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="bench-"))
        # Registered before the server in it starts, it is removed after the server has stopped.
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        # Under root, the server runs as another user.
        folder.chmod(0o755)
        log = stack.enter_context((arguments.log or folder / "log").open("w"))
        databases = Databases(embedded.start(folder))
        bench = stack.enter_context(Bench(databases, folder, arguments.peers, log))
        ticks: dict[str, list[float]] = {}
        for key in arguments.workloads:
            workload = adapted(WORKLOADS[key], arguments.scale, arguments.repeats, only)
            print(f"({key}) {workload.title}", flush=True)
            if key == "t":
                ticks = bench.ticks(1_000, workload.rows)
            else:
                bench.measure(key, workload)
    results = {
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "machine": machine(),
        "minutes": round((time.monotonic() - began) / 60, 1),
        "scale": arguments.scale,
        "workloads": bench.results,
        "ticks": ticks,
    }
    arguments.json.write_text(json.dumps(results, indent=1) + "\n")
    print(table.markdown(results))
    print("\n".join(bars.lines(results)))
    subprocess.run(
        [arguments.peers, "-m", "benchmarks.picture", arguments.json, arguments.picture],
        cwd=ROOT,
        check=True,
    )


if __name__ == "__main__":
    main()
