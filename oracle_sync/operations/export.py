"""`oracle-sync export`: the table as a CSV or Parquet file, in bounded memory.

Belongs here: reading a consistent snapshot piece by piece, and files that are whole or not there.
Does not belong here: data frames for assets downstream (`resources/`).
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from psycopg2.extensions import ISOLATION_LEVEL_REPEATABLE_READ

from oracle_sync.errors import SettingError, SyncError
from oracle_sync.postgres.connection import many
from oracle_sync.postgres.database import Database
from oracle_sync.postgres.reader import read_state

if TYPE_CHECKING:
    import pandas as pd

CHUNK = 10_000
"""Rows in memory at a time."""

STDOUT = "-"
FORMATS = ("csv", "parquet")


class ExportError(SyncError):
    """The file could not be written; nothing is left where it was to be."""


def format_of(path: str, asked: str | None) -> str:
    """The format asked for, else the one that the path's ending tells, else CSV.

    Raises:
        SettingError: if Parquet is to go to standard output, or pyarrow is not installed.
    """
    chosen = asked or ("parquet" if path.lower().endswith((".parquet", ".pq")) else "csv")
    if chosen == "parquet":
        if path == STDOUT:
            raise SettingError("Only CSV can be written to standard output.", "Name a file.")
        try:
            import pyarrow  # noqa: F401 - only whether it is there
        except ImportError:
            raise SettingError(
                "Parquet needs pyarrow, which is not installed.",
                "Install it: pip install 'oracle-sync[parquet]'; or export to CSV.",
            ) from None
    return chosen


def export(database: Database, path: str, chosen: str, sync_name: str | None = None) -> int:
    """Write the table to a file, and give the number of rows.

    Args:
        database: where the table is.
        path: of the file; `-` for standard output.
        chosen: one of FORMATS.
        sync_name: only the rows that this sync sees; None: all.

    Raises:
        ExportError: if the file can't be written.
        SyncError: if the sync name is not known, or the database fails.
    """
    write = _parquet if chosen == "parquet" else _csv
    shown = "standard output" if path == STDOUT else path
    with database.connection("exporting") as connection:
        # The whole of it is one moment of the table, however long it takes; and what is written
        # to may be slower than the limits that guard a sync.
        connection.set_session(
            isolation_level=ISOLATION_LEVEL_REPEATABLE_READ, readonly=True, autocommit=False
        )
        with connection.cursor() as cursor:
            cursor.execute("SET idle_in_transaction_session_timeout = 0")
        if sync_name is not None and read_state(connection, sync_name) is None:
            names = many(connection, "SELECT sync_name FROM sync_state ORDER BY 1", {})
            known = ", ".join(row["sync_name"] for row in names) or "none yet"
            raise SyncError(
                f"No sync state found for '{sync_name}'.", f"Known sync names: {known}."
            )
        try:
            with _target(path) as file:
                return write(_chunks(database, connection, sync_name), file)
        except OSError as error:
            raise ExportError(
                f"The export to {shown} failed: {error.strerror or error}.", _advice(error)
            ) from error


def _chunks(database: Database, connection: Any, sync_name: str | None) -> Iterator[pd.DataFrame]:
    """The rows in the order of their ids; one empty frame where there are none."""
    import pandas as pd

    c = database.collection
    seen = (
        ""
        if sync_name is None
        # A row without names was made by the script. It belongs to the only sync there is, if so.
        else "WHERE sync_names @> ARRAY[%(sync)s]::varchar[] "
        "OR sync_names IS NULL AND (SELECT count(*) FROM sync_state) = 1"
    )
    columns = ["id", c.key.name, *(column.name for column in c.columns)]
    columns += ["synced_at", "extra", "sync_names"]
    with connection.cursor("oracle_sync_export") as cursor:
        cursor.itersize = CHUNK
        cursor.execute(
            f"SELECT {', '.join(columns[:-2])}, extra::text, array_to_json(sync_names)::text "
            f"FROM {c.table} {seen} ORDER BY id",
            {"sync": sync_name},
        )
        rows, first = cursor.fetchmany(CHUNK), True
        while rows or first:
            frame = pd.DataFrame.from_records(rows, columns=columns)
            # Also where all are null, or none is there: each piece must have the same types, and
            # ids that look like numbers must stay what they are.
            kinds = {name: "object" for name in columns if name not in ("id", "synced_at")}
            frame = frame.astype(kinds | {"id": "int64", "synced_at": "datetime64[us]"})
            frame["synced_at"] = frame["synced_at"].dt.tz_localize("UTC")
            yield frame
            rows, first = cursor.fetchmany(CHUNK), False


def _csv(chunks: Iterator[pd.DataFrame], file: BinaryIO) -> int:
    written = 0
    for number, frame in enumerate(chunks):
        text = frame.to_csv(
            index=False,
            header=number == 0,
            # The same for each row, whole seconds or not.
            date_format="%Y-%m-%dT%H:%M:%S.%fZ",
            lineterminator="\n",
        )
        file.write(text.encode())
        written += len(frame)
    return written


def _parquet(chunks: Iterator[pd.DataFrame], file: BinaryIO) -> int:
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = {"id": pa.int64(), "synced_at": pa.timestamp("us", tz="UTC")}
    writer = schema = None
    written = 0
    for frame in chunks:
        if writer is None:
            schema = pa.schema([(name, kinds.get(name, pa.string())) for name in frame.columns])
            writer = pq.ParquetWriter(file, schema)
        writer.write_table(pa.Table.from_pandas(frame, schema, preserve_index=False))
        written += len(frame)
    assert writer is not None
    writer.close()
    return written


@contextmanager
def _target(path: str) -> Iterator[BinaryIO]:
    """The file to write: one beside `path` that takes its place once it is whole.

    What is there and is no file, such as a pipe or a device, is written to as it is.
    """
    if path == STDOUT:
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
    part = target.with_name(f".{target.name[:200]}.{os.getpid()}.part")
    try:
        with part.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
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
