"""Test that a server is accused of ignoring the offset only where it does."""

from __future__ import annotations

import random

import pytest

from oracle_sync.engine.pager import Pager
from oracle_sync.errors import BadAnswer, RowsMoved
from oracle_sync_tests.support.source import ListSource

RUNS = 600


def churn(seed: int) -> ListSource:
    """Return a small source in which rows come and go before nearly every request."""
    draw = random.Random(seed)
    source = ListSource(draw.randrange(6, 30), step=1_000_000)

    def move(_: int, __: object) -> None:
        for _ in range(draw.randrange(4)):
            if draw.random() < 0.5 and len(source.items) > 3:
                source.delete(draw.randrange(min(6, len(source.items))))
            elif source.items:
                source.insert(draw.randrange(min(6, len(source.items))))

    source.on_request = move
    return source


def walk(source: ListSource, most: int = 200) -> None:
    """Walk to the end, or for so many batches."""
    pager = Pager(source, offset=0, anchor=None, batch_size=2, concurrency=1)
    try:
        for _ in range(most):
            if pager.next().complete:
                return
    finally:
        pager.close()


def test_an_honest_server_is_not_accused_however_rows_move() -> None:
    accused = 0
    for seed in range(RUNS):
        try:
            walk(churn(seed))
        except RowsMoved:
            continue
        except BadAnswer:
            accused += 1
    assert accused == 0


@pytest.mark.parametrize("rows", [5, 40])
def test_a_server_that_ignores_the_offset_is_named(rows: int) -> None:
    source = ListSource(rows)
    source.ignore_offset = True
    with pytest.raises(BadAnswer, match="ignores the offset"):
        walk(source)
