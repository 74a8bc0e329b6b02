"""A state machine that does to a sync whatever can happen to it, and looks for lost rows.

`HYPOTHESIS_PROFILE=long` takes other steps each time; without it they are the same each time.
"""

from __future__ import annotations

import json
import os
import time
import types
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import psycopg2
import psycopg2.extensions
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from oracle_sync.config.collection import OPPORTUNITIES
from oracle_sync.engine import bases
from oracle_sync.engine.rows import Batch
from oracle_sync.engine.run import run_sync
from oracle_sync.engine.source import PageRequest
from oracle_sync.engine.store import Written
from oracle_sync.engine.summary import Options, Summary
from oracle_sync.errors import (
    Fenced,
    OnlyRejects,
    RemovalHeld,
    RowsMoved,
    StoreUnavailable,
    SyncError,
    Unavailable,
)
from oracle_sync.postgres import session
from oracle_sync.postgres.connection import connect
from oracle_sync.postgres.database import Database
from oracle_sync.postgres.writer import Writer
from oracle_sync_tests.support.harness import wide, writer
from oracle_sync_tests.support.source import FIRST_ID, ListSource, item

_COMMON: dict[str, Any] = {
    "deadline": None,
    "suppress_health_check": list(HealthCheck),
    "print_blob": True,
    "database": None,
}
# Shrinking takes minutes: a failure in CI is told as it was found, and made small by `long`.
PROFILES = {
    "ci": settings(
        max_examples=20,
        stateful_step_count=30,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
        **_COMMON,
    ),
    "long": settings(max_examples=1_500, stateful_step_count=60, **_COMMON),
}
PROFILE = PROFILES[os.environ.get("HYPOTHESIS_PROFILE", "ci")]


NAMED = wide(Name="text")


class Killed(BaseException):
    """The process ends here: nothing after this runs, as with SIGKILL."""


class Faults:
    """What the next statements meet; `after` counts them down."""

    def __init__(self) -> None:
        self.after: int | None = None
        self.kind = "kill"
        self.executed_first = False

    def strike(self) -> bool:
        if self.after is None:
            return False
        self.after -= 1
        if self.after >= 0:
            return False
        self.after = None
        return True


FAULTS = Faults()


class FaultyCursor(psycopg2.extensions.cursor):
    """Ends the process, or the connection, before or after a chosen statement takes place."""

    def execute(self, query: Any, parameters: Any = None) -> None:
        if not FAULTS.strike():
            super().execute(query, parameters)
            return
        if FAULTS.executed_first:
            super().execute(query, parameters)
        if FAULTS.kind == "kill":
            raise Killed
        self.connection.close()
        raise psycopg2.OperationalError("server closed the connection unexpectedly")


def faulty(url: str, application: str = "oracle_sync") -> Any:
    connection = connect(url, application)
    connection.cursor_factory = FaultyCursor
    return connection


fractions = st.floats(0, 0.999, allow_nan=False)
mutations = st.one_of(
    st.tuples(st.just("append"), fractions),
    st.tuples(st.just("insert"), fractions),
    st.tuples(st.just("delete"), fractions),
    st.tuples(st.just("change"), fractions),
    st.tuples(st.just("insert many"), fractions),
    st.tuples(st.just("delete many"), fractions),
)
Mutation = tuple[str, float]
sizes = st.sampled_from([1, 2, 3, 5, 8, 20, 499])
threads = st.sampled_from([1, 2, 4])


