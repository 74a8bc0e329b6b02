"""The command line: words in, words and an exit status out.

Belongs here: arguments, and how results are worded. Does not belong here: doing the work; what a
command needs is imported when it runs, so that `status` never loads Dagster.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import click

from oracle_sync import __version__
from oracle_sync.config.settings import MAX_BATCH_SIZE
from oracle_sync.config.syncs import PLAIN, Sync, declared, find
from oracle_sync.errors import SyncError

INTERRUPTED = 130

sync_name_option = click.option(
    "--sync-name", help=f"Row of sync_state. Default: {PLAIN.name}, or the one declared."
)


class _Group(click.Group):
    """Turns what can go wrong into one line of cause, one of what to do, and an exit status."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except SyncError as error:
            fail(error)


def fail(error: SyncError) -> NoReturn:
    """Say what happened and what to do, and end with status 1."""
    click.echo(f"Failed: {' '.join(filter(None, (str(error), error.kept)))}", err=True)
    if error.advice:
        click.echo(f"What to do: {error.advice}", err=True)
    sys.exit(1)


@click.group(cls=_Group, invoke_without_command=True)
@click.version_option(__version__, prog_name="oracle-sync")
@click.pass_context
def cli(context: click.Context) -> None:
    """Keep a PostgreSQL table equal to an Oracle Fusion Cloud collection.

    Without a command: sync.
    """
    if context.invoked_subcommand is None:
        context.invoke(sync)


@cli.command()
@click.argument("batch_size", type=click.IntRange(1, MAX_BATCH_SIZE), required=False)
@sync_name_option
@click.option("--full-refresh", is_flag=True, help="Walk from 0; move rows that are gone away.")
@click.option(
    "--removal-limit",
    type=click.IntRange(0, 100),
    help="Percent of the table that a full refresh may remove; 100 confirms.",
)
def sync(
    batch_size: int | None = None,
    sync_name: str | None = None,
    full_refresh: bool = False,
    removal_limit: int | None = None,
) -> None:
    """Sync to the end, as a Dagster run; BATCH_SIZE items per request."""
    from oracle_sync.cli.sync import Launch, show_progress

    chosen = find(sync_name)
    launch = Launch(
        chosen,
        batch_size=batch_size,
        sync_name=sync_name or chosen.name,
        full_refresh=full_refresh,
        removal_limit=removal_limit,
    )
    sys.exit(launch.run(show_progress))


@cli.command()
@sync_name_option
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def status(sync_name: str | None, as_json: bool) -> None:
    """Show offset, totals and rows; of each declared sync, if none is named."""
    syncs = declared() if sync_name is None else [find(sync_name)]
    told = []
    for chosen in syncs:
        name = sync_name or chosen.name
        found = _database(chosen).status(name)
        if as_json:
            told.append(_status_json(name, found))
        elif found is None:
            click.echo(f"No sync state found for '{name}'. It begins with: oracle-sync sync")
        else:
            click.echo(_status_text(found))
    if as_json:
        click.echo(json.dumps(told if len(told) > 1 else told[0], default=str))


@cli.command()
@sync_name_option
def reset(sync_name: str | None) -> None:
    """Go back to offset 0; rows are kept."""
    from oracle_sync.postgres.reader import whoami

    database, name = _known(sync_name)
    with database.writer(name, whoami()) as writer:
        before = writer.state.offset
        writer.move(0, "reset", "oracle-sync reset")
    click.echo(f"Reset sync state for '{name}': offset {before} -> 0. Rows are kept.")


@cli.command()
@click.argument("offset", type=click.IntRange(min=0))
@click.option("--reason", required=True, help="Why; it is kept in the history.")
@sync_name_option
def rewind(offset: int, reason: str, sync_name: str | None) -> None:
    """Go back to OFFSET; rows are kept."""
    from oracle_sync.postgres.reader import whoami

    database, name = _known(sync_name)
    with database.writer(name, whoami()) as writer:
        before = writer.state.offset
        writer.move(offset, "rewind", reason)
    click.echo(f"Rewound '{name}': offset {before} -> {offset}. Rows are kept.")


