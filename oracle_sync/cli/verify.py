"""The command `verify`: whether a table equals Oracle, and where not."""

from __future__ import annotations

import sys

import click

from oracle_sync.cli.options import existing, sync_name_option
from oracle_sync.config.syncs import find

DIFFERENT = 3
"""The exit status where the two sides differ."""

NAMED = 50
"""Rows that are named."""


@click.command()
@click.option("--repair", is_flag=True, help="Put right what differs, within the removal limit.")
@sync_name_option
def verify(repair: bool, sync_name: str | None) -> None:
    """Store changed rows, compare the table with Oracle, and name the rows that differ.

    Exit status: 0 equal, 3 different, 1 it cannot be said.
    """
    from oracle_sync.engine.proof import Outcome
    from oracle_sync.operations.verify import verify as operation
    from oracle_sync.oracle.client import OracleClient
    from oracle_sync.postgres.reader import whoami

    database, name = existing(sync_name)
    database.demand_known(name)
    settings = find(sync_name).settings()
    verified = operation(
        OracleClient(settings.oracle, database.collection),
        database,
        name,
        settings,
        repair=repair,
        holder=f"verify by {whoami()}",
        on_wait=lambda who: click.echo(f"Waiting for {who} to finish.", err=True),
    )
    differences = verified.differences
    if differences:
        click.echo(f"{len(differences)} rows {'differed' if repair else 'differ'}:")
    for difference in differences[:NAMED]:
        click.echo(f"   {difference}")
    if len(differences) > NAMED:
        click.echo(f"   and {len(differences) - NAMED} more")
    click.echo(verified.proof.sentence())
    if not verified.proof.equal:
        sys.exit(DIFFERENT if verified.proof.outcome == Outcome.DIFFERENT else 1)
