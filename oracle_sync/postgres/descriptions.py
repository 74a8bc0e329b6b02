"""Keep what a pod says of its collections, so that it is asked once."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import dataclass

from psycopg2.extensions import connection as Connection

from oracle_sync.config.description import Description
from oracle_sync.postgres.connection import one
from oracle_sync.postgres.queries import query


@dataclass(frozen=True)
class Kept:
    """What is known of a collection's attributes.

    Attributes:
        described_at: when the pod was asked last.
        description: what it said; None where it has never described the collection.
        refusal: why it does not describe it; None where it does.
        missing: attributes that were asked for and that the pod has refused since.
    """

    described_at: dt.datetime
    description: Description | None = None
    refusal: str | None = None
    missing: tuple[str, ...] = ()


def read_description(connection: Connection, path: str) -> Kept | None:
    """Return what is kept of a collection; None where the pod has not been asked."""
    row = one(connection, query("read_description"), {"collection": path})
    if row is None:
        return None
    described = row["description"]
    return Kept(
        described_at=row["described_at"],
        description=Description.from_data(described) if described else None,
        refusal=row["refusal"],
        missing=tuple(row["missing"]),
    )


def keep_description(
    connection: Connection, path: str, description: Description | None, refusal: str | None
) -> None:
    """Keep what the pod said just now, or why it said nothing; then no attribute is missing."""
    data = json.dumps(description.as_data()) if description else None
    parameters = {"collection": path, "description": data, "refusal": refusal}
    with connection.cursor() as cursor:
        cursor.execute(query("keep_description"), parameters)


def keep_missing(connection: Connection, path: str, missing: Sequence[str]) -> None:
    """Keep which attributes the pod refuses."""
    with connection.cursor() as cursor:
        cursor.execute(query("keep_missing"), {"collection": path, "missing": list(missing)})
