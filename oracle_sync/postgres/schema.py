"""Bring a database to the tables that this version and its collection work with."""

from __future__ import annotations

import threading
from pathlib import Path

import psycopg2
from psycopg2.extensions import connection as Connection

from oracle_sync.config.collection import Collection
from oracle_sync.errors import NothingSynced, StoreRefused, clean
from oracle_sync.postgres.connection import connect, errors, make_schema, many, one
from oracle_sync.postgres.queries import query

HEAD = "0001"
"""The newest migration. Known here so that a database that is up to date costs one query, and
not the import of Alembic and SQLAlchemy."""

VERSION_TABLE = "oracle_sync_version"
# One for the database: two roles may come to the same tables by different search paths.
_LOCK = "hashtextextended('oracle_sync migrations', 0)"

_ONE_THREAD = threading.Lock()
"""Alembic's `op` and `context` are one for the whole process: the migrations of two threads, as of
the sensors of two syncs, would go to whichever connection came last."""


def version(connection: Connection) -> str | None:
    """Return the schema's version; None where the migrations have not run."""
    try:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT version_num FROM {VERSION_TABLE}")
            row = cursor.fetchone()
            return row[0] if row else None
    except psycopg2.errors.UndefinedTable:
        return None


def demand_state(connection: Connection) -> None:
    """See that there is a table `sync_state`, which the first sync makes.

    Raises:
        NothingSynced: if there is none.
    """
    with errors("looking for the tables"):
        row = one(connection, "SELECT to_regclass('sync_state') AS state, current_user AS role", {})
    assert row is not None
    if row["state"] is None:
        raise NothingSynced(
            "Nothing has been synced here yet: the database has no table sync_state that the role "
            f"{row['role']} can see."
        )


def demand_makeable(connection: Connection, collection: Collection, schema: str) -> None:
    """See that the role may make the tables of a collection, in a transaction that is undone.

    Raises:
        StoreError: saying why not.
    """
    with errors("trying to make the tables"), connection.cursor() as cursor:
        connection.autocommit = False
        if schema:
            make_schema(connection, schema)
        cursor.execute(query("make_tables", collection))
        connection.rollback()


def ensure(connection: Connection, url: str, collection: Collection, schema: str = "") -> None:
    """Make what is missing. Two processes starting at once do no harm: the second one waits.

    Args:
        connection: to look at what is there.
        url: of the database.
        collection: whose tables are made too.
        schema: made first if it is not there; empty: the one that the connection has.

    Raises:
        StoreRefused: if the role may not change the schema, or the schema is of a later version.
    """
    with errors("reading the schema's version"):
        found = version(connection)
        if found == HEAD and _has_tables(connection, collection):
            return
    if found is not None and found > HEAD:
        raise StoreRefused(
            f"The tables were made by a later version of oracle_sync (schema {found}, this one "
            f"knows {HEAD}).",
            "Upgrade this installation.",
        )
    # A connection of its own: Alembic wants a transaction, and the lock goes with the connection.
    migrating = connect(url, "oracle_sync migrations")
    try:
        with errors("preparing the tables"):
            with migrating.cursor() as cursor:
                cursor.execute("SET lock_timeout = 0; SET statement_timeout = 0")
                cursor.execute(f"SELECT pg_advisory_lock({_LOCK})")
            if schema:
                make_schema(migrating, schema)
            if not _has_tables(migrating, collection):
                with migrating.cursor() as cursor:
                    cursor.execute(query("make_tables", collection))
            if version(migrating) != HEAD:
                with _ONE_THREAD:
                    _upgrade(migrating)
    finally:
        migrating.close()


def _has_tables(connection: Connection, collection: Collection) -> bool:
    columns = many(connection, query("table_columns", collection), {})
    columns_of_oracle = (column.name for column in (collection.key, *collection.columns))
    wanted = {"sync_names", "source_updated_at", *columns_of_oracle}
    return wanted <= {column["name"] for column in columns}


def _upgrade(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config
    from sqlalchemy import create_engine
    from sqlalchemy.exc import DBAPIError
    from sqlalchemy.pool import StaticPool

    connection.autocommit = False
    engine = create_engine(
        "postgresql+psycopg2://", creator=lambda: connection, poolclass=StaticPool
    )
    config = Config()
    folder = Path(__file__).parent / "migrations"
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    try:
        with engine.connect() as bound:
            config.attributes["connection"] = bound
            config.attributes["version_table"] = VERSION_TABLE
            command.upgrade(config, "head")
            bound.commit()
    except DBAPIError as error:
        if isinstance(error.orig, psycopg2.Error):
            raise error.orig from error
        raise StoreRefused(f"The tables could not be prepared: {clean(error)}.") from error