class Machine(RuleBasedStateMachine):
    """One sync name in one database, its source, and what is known to have to be stored."""

    url = ""
    by_key = False
    steps = 0
    instances = 0

    # ------------------------------------------------------------------------------- the world

    @initialize(rows=st.sampled_from([0, 1, 4, 5, 6, 20, 40, 90]), bad=st.booleans())
    def begin(self, rows: int, bad: bool) -> None:
        Machine.instances += 1
        self.name = f"sync {Machine.instances}"
        self.admin = psycopg2.connect(self.url, connect_timeout=10)
        self.admin.autocommit = True
        with Database(self.url, NAMED).connection("preparing the tables"):
            pass
        self.sql(
            "TRUNCATE sync_state, minimal_opportunities, removed_opportunities, rejected_items, "
            "sync_history, refresh_marks"
        )
        self.source = ListSource(rows, step=1_000_000)
        self.source.by_key = self.by_key
        self.tick = 0
        self.since = dict.fromkeys(self.source.items, 0)
        self.numbers: dict[str, set[str | None]] = {}
        self.promised: set[int] = set()
        self.walk_began: int | None = 0
        self.reached = -1
        self.settled: int | None = None
        self.grown_only = True
        self.bad = bad
        self.held = False
        self.named = False
        self.source.shown = self.shown
        self.remember()

    def teardown(self) -> None:
        FAULTS.after = None
        if hasattr(self, "admin"):
            self.admin.close()

    def sql(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with self.admin.cursor() as cursor:
            cursor.execute(statement, parameters or None)
            return cursor.fetchall() if cursor.description else []

    def mutate(self, what: str, where: float) -> None:
        """Change the collection; rows that go are promised no more."""
        source = self.source
        self.tick += 1
        keys = source.keys
        if what == "append" or (not keys and what.startswith("insert")):
            source.append(1 + int(where * 12), step=1_000_000)
        elif what.startswith("insert"):
            self.grown_only = False
            after = keys[int(where * len(keys))]
            for key in range(after - 1, after - (2 if what == "insert" else 14), -1):
                if key not in source.items:
                    source.items[key] = item(key)
                    if self.bad and key % 7 == 0:
                        source.items[key] = {"OptyId": None, "OptyNumber": f"bad {key}"}
        elif what.startswith("delete") and keys:
            self.grown_only = False
            at = int(where * len(keys))
            for key in keys[at : at + (1 if what == "delete" else 9)]:
                del source.items[key]
                self.promised.discard(key)
        elif what == "change" and keys:
            self.grown_only = False
            key = keys[int(where * len(keys))]
            if source.items[key]["OptyId"] is not None:
                source.items[key] = item(key, f"N{key} at {self.tick}" if where < 0.9 else None)
        self.since = {key: self.since.get(key, self.tick) for key in source.items}
        self.remember()

    def remember(self) -> None:
        for key, content in self.source.items.items():
            self.numbers.setdefault(str(key), set()).add(content["OptyNumber"])

    def shown(self, content: dict[str, Any]) -> dict[str, Any]:
        """Return an item with the fields that are asked for now."""
        if not self.named or content["OptyId"] is None:
            return content
        return content | {"Name": f"name of {content['OptyId']}"}

    # -------------------------------------------------------------------------------- the rules

    @rule(mutation=mutations)
    def the_collection_changes(self, mutation: Mutation) -> None:
        self.mutate(*mutation)

    @rule(cap=st.sampled_from([2, 3, 7, 100, 499]), says=st.booleans())
    def the_server_changes_its_cap(self, cap: int, says: bool) -> None:
        self.source.cap = cap
        self.source.says_limit = says

    @rule(kind=st.sampled_from(["true", "none", "low", "high"]), more=st.booleans())
    def the_server_changes_what_it_says(self, kind: str, more: bool) -> None:
        totals: dict[str, Callable[[int], int | None]] = {
            "true": lambda rows: rows,
            "none": lambda rows: None,
            "low": lambda rows: rows // 2,
            "high": lambda rows: rows * 2 + 3,
        }
        self.source.total = totals[kind]
        self.source.has_more = (lambda left, full: left) if more else (lambda left, full: None)

    @precondition(lambda self: self.by_key)
    @rule(refuse=st.booleans(), ignore=st.booleans())
    def the_server_changes_what_it_makes_of_a_base(self, refuse: bool, ignore: bool) -> None:
        self.source.refuse_base, self.source.ignore_base = refuse, ignore

    @rule(size=sizes, concurrency=threads)
    def it_syncs(self, size: int, concurrency: int) -> None:
        self.sync(size, concurrency)

    @rule(size=sizes, concurrency=threads, limit=st.sampled_from([10, 100, 100]))
    def it_refreshes(self, size: int, concurrency: int, limit: int) -> None:
        self.sync(size, concurrency, full_refresh=True, removal_limit=limit)

    @rule(
        size=st.sampled_from([1, 2, 3, 5, 8]),
        concurrency=threads,
        refresh=st.booleans(),
        moves=st.lists(st.tuples(st.integers(1, 30), mutations), min_size=1, max_size=5),
    )
    def it_syncs_while_the_collection_changes(
        self, size: int, concurrency: int, refresh: bool, moves: list[tuple[int, Mutation]]
    ) -> None:
        begun = self.source.requests

        def move(n: int, request: PageRequest) -> None:
            for at, mutation in moves:
                if n - begun == at:
                    self.mutate(*mutation)

        self.source.on_request = move
        self.sync(size, concurrency, full_refresh=refresh)

    @rule(
        size=st.sampled_from([1, 2, 5, 20]),
        concurrency=threads,
        refresh=st.booleans(),
        at=st.integers(0, 25),
        kind=st.sampled_from(["kill", "kill", "lost"]),
        executed_first=st.booleans(),
    )
    def it_is_killed_or_cut_off_at_a_statement(
        self,
        size: int,
        concurrency: int,
        refresh: bool,
        at: int,
        kind: str,
        executed_first: bool,
    ) -> None:
        FAULTS.after, FAULTS.kind, FAULTS.executed_first = at, kind, executed_first
        self.sync(size, concurrency, full_refresh=refresh)

    @rule(
        size=st.sampled_from([1, 2, 5]),
        concurrency=threads,
        refresh=st.booleans(),
        at=st.integers(0, 15),
        error=st.sampled_from([Killed, Unavailable]),
    )
    def it_is_stopped_at_a_request(
        self,
        size: int,
        concurrency: int,
        refresh: bool,
        at: int,
        error: type[BaseException],
    ) -> None:
        made = Killed() if error is Killed else Unavailable("503")
        self.source.errors = [None] * at + [made] * 2
        self.sync(size, concurrency, full_refresh=refresh, failing=True)

    @rule(size=st.sampled_from([1, 5, 20]), most=st.sampled_from([2, 4, 30]))
    def the_server_is_too_slow_for_large_pages(self, size: int, most: int) -> None:
        self.source.too_slow_above = most
        self.sync(size, 2)

    @precondition(lambda self: len(self.source.items) > 15)
    @rule(size=st.sampled_from([8, 20, 499]), where=fractions)
    def so_many_rows_go_that_a_refresh_holds_them(self, size: int, where: float) -> None:
        self.sync(size, 2)
        self.mutate("delete many", 0.0)
        self.mutate("delete many", where / 2)
        self.sync(size, 2, full_refresh=True)

    @rule(size=sizes, concurrency=threads)
    def someone_confirms_what_is_held(self, size: int, concurrency: int) -> None:
        self.sync(size, concurrency, confirm_removal=True, removal_limit=100)

    @rule(size=st.sampled_from([2, 5, 20]), concurrency=threads)
    def the_fields_change(self, size: int, concurrency: int) -> None:
        self.named = not self.named
        self.source.collection = NAMED if self.named else OPPORTUNITIES
        self.sync(size, concurrency)

    @rule(size=st.sampled_from([5, 20]))
    def a_second_sync_comes_and_is_forgotten(self, size: int) -> None:
        before = set(self.rows())
        with writer(self.url, f"{self.name} b", collection=self.source.collection) as store:
            store.use_columns(self.source.collection, OPPORTUNITIES)
            with suppress(OnlyRejects, RemovalHeld):
                run_sync(self.source, store, Options(batch_size=size))
            store.forget()
        assert before <= set(self.rows())
        claims = self.sql("SELECT DISTINCT unnest(sync_names) FROM minimal_opportunities")
        assert {name for (name,) in claims} <= {self.name}

    @rule()
    def someone_resets(self) -> None:
        with writer(self.url, self.name, collection=self.source.collection) as store:
            store.move(0, "reset", "model")
        self.walk_began, self.reached = self.tick, -1

    @rule(where=fractions)
    def someone_rewinds(self, where: float) -> None:
        with writer(self.url, self.name, collection=self.source.collection) as store:
            to = int(where * (store.state.offset + 1))
            refreshing = store.state.refreshing
            store.move(to, "rewind", "model")
        if to == 0:
            self.walk_began, self.reached = self.tick, -1
        elif not refreshing:
            # The row before the offset need only be one that the table holds. What was inserted
            # before it since shows at the end, by number, unless another change cancels it out.
            self.walk_began = None

    @rule(size=st.sampled_from([2, 5]), key=st.integers(1, 9))
    def an_orphan_wakes_up_after_another_took_over(self, size: int, key: int) -> None:
        orphan = writer(self.url, self.name, "orphan", self.source.collection)
        try:
            assert orphan._session._connection is not None
            with orphan._session._connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock_all()")
            self.sync(size, 1)
            before = self.everything()
            late = Batch(
                offset_before=orphan.state.offset,
                offset_after=orphan.state.offset + 1,
                anchor=str(key),
                received=1,
                pages=1,
                complete=True,
                keys=[str(key)],
                values=[("never",)],
                dates=[None],
            )
            acts: list[Callable[[], object]] = [
                lambda: orphan.commit(late),
                lambda: orphan.begin_refresh("orphan"),
                lambda: orphan.move(0, "reset", "orphan"),
                lambda: orphan.note(error="orphan"),
            ]
            for act in acts:
                with pytest.raises(Fenced):
                    act()
            assert self.everything() == before
        finally:
            orphan.close()

    @precondition(lambda self: self.tick > 3)
    @rule(size=sizes)
    def all_is_quiet_and_a_refresh_puts_everything_right(self, size: int) -> None:
        self.mend()
        # The first one may have to go on from the middle of one that was killed.
        self.sync(size, 2, full_refresh=True, removal_limit=100)
        done = self.sync(max(size, 20), 2, full_refresh=True, removal_limit=100)
        if done is None:
            assert self.bad or not self.source.items
            return
        assert self.rows() == self.expected()
        assert done.complete
        assert not any("moved" in warning for warning in done.warnings)

    # --------------------------------------------------------------------------------- one sync

    def mend(self) -> None:
        """End all faults that were scripted."""
        source = self.source
        source.errors = []
        source.too_slow_above = None
        source.on_request = lambda n, request: None
        FAULTS.after = None

    def sync(
        self, size: int, concurrency: int, failing: bool = False, **options: Any
    ) -> Summary | None:
        """One run, with what it may end in; None where it did not succeed."""
        Machine.steps += 1
        begun, bound = self.tick, self.source.requests + 4_000
        slow = self.source.too_slow_above is not None
        ended: SyncError | None = None
        done: Summary | None = None
        store: Writer | None = None
        refreshed: list[int] = []
        try:
            store = writer(self.url, self.name, collection=self.source.collection)
            self.watch(store, refreshed)
            store.use_columns(self.source.collection, OPPORTUNITIES)
            chosen = Options(batch_size=size, concurrency=concurrency, **options)
            done = run_sync(self.source, store, chosen)
        except Killed:
            pass
        except SyncError as error:
            ended = error
        finally:
            self.mend()
            if store is not None:
                store.close()
        if done is None and (ended is None or isinstance(ended, StoreUnavailable)):
            # Killed or cut off, it may have ended the refresh or not.
            self.held = self.is_held()
        assert ended is None or self.may_end_in(ended, begun, store is None, failing, slow), (
            f"{type(ended).__name__}: {ended.sentence()}"
        )
        assert self.source.requests < bound, "the run has no bound"
        if done is not None:
            self.judge(done, begun, refreshed)
        return done

    def may_end_in(
        self, error: SyncError, begun: int, opening: bool, failing: bool, slow: bool
    ) -> bool:
        """Whether what was done to a run explains its error. A BadAnswer never is: no one lied."""
        match error:
            case Unavailable():
                return failing or slow
            case OnlyRejects():
                return self.bad
            case RowsMoved():
                return self.tick != begun
            case RemovalHeld():
                return not self.grown_only or not self.source.items
            case StoreUnavailable():
                # Taking the lock is not tried again: whoever starts a run can do so.
                return opening
        return False

    def watch(self, store: Writer, refreshed: list[int]) -> None:
        """Note what commits promise: every row that was there all the walk, up to its last one."""
        commit, refresh, finish = store.commit, store.begin_refresh, store.finish_refresh

        def committing(batch: Batch) -> Written:
            written = commit(batch)
            good = [int(key) for key in batch.keys]
            self.reached = max([self.reached, *good])
            if self.walk_began is not None:
                self.promised.update(
                    key
                    for key, since in self.since.items()
                    if since <= self.walk_began and key <= self.reached
                )
            return written

        def refreshing(reason: str) -> None:
            refresh(reason)
            self.walk_began, self.reached = self.tick, -1

        def finishing(limit: int) -> int:
            try:
                removed = finish(limit)
            except RemovalHeld:
                self.held = True
                extra = set(self.rows()) - set(self.expected())
                assert not (self.walk_began == self.tick and not extra), "nothing was to be held"
                raise
            self.held = False
            refreshed.append(self.walk_began if self.walk_began is not None else -1)
            return removed

        store.commit = committing  # type: ignore[method-assign]
        store.begin_refresh = refreshing  # type: ignore[method-assign]
        store.finish_refresh = finishing  # type: ignore[method-assign]

    def judge(self, done: Summary, begun: int, refreshed: list[int]) -> None:
        """Assert what a run that succeeded has to have reached."""
        (doubt,) = self.sql("SELECT doubt FROM sync_state WHERE sync_name = %s", self.name)[0]
        assert done.offset_after == self.state()[0]
        assert bool(done.removal_held) == self.held
        if doubt is None and self.tick == begun:
            self.every_row_has_the_fields_that_are_asked_for()
        if doubt is not None:
            assert self.tick != begun, f"doubt over a source at rest: {doubt}"
            self.settled = None
            return
        if refreshed and refreshed[-1] == self.tick:
            # The whole refresh, even if it took several runs, was over a source at rest.
            assert self.rows() == self.expected()
            self.settled, self.grown_only = self.tick, True
        elif self.settled is not None and self.grown_only and begun == self.tick:
            assert self.rows() == self.expected()

    def every_row_has_the_fields_that_are_asked_for(self) -> None:
        if self.named:
            names = dict(self.sql("SELECT opportunity_id, name FROM minimal_opportunities"))
            # A row that came in before the offset while another went may still be missing.
            assert all(names[key] == f"name of {key}" for key in self.expected() if key in names)

    def is_held(self) -> bool:
        found = self.sql("SELECT removal_held FROM sync_state WHERE sync_name = %s", self.name)
        return bool(found and found[0][0])

    # ----------------------------------------------------------------------------- what must hold

    @invariant()
    def what_is_held_stays_open_until_a_refresh_ends_well(self) -> None:
        if hasattr(self, "admin"):
            assert self.is_held() == self.held

    def rows(self) -> dict[str, str | None]:
        return dict(
            self.sql("SELECT opportunity_id, opportunity_number FROM minimal_opportunities")
        )

    def state(self) -> tuple[int, int]:
        found = self.sql(
            "SELECT current_offset, total_synced FROM sync_state WHERE sync_name = %s", self.name
        )
        return (found[0][0], found[0][1]) if found else (0, 0)

    def expected(self) -> dict[str, str | None]:
        return {
            key: number
            for key, number in self.source.table().items()
            if self.source.items[int(key)]["OptyId"] is not None
        }

    def everything(self) -> list[list[tuple[Any, ...]]]:
        names = ("minimal_opportunities", "removed_opportunities", "rejected_items", "sync_state")
        return [self.sql(f"SELECT * FROM {name} ORDER BY id") for name in names]

    @invariant()
    def every_row_that_was_promised_is_there(self) -> None:
        if not hasattr(self, "admin"):
            return
        rows = self.rows()
        rejected = {
            json.dumps(raw, sort_keys=True) for (raw,) in self.sql("SELECT raw FROM rejected_items")
        }
        for key in self.promised:
            content = self.source.items[key]
            if content["OptyId"] is None:
                assert json.dumps(content, sort_keys=True) in rejected, f"reject {key} is lost"
            else:
                assert str(key) in rows, f"row {key - FIRST_ID} is lost"

    @invariant()
    def every_number_is_one_that_the_source_had(self) -> None:
        if not hasattr(self, "admin"):
            return
        for key, number in self.rows().items():
            assert number in self.numbers[key]

    @invariant()
    def no_id_is_both_there_and_removed(self) -> None:
        if not hasattr(self, "admin"):
            return
        assert not self.sql(
            "SELECT opportunity_id FROM minimal_opportunities "
            "JOIN removed_opportunities USING (opportunity_id)"
        )

    @invariant()
    def the_offset_claims_no_more_rows_than_were_received(self) -> None:
        # After a rewind it may count rows that were inserted before it since (someone_rewinds).
        if not hasattr(self, "admin") or self.walk_began is None:
            return
        (known,) = self.sql(
            "SELECT (SELECT count(*) FROM minimal_opportunities) "
            "+ (SELECT count(*) FROM removed_opportunities) "
            "+ (SELECT count(*) FROM rejected_items)"
        )[0]
        assert self.state()[0] <= known


@pytest.mark.parametrize(
    ("seed", "by_key"), [(1, False), (2, False), (3, False), (4, False), (5, True), (6, True)]
)
def test_whatever_happens_no_row_is_lost(
    database_url: str, seed: int, by_key: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bases, "REBASE_ROWS", 10)
    monkeypatch.setattr(session, "connect", faulty)
    # Retries wait for a server to come back; here it is there at once.
    quick = types.SimpleNamespace(monotonic=time.monotonic, sleep=lambda _: None)
    monkeypatch.setattr(session, "time", quick)
    # The name takes part in what a derandomized run draws: other machines for each seed.
    machine = type(f"Machine{seed}", (Machine,), {"url": database_url, "by_key": by_key})
    Machine.steps = 0
    run_state_machine_as_test(machine, settings=PROFILE)
    assert Machine.steps > 100
