"""The entry point of `oracle-sync`: the group of commands."""

from __future__ import annotations

import io
import os
import signal
import sys
from pathlib import Path

import click

from oracle_sync import __version__
from oracle_sync.cli.check import check
from oracle_sync.cli.data import export, metrics
from oracle_sync.cli.describe import describe
from oracle_sync.cli.endings import Group
from oracle_sync.cli.moves import forget, prepare, replay, reset, rewind
from oracle_sync.cli.options import sync_name_option
from oracle_sync.cli.servers import demo, dev, sandbox
from oracle_sync.cli.state import history, status
from oracle_sync.cli.sync import INTERRUPTED
from oracle_sync.cli.verify import verify
from oracle_sync.config.environment import load_env_file
from oracle_sync.config.settings import BATCH_SIZE, PERCENT, warnings
from oracle_sync.config.syncs import find

WITHOUT_SETTINGS = ("sandbox", "demo")
"""Commands that use nothing of the user's."""


@click.group(cls=Group, invoke_without_command=True)
@click.version_option(__version__, prog_name="oracle-sync")
@click.pass_context
def cli(context: click.Context) -> None:
    """Keep a PostgreSQL table equal to an Oracle Fusion Cloud collection.

    Without a command: sync.
    """
    if context.invoked_subcommand not in WITHOUT_SETTINGS:
        mistakes = load_env_file()
        if context.invoked_subcommand != "check":  # which shows them in its list
            mistakes += warnings(os.environ)
        for mistake in mistakes:
            click.echo(f"Warning: {mistake}", err=True)
    if context.invoked_subcommand is None:
        context.invoke(sync)


@cli.command()
@click.argument("batch_size", type=click.IntRange(BATCH_SIZE.low, BATCH_SIZE.high), required=False)
@sync_name_option
@click.option("--new-sync", is_flag=True, help="Create the name given by --sync-name.")
@click.option("--full-refresh", is_flag=True, help="Walk from 0; move rows that are gone away.")
@click.option(
    "--removal-limit",
    type=click.IntRange(PERCENT.low, PERCENT.high),
    help="Percent of the table that a full refresh, or a removal held back, may remove.",
)
def sync(
    batch_size: int | None = None,
    sync_name: str | None = None,
    new_sync: bool = False,
    full_refresh: bool = False,
    removal_limit: int | None = None,
) -> None:
    """Sync to the end, as a Dagster run; BATCH_SIZE items per request."""
    from oracle_sync.cli.progress import show_progress
    from oracle_sync.cli.sync import Launch

    wanted = find(sync_name)
    launch = Launch(
        wanted,
        batch_size=batch_size,
        sync_name=sync_name or wanted.name,
        new_sync=new_sync,
        full_refresh=full_refresh,
        removal_limit=removal_limit,
    )
    sys.exit(launch.run(show_progress))


for command in (
    *(status, history, verify, reset, rewind, replay, forget, prepare),
    *(check, describe, export, metrics, dev, sandbox, demo),
):
    cli.add_command(command)


def main() -> None:
    """Run the command that the arguments name, and exit with its status."""
    name = Path(sys.argv[0]).name
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # What the terminal has no letters for is shown escaped.
            stream.reconfigure(errors="backslashreplace")
    try:
        cli.main(prog_name="oracle-sync" if name == "__main__.py" else name, standalone_mode=False)
    except click.Abort:
        # What click makes of Ctrl-C; commands that have more to say about it say it themselves.
        click.echo("Interrupted.", err=True)
        sys.exit(INTERRUPTED)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    finally:
        # The embedded server is stopped at the exit; cut off in that, it would stay up.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
