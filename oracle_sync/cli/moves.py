"""The commands that change what is stored, other than by a sync."""

from __future__ import annotations

import click

from oracle_sync.cli.options import existing, sync_name_option
from oracle_sync.config.syncs import declared


@click.command()
def prepare() -> None:
    """Make the tables of each sync, or migrate them, for a role that may not."""
    from oracle_sync.postgres.database import database_of

    for sync in declared():
        database_of(sync).prepare()
        click.echo(f"The tables of '{sync.name}' are there, as this version needs them.")


@click.command()
@sync_name_option
def reset(sync_name: str | None) -> None:
    """Go back to offset 0; rows are kept."""
    from oracle_sync.operations.moves import move
    from oracle_sync.postgres.reader import whoami

    database, name = existing(sync_name)
    moved = move(database, name, 0, "oracle-sync reset", holder=whoami())
    click.echo(f"Reset sync state for '{name}': offset {moved.before} -> 0. Rows are kept.")


@click.command()
@click.argument("offset", type=click.IntRange(min=0))
@click.option("--reason", required=True, help="Why; it is kept in the history.")
@sync_name_option
def rewind(offset: int, reason: str, sync_name: str | None) -> None:
    """Go back to OFFSET; rows are kept."""
    from oracle_sync.operations.moves import move
    from oracle_sync.postgres.reader import whoami

    database, name = existing(sync_name)
    moved = move(database, name, offset, reason, holder=whoami())
    click.echo(f"Rewound '{name}': offset {moved.before} -> {moved.after}. Rows are kept.")


@click.command()
@sync_name_option
def replay(sync_name: str | None) -> None:
    """Try the rejected items again, after a fix."""
    from oracle_sync.operations import replay as operation
    from oracle_sync.postgres.reader import whoami

    database, name = existing(sync_name)
    done = operation.replay(database, name, f"replay by {whoami()}")
    click.echo(f"Replayed rejected items of '{name}': {done.sentence()}")
    for refused in done.refused[:20]:
        click.echo(f"   {refused}")


@click.command()
@click.argument("name")
def forget(name: str) -> None:
    """Remove the sync NAME: its offset, rejected items and claims. The rows stay."""
    from oracle_sync.operations.moves import forget as operation
    from oracle_sync.postgres.reader import whoami

    database, _ = existing(name)
    claimed = operation(database, name, whoami())
    click.echo(f"Forgot '{name}'. It had claimed {claimed} rows, which stay in the table.")
