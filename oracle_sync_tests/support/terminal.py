"""Run commands as processes, as a user does at a terminal, and read what they say."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from oracle_sync.config.settings import DEFAULT_SYNC_NAME
from oracle_sync_tests.support import PROJECT
from oracle_sync_tests.support.dev import environment
from oracle_sync_tests.support.faulty_pod import FaultyPod, FaultyServer
from oracle_sync_tests.support.harness import run, state, table
from oracle_sync_tests.support.processes import PATIENCE
from oracle_sync_tests.support.web import client

PASSWORD = "S3cr3t-passw0rd"
"""Of the pod; no output may hold it."""


@dataclass
class Ended:
    """What a process left: exit status and words."""

    status: int
    out: str
    err: str

    @property
    def words(self) -> str:
        return self.out + self.err


@dataclass
class Terminal:
    """A folder like the project's, and the environment that commands are run in."""

    folder: Path
    environ: dict[str, str]
    database_url: str
    running: list[subprocess.Popen[str]] = field(default_factory=list)

    def start(
        self, *arguments: str, program: Sequence[str] = ("-m", "oracle_sync"), **changes: str
    ) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, *program, *arguments],
            cwd=self.folder,
            env=self.environ | changes,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            start_new_session=True,
        )
        self.running.append(process)
        return process

    def finish(self, process: subprocess.Popen[str]) -> Ended:
        out, err = process.communicate(timeout=PATIENCE)
        ended = Ended(process.returncode, out, err)
        assert "Traceback" not in ended.words, ended.words
        assert PASSWORD not in ended.words
        return ended

    def run(self, *arguments: str, **changes: str) -> Ended:
        return self.finish(self.start(*arguments, **changes))

    def fails(self, *arguments: str, **changes: str) -> str:
        """Run what must fail: one line of cause, one of advice, status 1. Gives both lines."""
        ended = self.run(*arguments, **changes)
        assert ended.status == 1, ended.words
        lines = ended.err.strip().splitlines()
        assert len(lines) == 2, ended.err
        assert lines[0].startswith("Failed: ")
        assert lines[1].startswith("What to do: ")
        return ended.err

    def offset(self) -> int:
        return int(state(self.database_url, "current_offset", DEFAULT_SYNC_NAME)[0])

    def fill(self, server: FaultyServer, count: int) -> None:
        """Let a sync of ours commit `count` rows, so that there is something to keep."""
        with FaultyServer(FaultyPod(rows=count)) as first:
            run(self.database_url, client(first), DEFAULT_SYNC_NAME)
        assert table(self.database_url).items() <= server.pod.snapshot().items()


@contextmanager
def opened(parent: Path, database_url: str, server: FaultyServer) -> Iterator[Terminal]:
    """Give a terminal in a new folder, and end what was started there."""
    folder = parent / "project"
    folder.mkdir()
    for name in ("dagster.yaml", "workspace.yaml"):
        shutil.copyfile(PROJECT / name, folder / name)
    environ = environment(
        ORACLE_BASE_URL=server.url,
        ORACLE_USER=server.pod.user,
        ORACLE_PASSWORD=server.pod.password,
        ORACLE_RETRY_SECONDS="1",
        ORACLE_TIMEOUT="10",
        DATABASE_URL=database_url,
        ORACLE_SYNC_HOME=str(parent / "home"),
        PYTHONPATH=str(PROJECT),
        PYTHONUTF8="1",
        NO_COLOR="1",
    )
    terminal = Terminal(folder, environ, database_url)
    yield terminal
    for process in terminal.running:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=PATIENCE)
