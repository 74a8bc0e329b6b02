"""Where Dagster keeps its runs: in PostgreSQL, through dagster-postgres, without any setting."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psycopg2
import psycopg2.extensions
from dagster import DagsterInstance
from dagster._core.instance.ref import InstanceRef
from dagster._core.storage.noop_compute_log_manager import NoOpComputeLogManager
from dagster._serdes import ConfigurableClassData
from dagster_postgres import DagsterPostgresStorage
from sqlalchemy import event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.pool import Pool

from oracle_sync.config.settings import Settings, load
from oracle_sync.errors import SettingError, shorten
from oracle_sync.postgres.connection import (
    connect,
    demand_schema,
    errors,
    in_schema,
    in_utf8,
    make_schema,
)
from oracle_sync.postgres.dagster_tables import SCHEMA, made_by_one
from oracle_sync.postgres.database import url_of

_NO_LOGS = {"module": NoOpComputeLogManager.__module__, "class": NoOpComputeLogManager.__name__}


class SyncStorage(DagsterPostgresStorage):
    """dagster-postgres on DAGSTER_DATABASE_URL, else on the sync's database in a schema of its own.

    Named in `dagster.yaml`, so that `dagster dev`, `dg dev` and `oracle-sync dev` show the same
    history, the embedded server included: each process that loads it starts or joins that one.
    """

    @classmethod
    def config_type(cls) -> Any:
        return {}

    @classmethod
    def from_config_value(  # type: ignore[override]
        cls,
        inst_data: ConfigurableClassData | None,
        config_value: Mapping[str, Any],  # noqa: ARG003 - the name is Dagster's
    ) -> DagsterPostgresStorage:
        url = dagster_url(load())
        # Looked for once, and not by each of Dagster's three storages.
        with made_by_one(url) as there:
            return DagsterPostgresStorage(url, not there, inst_data)


def dagster_url(settings: Settings) -> str:
    """Return the URL of Dagster's storage, and create its schema where that is up to us."""
    if settings.dagster_database_url:
        return in_utf8(settings.dagster_database_url)
    url = url_of(settings)
    connection = connect(url)
    try:
        with errors("making Dagster's schema"):
            make_schema(connection, SCHEMA)
    finally:
        connection.close()
    found = in_schema(in_utf8(url), SCHEMA)
    demand_schema(found, SCHEMA)
    return found


def dagster_home(settings: Settings) -> Path:
    """Return DAGSTER_HOME, or a folder under ORACLE_SYNC_HOME with the project's files in it.

    Raises:
        SettingError: if there is neither, or files can't be written there.
    """
    if os.environ.get("DAGSTER_HOME"):
        home = Path(os.environ["DAGSTER_HOME"]).absolute()
        if not os.path.isfile(home / "dagster.yaml"):
            raise SettingError(
                f"There is no dagster.yaml in {shorten(str(home))}, where DAGSTER_HOME leads.",
                "Copy the project's there, or leave DAGSTER_HOME unset.",
            )
        return home
    project = Path(__file__).resolve().parents[2]
    for folder in (Path.cwd(), project):
        if (folder / "dagster.yaml").is_file():
            return _copied(folder, settings.home / "dagster")
    raise SettingError(
        "There is no dagster.yaml here.",
        "Run oracle-sync in the project's folder, or set DAGSTER_HOME to a folder that has one.",
    )


def _copied(folder: Path, home: Path) -> Path:
    """Copy the project's files for Dagster to a home, and return that."""
    try:
        home.mkdir(parents=True, exist_ok=True)
        for name in ("dagster.yaml", "workspace.yaml"):
            # Whole at each moment, for another process that starts now.
            part = home / f".{name}.{os.getpid()}"
            shutil.copyfile(folder / name, part)
            part.replace(home / name)
    except OSError as error:
        raise SettingError(
            f"{shorten(str(error.filename2 or error.filename))} can't be used: {error.strerror}.",
            "Set ORACLE_SYNC_HOME to a folder that you may write to.",
        ) from None
    return home


def _demand_alive(connection: Any, _record: object, _proxy: object) -> None:
    """Have SQLAlchemy connect again where the server has been restarted since the last query."""
    if not isinstance(connection, psycopg2.extensions.connection):
        return  # a pool of another program's, such as that of an instance in memory
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        connection.rollback()
    except psycopg2.Error as error:
        raise DisconnectionError from error


def instance(settings: Settings) -> DagsterInstance:
    """Return the instance that the Dagster UI shows, for a run from the command line.

    It leaves this process's output alone. Dagster would send it through a file, which it has
    helper processes copy to the terminal; Ctrl-C ends these too, some with a traceback, and what
    the run says after that is lost.
    """
    home = str(dagster_home(settings))
    if not event.contains(Pool, "checkout", _demand_alive):
        event.listen(Pool, "checkout", _demand_alive)
    ref = InstanceRef.from_dir(home, overrides={"compute_logs": _NO_LOGS})
    return DagsterInstance.from_ref(ref)
