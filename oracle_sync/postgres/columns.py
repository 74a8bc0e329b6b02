"""Bring the tables of a collection to its columns, and lose nothing that they hold."""

from __future__ import annotations

import re
from collections.abc import Collection as Names
from collections.abc import Iterable
from dataclasses import dataclass, replace

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from oracle_sync.config.collection import Collection, Column
from oracle_sync.config.columns import OURS, TYPES, resolve_columns
from oracle_sync.engine.store import State
from oracle_sync.errors import StoreRefused, clean
from oracle_sync.postgres.connection import many
from oracle_sync.postgres.queries import query

TEXTS = ("varchar", "text")
"""Types that hold any value."""

HELD = {
    "bigint": ("smallint", "integer"),
    "numeric": ("smallint", "integer", "bigint", "numeric"),
    "timestamptz": ("date",),
}
"""Types whose every value the type before them holds. Those of other programs are among them."""

_SHORT = {"character varying": "varchar", "timestamp with time zone": "timestamptz"}
_LIMIT = re.compile(r"\(.*\)")
_UNFILLED = "; not filled since "


@dataclass(frozen=True)
class Unfilled:
    """A column that the sync does not fill any more, and the day since when, as text."""

    column: str
    since: str


@dataclass(frozen=True)
class Fitted:
    """A collection with the types that its tables have, and which attributes need new values."""

    collection: Collection
    widened: frozenset[str]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Present:
    """A column that a table has. `type` is PostgreSQL's own word for it, with its limit."""

    type: str
    comment: str | None


def fit_tables(connection: Connection, collection: Collection, dropped: Names[Column]) -> Fitted:
    """Add the columns that are missing, widen those that are too narrow, and comment them.

    A column that is wider than it has to be stays as it is.

    Args:
        connection: in the transaction that all of it is part of.
        collection: with the columns that are wanted.
        dropped: columns that are not asked for any more; they stay.

    Raises:
        StoreRefused: if a column has a type that the wanted one can't take the place of.
    """
    present = _present(connection, collection.table)
    columns = [_fit(collection, column, present.get(column.name)) for column in _all(collection)]
    fitted = replace(collection, key=columns[0], columns=tuple(columns[1:]))
    widened = [
        column.attribute
        for column in columns
        if column.name in present and _short(present[column.name].type) != column.type
    ]
    with connection.cursor() as cursor:
        for table in (collection.table, collection.removed_table):
            _alter(cursor, table, columns, _present(connection, table))
        _comment(cursor, collection.table, columns, present)
        unfilled = {column.name for column in dropped} - {column.name for column in columns}
        _mark(cursor, collection.table, sorted(unfilled), present)
    return Fitted(fitted, frozenset(widened), tuple(_warnings(collection, columns)))


def set_fields(state: State, filled: Names[str], fitted: Fitted) -> dict[str, object]:
    """Return the parameters of the query `set_fields`.

    What was added or widened is missing in the rows that have been passed; a walk that has not
    begun fills it by itself.

    Args:
        state: as it is.
        filled: the attributes that the rows have.
        fitted: what they are to have.
    """
    asked = set(fitted.collection.attributes)
    begun = state.offset > 0 or state.refreshing
    more = (asked - set(filled)) | fitted.widened if begun else set()
    due = asked & {*state.refilling_fields, *more}
    return {
        "fields": fitted.collection.attribute_list,
        "refilling": ",".join(sorted(due)) or None,
        "more": bool(more),
    }


def filled_collection(
    connection: Connection, declared: Collection, fields: str | None
) -> Collection:
    """Return a collection with the columns that rows are filled with, as the table has them.

    Args:
        connection: to the table.
        declared: the collection as it is declared.
        fields: the attributes, as `sync_state` keeps them; None: those of the declaration.
    """
    names = (fields or declared.attribute_list).split(",")
    filled = resolve_columns(declared, names, None)
    present = _present(connection, declared.table)
    typed = [
        replace(column, type=_short(present[column.name].type))
        for column in _all(filled)
        if column.name in present
    ]
    return replace(filled, key=typed[0], columns=tuple(typed[1:]))


def whole_collection(connection: Connection, declared: Collection) -> Collection:
    """Return a collection with every column that its table has beside the key and ours."""
    columns = [
        Column("", name, _short(present.type))
        for name, present in _present(connection, declared.table).items()
        if name not in (*OURS, declared.key.name)
    ]
    return replace(declared, columns=tuple(columns))


