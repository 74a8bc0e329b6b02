"""Keep the row of `sync_state` that a session has claimed, and run what is fenced by it."""

from __future__ import annotations

from typing import Any

from psycopg2.extensions import connection as Connection

from oracle_sync.config.collection import Collection
from oracle_sync.engine.store import State
from oracle_sync.postgres.equality import scan
from oracle_sync.postgres.queries import query
from oracle_sync.postgres.reader import read_state
from oracle_sync.postgres.session import Session


class Keeper:
    """Holds the state that the database has, and changes both."""

    def __init__(self, session: Session, collection: Collection) -> None:
        self._session = session
        self._collection = collection
        self.state: State = session.entered

    def _one(self, doing: str, name: str, **parameters: Any) -> dict[str, Any]:
        session, text = self._session, query(name, self._collection)
        return session.attempt(doing, lambda c: session.one(c, text, **parameters))

    def _scan(self, doing: str, text: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
        return self._session.attempt(doing, lambda c: scan(c, text, parameters))

    def _keep(self, doing: str, after: State) -> None:
        """Change the state, and nothing that the history tells."""
        before = self.state
        self._session.attempt(doing, lambda connection: self._set(connection, before, after))
        self.state = after

    def _fence(self) -> dict[str, Any]:
        return {"epoch": self.state.epoch, "walk": self.state.walk}

    def _set(self, connection: Connection, before: State, after: State) -> None:
        parameters = self._session.names | {
            "epoch": before.epoch,
            "before": before.offset,
            "after": after.offset,
            "total_synced": after.total_synced,
            "complete": int(after.complete),
            "anchor": after.anchor,
            "walk": after.walk,
            "refreshing": after.refreshing,
            "doubt": after.doubt,
            "removal_held": after.removal_held,
            "refilling": after.refilling,
            "covered_until": after.covered_until,
            "changes_began": after.changes_began,
            "pass_since": after.pass_since,
            "pass_offset": after.pass_offset,
            "pass_anchor": after.pass_anchor,
        }
        with connection.cursor() as cursor:
            cursor.execute(query("set_state"), parameters)
            if cursor.rowcount != 1:
                raise self._session.fenced(read_state(connection, before.sync_name))