@cli.command()
@sync_name_option
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 10_000))
def history(sync_name: str | None, limit: int) -> None:
    """Show each change of the offset that was not a page: when, from, to, who and why."""
    chosen = find(sync_name)
    name = sync_name or chosen.name
    lines = _database(chosen).history(name, limit)
    if not lines:
        click.echo(f"No history for '{name}': its offset has only moved by pages.")
    for line in lines:
        click.echo(
            f"{line['at']:%Y-%m-%d %H:%M:%S}  {line['action']:<9}  "
            f"{line['from_offset']} -> {line['to_offset']}  {line['who']}: {line['reason']}"
        )


@cli.command()
@sync_name_option
def replay(sync_name: str | None) -> None:
    """Try the rejected items again, after a fix."""
    from oracle_sync.operations.replay import replay as replay_rejects
    from oracle_sync.postgres.reader import whoami

    database, name = _known(sync_name)
    done = replay_rejects(database, name, f"replay by {whoami()}")
    click.echo(
        f"Replayed rejected items of '{name}': {done.stored} stored, {done.superseded} had "
        f"come in the meantime, {len(done.refused)} still refused."
    )
    for refused in done.refused[:20]:
        click.echo(f"   {refused}")


@cli.command()
@click.option("--sync-name", help="One of the declared syncs. Default: all of them.")
def check(sync_name: str | None) -> None:
    """Try settings, network, sign-in, finder, fields, order and database, one by one."""
    from oracle_sync.operations.check import preflight

    syncs = declared() if sync_name is None else [find(sync_name)]
    width, failed = 10, 0
    for sync in syncs:
        if len(syncs) > 1:
            click.echo(f"{sync.name}:")
        for step in preflight(sync):
            mark = {True: "ok  ", False: "FAIL", None: "warn"}[step.passed]
            click.echo(f"{mark}  {step.name:<{width}}  {step.said}")
            if step.advice and not step.passed:
                click.echo(f"      {'':<{width}}  -> {step.advice}")
            failed += step.passed is False
    if failed:
        click.echo(f"Failed: {failed} of the checks above.", err=True)
        click.echo(
            "What to do: mend them from the top; later ones may pass by themselves.", err=True
        )
        sys.exit(1)


@cli.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=3000, show_default=True, type=click.IntRange(1, 65535))
def dev(host: str, port: int) -> None:
    """Run the Dagster UI, its daemon and its storage, until Ctrl-C."""
    from oracle_sync.cli.dev import serve_ui

    sys.exit(serve_ui(host, port, click.echo))


@cli.command()
@click.option("--port", default=8765, show_default=True, type=click.IntRange(0, 65535))
@click.option("--rows", default=150, show_default=True, type=click.IntRange(0, 10_000_000))
@click.option("--latency-ms", default=0.0, show_default=True, type=click.FloatRange(0, 60_000))
def sandbox(port: int, rows: int, latency_ms: float) -> None:
    """Run a stand-in Oracle Fusion pod on loopback, with invented data."""
    from oracle_sync.sandbox import PortTaken, serve

    try:
        serve(port=port, rows=rows, latency_ms=latency_ms)
    except PortTaken as error:
        fail(SyncError(str(error), "Choose another one with --port."))


@cli.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=9109, show_default=True, type=click.IntRange(0, 65535))
def metrics(host: str, port: int) -> None:
    """Serve numbers of each sync for Prometheus, at /metrics, until Ctrl-C."""
    from oracle_sync.operations.metrics import serve

    databases = {chosen.schema: _database(chosen) for chosen in declared()}
    serve(databases, host, port, lambda text: click.echo(text, err=True))


