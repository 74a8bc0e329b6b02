"""One walk of a source for tests, without a database: each batch counts as stored at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from oracle_sync.engine.pager import Pager
from oracle_sync.engine.rows import Batch
from oracle_sync_tests.support.source import ListSource


@contextmanager
def walking(
    source: ListSource,
    offset: int = 0,
    anchor: str | None = None,
    batch_size: int = 5,
    concurrency: int = 1,
) -> Iterator[Pager]:
    """Give a pager, and close it."""
    pager = Pager(
        source,
        offset=offset,
        anchor=anchor,
        batch_size=batch_size,
        concurrency=concurrency,
    )
    try:
        yield pager
    finally:
        pager.close()


def batches_of(pager: Pager) -> Iterator[Batch]:
    """Yield the batches up to the end."""
    complete = False
    while not complete:
        batch = pager.next()
        complete = batch.complete
        yield batch


def walk(source: ListSource, offset: int = 0, anchor: str | None = None) -> list[Batch]:
    """Return the batches of a whole walk."""
    with walking(source, offset, anchor) as pager:
        return list(batches_of(pager))
