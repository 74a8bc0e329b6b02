"""A sync outlasts many faults in a row, and stops where it must."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from oracle_sync.errors import (
    SignInRefused,
    Unavailable,
)
from oracle_sync_tests.support.faulty_pod import FaultyPod, FaultyServer
from oracle_sync_tests.support.faulty_runs import ROWS, assert_equal, go
from oracle_sync_tests.support.harness import offset, run, table
from oracle_sync_tests.support.web import client


@pytest.fixture
def server() -> Iterator[FaultyServer]:
    with FaultyServer(FaultyPod(rows=ROWS)) as running:
        yield running


@pytest.mark.parametrize("status", [429, 503])
def test_a_storm_of_refusals_with_four_requests_in_flight_is_outlasted(
    database_url: str, status: int
) -> None:
    with FaultyServer(FaultyPod(rows=200, latency_ms=5.0)) as server:
        for skip in (1, 9, 14, 30):
            server.pod.add_fault("status", status=status, times=6, skip=skip, retry_after=0)
        go(database_url, server, retry_seconds=30)
        assert_equal(database_url, server)
        assert 1 < server.max_in_flight <= 4


def test_every_second_connection_that_breaks_is_outlasted(database_url: str) -> None:
    with FaultyServer(FaultyPod(rows=120)) as server:
        # Twice broken JSON, since a page of which nothing else comes is given up.
        for number, fault in enumerate(("reset", "truncate", "bad_json", "reset", "truncate") * 2):
            server.pod.add_fault(fault, skip=2 * number)
        go(database_url, server, retry_seconds=30)
        assert_equal(database_url, server)


def test_a_page_that_breaks_in_another_way_each_time_is_not_given_up(database_url: str) -> None:
    with FaultyServer(FaultyPod(rows=20)) as server:
        for number, fault in enumerate(("reset", "reset", "bad_json")):
            server.pod.add_fault(fault, skip=number)
        go(database_url, server, retry_seconds=30)
        assert_equal(database_url, server)


def test_a_token_revoked_in_the_middle_is_renewed_and_nothing_else_happens(
    database_url: str, server: FaultyServer
) -> None:
    server.pod.add_fault("after_page", do={"revoke_tokens": True}, skip=4)
    source = client(
        server,
        user="",
        password="",
        token_url=f"{server.url}/oauth2/v1/token",
        client_id="sandbox-client",
        client_secret="sandbox-secret",
    )
    run(database_url, source, batch_size=5, concurrency=4)
    assert_equal(database_url, server)
    assert len([entry for entry in server.log if entry["method"] == "POST"]) == 2


def test_a_password_changed_in_the_middle_is_sent_a_few_times_only(
    database_url: str, server: FaultyServer
) -> None:
    server.pod.add_fault("after_page", do={"set": {"password": "changed"}}, skip=3)
    with pytest.raises(SignInRefused):
        go(database_url, server)
    assert len([entry for entry in server.log if entry["status"] == 401]) <= 4
    at = offset(database_url)
    assert len(table(database_url)) == at > 0
    server.pod.configure(password="sandbox")
    go(database_url, server)
    assert_equal(database_url, server)


def test_the_server_going_away_for_good_keeps_what_was_committed(database_url: str) -> None:
    with FaultyServer(FaultyPod(rows=ROWS)) as server:
        gone = threading.Event()

        def leave(_: FaultyPod) -> None:
            gone.set()

        server.pod.add_fault("after_page", do=leave, skip=3)
        server.pod.add_fault("reset", times=None, skip=4)
        with pytest.raises(Unavailable):
            go(database_url, server, retry_seconds=1)
        assert gone.is_set()
        at = offset(database_url)
        assert len(table(database_url)) == at > 0
        server.pod.clear_faults()
        go(database_url, server)
        assert_equal(database_url, server)
