"""The commands that hand on what is stored: `export` as a file, `metrics` to Prometheus."""

from __future__ import annotations

import click

from oracle_sync.cli.options import existing
from oracle_sync.config.syncs import declared
from oracle_sync.errors import shorten
from oracle_sync.operations.address import demand_free


@click.command()
@click.argument("path", type=click.Path(allow_dash=True))
@click.option("--format", "form", type=click.Choice(["csv", "parquet"]), help="Default: by name.")
@click.option("--sync-name", help="Only the rows that this sync sees. Default: all.")
@click.option("--for-spreadsheet", is_flag=True, help="Keep cells from being run as formulas.")
def export(path: str, form: str | None, sync_name: str | None, for_spreadsheet: bool) -> None:
    """Write the table to PATH as CSV or Parquet; `-`: CSV to standard output."""
    from oracle_sync.operations import export as operation

    form = operation.format_of(path, form)
    database, _ = existing(sync_name)
    rows = operation.export(database, path, form, sync_name, for_spreadsheet=for_spreadsheet)
    to = "" if path == "-" else f" to {shorten(path)}"
    click.echo(f"Exported {rows} {'row' if rows == 1 else 'rows'}{to}.", err=path == "-")


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=9109, show_default=True, type=click.IntRange(0, 65535))
def metrics(host: str, port: int) -> None:
    """Serve numbers of each sync for Prometheus, at /metrics, until Ctrl-C."""
    from oracle_sync.operations.metrics import serve
    from oracle_sync.postgres.database import database_of

    demand_free(host, port)
    databases = [database_of(sync, create=False) for sync in declared()]
    serve(databases, host, port, lambda text: click.echo(text, err=True))
