"""The database of one collection: where it is, its tables, what to read from it, its writers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING

from psycopg2.extensions import connection as Connection

from oracle_sync.config.collection import Collection
from oracle_sync.config.description import Description
from oracle_sync.config.settings import Settings
from oracle_sync.config.syncs import Sync
from oracle_sync.engine.store import State
from oracle_sync.errors import NothingSynced, SettingError, shorten
from oracle_sync.postgres import descriptions, embedded, reader, schema, status
from oracle_sync.postgres.connection import connect, errors, in_schema, many
from oracle_sync.postgres.descriptions import Kept
from oracle_sync.postgres.queries import query
from oracle_sync.postgres.status import Details, Status
from oracle_sync.postgres.writer import Writer

if TYPE_CHECKING:
    import pandas as pd


def url_of(settings: Settings) -> str:
    """Return DATABASE_URL, else the URL of the embedded server, which is started if need be."""
    return settings.database_url or embedded.start(settings.home)


def database_of(sync: Sync, *, create: bool = True) -> Database:
    """Return the database that a sync's settings lead to.

    Args:
        sync: whose tables it holds.
        create: make an embedded server that has no data yet. False: fail instead.

    Raises:
        NothingSynced: if there is no embedded server, and none may be made.
        StoreError, SettingError: if it does not start.
    """
    settings = sync.settings()
    if not create and not settings.database_url:
        embedded.demand_existing(settings.home)
    return Database(url_of(settings), sync.collection, sync.schema)


class Database:
    """A database: reading it makes nothing; what writes makes the tables that are not there."""

    def __init__(self, url: str, collection: Collection, schema: str = "") -> None:
        """Nothing is connected yet.

        Args:
            url: of the database.
            collection: whose tables they are.
            schema: of PostgreSQL, where they are; empty: the one that connections have.
        """
        self.url = in_schema(url, schema) if schema else url
        self.schema = schema
        self.collection = collection
        self._prepared = False

    @contextmanager
    def connection(self, doing: str) -> Iterator[Connection]:
        """Give a connection for reading; psycopg2's errors become ours.

        Raises:
            NothingSynced: if there is no `sync_state`.
        """
        with closing(connect(self.url)) as connection:
            if not self._prepared:
                schema.demand_state(connection)
                self._ensure(connection)
            with errors(doing):
                yield connection

    def prepare(self) -> None:
        """Make the tables, or bring them up to date.

        Raises:
            StoreRefused: see `schema.ensure`.
        """
        if not self._prepared:
            with closing(connect(self.url)) as connection:
                self._ensure(connection)

    def _ensure(self, connection: Connection) -> None:
        schema.ensure(connection, self.url, self.collection, self.schema)
        self._prepared = True

    def status(self, sync_name: str) -> Status | None:
        """See `status.status`."""
        with self.connection("reading the status") as connection:
            return status.status(connection, self.collection, sync_name)

    def state(self, sync_name: str) -> State | None:
        """See `reader.read_state`."""
        with suppress(NothingSynced), self.connection("reading sync_state") as connection:
            return reader.read_state(connection, sync_name)
        return None

    def are_stored(self, sync_name: str, dates: Mapping[str, str]) -> bool:
        """Return whether rows are stored with the dates that are given by their keys."""
        parameters = {"sync": sync_name, "dates": json.dumps(dict(dates))}
        text = query("count_stored", self.collection)
        with self.connection("looking for rows") as connection:
            (row,) = many(connection, text, parameters)
            return bool(row["stored"] == len(dates))

    def holder(self, sync_name: str) -> str | None:
        """See `reader.lock_holder`."""
        with suppress(NothingSynced), self.connection("asking for the lock") as connection:
            return reader.lock_holder(connection, sync_name)
        return None

    def sync_names(self) -> list[str]:
        """Return every name that has a state, in order."""
        with self.connection("reading sync_state") as connection, connection.cursor() as cursor:
            cursor.execute(query("sync_names"))
            return [row[0] for row in cursor.fetchall()]

    def demand_known(self, sync_name: str) -> None:
        """See that something has been synced under a name.

        Raises:
            SettingError: if not, naming those under which something has been.
        """
        names = self.sync_names()
        if sync_name not in names:
            known = ", ".join(shorten(name, 100) for name in names) or "none yet"
            raise SettingError(
                f"No sync state found for '{shorten(sync_name, 100)}'.",
                f"Known sync names: {known}.",
            )

    def description(self, path: str) -> Kept | None:
        """See `descriptions.read_description`."""
        reading = self.connection("reading a description")
        with suppress(NothingSynced), reading as connection:
            return descriptions.read_description(connection, path)
        return None

    def keep_description(
        self, path: str, description: Description | None, refusal: str | None = None
    ) -> None:
        """See `descriptions.keep_description`."""
        with self.connection("keeping a description") as connection:
            descriptions.keep_description(connection, path, description, refusal)

    def keep_missing(self, path: str, missing: Sequence[str]) -> None:
        """See `descriptions.keep_missing`."""
        with self.connection("keeping what is missing") as connection:
            descriptions.keep_missing(connection, path, missing)

    def history(self, sync_name: str, limit: int = 50) -> list[reader.Change]:
        """See `reader.history`."""
        with self.connection("reading the history") as connection:
            return reader.history(connection, sync_name, limit)

    def demand_writable(self) -> None:
        """Try a write that leaves nothing behind; without tables, try to make them.

        Raises:
            StoreError: saying why it can't be done.
        """
        names = ("sync", "action", "holder", "reason")
        line = dict.fromkeys(names, "") | {"before": 0, "after": 0}
        try:
            with self.connection("writing") as connection, connection.cursor() as cursor:
                connection.autocommit = False
                cursor.execute(query("record"), line)
                connection.rollback()
        except NothingSynced:
            with closing(connect(self.url)) as connection:
                schema.demand_makeable(connection, self.collection, self.schema)

    def details(self, sync_name: str, rows: int) -> Details:
        """Return the status with the table's whole name and its latest rows, `rows` at most."""
        c = self.collection
        with self.connection("reading what is stored") as connection, connection.cursor() as cursor:
            found = status.status(connection, c, sync_name)
            assert found is not None
            cursor.execute(query("whole_name", c))
            (name,) = cursor.fetchone() or ("",)
            cursor.execute(query("latest", c), {"rows": rows})
            return Details(found, name, cursor.fetchall())

    def frame(self, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """Return the table as a data frame in the order of its ids, or some of its columns.

        Raises:
            SettingError: if it has no such column.
        """
        import pandas as pd
        from psycopg2 import sql

        with self.connection("reading the table") as connection, connection.cursor() as cursor:
            cursor.execute(f"SELECT * FROM {self.collection.table} LIMIT 0")
            known = [column.name for column in cursor.description or ()]
            chosen = known if columns is None else list(columns)
            if not chosen or not set(chosen) <= set(known):
                raise SettingError(
                    f"{self.collection.table} has no columns {chosen}; it has {', '.join(known)}."
                )
            names = sql.SQL(", ").join(map(sql.Identifier, chosen))
            table = sql.Identifier(self.collection.table)
            cursor.execute(sql.SQL("SELECT {} FROM {} ORDER BY id").format(names, table))
            return pd.DataFrame.from_records(cursor.fetchall(), columns=chosen)

    def writer(
        self,
        sync_name: str,
        holder: str,
        *,
        wait: float = 0.0,
        on_wait: Callable[[str], None] = lambda _: None,
        new_sync: bool = False,
    ) -> Writer:
        """Take the lock of a sync name; see `Writer`."""
        self.prepare()
        return Writer(
            self.url,
            self.collection,
            sync_name,
            holder,
            wait=wait,
            on_wait=on_wait,
            new_sync=new_sync,
        )
