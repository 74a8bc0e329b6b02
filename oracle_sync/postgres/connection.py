"""One way to connect to PostgreSQL, and one reading of what went wrong there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

import psycopg2
from psycopg2.extensions import connection as Connection

from oracle_sync.errors import StoreError, StoreRefused, StoreUnavailable, clean

STATEMENT_TIMEOUT_MS = 60_000
"""A page's statement takes milliseconds; a minute means that the server is stuck."""

LINK_TIMEOUT_MS = 30_000
"""How long what one side sent may stay without the other's word that it came. Both sides have it:
else the kernel asks for a quarter of an hour, and the server keeps locks for that long."""

ENCODING = "UTF8"
"""Of the database and of each connection, whatever PGCLIENTENCODING says: Oracle's text may hold
any character."""

# Pages are joined to the table by index, row by row. The planner, which can't know how many rows
# a JSON array holds, would at times rather hash the whole table: on a million rows that costs a
# second for each page.
_SESSION = f"""
SET timezone = 'UTC';
SET statement_timeout = {STATEMENT_TIMEOUT_MS};
SET idle_in_transaction_session_timeout = {STATEMENT_TIMEOUT_MS};
SET lock_timeout = {STATEMENT_TIMEOUT_MS // 2};
SET tcp_keepalives_idle = 20;
SET tcp_keepalives_interval = 10;
SET tcp_keepalives_count = 3;
SET tcp_user_timeout = {LINK_TIMEOUT_MS};
SET enable_hashjoin = off;
SET enable_mergejoin = off;
"""

# As `in_schema` writes it, at the end of a URL.
_SCHEMA = re.compile(r"[?&]options=-csearch_path%3D(\w+)$")

# PostgreSQL's error codes (Appendix A of its manual), by what to do about them.
_PASSING = ("08", "57P01", "57P02", "57P03", "40001", "40P01", "53300", "55P03", "57014", "25006")
_ADVICE = {
    "25006": "It is a standby, or set to read only: DATABASE_URL must lead to the primary.",
    "42501": "Grant the role of DATABASE_URL the rights that docs/operations.md lists.",
    "53100": "Free disk space for PostgreSQL; the sync goes on from the last committed offset.",
    "28": "Check user and password in DATABASE_URL.",
    "3D000": "Create that database, or correct its name in DATABASE_URL.",
    "53300": "Raise max_connections, or close other sessions.",
    "55P03": "Another session holds a lock on the table: end it, or wait, and run again.",
}


def connect(url: str, application: str = "oracle_sync") -> Connection:
    """Open a connection in autocommit mode.

    Both sides notice a dead link within about half a minute, whether they wait or send.

    A schema that `in_schema` put into the URL is set once connected: PgBouncer refuses it at the
    start or, where told to ignore it, drops it without a word, and the tables would be others.

    Raises:
        StoreUnavailable, StoreRefused: if there is no server, or it won't have us.
    """
    schema = _SCHEMA.search(url)
    with errors("connecting to the database"):
        connection = psycopg2.connect(
            _SCHEMA.sub("", url),
            application_name=application,
            connect_timeout=10,
            keepalives=1,
            keepalives_idle=20,
            keepalives_interval=10,
            keepalives_count=3,
            tcp_user_timeout=LINK_TIMEOUT_MS,
            client_encoding=ENCODING,
        )
        _demand_encoding(connection)
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(_SESSION)
            if schema:
                cursor.execute(f"SET search_path = {schema[1]}")
    return connection


def _demand_encoding(connection: Connection) -> None:
    encoding = connection.get_parameter_status("server_encoding")
    if encoding not in (ENCODING, None):
        connection.close()
        raise StoreRefused(
            f"The database's encoding is {encoding}, which does not hold every character that "
            f"Oracle may send, so nothing is stored in it. It has to be {ENCODING}.",
            f"Make another one: CREATE DATABASE oracle_sync ENCODING '{ENCODING}' TEMPLATE "
            "template0; and let DATABASE_URL lead to it.",
        )


