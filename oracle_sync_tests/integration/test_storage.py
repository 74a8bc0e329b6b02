"""The tables, the one writer, the brake and the lock, against a real PostgreSQL."""

from __future__ import annotations

import multiprocessing
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg2
import psycopg2.extensions
import pytest

from oracle_sync.config.collection import OPPORTUNITIES
from oracle_sync.engine.rows import Batch, Reject
from oracle_sync.engine.run import run_sync
from oracle_sync.engine.summary import Options
from oracle_sync.errors import (
    Fenced,
    Locked,
    RemovalHeld,
    StoreError,
    StoreRefused,
    StoreUnavailable,
    Unavailable,
)
from oracle_sync.postgres import schema
from oracle_sync.postgres.connection import connect
from oracle_sync.postgres.database import Database
from oracle_sync.postgres.writer import Writer
from oracle_sync_tests.support.harness import NAME, offset, removed, rows, run, state, table, writer
from oracle_sync_tests.support.source import FIRST_ID, ListSource, item


def batch(before: int, *keys: str, values: list[str | None] | None = None, **more: Any) -> Batch:
    """Return a batch of new rows after `before`."""
    fields: dict[str, Any] = {
        "offset_before": before,
        "offset_after": before + len(keys),
        "anchor": keys[-1] if keys else None,
        "received": len(keys),
        "pages": 1,
        "complete": False,
        "keys": list(keys),
        "values": [(value,) for value in values or [f"N{key}" for key in keys]],
        "dates": [None] * len(keys),
    }
    return Batch(**(fields | more))


def dump(url: str) -> dict[str, list[tuple[Any, ...]]]:
    """Everything that a fenced writer must leave alone."""
    names = ("minimal_opportunities", "removed_opportunities", "rejected_items", "sync_state")
    return {name: rows(url, f"SELECT * FROM {name} ORDER BY id") for name in names}


def terminate(url: str, application: str) -> int:
    """End the server's sessions of an application, as an administrator or a failover does."""
    found = rows(
        url,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE application_name = %s AND datname = current_database()",
        application,
    )
    return len(found)


