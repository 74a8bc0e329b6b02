"""What is read from Oracle and the table it goes to: a second collection is declared here.

Belongs here: names of paths, fields, tables and columns. Does not belong here: anything that
connects to Oracle or to the database.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Collection:
    """One Oracle collection and the table that mirrors it.

    Fields asked for beyond `key_field` and `value_field` are kept in the table's `extra` column
    (jsonb). The table needs the columns `id`, `synced_at`, `extra` and `sync_names` besides the
    two named here; `removed_table` has the same ones and says when and by which run.
    """

    name: str
    """The last part of the resource's path, such as `opportunities`."""
    key_field: str
    value_field: str
    table: str
    removed_table: str
    key_column: str
    value_column: str


OPPORTUNITIES = Collection(
    name="opportunities",
    key_field="OptyId",
    value_field="OptyNumber",
    table="minimal_opportunities",
    removed_table="removed_opportunities",
    key_column="opportunity_id",
    value_column="opportunity_number",
)
