"""The table as a CSV or Parquet file: whole or not there, of one moment, in bounded memory."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import stat
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from psycopg2 import sql
from psycopg2.extensions import connection as Connection

from oracle_sync.config.collection import Collection, Column
from oracle_sync.errors import SettingError, SyncError, shorten
from oracle_sync.postgres.columns import whole_collection
from oracle_sync.postgres.database import Database

CHUNK = 10_000
"""Rows of a Parquet file that are in memory at a time."""

STDOUT = "-"
ENDINGS = {".csv": "csv", ".parquet": "parquet", ".pq": "parquet", "": "csv"}

# A server ends a connection whose client takes nothing for a while. Here a person may be reading.
_UNHURRIED = """
SET statement_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET tcp_user_timeout = 0;
"""

# The first characters by which spreadsheets know a formula, the last four of them in Japanese.
_FORMULA = r"'^[-=+@\t\r\n＝＋－＠]'"  # noqa: RUF001


class ExportError(SyncError):
    """The file could not be written; nothing is left where it was to be."""


def format_of(path: str, asked: str | None) -> str:
    """Return the format that was asked for, else the one that the path's ending stands for.

    Raises:
        SettingError: if the ending stands for no format, if Parquet is to go to standard output,
            or if pyarrow is not installed.
    """
    ending = "" if path == STDOUT else Path(path).suffix.lower()
    form = asked or ENDINGS.get(ending)
    if form is None:
        raise SettingError(
            f"A file that ends in {ending} can't be written.",
            "Name one that ends in .csv or .parquet, or choose the format with --format.",
        )
    if form == "parquet":
        if path == STDOUT:
            raise SettingError("Only CSV can be written to standard output.", "Name a file.")
        try:
            import pyarrow  # noqa: F401 - only whether it is there
        except ImportError:
            raise SettingError(
                "Parquet needs pyarrow, which is not installed.",
                "Install it: pip install 'oracle-sync[parquet]'; or export to CSV.",
            ) from None
    return form


def export(
    database: Database,
    path: str,
    form: str,
    sync_name: str | None = None,
    *,
    for_spreadsheet: bool = False,
) -> int:
    """Write the table to a file, and return the number of rows.

    Args:
        database: where the table is.
        path: of the file; `-` for standard output.
        form: csv or parquet.
        sync_name: only the rows that this sync sees; None: all.
        for_spreadsheet: put a ' before each text that a spreadsheet would run as a formula.

    Raises:
        ExportError: if the file can't be written.
        SettingError: if the sync name is not known, or a Parquet file is to be for a spreadsheet.
        StoreError: if the database fails.
    """
    if for_spreadsheet and form != "csv":
        raise SettingError(
            "Only a CSV file can be made for a spreadsheet.",
            "Leave --for-spreadsheet out, or export to CSV.",
        )
    if sync_name is not None:
        database.demand_known(sync_name)
    shown = "standard output" if path == STDOUT else shorten(path)
    with database.connection("exporting") as connection:
        # Each format reads by one statement, which sees one moment of the table.
        connection.set_session(readonly=True, autocommit=False)
        with connection.cursor() as cursor:
            cursor.execute(_UNHURRIED)
        try:
            with _target(path) as file:
                collection = whole_collection(connection, database.collection)
                if form == "parquet":
                    return _write_parquet(connection, collection, sync_name, file)
                return _write_csv(connection, collection, sync_name, for_spreadsheet, file)
        except OSError as error:
            raise ExportError(
                f"The export to {shown} failed: {error.strerror or error}.", _advice(error)
            ) from error


def _write_csv(
    connection: Connection,
    collection: Collection,
    sync_name: str | None,
    for_spreadsheet: bool,
    file: BinaryIO,
) -> int:
    columns = [
        "id",
        *(_cell(column, for_spreadsheet) for column in (collection.key, *collection.columns)),
        _time("synced_at"),
        _time("source_updated_at"),
        "array_to_json(sync_names) AS sync_names",
    ]
    query = _query(collection, columns, sync_name)
    copy = sql.SQL("COPY ({}) TO STDOUT (FORMAT csv, HEADER, ENCODING 'UTF8')").format(query)
    with connection.cursor() as cursor:
        cursor.copy_expert(copy, file)
        return cursor.rowcount


def _write_parquet(
    connection: Connection, collection: Collection, sync_name: str | None, file: BinaryIO
) -> int:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = (collection.key, *collection.columns)
    time = pa.timestamp("us", tz="UTC")
    # A number of any length stays text, and keeps all its digits.
    types = {
        "bigint": pa.int64(),
        "boolean": pa.bool_(),
        "date": pa.date32(),
        "timestamptz": time,
    }
    selected = [
        "id",
        *(f'"{c.name}"' + ("" if c.type in types else "::text") for c in columns),
        "synced_at AT TIME ZONE 'UTC'",
        "source_updated_at",
        "array_to_json(sync_names)::text",
    ]
    schema = pa.schema(
        [
            ("id", pa.int64()),
            *((c.name, types.get(c.type, pa.string())) for c in columns),
            ("synced_at", time),
            ("source_updated_at", time),
            ("sync_names", pa.string()),
        ]
    )
    writer = pq.ParquetWriter(file, schema)
    written = 0
    try:
        with connection.cursor("oracle_sync_export") as cursor:
            cursor.execute(_query(collection, selected, sync_name))
            while rows := cursor.fetchmany(CHUNK):
                values = zip(zip(*rows, strict=True), schema, strict=True)
                arrays = [pa.array(column, field.type) for column, field in values]
                writer.write_batch(pa.record_batch(arrays, schema=schema))
                written += len(rows)
        writer.close()
    finally:
        # A writer that has failed must not try to complete its file when it is collected.
        writer.is_open = False
    return written


def _cell(column: Column, for_spreadsheet: bool) -> str:
    name = f'"{column.name}"'
    if column.type == "timestamptz":
        return _time(column.name)
    if for_spreadsheet and column.type in ("varchar", "text"):
        return f"CASE WHEN {name} ~ {_FORMULA} THEN '''' || {name} ELSE {name} END AS {name}"
    return name


def _time(name: str) -> str:
    """Return the expression for a time in the same form for each row, whole seconds or not."""
    return f"""to_char("{name}", 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS "{name}" """


def _query(collection: Collection, columns: Sequence[str], sync_name: str | None) -> sql.Composed:
    """Return the query for the rows in the order of their ids."""
    rows = ""
    if sync_name is not None:
        # A row that no sync claims, such as one of the script's, may be any sync's.
        rows = """WHERE sync_names @> ARRAY[{sync}]::varchar[]
            OR coalesce(cardinality(sync_names), 0) = 0"""
    text = f"SELECT {', '.join(columns)} FROM {collection.table} {rows} ORDER BY id"
    return sql.SQL(text).format(sync=sql.Literal(sync_name))


@contextmanager
def _target(path: str) -> Iterator[BinaryIO]:
    """Open the file to write: one beside `path` that takes its place once it is whole.

    What is there and is not a file, such as a pipe or a device, is written to as it is.
    """
    if path == STDOUT:
        if sys.stdout is None:
            raise OSError(errno.EBADF, "it is closed")
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    target = Path(path)
    with suppress(FileNotFoundError):
        if not stat.S_ISREG(target.stat().st_mode):
            with target.open("wb") as file:
                yield file
            return
    # A link stays one: what it leads to is replaced.
    target = Path(os.path.realpath(target))
    # A name of its own: what a killed export left behind is in nobody's way.
    name = os.fsdecode(os.fsencode(target.name)[:200])
    part = target.with_name(f".{name}.{secrets.token_hex(4)}.part")
    try:
        with part.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            shutil.copymode(target, part)
        part.replace(target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _advice(error: OSError) -> str:
    known: dict[type[OSError], str] = {
        FileNotFoundError: "Make the folder first, or choose another.",
        NotADirectoryError: "Choose a path in a folder.",
        IsADirectoryError: "Name a file in that folder.",
        PermissionError: "Choose a folder that you may write to.",
        BrokenPipeError: "What read the output ended before the end of it.",
    }
    return known.get(type(error), "Free space there, or choose another place, and export again.")