@cli.command()
@click.argument("path", type=click.Path(allow_dash=True))
@click.option("--format", "chosen", type=click.Choice(["csv", "parquet"]), help="Default: by name.")
@click.option("--sync-name", help="Only the rows that this sync sees. Default: all.")
def export(path: str, chosen: str | None, sync_name: str | None) -> None:
    """Write the table to PATH as CSV or Parquet; `-`: CSV to standard output."""
    from oracle_sync.operations.export import export as write
    from oracle_sync.operations.export import format_of

    form = format_of(path, chosen)
    rows = write(_database(find(sync_name)), path, form, sync_name)
    click.echo(f"Exported {rows} rows{'' if path == '-' else f' to {path}'}.", err=path == "-")


@cli.command()
@click.option("--once", is_flag=True, help="Stop after the sync, without the UI.")
@click.option("--port", default=3000, show_default=True, type=click.IntRange(1, 65535))
def demo(once: bool, port: int) -> None:
    """Show it all on invented data, in a folder of its own; touches nothing of yours."""
    from oracle_sync.cli.demo import run_demo

    sys.exit(run_demo(once=once, port=port, say=click.echo))


def _database(sync: Sync) -> Any:
    from oracle_sync.postgres.database import Database, url_of

    return Database(url_of(sync.settings()), sync.collection, sync.schema)


def _known(sync_name: str | None) -> tuple[Any, str]:
    """The database in which a sync name has a state, and that name."""
    chosen = find(sync_name)
    database, name = _database(chosen), sync_name or chosen.name
    if database.state(name) is None:
        known = ", ".join(database.sync_names()) or "none yet"
        raise SyncError(f"No sync state found for '{name}'.", f"Known sync names: {known}.")
    return database, name


def _status_text(found: dict[str, Any]) -> str:
    last = f"{found['last_sync_at']:%Y-%m-%d %H:%M:%S} UTC" if found["last_sync_at"] else "never"
    lines = [
        f"Sync Status for '{found['sync_name']}':",
        f"   Offset: {found['offset']}",
        f"   Total Synced: {found['total_synced']}",
        f"   Last Sync: {last}",
        f"   Complete: {'yes' if found['complete'] else 'no'}",
        f"   Rows in {found['table']}: {found['rows']}",
    ]
    further: list[tuple[bool, Callable[[], str]]] = [
        (bool(found["running"]), lambda: f"Running: {found['running']}"),
        (found["refreshing"], lambda: "Full refresh: not finished; the next sync goes on with it"),
        (bool(found["doubt"]), lambda: f"Full refresh due: {found['doubt']}"),
        (found["removed"] > 0, lambda: f"Removed from Oracle: {found['removed']} rows, kept aside"),
        (found["rejected"] > 0, lambda: _rejected_text(found)),
        (bool(found["last_error"]), lambda: f"Last error: {found['last_error']}"),
    ]
    return "\n".join(lines + [f"   {text()}" for shown, text in further if shown])


def _rejected_text(found: dict[str, Any]) -> str:
    examples = [
        f"\n      offset {item['at_offset']}: {item['reason']}"
        for item in found["rejected_examples"]
    ]
    return (
        f"Rejected items: {found['rejected']}, kept in rejected_items; after a fix: "
        f"oracle-sync replay{''.join(examples)}"
    )


def _status_json(sync_name: str, found: dict[str, Any] | None) -> dict[str, Any]:
    if found is None:
        return {"sync_name": sync_name, "known": False}
    hidden = ("offset", "complete", "anchor", "epoch", "walk", "holder", "held_since")
    shown = {name: value for name, value in found.items() if name not in hidden}
    return shown | {
        "known": True,
        "current_offset": found["offset"],
        "is_complete": found["complete"],
    }


def main() -> None:
    """Entry point of `oracle-sync`."""
    name = Path(sys.argv[0]).name
    try:
        cli.main(prog_name="oracle-sync" if name == "__main__.py" else name, standalone_mode=False)
    except click.Abort:
        # What click makes of Ctrl-C; commands that have more to say about it say it themselves.
        click.echo("Interrupted.", err=True)
        sys.exit(INTERRUPTED)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
