"""The asset `sync_overview`: how the table grew and how fast its runs were, as a picture.

An example of an asset that reads the table as a data frame; the sync does not need it.
"""

import base64
import io
from typing import TYPE_CHECKING, Any

import dagster as dg

from oracle_sync.config.syncs import PLAIN, Sync
from oracle_sync.orchestration.names import asset_tags, group_name, overview_key, table_key

if TYPE_CHECKING:
    import pandas as pd

RUNS = 200
"""Runs that the picture shows at most, the newest."""

DAYS = 14
"""Days of changes that the table beside it shows."""


def build_overview(sync: Sync = PLAIN) -> dg.AssetsDefinition:
    """Return the asset `sync_overview` of a sync."""

    @dg.asset(
        key=overview_key(sync),
        ins={"table": dg.AssetIn(table_key(sync), metadata={"columns": ["synced_at"]})},
        group_name=group_name(sync),
        kinds={"pandas"},
        tags=asset_tags(sync),
        description=(
            f"How the rows of `{sync.table_name}` grew over time, and how fast each run of sync "
            f"{sync.name} was, drawn with pandas.\n\nAn example of an asset downstream of the "
            "table, which it reads as a data frame."
        ),
        owners=["team:data-engineering"],
        # Needs Dagster's automation sensor to be on; each run reads the whole table.
        automation_condition=dg.AutomationCondition.on_cron("0 * * * *"),
    )
    # Any, and not pd.DataFrame: naming that type would import pandas with the definitions.
    def sync_overview(context: dg.AssetExecutionContext, table: Any) -> dg.MaterializeResult[Any]:
        rows: pd.DataFrame = table
        runs = _runs(context.instance, table_key(sync))
        return dg.MaterializeResult(
            metadata={
                "picture": dg.MetadataValue.md(_image(_picture(runs))),
                "changed per day": dg.MetadataValue.md(_per_day(rows)),
                "rows": len(rows),
                "runs": len(runs),
            }
        )

    return sync_overview


def _runs(instance: dg.DagsterInstance, table: dg.AssetKey) -> "pd.DataFrame":
    """Return one row for each of the table's latest materializations, oldest first."""
    import pandas as pd

    columns = {"dagster/row_count": "rows", "rows_per_second": "rate", "rows_received": "received"}
    lines = []
    for record in instance.fetch_materializations(table, limit=RUNS).records:
        event = record.asset_materialization
        metadata = {} if event is None else event.metadata
        if set(columns) <= set(metadata):
            lines.append([record.timestamp, *(metadata[name].value for name in columns)])
    runs = pd.DataFrame(lines, columns=["at", *columns.values()])
    runs["at"] = pd.to_datetime(runs["at"], unit="s", utc=True)
    return runs.sort_values("at", ignore_index=True)


def _per_day(rows: "pd.DataFrame") -> str:
    import pandas as pd

    # Without rows the column has no type that knows of days.
    times = pd.to_datetime(rows["synced_at"]).dropna()
    changed = times.dt.strftime("%Y-%m-%d").value_counts()
    lines = [f"| {day} | {count} |" for day, count in changed.sort_index().tail(DAYS).items()]
    return "\n".join(["| last changed on | rows |", "|---|---|", *lines])


def _picture(runs: "pd.DataFrame") -> bytes:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.2), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    above.step(runs["at"], runs["rows"], where="post", color="#3b6fd4", marker=".")
    above.set_ylabel("rows in the table")
    above.set_ylim(0, _top(runs["rows"]))
    # A run that brings nothing has no speed worth showing.
    busy = runs[runs["received"] > 0]
    below.vlines(busy["at"], 0, busy["rate"], color="#2f9e6e", linewidth=2)
    below.plot(busy["at"], busy["rate"], "o", color="#2f9e6e", markersize=4)
    below.set_ylabel("rows/s, each run")
    below.set_ylim(0, _top(busy["rate"]))
    below.set_xlabel("UTC")
    figure.autofmt_xdate()
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=90)
    return image.getvalue()


def _top(values: "pd.Series[Any]") -> float:
    """Return where an axis ends, with some room above what is drawn."""
    return float(max([1.0, *(1.1 * value for value in values)]))


def _image(png: bytes) -> str:
    data = base64.b64encode(png).decode()
    return f"![Rows over time and throughput](data:image/png;base64,{data})"