def wait_until(true: Any, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


# ---------------------------------------------------------------------------------- migrations

SCRIPT = """
CREATE TABLE sync_state (
    id SERIAL PRIMARY KEY, sync_name VARCHAR NOT NULL, current_offset INTEGER,
    total_synced INTEGER, last_sync_at TIMESTAMP WITHOUT TIME ZONE, is_complete INTEGER,
    UNIQUE (sync_name)
);
CREATE TABLE minimal_opportunities (
    id SERIAL PRIMARY KEY, opportunity_id VARCHAR NOT NULL, opportunity_number VARCHAR,
    synced_at TIMESTAMP WITHOUT TIME ZONE, UNIQUE (opportunity_id)
);
"""


def script_tables(url: str, source: ListSource, reached: int, counter: int | None) -> None:
    rows(url, SCRIPT)
    rows(
        url,
        "INSERT INTO sync_state (sync_name, current_offset, total_synced, last_sync_at, "
        "is_complete) VALUES (%s, %s, %s, '2025-01-02 03:04:05', %s)",
        NAME,
        counter,
        counter,
        None if counter is None else 0,
    )
    for key in source.keys[:reached]:
        rows(
            url,
            "INSERT INTO minimal_opportunities (opportunity_id, opportunity_number, synced_at) "
            "VALUES (%s, %s, '2025-01-02 03:04:05')",
            str(key),
            source.items[key]["OptyNumber"],
        )


def test_an_empty_database_gets_its_tables(empty_database_url: str) -> None:
    database = Database(empty_database_url, OPPORTUNITIES)
    database.prepare()
    assert database.status(NAME) is None
    assert rows(empty_database_url, "SELECT version_num FROM oracle_sync_version") == [
        (schema.HEAD,)
    ]
    source = ListSource(12)
    run(empty_database_url, source)
    assert table(empty_database_url) == source.table()


def test_the_tables_of_the_script_are_adopted_and_its_offset_goes_on(
    empty_database_url: str,
) -> None:
    url, source = empty_database_url, ListSource(148)
    script_tables(url, source, reached=75, counter=75)
    before = rows(url, "SELECT id, synced_at FROM minimal_opportunities ORDER BY id")
    assert Database(url, OPPORTUNITIES).state(NAME) is not None
    done = run(url, source)
    assert (done.offset_before, done.offset_after, done.inserted) == (75, 148, 73)
    assert done.refreshes == 0
    assert table(url) == source.table()
    assert rows(url, "SELECT id, synced_at FROM minimal_opportunities ORDER BY id")[:75] == before
    assert state(url, "current_offset, total_synced, is_complete") == (148, 148, 1)


def test_a_counter_of_the_script_that_is_null_begins_at_0(empty_database_url: str) -> None:
    url, source = empty_database_url, ListSource(20)
    script_tables(url, source, reached=7, counter=None)
    Database(url, OPPORTUNITIES).prepare()
    done = run(url, source)
    assert (done.offset_before, done.offset_after, done.inserted) == (0, 20, 13)
    assert state(url, "current_offset, total_synced, is_complete") == (20, 20, 1)


def test_an_offset_of_the_script_that_lost_a_row_leads_to_a_refresh(
    empty_database_url: str,
) -> None:
    url, source = empty_database_url, ListSource(148)
    script_tables(url, source, reached=70, counter=75)
    Database(url, OPPORTUNITIES).prepare()
    assert run(url, source).refreshes == 1
    assert table(url) == source.table()


def test_rows_of_the_script_that_are_gone_are_moved_away_by_its_one_sync(
    empty_database_url: str,
) -> None:
    url, source = empty_database_url, ListSource(30)
    script_tables(url, source, reached=30, counter=30)
    Database(url, OPPORTUNITIES).prepare()
    gone = str(source.keys[4])
    source.delete(4)
    run(url, source, full_refresh=True)
    assert table(url) == source.table()
    assert removed(url) == {gone}


def _migrate(url: str, ready: Any, results: Any) -> None:
    ready.wait(30)
    try:
        Database(url, OPPORTUNITIES).prepare()
        results.put(None)
    except BaseException as error:
        results.put(repr(error))


def test_processes_that_migrate_at_once_do_no_harm(empty_database_url: str) -> None:
    context = multiprocessing.get_context("spawn")
    ready, results = context.Barrier(3), context.Queue()
    workers = [
        context.Process(target=_migrate, args=(empty_database_url, ready, results))
        for _ in range(3)
    ]
    for worker in workers:
        worker.start()
    assert [results.get(timeout=60) for _ in workers] == [None] * 3
    for worker in workers:
        worker.join(30)
    assert rows(empty_database_url, "SELECT count(*) FROM oracle_sync_version") == [(1,)]


def test_a_later_schema_is_refused(database_url: str) -> None:
    rows(database_url, "UPDATE oracle_sync_version SET version_num = '9999'")
    with pytest.raises(StoreRefused, match="later version") as caught:
        Database(database_url, OPPORTUNITIES).prepare()
    assert "Upgrade" in caught.value.advice


def test_a_role_without_rights_is_told_so(empty_database_url: str) -> None:
    name = f"r_{urlsplit(empty_database_url).path[1:]}"
    rows(empty_database_url, f"CREATE ROLE {name} LOGIN")
    try:
        parts = urlsplit(empty_database_url)
        url = urlunsplit(parts._replace(netloc=f"{name}:@"))
        with pytest.raises(StoreRefused) as caught:
            Database(url, OPPORTUNITIES).prepare()
        assert "rights" in caught.value.advice
    finally:
        rows(empty_database_url, f"DROP ROLE {name}")


# ---------------------------------------------------------------------------------------- rows


def test_rows_that_are_as_they_should_be_are_not_touched_and_draw_no_id(
    database_url: str,
) -> None:
    url, source = database_url, ListSource(60)
    run(url, source)
    marks = "SELECT opportunity_id, xmin::text, ctid::text, id, synced_at FROM "
    before = rows(url, f"{marks} minimal_opportunities ORDER BY id")
    drawn = "SELECT last_value FROM minimal_opportunities_id_seq"
    assert rows(url, drawn) == [(60,)]
    run(url, source, full_refresh=True)
    assert rows(url, f"{marks} minimal_opportunities ORDER BY id") == before
    source.append(1)
    source.items[source.keys[9]] = item(source.keys[9], "changed")
    assert run(url, source, full_refresh=True).updated == 1
    assert rows(url, drawn) == [(61,)]
    after = rows(url, f"{marks} minimal_opportunities ORDER BY id")
    changed = [old for old, new in zip(before, after, strict=False) if old != new]
    assert [row[0] for row in changed] == [str(source.keys[9])]


def test_an_id_twice_in_a_batch_is_stored_once_with_the_later_number(database_url: str) -> None:
    with writer(database_url) as store:
        written = store.commit(batch(0, "1", "2", "1", values=["a", "b", "c"]))
        assert (written.inserted, store.state.offset) == (2, 3)
    assert table(database_url) == {"1": "c", "2": "b"}


def test_a_row_that_another_session_inserts_at_the_same_moment_is_stored_once(
    database_url: str,
) -> None:
    waits = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event = %s"
    other = psycopg2.connect(database_url)
    other.cursor().execute(
        "INSERT INTO minimal_opportunities (opportunity_id, opportunity_number) VALUES ('2', 'old')"
    )

    def let_go() -> None:
        wait_until(lambda: rows(database_url, waits, "transactionid"))
        other.commit()

    thread = threading.Thread(target=let_go)
    with writer(database_url) as store:
        thread.start()
        written = store.commit(batch(0, "1", "2", "3"))
        assert store.state.offset == 3
    thread.join(10)
    other.close()
    assert (written.inserted, written.updated) == (2, 1)
    assert table(database_url) == {"1": "N1", "2": "N2", "3": "N3"}


def test_a_row_that_is_gone_is_moved_and_comes_back_when_it_returns(database_url: str) -> None:
    source = ListSource(20)
    run(database_url, source)
    kept = dict(source.items)
    source.delete(5)
    assert run(database_url, source, full_refresh=True).removed == 1
    gone = rows(
        database_url,
        "SELECT opportunity_id, opportunity_number, sync_name, removed_by, removed_at IS NULL "
        "FROM removed_opportunities",
    )
    key = str(FIRST_ID + 50)
    assert gone == [(key, f"N{key}", NAME, "test", False)]
    source.items = kept
    done = run(database_url, source, full_refresh=True)
    assert (done.returned, done.inserted) == (1, 1)
    assert removed(database_url) == set()
    assert table(database_url) == source.table()


@pytest.mark.parametrize(
    ("count", "gone", "limit", "allowed"),
    [
        (50, 10, 10, True),
        (50, 10, 1, True),
        (50, 10, 0, False),
        (50, 0, 0, True),
        (50, 11, 10, False),
        (200, 20, 10, True),
        (200, 21, 10, False),
        (200, 199, 100, True),
        (200, 200, 100, True),
        (8, 8, 10, False),
        (8, 8, 99, False),
        (8, 7, 10, True),
        (1, 1, 10, False),
    ],
)
def test_the_brake_holds_where_more_than_the_limit_or_everything_would_go(
    database_url: str, count: int, gone: int, limit: int, allowed: bool
) -> None:
    source = ListSource(count)
    run(database_url, source, batch_size=100)
    before = table(database_url)
    for _ in range(gone):
        source.delete(0)
    if allowed:
        done = run(database_url, source, batch_size=100, full_refresh=True, removal_limit=limit)
        assert done.removed == gone
        assert table(database_url) == source.table()
        assert len(removed(database_url)) == gone
        return
    with pytest.raises(RemovalHeld) as caught:
        run(database_url, source, batch_size=100, full_refresh=True, removal_limit=limit)
    assert "--removal-limit 100" in caught.value.advice
    assert (table(database_url), removed(database_url)) == (before, set())
    assert state(database_url, "refreshing") == (False,)
    done = run(database_url, source, batch_size=100, full_refresh=True, removal_limit=100)
    assert done.removed == gone
    assert table(database_url) == source.table()


def test_a_row_that_another_sync_sees_is_not_swept(database_url: str) -> None:
    mine, other = ListSource(20), ListSource(12)
    run(database_url, mine, name="a")
    run(database_url, other, name="b")
    shared, own = str(mine.keys[3]), str(mine.keys[15])
    mine.delete(15)
    mine.delete(3)
    assert run(database_url, mine, name="a", full_refresh=True).removed >= 1
    assert shared in table(database_url)
    assert own not in table(database_url)
    assert removed(database_url) == {own}
    other.delete(3)
    run(database_url, other, name="b", full_refresh=True)
    assert shared not in table(database_url)
    assert table(database_url) == mine.table()


def test_a_row_that_one_sync_lost_and_another_found_is_not_among_the_removed(
    database_url: str,
) -> None:
    mine, other = ListSource(20), ListSource(5)
    run(database_url, mine, name="a")
    run(database_url, other, name="b")
    mine.delete(10)
    run(database_url, mine, name="a", full_refresh=True)
    assert removed(database_url) == {str(FIRST_ID + 100)}
    other.items[FIRST_ID + 100] = item(FIRST_ID + 100)
    run(database_url, other, name="b")
    assert removed(database_url) == set()
    assert str(FIRST_ID + 100) in table(database_url)


# ---------------------------------------------------------------------------------------- lock


def test_a_second_writer_is_refused_and_told_who_and_since_when(database_url: str) -> None:
    with (
        writer(database_url, holder="run 7 at host a"),
        pytest.raises(Locked, match=r"run 7 at host a since 20\d\d-\d\d-\d\d \d\d:\d\d:\d\d UTC"),
    ):
        writer(database_url, wait=0.0)


def test_another_sync_name_is_not_locked(database_url: str) -> None:
    with writer(database_url, "a"), writer(database_url, "b", wait=0.0) as other:
        assert other.commit(batch(0, "1")).inserted == 1


def test_a_writer_that_waits_gets_the_lock_and_hears_once_who_has_it(database_url: str) -> None:
    first, told = writer(database_url, holder="the first"), list[str]()
    timer = threading.Timer(1.2, first.close)
    timer.start()
    with writer(database_url, wait=20.0, on_wait=told.append) as second:
        assert second.state.epoch == 2
    timer.join(10)
    assert len(told) == 1
    assert told[0].startswith("the first")


HELD = """
SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted
AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


def end_lock(url: str) -> None:
    """End the session that holds a lock, as an administrator or a failover does."""
    [(pid,)] = rows(url, HELD)
    rows(url, "SELECT pg_terminate_backend(%s, 10000)", pid)


def test_a_writer_that_lost_its_lock_has_it_again_before_it_writes(database_url: str) -> None:
    seen = []

    def look(_summary: Any, _batch: Any) -> None:
        seen.append(Database(database_url, OPPORTUNITIES).holder(NAME))
        if len(seen) == 2:
            end_lock(database_url)

    with writer(database_url, holder="the first") as store:
        run_sync(ListSource(30), store, Options(), look)
        assert store.retries == 1
    assert len(seen) > 3
    assert [holder for holder in seen if holder is None] == []


def test_two_roles_on_the_same_tables_share_the_lock_whatever_their_schemas(
    database_url: str,
) -> None:
    name = f"r_{urlsplit(database_url).path[1:]}"
    rows(database_url, f"CREATE ROLE {name} LOGIN SUPERUSER")
    try:
        rows(database_url, f"CREATE SCHEMA {name}")
        url = urlunsplit(urlsplit(database_url)._replace(netloc=f"{name}:@"))
        with writer(database_url, holder="the first"):
            assert "the first" in str(Database(url, OPPORTUNITIES).holder(NAME))
            found = Database(url, OPPORTUNITIES).status(NAME)
            assert found is not None
            assert "the first" in str(found.running)
            with pytest.raises(Locked, match="the first"):
                writer(url, wait=0.0)
        rows(database_url, f"DROP SCHEMA {name}")
    finally:
        rows(database_url, f"DROP ROLE {name}")


def let_go_of_the_lock(orphan: Writer) -> None:
    """Lose the lock and keep the connection, as behind a pooler that shares sessions."""
    connection = orphan._session._connection
    assert connection is not None
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_unlock_all()")


@contextmanager
def orphan_and_heir(url: str) -> Iterator[tuple[Writer, Writer]]:
    """Yield a writer whose lock went although its connection stayed, and the one that took over."""
    orphan = writer(url, holder="the orphan")
    try:
        orphan.commit(batch(0, "1", "2"))
        let_go_of_the_lock(orphan)
        with writer(url, holder="the heir", wait=10.0) as heir:
            yield orphan, heir
    finally:
        orphan.close()


def test_an_orphan_fails_at_its_next_commit_and_writes_nothing(database_url: str) -> None:
    with orphan_and_heir(database_url) as (orphan, heir):
        before = dump(database_url)
        with pytest.raises(Fenced, match="the heir, now at offset 2"):
            orphan.commit(batch(2, "3", rejects=[Reject(2, '{"a": 1}', "bad")]))
        assert dump(database_url) == before
        assert heir.commit(batch(2, "3")).inserted == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda orphan: orphan.move(0, "reset", "x"),
        lambda orphan: orphan.begin_refresh("x"),
        lambda orphan: orphan.finish_refresh(100),
        lambda orphan: orphan.adopt("9"),
        lambda orphan: orphan.note(error="x"),
        lambda orphan: orphan.note(total=5),
    ],
    ids=["move", "begin_refresh", "finish_refresh", "adopt", "note error", "note total"],
)
def test_an_orphan_can_change_nothing_else_either(database_url: str, change: Any) -> None:
    with orphan_and_heir(database_url) as (orphan, _):
        before = dump(database_url)
        with pytest.raises(Fenced):
            change(orphan)
        assert dump(database_url) == before
        assert rows(database_url, "SELECT id FROM sync_history") == []


def test_rejects_of_an_orphan_are_not_set_aside(database_url: str) -> None:
    with orphan_and_heir(database_url) as (orphan, _):
        orphan.set_aside([Reject(2, '{"a": 1}', "bad")])
        assert rows(database_url, "SELECT id FROM rejected_items") == []


def test_an_orphaned_run_ends_with_fenced_and_with_nothing_else(database_url: str) -> None:
    source = ListSource(60)
    heirs: list[Writer] = []

    def take_over(_summary: Any, _batch: Any) -> None:
        if not heirs:
            end_lock(database_url)
            heirs.append(writer(database_url, holder="the heir", wait=10.0))

    with (
        writer(database_url, holder="the orphan") as store,
        pytest.raises(Fenced, match="the heir"),
    ):
        run_sync(source, store, Options(), take_over)
    assert offset(database_url) == len(table(database_url)) == heirs[0].state.offset
    assert state(database_url, "last_error") == (None,)
    heirs[0].close()


def test_an_orphan_that_lost_its_connection_does_not_come_back(database_url: str) -> None:
    with orphan_and_heir(database_url) as (orphan, _):
        assert orphan._session._connection is not None
        orphan._session._connection.close()
        before = dump(database_url)
        with pytest.raises(Fenced, match="the heir"):
            orphan.commit(batch(2, "3"))
        assert dump(database_url) == before


def test_an_offset_moved_without_the_lock_is_noticed(database_url: str) -> None:
    with writer(database_url) as store:
        store.commit(batch(0, "1", "2"))
        rows(database_url, "UPDATE sync_state SET current_offset = 1")
        with pytest.raises(Fenced, match="takes no lock set the offset of opportunities to 1"):
            store.commit(batch(2, "3"))
    assert table(database_url) == {"1": "N1", "2": "N2"}


def test_a_state_that_was_deleted_is_noticed(database_url: str) -> None:
    with writer(database_url) as store:
        store.commit(batch(0, "1", "2"))
        rows(database_url, "DELETE FROM sync_state")
        with pytest.raises(Fenced, match="gone"):
            store.commit(batch(2, "3"))
    assert len(table(database_url)) == 2


# ------------------------------------------------------------------------------------ failures


def test_a_connection_killed_before_a_commit_is_replaced(database_url: str) -> None:
    with writer(database_url) as store:
        store.commit(batch(0, "1", "2"))
        assert terminate(database_url, "oracle_sync") == 1
        assert store.commit(batch(2, "3")).inserted == 1
        assert store.retries == 1
        assert terminate(database_url, "oracle_sync") == 1
        store.commit(batch(3, "4"))
        assert store.state.total_synced == 4
    assert state(database_url, "current_offset, total_synced, epoch") == (4, 4, 1)
    assert set(table(database_url)) == {"1", "2", "3", "4"}


def test_a_connection_killed_during_a_commit_is_replaced_and_nothing_is_doubled(
    database_url: str,
) -> None:
    blocker = connect(database_url, "blocker")
    with writer(database_url) as store:
        store.commit(batch(0, "1", "2"))
        blocker.autocommit = False
        with blocker.cursor() as cursor:
            cursor.execute("SELECT * FROM sync_state FOR UPDATE")
        failed: list[BaseException] = []

        def commit() -> None:
            try:
                store.commit(batch(2, "3"))
            except BaseException as error:
                failed.append(error)

        thread = threading.Thread(target=commit)
        thread.start()
        waiting = (
            "SELECT pid FROM pg_stat_activity WHERE application_name = 'oracle_sync' "
            "AND wait_event_type = 'Lock' AND datname = current_database()"
        )
        wait_until(lambda: rows(database_url, waiting))
        terminate(database_url, "oracle_sync")
        blocker.rollback()
        thread.join(20)
        assert (failed, thread.is_alive(), store.retries > 0) == ([], False, True)
    blocker.close()
    assert state(database_url, "current_offset, total_synced") == (3, 3)
    assert len(table(database_url)) == 3


class LostAfter(psycopg2.extensions.cursor):
    """The statement takes place, but its answer never arrives."""

    lose = ""

    def execute(self, query: Any, parameters: Any = None) -> None:
        super().execute(query, parameters)
        if LostAfter.lose and LostAfter.lose in str(query):
            LostAfter.lose = ""
            self.connection.close()
            raise psycopg2.OperationalError("server closed the connection unexpectedly")


@pytest.fixture
def lost_answers(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[LostAfter]]:
    def connecting(url: str, application: str = "oracle_sync") -> Any:
        connection = connect(url, application)
        connection.cursor_factory = LostAfter
        return connection

    monkeypatch.setattr("oracle_sync.postgres.session.connect", connecting)
    yield LostAfter
    LostAfter.lose = ""


def test_a_commit_whose_answer_is_lost_is_not_done_twice(
    database_url: str, lost_answers: type[LostAfter]
) -> None:
    with writer(database_url) as store:
        store.commit(batch(0, "1", "2"))
        lost_answers.lose = "EXECUTE commit_batch"
        store.commit(batch(2, "3", rejects=[Reject(2, '{"a": 1}', "bad")]))
        assert (store.retries, store.state.offset, store.state.total_synced) == (1, 3, 3)
        store.commit(batch(3, "4"))
    assert state(database_url, "current_offset, total_synced") == (4, 4)
    assert len(rows(database_url, "SELECT id FROM rejected_items")) == 1


@pytest.mark.parametrize("where", ["UPDATE sync_state", "DELETE FROM refresh_marks", "INSERT"])
def test_a_refresh_begins_once_however_its_statements_fail(
    database_url: str, lost_answers: type[LostAfter], where: str
) -> None:
    with writer(database_url) as store:
        store.commit(batch(0, "1", "2"))
        lost_answers.lose = where
        store.begin_refresh("test")
        assert store.retries == 1
    history = Database(database_url, OPPORTUNITIES).history(NAME)
    assert [line.action for line in history] == ["refresh"]
    assert state(database_url, "walk, refreshing, current_offset") == (1, True, 0)


@pytest.mark.parametrize("where", ["LOCK TABLE", "gone AS", "UPDATE sync_state", "sync_history"])
def test_a_refresh_ends_once_however_its_statements_fail(
    database_url: str, lost_answers: type[LostAfter], where: str
) -> None:
    source = ListSource(20)
    run(database_url, source)
    gone = str(source.keys[4])
    source.delete(4)
    with writer(database_url) as store:
        store.begin_refresh("test")
        keys = [str(key) for key in source.keys]
        store.commit(batch(0, *keys))
        lost_answers.lose = where
        assert store.finish_refresh(10) == 1
    assert removed(database_url) == {gone}
    assert table(database_url) == source.table()
    history = Database(database_url, OPPORTUNITIES).history(NAME)
    assert [line.action for line in history] == ["refreshed", "refresh"]
    assert rows(database_url, "SELECT walk FROM refresh_marks") == []


def test_a_database_gone_for_good_is_given_up_with_advice(database_url: str) -> None:
    with writer(database_url, retry_seconds=0.3) as store:
        store.commit(batch(0, "1", "2"))
        before = store.state
        name = urlsplit(database_url).path[1:]
        admin = urlunsplit(urlsplit(database_url)._replace(path="/postgres"))
        rows(admin, f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        try:
            rows(
                admin,
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
                name,
            )
            with pytest.raises(StoreError) as caught:
                store.commit(batch(2, "3"))
            assert caught.value.advice
            assert store.state == before
        finally:
            rows(admin, f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    assert offset(database_url) == 2


def test_a_read_only_database_is_named_with_advice(database_url: str) -> None:
    name = urlsplit(database_url).path[1:]
    with writer(database_url, retry_seconds=0.3) as store:
        store.commit(batch(0, "1"))
        rows(database_url, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        terminate(database_url, "oracle_sync")
        with pytest.raises((StoreRefused, StoreUnavailable), match="read-only") as caught:
            store.commit(batch(1, "2"))
        assert "primary" in caught.value.advice
    with pytest.raises((StoreRefused, StoreUnavailable), match="read-only") as caught:
        writer(database_url)
    assert "primary" in caught.value.advice
    assert (offset(database_url), len(table(database_url))) == (1, 1)


def test_a_statement_that_fails_leaves_neither_rows_nor_offset(database_url: str) -> None:
    rows(database_url, "ALTER TABLE sync_state ADD CHECK (current_offset <> 3)")
    with writer(database_url) as store:
        store.commit(batch(0, "1"))
        with pytest.raises(StoreRefused):
            store.commit(batch(1, "2", "3"))
        assert store.state.offset == 1
    assert (offset(database_url), set(table(database_url))) == (1, {"1"})


def test_a_passing_failure_in_the_middle_of_a_run_is_not_noticed(database_url: str) -> None:
    source = ListSource(100)
    cut = iter(range(100))

    def report(_summary: Any, _batch: Any) -> None:
        if next(cut) % 4 == 1:
            terminate(database_url, "oracle_sync")

    run(database_url, source, report=report, batch_size=10)
    assert table(database_url) == source.table()
    assert state(database_url, "current_offset, total_synced") == (100, 100)


def test_changes_by_hand_and_refreshes_leave_a_line_in_the_history(database_url: str) -> None:
    source = ListSource(30)
    run(database_url, source)
    with writer(database_url, holder="ann@host") as store:
        store.move(12, "rewind", "to look again")
        store.move(0, "reset", "from the start")
    run(database_url, source, full_refresh=True)
    lines = Database(database_url, OPPORTUNITIES).history(NAME)
    told = [(line.action, line.from_offset, line.to_offset) for line in lines]
    assert told == [
        ("refreshed", 30, 30),
        ("refresh", 0, 0),
        ("reset", 12, 0),
        ("rewind", 30, 12),
    ]
    assert (lines[3].who, lines[3].reason) == ("ann@host", "to look again")


@pytest.mark.parametrize("to", [-1, 3, 1_000_000])
def test_an_offset_beyond_what_is_committed_is_refused(database_url: str, to: int) -> None:
    with writer(database_url) as store:
        store.commit(batch(0, "1", "2"))
        with pytest.raises(StoreRefused, match="only 0 to 2 is committed"):
            store.move(to, "rewind", "x")
    assert offset(database_url) == 2


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ann:s3cret-w0rd@127.0.0.1:1/x",
        "postgresql://ann:s3cret-w0rd@host.invalid/x",
        "postgresql://ann:s3cret-w0rd@[::1/x",
        "postgresql://ann:s3cret-w0rd@127.0.0.1:port/x",
        "postgresql://ann:s3cret-w0rd@127.0.0.1/x?nonsense=1",
        "postgresql://ann@127.0.0.1:1/x?password=s3cret-w0rd&nonsense=1",
    ],
)
def test_the_password_is_in_no_error(url: str) -> None:
    with pytest.raises(StoreError) as caught:
        connect(url)
    assert "s3cret" not in caught.value.sentence()


def test_a_missing_database_is_named(database_url: str) -> None:
    with pytest.raises(StoreError, match="does not exist") as caught:
        connect(urlunsplit(urlsplit(database_url)._replace(path="/no_such_database")))
    assert "Create that database" in caught.value.advice


def test_the_error_of_a_run_is_noted_and_forgotten_by_the_next(database_url: str) -> None:
    source = ListSource(10)
    source.errors = [Unavailable("503")]
    with pytest.raises(Unavailable):
        run(database_url, source)
    assert "503" in state(database_url, "last_error")[0]
    run(database_url, source)
    assert state(database_url, "last_error, source_total") == (None, 10)
    assert state(database_url, "last_success_at")[0] is not None


def test_the_status_tells_who_is_at_work_and_counts_the_rows(database_url: str) -> None:
    database = Database(database_url, OPPORTUNITIES)
    run(database_url, ListSource(12))
    with writer(database_url, holder="run 9"):
        found = database.status(NAME)
        assert found is not None
        assert (found.running or "").startswith("run 9 since")
    found = database.status(NAME)
    assert found is not None
    assert (found.state.offset, found.rows, found.state.complete) == (12, 12, True)
    wait_until(lambda: database.holder(NAME) is None)
    found = database.status(NAME)
    assert found is not None
    assert found.running is None
