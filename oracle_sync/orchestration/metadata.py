"""What Dagster keeps about a run that ended well: numbers, the state it left, and a preview."""

from typing import Any

import dagster as dg

from oracle_sync.config.collection import Collection
from oracle_sync.engine.proof import clock
from oracle_sync.engine.summary import Summary
from oracle_sync.errors import clean
from oracle_sync.oracle.client import OracleClient
from oracle_sync.orchestration.foreign_text import as_markdown, as_table
from oracle_sync.postgres.queries import PREVIEW_COLUMNS
from oracle_sync.postgres.status import Details, Status

PREVIEW_ROWS = 5


def column_schema(collection: Collection) -> dg.TableSchema:
    """Return the columns of a collection's table, as Dagster's catalog shows them."""
    return dg.TableSchema(
        [
            dg.TableColumn("id", "integer", "key of the row in this table"),
            *(
                dg.TableColumn(column.name, column.type, as_markdown(column.description))
                for column in (collection.key, *collection.columns)
            ),
            dg.TableColumn("synced_at", "timestamp", "when the row last changed here, in UTC"),
            dg.TableColumn("source_updated_at", "timestamptz", "time of the last change in Oracle"),
            dg.TableColumn("sync_names", "varchar[]", "syncs that see the row"),
        ]
    )


def run_metadata(summary: Summary, client: OracleClient, details: Details) -> dict[str, Any]:
    """Return the metadata of a materialization.

    Each run has the same names with values of the same types, since Dagster plots them over time.

    Args:
        summary: what the run did.
        client: the client that it asked Oracle with, for the columns that it filled.
        details: what the database holds after the run.
    """
    collection = client.collection
    return {
        "dagster/row_count": details.status.rows,
        "dagster/table_name": details.table_name,
        "dagster/column_schema": column_schema(collection),
        "rows_received": summary.received,
        "rows_inserted": summary.inserted,
        "rows_updated": summary.updated,
        "rows_unchanged": summary.unchanged,
        "rows_removed": summary.removed,
        "rows_returned": summary.returned,
        "rows_rejected": summary.rejected,
        "offset_before": summary.offset_before,
        "offset_after": summary.offset_after,
        "pages": summary.pages,
        "requests": client.requests,
        "retries": client.retries,
        "shifts": summary.shifts,
        "full_refreshes": summary.refreshes,
        "removal_held": summary.removal_held,
        "changes_read": summary.changes,
        "equality": summary.proof.sentence() if summary.proof else "No count was due.",
        "seconds": float(round(summary.seconds, 3)),
        "rows_per_second": float(round(summary.rate, 1)),
        "sync_name": summary.sync_name,
        "sync_state": _state_table(details.status),
        "preview": _preview(collection, details.latest),
    }


def _preview(collection: Collection, rows: list[tuple[Any, ...]]) -> dg.TableMetadataValue:
    columns = (collection.key, *collection.columns[:PREVIEW_COLUMNS])
    names = [*(column.name for column in columns), "synced_at"]
    texts = ([clean(cell) if isinstance(cell, str) else cell for cell in row] for row in rows)
    return as_table(names, texts)


def _state_table(status: Status) -> dg.TableMetadataValue:
    """Return the row of `sync_state` as the run left it, for a person."""
    state = status.state
    values = {
        "sync_name": state.sync_name,
        "current_offset": state.offset,
        "total_synced": state.total_synced,
        "is_complete": "yes" if state.complete else "no",
        "anchor": state.anchor,
        "proof or full refresh due": state.doubt or "no",
        "changes covered until": clock(state.covered_until) if state.covered_until else "not known",
        "shown equal": clock(state.proven_at) if state.proven_at else "never",
        "removal held back": state.removal_held or "no",
        "fields not in every row": ", ".join(state.refilling_fields) or "none",
        "columns not filled any more": ", ".join(one.column for one in status.unfilled) or "none",
        "fields that Oracle refuses": ", ".join(status.missing) or "none",
        "types": status.description_refusal
        or "as Oracle describes or the collection declares them",
        "rows gone from Oracle": status.removed,
        "rejected items": status.rejected,
    }
    return as_table(["name", "value"], values.items())
