"""The tables in which Dagster keeps its runs: whether they are there, and whether it may use them.

Dagster makes and fills them by itself; these functions leave nothing behind.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

from psycopg2.extensions import connection as Connection

from oracle_sync.postgres.connection import connect, errors, make_schema

SCHEMA = "dagster"
"""Schema of Dagster's tables where they share the database of the sync."""

_TABLES = ("runs", "instance_info", "event_logs", "jobs")
"""One or two of each of Dagster's three storages."""

_LOCK = "hashtextextended('oracle_sync dagster', 0)"


def demand_usable(url: str, schema: str) -> None:
    """See that the role may write Dagster's tables, or make them.

    Args:
        url: of the database.
        schema: where they are, tried to be made if it is not there; empty: the connection's own.

    Raises:
        StoreError: saying why not.
    """
    with closing(connect(url)) as connection, errors("trying to keep a run of Dagster's"):
        connection.autocommit = False
        with connection.cursor() as cursor:
            if schema:
                make_schema(connection, schema)
                cursor.execute(f"SET LOCAL search_path = {schema}")
            if not _are_there(connection):
                cursor.execute("CREATE TABLE oracle_sync_try ()")
            else:
                _demand_writable(connection)
        connection.rollback()


@contextmanager
def made_by_one(url: str) -> Iterator[bool]:
    """Give whether Dagster's tables are there; if not, only one process at a time goes on.

    Dagster's own tries to make them fail where two processes make them at the same moment.

    Raises:
        StoreError: if they are there, and the role may not write them.
    """
    with closing(connect(url)) as connection:
        with errors("looking for Dagster's tables"), connection.cursor() as cursor:
            there = _are_there(connection)
            if there:
                _demand_writable(connection)
            else:
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


def _demand_writable(connection: Connection) -> None:
    with connection.cursor() as cursor:
        # Refused in a database that is read-only, and to a role without the right, at no cost.
        cursor.execute("DELETE FROM runs WHERE false")
