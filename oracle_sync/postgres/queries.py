"""Load the named SQL queries of the folder `sql`, with a collection's own names put in."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from oracle_sync.config.collection import CHANGED, Collection, Column

DATED = Column(CHANGED, "source_updated_at", "timestamptz", "Oracle's time of the last change")

PREVIEW_COLUMNS = 6
"""Columns of Oracle's that a preview shows beside the key."""

_NAME = re.compile(r"^-- name: (\w+)$", re.M)
_PARAMETER = re.compile(r"%\((\w+)\)s")
_COMMENT = re.compile(r"^\s*--.*\n", re.M)


@cache
def query(name: str, collection: Collection | None = None) -> str:
    """Return the query of that name; `collection` is the one whose tables it is about."""
    return _texts()[name].format_map(_Names(_names(collection) if collection else {}))


@dataclass(frozen=True)
class Prepared:
    """The two statements for a query that a connection prepares once and then executes often."""

    prepare: str
    execute: str


@cache
def prepared(name: str, collection: Collection) -> Prepared:
    """Return the query of that name, to be prepared under it."""
    text = query(name, collection)
    # A name of its own for each text: the columns may change while a connection lasts.
    name = f"{name}_{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    parameters = dict.fromkeys(_PARAMETER.findall(text))
    places = {parameter: f"${place}" for place, parameter in enumerate(parameters, 1)}
    arguments = ", ".join(f"%({parameter})s" for parameter in places)
    return Prepared(
        f"PREPARE {name} AS {_PARAMETER.sub(lambda found: places[found[1]], text)}",
        f"EXECUTE {name} ({arguments})",
    )


class _Names(dict[str, object]):
    """What a query puts in: a collection's names, or the text of another query."""

    def __missing__(self, name: str) -> str:
        return _texts()[name].format_map(self)


class _Columns:
    """A list of columns: `{columns}` in a query, or `{columns:t}` for those of the alias `t`."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._names = [_quoted(column.name) for column in columns]

    def __format__(self, alias: str) -> str:
        return ", ".join(f"{alias}.{name}" if alias else name for name in self._names)


@cache
def _texts() -> dict[str, str]:
    return dict(_read(Path(__file__).parent / "sql"))


def _read(folder: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(folder.glob("*.sql")):
        _, *parts = _NAME.split(path.read_text(encoding="utf-8"))
        for name, text in zip(parts[::2], parts[1::2], strict=True):
            yield name, _COMMENT.sub("", text).strip()


def _names(collection: Collection) -> dict[str, object]:
    key, columns = collection.key, collection.columns
    contents = _Columns(columns)
    definitions = [f"{_quoted(c.name)} {c.type}" for c in columns]
    return {
        "table": _quoted(collection.table),
        "removed_table": _quoted(collection.removed_table),
        "key": _quoted(key.name),
        "key_type": key.type,
        "columns": _Columns((DATED, *columns)),
        "preview": _Columns((key, *columns[:PREVIEW_COLUMNS])),
        "differing": ", ".join(
            f"CASE WHEN t.{_quoted(c.name)} IS DISTINCT FROM p.{_quoted(c.name)} "
            f"THEN {_literal(c.name)} END"
            for c in (DATED, *columns)
        ),
        "contents_differ": f"ROW({contents:t}) IS DISTINCT FROM ROW({contents:p})"
        if columns
        else "false",
        "parsed_columns": ", ".join(
            f"(item->>{place})::{column.type} AS {_quoted(column.name)}"
            for place, column in enumerate((DATED, *columns), 1)
        ),
        "definitions": "".join(f"{definition}, " for definition in definitions),
        "added_columns": "".join(f"ADD COLUMN IF NOT EXISTS {d}, " for d in definitions),
        "comments": "\n".join(
            f"COMMENT ON COLUMN {_quoted(collection.table)}.{_quoted(c.name)} "
            f"IS {_literal(c.description)};"
            for c in (key, *columns)
        ),
    }


def _quoted(name: str) -> str:
    return f'"{name}"'


def _literal(text: str) -> str:
    return "'{}'".format(text.replace("'", "''"))
