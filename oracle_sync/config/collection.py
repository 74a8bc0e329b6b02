"""What is read from Oracle and the table it goes to. Another collection is declared here."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """One attribute of a collection's items, and the table's column that holds it.

    `type` is PostgreSQL's.
    """

    attribute: str
    name: str
    type: str = "varchar"
    description: str = ""


EXTRA = Column("", "extra", "jsonb", "fields asked for beyond the columns, as JSON; null: none")


@dataclass(frozen=True)
class Collection:
    """One Oracle collection and the table that mirrors it.

    `path` is the last part of the resource's path, such as `opportunities`. Rows have a key and
    the values of `columns`, in this order; the table has `id`, `synced_at`, `extra` (the further
    fields that were asked for, jsonb) and `sync_names` besides. `removed_table` keeps the rows
    that are gone from Oracle, with when and by which run.
    """

    path: str
    key: Column
    columns: tuple[Column, ...]
    table: str
    removed_table: str

    @property
    def stored(self) -> tuple[Column, ...]:
        """Return every column that holds something of Oracle's besides the key."""
        return (*self.columns, EXTRA)


OPPORTUNITIES = Collection(
    path="opportunities",
    key=Column("OptyId", "opportunity_id", description="OptyId in Oracle, unique"),
    columns=(
        Column(
            "OptyNumber",
            "opportunity_number",
            description="OptyNumber in Oracle; may be null",
        ),
    ),
    table="minimal_opportunities",
    removed_table="removed_opportunities",
)
