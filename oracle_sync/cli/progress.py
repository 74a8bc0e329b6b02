"""A sync's progress on the terminal: a bar, or a line per batch where the output is a file."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

import click

from oracle_sync.cli.endings import drop_output
from oracle_sync.config.settings import MAX_BATCH_SIZE

if TYPE_CHECKING:
    from oracle_sync.engine.rows import Batch
    from oracle_sync.engine.summary import Report, Summary

MANY_REQUESTS = 1_000
"""Requests still to come, above which a larger batch size is named."""


@contextmanager
def show_progress(batch_size: int) -> Iterator[Report]:
    """Show progress until the sync ends; yield the function to call after each commit."""
    advised = False
    bar = _bar() if sys.stdout and sys.stdout.isatty() else nullcontext(_line)
    with bar as show:

        def report(summary: Summary, batch: Batch) -> None:
            nonlocal advised
            try:
                if not advised and summary.expected is not None:
                    advised = True
                    _advise(summary.expected - summary.offset_after, batch_size)
                show(summary, batch)
            except OSError:
                # Nobody reads any more, or a file has no room. The sync goes on without it.
                drop_output()

        yield report


def _advise(rows: int, batch_size: int) -> None:
    """Name a larger batch size where the rows still to come would take many requests."""
    requests, fewer = rows // batch_size, rows // (MAX_BATCH_SIZE - 1) + 1
    if requests > MANY_REQUESTS and batch_size < MAX_BATCH_SIZE:
        items = "1 item" if batch_size == 1 else f"{batch_size} items"
        click.echo(
            f"Note: at {items} per request this takes about {requests:,} requests; "
            f"`oracle-sync sync {MAX_BATCH_SIZE}` would take about {fewer:,}."
        )


def _line(summary: Summary, batch: Batch) -> None:
    if summary.reading_changes:
        if batch.received:
            click.echo(f"Changes: Received {batch.received} rows, {summary.changes} so far")
        return
    pages = f" in {batch.pages} pages" if batch.pages > 1 else ""
    click.echo(
        f"Batch: Offset={batch.offset_before}  Received {batch.received} items{pages}  "
        f"Updated offset to {batch.offset_after}, total synced: {summary.total_synced}"
    )


def _doing(summary: Summary) -> str:
    if summary.reading_changes:
        return "Reading changes"
    return "Full refresh" if summary.refreshing else "Syncing"


@contextmanager
def _bar() -> Iterator[Report]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]:.0f} rows/s"),
        TimeElapsedColumn(),
    )
    with Progress(*columns) as progress:
        task = progress.add_task("Syncing", total=None, rate=0.0)

        def report(summary: Summary, _batch: Batch) -> None:
            progress.update(
                task,
                description=_doing(summary),
                completed=summary.offset_after,
                total=max(summary.expected or 0, summary.offset_after) or None,
                rate=summary.rate,
            )

        yield report
