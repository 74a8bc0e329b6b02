"""Where Dagster keeps its runs: in PostgreSQL, through dagster-postgres, without any setting.

Belongs here: the storage that `dagster.yaml` names, and the instance of the command line. Does
not belong here: the sync's own tables.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from dagster import DagsterInstance
from dagster._serdes import ConfigurableClassData
from dagster_postgres import DagsterPostgresStorage

from oracle_sync.errors import SettingError
from oracle_sync.settings import Settings, load
from oracle_sync.storage.connection import connect, errors
from oracle_sync.storage.database import url_of

SCHEMA = "dagster"
"""Schema of Dagster's tables where they share the database of the sync."""


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
        return DagsterPostgresStorage(dagster_url(load()), inst_data=inst_data)


def dagster_url(settings: Settings) -> str:
    """The URL of Dagster's storage; makes the schema where it is ours to make."""
    if settings.dagster_database_url:
        return settings.dagster_database_url
    url = url_of(settings)
    connection = connect(url)
    try:
        with errors(url, "making Dagster's schema"), connection.cursor() as cursor:
            cursor.execute("SELECT FROM pg_namespace WHERE nspname = %s", (SCHEMA,))
            if cursor.fetchone() is None:
                # IF NOT EXISTS alone would need the right to create schemas at each start.
                cursor.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
    finally:
        connection.close()
    separator = "&" if "?" in url else "?"
    return f"{url}{separator}{urlencode({'options': f'-csearch_path={SCHEMA}'})}"


def dagster_home(settings: Settings) -> Path:
    """DAGSTER_HOME, or a folder under ORACLE_SYNC_HOME with the project's files for Dagster in it.

    Raises:
        SettingError: if there is neither.
    """
    if os.environ.get("DAGSTER_HOME"):
        return Path(os.environ["DAGSTER_HOME"])
    home = settings.home / "dagster"
    home.mkdir(parents=True, exist_ok=True)
    project = Path(__file__).resolve().parent.parent
    for folder in (Path.cwd(), project):
        if (folder / "dagster.yaml").is_file():
            for name in ("dagster.yaml", "workspace.yaml"):
                shutil.copyfile(folder / name, home / name)
            return home
    raise SettingError(
        "There is no dagster.yaml here.",
        "Run oracle-sync in the project's folder, or set DAGSTER_HOME to a folder that has one.",
    )


def instance(settings: Settings) -> DagsterInstance:
    """The instance that the Dagster UI shows, for a run from the command line."""
    return DagsterInstance.from_config(str(dagster_home(settings)))
