"""The tables in which Dagster keeps its runs: whether they are there, and whether it may use them.

Dagster makes and fills them by itself; these functions leave nothing behind.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

from psycopg2.extensions import connection as Connection

from oracle_sync.config.settings import Settings
from oracle_sync.errors import StoreError
from oracle_sync.postgres.connection import connect, errors, make_schema
from oracle_sync.postgres.database import url_of

SCHEMA = "dagster"
"""Schema of Dagster's tables where they share the database of the sync."""

_TABLES = ("runs", "instance_info", "event_logs", "jobs")
"""One or two of each of Dagster's three storages."""

_LOCK = "hashtextextended('oracle_sync dagster', 0)"


def demand_usable(settings: Settings) -> None:
    """See that the role may write Dagster's tables, or make them.

    Raises:
        StoreError: saying why not.
    """
    apart = settings.dagster_database_url
    if not apart:
        return _try(url_of(settings), SCHEMA)
    try:
        return _try(apart, "")
    except StoreError as error:
        raise type(error)(
            f"DAGSTER_DATABASE_URL: {error.what}",
            error.advice.replace("DATABASE_URL", "DAGSTER_DATABASE_URL"),
        ) from error


def _try(url: str, schema: str) -> None:
    with closing(connect(url)) as connection, errors("trying Dagster's tables"):
        connection.autocommit = False
        with connection.cursor() as cursor:
            if schema:
                make_schema(connection, schema)
                cursor.execute(f"SET LOCAL search_path = {schema}")
            # Refused where the role has no right to it, or the database is read-only.
            there = _are_there(connection)
            cursor.execute(
                "DELETE FROM runs WHERE false" if there else "CREATE TABLE oracle_sync_try ()"
            )
        connection.rollback()


@contextmanager
def made_by_one(url: str) -> Iterator[bool]:
    """Give whether Dagster's tables are there; if not, only one process at a time goes on.

    Dagster's own tries to make them fail where two processes make them at the same moment.
    """
    with closing(connect(url)) as connection:
        with errors("looking for Dagster's tables"), connection.cursor() as cursor:
            there = _are_there(connection)
            if not there:
                # Held until the connection is closed.
                cursor.execute("SET lock_timeout = 0; SET statement_timeout = 0")
                cursor.execute(f"SELECT pg_advisory_lock({_LOCK})")
                there = _are_there(connection)
        yield there


def _are_there(connection: Connection) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT bool_and(to_regclass(n) IS NOT NULL) FROM unnest(%s) n", [[*_TABLES]]
        )
        return cursor.fetchone() == (True,)
