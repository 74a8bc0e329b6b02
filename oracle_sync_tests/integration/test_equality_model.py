"""Random histories of a source, and a check of each claim that a table equals it."""

from __future__ import annotations

import datetime as dt
import random
from contextlib import suppress

import pytest

from oracle_sync.engine import repair
from oracle_sync.engine.source import PageRequest
from oracle_sync.engine.summary import Summary
from oracle_sync.errors import RowsMoved
from oracle_sync_tests.support.dated import DatedSource
from oracle_sync_tests.support.harness import rows, run, state, table

LOOKBACK = 300
LATEST_COMMIT = 150
SKEWS = (-100, 0, 100)
HISTORIES = 6
STEPS = 14

Snapshot = dict[str, str]


class Killed(BaseException):
    """The process ends here, as with SIGKILL."""


class History:
    """One sync and its source, to which random things happen."""

    def __init__(self, url: str, seed: int) -> None:
        self.url = url
        self.random = random.Random(seed)
        self.name = f"history {seed}"
        self.source = DatedSource(self.random.choice((0, 3, 20, 60)))
        self.source.skew = dt.timedelta(seconds=self.random.choice(SKEWS))
        self.source.unit = dt.timedelta(milliseconds=self.random.choice((1, 1_000)))
        self.counted: tuple[dt.datetime, Snapshot] | None = None
        self.claims = 0

    def step(self) -> None:
        """Let something happen, or sync."""
        kind = self.random.choice(("change",) * 4 + ("advance",) * 2 + ("sync",) * 3 + ("kill",))
        if kind == "change":
            self.mutate()
        elif kind == "advance":
            self.source.advance(self.random.choice((1, 30, 400, 4_000)))
        elif kind == "sync":
            self.sync(during=self.random.random() < 0.4)
        else:
            self.source.errors = [None] * self.random.randrange(12) + [Killed()]
            self.sync(during=self.random.random() < 0.3)
        self.source.errors = []

    def mutate(self) -> None:
        """Change, add or delete rows; some commits end late."""
        source, draw = self.source, self.random
        keys = source.keys
        kind = draw.choice(("change", "append", "insert", "delete", "late"))
        text = f"at {len(source.asked)} {draw.random():.6f}"
        if kind == "append" or not keys:
            source.write(max(keys, default=10**14) + 1_000, text)
        elif kind == "change":
            source.write(draw.choice(keys), text)
        elif kind == "insert":
            source.write(draw.choice(keys) + draw.randrange(1, 999), text)
        elif kind == "delete":
            source.remove(draw.sample(keys, min(len(keys), draw.choice((1, 1, 3)))))
        else:
            key = draw.choice(keys) + draw.choice((0, draw.randrange(1, 999)))
            source.write_late(key, text, draw.uniform(0, LATEST_COMMIT))

    def sync(self, *, during: bool = False) -> Summary | None:
        """Run to the end, or to where it is killed, and check what it claims."""

        def happen(_: int, request: PageRequest) -> None:
            if during and self.random.random() < 0.3:
                self.mutate()
            until = request.scope.changed_until
            if request.want_total and until and not request.scope.from_key:
                self.counted = (until, self.snapshot(until))

        self.source.on_request = happen
        done = None
        with suppress(Killed, RowsMoved):
            done = run(
                self.url,
                self.source,
                self.name,
                changes="auto",
                proof="run",
                lookback=LOOKBACK,
                batch_size=self.random.choice((1, 3, 8, 499)),
                concurrency=self.random.choice((1, 3)),
                removal_limit=100,
            )
        self.source.on_request = lambda n, request: None
        if done and done.proof and done.proof.equal:
            self.check_claim(done)
        return done

    def snapshot(self, until: dt.datetime) -> Snapshot:
        """Return the rows of the source that it dated up to a time."""
        return {
            str(key): content["OptyNumber"]
            for key, content in self.source.items.items()
            if self.source.kept[key] <= until
        }

    def check_claim(self, done: Summary) -> None:
        """Compare row by row what a count has shown to be equal."""
        assert done.proof is not None
        assert self.counted is not None
        until, theirs = self.counted
        assert done.proof.until == until
        self.claims += 1
        ours = {
            key: (number, date)
            for key, number, date in rows(
                self.url,
                "SELECT opportunity_id, opportunity_number, source_updated_at "
                "FROM minimal_opportunities WHERE sync_names @> ARRAY[%s]::varchar[]",
                self.name,
            )
        }
        for key, number in theirs.items():
            assert key in ours, f"{key} is missing"
            assert ours[key][0] == number or ours[key][1] > until, f"{key} is old"
        # What went after the count can still be here, and nothing else.
        extra = {key for key, (_, date) in ours.items() if date <= until} - set(theirs)
        assert not extra


@pytest.mark.parametrize("seed", range(4))
def test_what_is_called_equal_is_equal_and_at_rest_equality_is_reached_without_a_refresh(
    database_url: str, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repair, "MAX_BATCH_SIZE", 8)
    claims = 0
    for number in range(HISTORIES):
        rows(database_url, "TRUNCATE sync_state, minimal_opportunities, removed_opportunities")
        history = History(database_url, 100 * seed + number)
        for _ in range(STEPS):
            history.step()
        source = history.source
        source.advance(LATEST_COMMIT + LOOKBACK + 200)
        covered = state_or_none(database_url, history.name)
        done = history.sync()
        if not source.items:
            continue
        assert done is not None
        assert done.proof is not None
        assert done.proof.equal, done.warnings
        assert table(database_url) == source.table()
        if covered:
            assert done.refreshes == 0
        claims += history.claims
    assert claims > HISTORIES


def state_or_none(url: str, name: str) -> dt.datetime | None:
    """Return until when changes are covered."""
    known = rows(url, "SELECT FROM sync_state WHERE sync_name = %s AND NOT refreshing", name)
    return state(url, "covered_until", name)[0] if known else None