def in_utf8(url: str) -> str:
    """Return the URL, with connections that speak UTF8 whatever PGCLIENTENCODING says."""
    if "client_encoding=" in url:
        return url
    return f"{url}{_separator(url)}client_encoding={ENCODING}"


def _separator(url: str) -> str:
    return "&" if "?" in url else "?"


def in_schema(url: str, schema: str) -> str:
    """Return the URL whose connections find their tables in `schema`."""
    return f"{url}{_separator(url)}{urlencode({'options': f'-csearch_path={schema}'})}"


def demand_schema(url: str, schema: str) -> None:
    """See that connections made by the URL alone, as Dagster makes them, are in `schema`.

    Raises:
        StoreRefused: if a pooler keeps them from it.
        StoreUnavailable: if there is no server.
    """
    try:
        connection = psycopg2.connect(url, connect_timeout=10)
        try:
            with connection.cursor() as cursor:
                cursor.execute("SHOW search_path")
                heard = cursor.fetchone() == (schema,)
        finally:
            connection.close()
    except psycopg2.Error as error:
        if "startup parameter" not in str(error):
            raise translated(error, "connecting to the database") from error
        heard = False
    if not heard:
        raise StoreRefused(
            f"A pooler keeps Dagster's connections from the schema {schema}.",
            "Set DAGSTER_DATABASE_URL to PostgreSQL itself, or to a database of Dagster's own; "
            "see docs/operations.md.",
        )


def make_schema(connection: Connection, schema: str) -> None:
    """Make a schema that is not there."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT FROM pg_namespace WHERE nspname = %s", (schema,))
        if cursor.fetchone() is None:
            # IF NOT EXISTS alone would need the right to create schemas at each start, and fail
            # where two processes make it at the same moment.
            cursor.execute(
                f"""
                DO $$ BEGIN
                    PERFORM pg_advisory_xact_lock(hashtextextended('oracle_sync schemas', 0));
                    CREATE SCHEMA IF NOT EXISTS {schema};
                END $$
                """
            )


@contextmanager
def errors(doing: str) -> Iterator[None]:
    """Turn psycopg2's errors into ours, with the place and what to do."""
    try:
        yield
    except psycopg2.Error as error:
        raise translated(error, doing) from error


def passing(error: BaseException) -> bool:
    """Whether an error may pass by itself, so that trying again is worth it."""
    if not isinstance(error, psycopg2.Error):
        return False
    code = error.pgcode or ""
    # Without a code the server did not get to answer. psycopg2 raises a bare DatabaseError where
    # it crashed in the middle of a statement.
    mistaken = isinstance(error, (psycopg2.ProgrammingError, psycopg2.NotSupportedError))
    return code.startswith(_PASSING) if code else not mistaken


def translated(error: psycopg2.Error, doing: str) -> StoreError:
    """Return our error for one of psycopg2's."""
    code = error.pgcode or ""
    words = clean(error)
    # libpq gives no code for what the server says while connecting.
    if not code and "authentication failed" in words:
        code = "28P01"
    if not code and words.endswith("does not exist") and 'database "' in words:
        code = "3D000"
    advice = next((text for prefix, text in _ADVICE.items() if code.startswith(prefix)), "")
    what = f"PostgreSQL failed while {doing}: {words or type(error).__name__}."
    refused = bool(code) and not (passing(error) and code != "25006")
    kind = StoreRefused if refused else StoreUnavailable
    return kind(what.replace("..", ".").replace("?.", "?"), advice)


def one(
    connection: Connection, statement: str, parameters: dict[str, Any]
) -> dict[str, Any] | None:
    """Return the first row of a query, by column name."""
    rows = many(connection, statement, parameters)
    return rows[0] if rows else None


def many(
    connection: Connection, statement: str, parameters: dict[str, Any]
) -> list[dict[str, Any]]:
    """All rows of a query, by column name."""
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        names = [column.name for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