def unfilled_columns(connection: Connection, table: str) -> tuple[Unfilled, ...]:
    """Return the columns of a table that are not filled any more."""
    comments = ((n, one.comment or "") for n, one in _present(connection, table).items())
    parts = ((name, comment.rpartition(_UNFILLED)) for name, comment in comments)
    return tuple(Unfilled(name, since) for name, (_, mark, since) in parts if mark)


def _all(collection: Collection) -> tuple[Column, ...]:
    return (collection.key, *collection.columns)


def _present(connection: Connection, table: str) -> dict[str, _Present]:
    rows = many(connection, query("columns_of_table"), {"table": f'"{table}"'})
    return {row["name"]: _Present(row["type"], row["comment"]) for row in rows}


def _fit(collection: Collection, column: Column, present: _Present | None) -> Column:
    """Return the column with the wider one of the type that it has and the one that is wanted."""
    if present is None:
        return column
    type_now = _short(present.type)
    if type_now in TYPES and _holds(type_now, column.type):
        return replace(column, type=type_now)
    if _holds(column.type, _LIMIT.sub("", type_now)):
        return column
    raise StoreRefused(
        f"The column {column.name} of {collection.table} is {present.type}, and {column.attribute} "
        f"needs {column.type}, which does not hold every value of that. Nothing was changed.",
        f"Convert it: ALTER TABLE {collection.table} ALTER COLUMN {column.name} TYPE {column.type} "
        "USING ...; or rename it, so that a new column is added; or give another type in the file "
        "of syncs.",
    )


def _short(type_name: str) -> str:
    """Return our word for a type; the greatest length of a text, which somebody set, is left out.

    A number of fewer digits would be rounded without a word; too long a text is refused aloud.
    """
    base, limit, rest = type_name.partition("(")
    short = _SHORT.get(base, base)
    return short if short == "varchar" else f"{short}{limit}{rest}"


def _holds(wide: str, narrow: str) -> bool:
    return wide == narrow or wide in TEXTS or narrow in HELD.get(wide, ())


def _warnings(collection: Collection, columns: list[Column]) -> Iterable[str]:
    for wanted, column in zip(_all(collection), columns, strict=True):
        if column.type in TEXTS and wanted.type not in TEXTS:
            yield (
                f"The column {column.name} stays {column.type}, although Oracle's values are "
                f"{wanted.type}. To convert it: ALTER TABLE {collection.table} ALTER COLUMN "
                f"{column.name} TYPE {wanted.type} USING {column.name}::{wanted.type};"
            )


def _alter(cursor: Cursor, table: str, columns: list[Column], present: dict[str, _Present]) -> None:
    actions = [
        sql.SQL(
            "ADD COLUMN {name} {type}"
            if column.name not in present
            else "ALTER COLUMN {name} TYPE {type} USING {name}::{type}"
        ).format(name=sql.Identifier(column.name), type=sql.SQL(column.type))
        for column in columns
        if column.name not in present or not _holds(_short(present[column.name].type), column.type)
    ]
    if not actions:
        return
    statement = sql.SQL("ALTER TABLE {} {}").format(
        sql.Identifier(table), sql.SQL(", ").join(actions)
    )
    cursor.execute("SET LOCAL statement_timeout = '30min'")
    try:
        cursor.execute(statement)
    except (psycopg2.errors.FeatureNotSupported, psycopg2.errors.DependentObjectsStillExist) as e:
        raise StoreRefused(
            f"The columns of {table} can't be altered: {clean(e.diag.message_primary or e)}.",
            "Drop what depends on them, such as a view, run the sync, and make it again.",
        ) from e


def _comment(
    cursor: Cursor, table: str, columns: list[Column], present: dict[str, _Present]
) -> None:
    """Comment the columns that have no comment, or one that says that they are not filled."""
    for column in columns:
        now = present[column.name].comment if column.name in present else None
        if now is None or _UNFILLED in now:
            text = column.description or f"{column.attribute} in Oracle"
            _set_comment(cursor, table, column.name, text)


def _mark(cursor: Cursor, table: str, names: list[str], present: dict[str, _Present]) -> None:
    """Say in the comments of columns that they are not filled any more, and since when."""
    cursor.execute("SELECT current_date::text")
    (today,) = cursor.fetchone() or ("",)
    for name in names:
        if name in present and _UNFILLED not in (comment := present[name].comment or ""):
            _set_comment(cursor, table, name, f"{comment}{_UNFILLED}{today}")


def _set_comment(cursor: Cursor, table: str, name: str, text: str) -> None:
    cursor.execute(
        sql.SQL("COMMENT ON COLUMN {}.{} IS {}").format(
            sql.Identifier(table), sql.Identifier(name), sql.Literal(text)
        )
    )
