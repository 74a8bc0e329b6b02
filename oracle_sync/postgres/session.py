"""Hold the lock of one sync name, and try again where the database fails for a moment."""

from __future__ import annotations

import math
import random
import threading
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any, TypeVar

import psycopg2
from psycopg2.extensions import connection as Connection

from oracle_sync.config.collection import Collection
from oracle_sync.engine.store import State
from oracle_sync.errors import (
    Fenced,
    Locked,
    StoreRefused,
    StoreUnavailable,
    SyncError,
    unknown_sync,
)
from oracle_sync.postgres.connection import connect, errors, one, passing, translated
from oracle_sync.postgres.queries import query
from oracle_sync.postgres.reader import lock_holder, read_state, state_of

T = TypeVar("T")

LAST_TRY_SECONDS = 1.0
"""For trying again once a database has been given up, as for a last word on why."""


class Session:
    """Holds the lock of a sync name until closed, and writes on the connection that holds it.

    So a process that has lost its lock can't write either: it has to connect again, and to take
    the lock again. Each session begins an epoch: whoever wrote before it fails at the next commit.
    """

    def __init__(
        self,
        url: str,
        collection: Collection,
        sync_name: str,
        holder: str,
        *,
        wait: float,
        retry_seconds: float,
        on_wait: Callable[[str], None],
        new_sync: bool,
    ) -> None:
        self.url = url
        self._collection = collection
        self.sync_name = sync_name
        self.holder = holder
        self.retries = 0
        self._closed = threading.Event()
        self._retry_seconds = retry_seconds
        self._given_up = False
        self._connection: Connection | None = None
        self._prepared: tuple[Connection | None, set[str]] = (None, set())
        try:
            self._connection = connect(url)
            self._demand_a_session_of_its_own(self._connection)
            self._take_lock(self._connection, wait, on_wait)
            self.entered = self._enter(self._connection, new_sync)
        except BaseException:
            self.close()
            raise

    @property
    def names(self) -> dict[str, Any]:
        """Return the parameters that every statement may use: the sync's name and who writes."""
        return {"sync": self.sync_name, "holder": self.holder}

    def close(self) -> None:
        """Give the lock back; work that another thread keeps trying ends."""
        self._closed.set()
        self._disconnect()

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def attempt(
        self,
        doing: str,
        work: Callable[[Connection], T],
        landed: Callable[[State], T | None] = lambda _: None,
    ) -> T:
        """Run `work`, which is one transaction, again where an error may pass by itself.

        A connection lost in the middle of a commit leaves open whether that took place. So after
        a failure the state is read again, and `landed` finds out from it whether the work is done.

        Raises:
            Fenced: if another writer has taken over meanwhile.
            StoreError: if it can't be done, `doing` saying what was tried.
        """
        deadline, delay = time.monotonic() + self._patience, 0.1
        while True:
            if self._closed.is_set():
                raise StoreUnavailable(f"Stopped while {doing}.")
            try:
                if self._connection is None:
                    done = landed(self._return())
                    if done is not None:
                        return done
                assert self._connection is not None
                done = work(self._connection)
                self._given_up = False
                return done
            except (psycopg2.Error, SyncError) as error:
                cause = error.__cause__ if isinstance(error, SyncError) else error
                again = cause is not None and passing(cause)
                if not again or time.monotonic() + delay > deadline:
                    self._given_up = again
                    if self._connection is not None and self._connection.closed:
                        # What is tried after this can only be done on a new connection.
                        self._disconnect()
                    if isinstance(error, psycopg2.Error):
                        raise translated(error, doing) from error
                    raise
            self.retries += 1
            # A new connection even where the old one seems sound: after a failover it may lead
            # to a server that has become read-only.
            self._disconnect()
            self._closed.wait(delay * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
            delay = min(delay * 2, 5.0)

    @property
    def _patience(self) -> float:
        """Return the seconds to keep trying; few where the database was away for all of them."""
        return min(self._retry_seconds, LAST_TRY_SECONDS if self._given_up else math.inf)

    def prepare(self, connection: Connection, *statements: str) -> None:
        """Run statements that prepare for the commits of a connection, each once."""
        if connection is not self._prepared[0]:
            self._prepared = (connection, set())
        with connection.cursor() as cursor:
            for statement in statements:
                if statement not in self._prepared[1]:
                    cursor.execute(statement)
                    self._prepared[1].add(statement)

    def one(self, connection: Connection, statement: str, **parameters: Any) -> dict[str, Any]:
        """Return the row that a statement gives; `sync` and `holder` are among its parameters."""
        row = one(connection, statement, parameters | self.names)
        assert row is not None
        return row

    def fenced(self, found: State | None) -> Fenced:
        """Return the error for a change that found `sync_state` not as this session left it."""
        if found is None:
            return Fenced(f"The row of {self.sync_name} in sync_state is gone.")
        if found.epoch != self.entered.epoch:
            return Fenced(
                f"Another writer took over {self.sync_name}: {found.holder}, now at offset "
                f"{found.offset}."
            )
        return Fenced(
            f"Something that takes no lock set the offset of {self.sync_name} to {found.offset} "
            "during this run.",
            "Look for other programs that write sync_state, such as the old script.",
        )

    def _demand_a_session_of_its_own(self, connection: Connection) -> None:
        """See that no pooler shares the server's sessions, before the lock is taken.

        In PgBouncer's transaction mode the session of a client that is idle goes to the next one
        that asks. The lock would go with it, and stay taken there for as long as PgBouncer keeps
        that session, whoever else comes.
        """
        pid = "SELECT pg_backend_pid() AS pid"
        with (
            errors("looking at the server's sessions"),
            closing(connect(self.url)) as other,
        ):
            first = self.one(connection, pid)
            if first != self.one(other, pid) and first == self.one(connection, pid):
                return
            for shared in (connection, other):
                with shared.cursor() as cursor:
                    # The sessions go on to others, who know nothing of our settings.
                    cursor.execute("DISCARD ALL")
        raise StoreRefused(
            "The lock can't be held: DATABASE_URL leads through a pooler that shares "
            "server sessions (PgBouncer in transaction mode).",
            "Use session mode, or connect to PostgreSQL itself.",
        )

    def _take_lock(
        self, connection: Connection, wait: float, on_wait: Callable[[str], None]
    ) -> None:
        deadline, reported = time.monotonic() + wait, ""
        with errors("taking the lock"):
            while not self.one(connection, query("try_lock"))["got"]:
                who = lock_holder(connection, self.sync_name)
                if time.monotonic() >= deadline:
                    raise Locked(f"{self.sync_name} is being synced by {who or 'another session'}.")
                # Without one, the lock was given back between the two questions.
                if who and who != reported:
                    on_wait(who)
                    reported = who
                time.sleep(min(0.2, max(0.0, deadline - time.monotonic())))

    def _enter(self, connection: Connection, new_sync: bool) -> State:
        """Begin an epoch; create the state of a name that has none, if that is meant."""
        with errors("claiming the sync"), connection, connection.cursor() as cursor:
            row = one(connection, query("claim_state"), self.names)
            if row is None:
                cursor.execute(query("lock_names"))
                cursor.execute(query("sync_names"))
                others = [name for (name,) in cursor.fetchall()]
                if others and not new_sync:
                    raise unknown_sync(self.sync_name, others, self._collection.table)
                if len(others) == 1:
                    claim = query("claim_unclaimed", self._collection)
                    cursor.execute(claim, {"owner": others[0]})
                row = self.one(connection, query("create_state"))
        return state_of(row)

    def _return(self) -> State:
        """Come back after the connection was lost, if nobody has taken over meanwhile."""
        connection = connect(self.url)
        try:
            self._still_ours(connection)
            # The server may not have noticed yet that our old session is gone.
            self._take_lock(connection, self._patience, lambda _: None)
            found = self._still_ours(connection)
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        return found

    def _still_ours(self, connection: Connection) -> State:
        with errors("reading sync_state"):
            found = read_state(connection, self.sync_name)
        if found is None or found.epoch != self.entered.epoch:
            raise self.fenced(found)
        return found
