"""The command `check`: what works and what does not, before anything is synced."""

from __future__ import annotations

import os
import sys

import click

from oracle_sync.config.settings import warnings
from oracle_sync.config.syncs import declared, find

MARKS = {True: "ok  ", False: "FAIL", None: "warn"}
WIDTH = 10
"""Characters for the name of a step; few are longer."""


@click.command()
@click.option("--sync-name", help="One of the declared syncs. Default: all of them.")
def check(sync_name: str | None) -> None:
    """Try settings, network, sign-in, finder, fields, order and database, one by one."""
    from oracle_sync.operations.check import preflight
    from oracle_sync.operations.undeclared import left_behind

    syncs = declared() if sync_name is None else [find(sync_name)]
    mistakes = (*warnings(os.environ), *(text for sync in syncs for text in sync.warnings))
    for mistake in dict.fromkeys(mistakes):
        click.echo(f"{MARKS[None]}  {'settings':<{WIDTH}}  {mistake}")
    failed = 0
    for sync in syncs:
        if len(syncs) > 1:
            click.echo(f"{sync.name}:")
        for step in preflight(sync):
            click.echo(f"{MARKS[step.passed]}  {step.name:<{WIDTH}}  {step.result}")
            if step.advice and not step.passed:
                click.echo(f"      {'':<{WIDTH}}  -> {step.advice}")
            failed += step.passed is False
    for warning in left_behind(syncs) if sync_name is None else ():
        click.echo(f"{MARKS[None]}  {'syncs':<{WIDTH}}  {warning}")
    if failed:
        click.echo(f"Failed: {failed} of the checks above.", err=True)
        click.echo(
            "What to do: fix them from the top; later ones may pass by themselves then.", err=True
        )
        sys.exit(1)
