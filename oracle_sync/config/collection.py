"""What is read from Oracle and the table it goes to: the known collections, as data."""

from __future__ import annotations

import re
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


CHANGED = "LastUpdateDate"
"""The attribute with the time of the last change, on every collection of CX Sales."""


def snake_case(name: str) -> str:
    """Return Oracle's name in small letters: `LastUpdateDate` is `last_update_date`."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    return re.sub(r"_+", "_", words).lower()


@dataclass(frozen=True)
class Collection:
    """One Oracle collection and the table that mirrors it.

    `path` is the last part of the resource's path, such as `opportunities`. Rows have a key and
    the values of `columns`, in this order; the table has `id`, `synced_at`, `source_updated_at`
    (Oracle's time of the last change) and `sync_names` besides. `removed_table` keeps the rows
    that are gone from Oracle, with when and by which run.
    """

    path: str
    key: Column
    columns: tuple[Column, ...]
    table: str
    removed_table: str
    finder: str = ""
    """Sent where ORACLE_FINDER does not say otherwise; empty: none."""
    query: str = ""
    """Sent as `q` where ORACLE_QUERY does not say otherwise; empty: none."""

    @property
    def name(self) -> str:
        """Return the path as it stands in names: `resourceUsers` is `resource_users`."""
        return snake_case(self.path)

    @property
    def default_fields(self) -> str:
        """Return what is read where ORACLE_FIELDS does not say: the columns, else everything."""
        if not self.columns:
            return "*"
        return ",".join(column.attribute for column in (self.key, *self.columns))

    @property
    def order_by(self) -> str:
        """Return the order where ORACLE_ORDER_BY does not say otherwise."""
        return f"{self.key.attribute}:asc"

    @property
    def attributes(self) -> tuple[str, ...]:
        """Return the attributes that are read: the key first, then those of the columns."""
        return tuple(column.attribute for column in (self.key, *self.columns))

    @property
    def attribute_list(self) -> str:
        """Return the attributes in alphabetical order, separated by commas."""
        return ",".join(sorted(self.attributes))


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
    finder="MyOpportunitiesFinder;RecordSet='ALLOPTIES'",
    query="RecordSet='ALL'",
)
"""The collection of the script that this project replaces, with its table, columns and recipe."""


def _known(path: str, key: str, number: str = "") -> Collection:
    """Return a collection of CX Sales; `number` is what people know a row by."""
    table = snake_case(path)
    columns = (Column(number, snake_case(number), "text", f"{number} in Oracle"),) if number else ()
    return Collection(
        path=path,
        key=Column(key, snake_case(key), "bigint", f"{key} in Oracle, unique"),
        columns=columns,
        table=table,
        removed_table=f"removed_{table}",
    )


COLLECTIONS = {
    collection.path: collection
    for collection in (
        OPPORTUNITIES,
        _known("accounts", "PartyId", "PartyNumber"),
        _known("contacts", "PartyId", "PartyNumber"),
        _known("leads", "LeadId", "LeadNumber"),
        _known("activities", "ActivityId", "ActivityNumber"),
        _known("resourceUsers", "ResourceProfileId"),
    )
}
"""The collections that need no key to be named, by path."""
