"""What the client repeats, with which pauses, and when it stops."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from oracle_sync.errors import (
    BadAnswer,
    SourceError,
    TooSlow,
    Unavailable,
)
from oracle_sync_tests.support.faulty_pod import FaultyPod, FaultyServer
from oracle_sync_tests.support.fetching import (
    ANY,
    failure,
    in_seconds,
)
from oracle_sync_tests.support.web import EMPTY_PAGE, Handler, Web, client


@pytest.fixture
def server() -> Iterator[FaultyServer]:
    with FaultyServer(FaultyPod(rows=12)) as running:
        yield running


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("after", ["1", "date:2"])
def test_retry_after_is_waited_for_in_seconds_and_as_a_date(
    server: FaultyServer, status: int, after: str
) -> None:
    server.pod.add_fault("status", status=status, retry_after=after)
    notices: list[str] = []
    source = client(server, notices.append)
    began = time.monotonic()
    page = source.fetch(ANY)
    assert 0.9 < time.monotonic() - began < 4
    assert (page.throttled, source.requests, source.retries) == (1, 2, 1)
    assert len(notices) == 1
    assert f"Oracle answered {status}" in notices[0]
    assert "Trying again in" in notices[0]


@pytest.mark.parametrize("after", ["3600", "date:3600", "99999999999999999999"])
def test_a_retry_after_beyond_the_allowed_time_is_not_waited_for(
    server: FaultyServer, after: str
) -> None:
    server.pod.add_fault("status", times=None, status=503, retry_after=after)
    began = time.monotonic()
    error = failure(client(server, retry_seconds=5))
    in_seconds(1, began)
    assert isinstance(error, Unavailable)
    assert "asks to wait" in str(error)
    assert len(server.log) == 1


@pytest.mark.parametrize("after", ["soon", "-5", "", "1.5", "inf", "nan", "\u0663"])
def test_a_retry_after_that_makes_no_sense_is_ignored(server: FaultyServer, after: str) -> None:
    def answer(handler: Handler) -> None:
        headers = {"Retry-After": after.encode().decode("latin-1")}
        if len(web.requests) == 1:
            handler.reply({}, 503, headers)
        else:
            handler.reply(EMPTY_PAGE)

    with Web(answer) as web:
        began = time.monotonic()
        client(web.url).fetch(ANY)
        in_seconds(3, began)
        assert len(web.requests) == 2


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 599])
def test_an_error_that_passes_by_itself_is_retried(server: FaultyServer, status: int) -> None:
    server.pod.add_fault("status", status=status)
    assert len(client(server).fetch(ANY).items) == 5
    assert len(server.log) == 2


def test_retrying_ends_within_the_allowed_time(server: FaultyServer) -> None:
    server.pod.add_fault("status", times=None, status=503)
    began = time.monotonic()
    error = failure(client(server, retry_seconds=2))
    in_seconds(3, began)
    assert isinstance(error, Unavailable)
    assert f"Tried {len(server.log)} times" in str(error)
    assert 2 <= len(server.log) <= 4


def test_a_maintenance_page_is_named_by_its_title(server: FaultyServer) -> None:
    server.pod.add_fault("maintenance", times=None)
    error = failure(client(server, retry_seconds=0))
    assert isinstance(error, Unavailable)
    assert "Scheduled Maintenance" in str(error)
    assert "<" not in str(error)


def test_a_504_is_too_slow_after_the_second_attempt(server: FaultyServer) -> None:
    server.pod.add_fault("status", times=None, status=504)
    error = failure(client(server))
    assert isinstance(error, TooSlow)
    assert "batch size" in error.advice
    assert len(server.log) == 2


@pytest.mark.parametrize("kind", ["reset", "truncate", "bad_json"])
def test_a_broken_answer_is_requested_again(server: FaultyServer, kind: str) -> None:
    server.pod.add_fault(kind)
    assert len(client(server).fetch(ANY).items) == 5
    assert len(server.log) == 2


@pytest.mark.parametrize(("kind", "error"), [("reset", Unavailable), ("truncate", Unavailable)])
def test_a_connection_that_keeps_breaking_is_unavailable(
    server: FaultyServer, kind: str, error: type[SourceError]
) -> None:
    server.pod.add_fault(kind, times=None)
    failed = failure(client(server, retry_seconds=2))
    assert isinstance(failed, error)
    assert "The connection to 127.0.0.1" in str(failed)
    assert 2 <= len(server.log) <= 4


def test_broken_json_is_requested_three_times_at_most(server: FaultyServer) -> None:
    server.pod.add_fault("bad_json", times=None)
    error = failure(client(server, retry_seconds=60))
    assert isinstance(error, BadAnswer)
    assert "JSON can't be read" in str(error)
    assert len(server.log) == 3


def test_a_server_that_hangs_is_abandoned_after_the_timeout(server: FaultyServer) -> None:
    server.pod.add_fault("hang", times=None)
    began = time.monotonic()
    error = failure(client(server, timeout=1))
    in_seconds(4, began)
    assert isinstance(error, TooSlow)
    assert "did not answer within 1 s" in str(error)
    assert len(server.log) == 2


def test_a_client_that_is_stopped_ends_its_pause_at_once(server: FaultyServer) -> None:
    server.pod.add_fault("status", times=None, status=503, retry_after=60)
    stopped = threading.Event()
    source = client(server, lambda _: stopped.set(), retry_seconds=600)
    began = time.monotonic()
    with pytest.raises(Unavailable):
        source.fetch(ANY, stopped)
    in_seconds(1, began)
    assert len(server.log) == 1


def test_a_server_that_has_answered_before_is_retried_for_longer(server: FaultyServer) -> None:
    source = client(server, retry_seconds=2)
    source.fetch(ANY)
    server.stop()
    error = failure(source)
    assert isinstance(error, Unavailable)
    assert "run it again later" in error.advice


@pytest.mark.parametrize("after", ["0", "date:-3600", "date:0", "-1"])
@pytest.mark.parametrize("status", [429, 503])
def test_there_is_a_pause_before_every_retry_whatever_the_server_says(
    server: FaultyServer, status: int, after: str
) -> None:
    server.pod.add_fault("status", times=None, status=status, retry_after=after)
    failure(client(server, retry_seconds=2))
    assert 2 <= len(server.log) <= 5


def test_a_request_that_fails_once_is_not_repeated_at_once(server: FaultyServer) -> None:
    server.pod.add_fault("status", status=500)
    began = time.monotonic()
    client(server).fetch(ANY)
    assert time.monotonic() - began > 0.2
