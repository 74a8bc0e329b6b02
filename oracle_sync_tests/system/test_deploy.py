"""The services of the compose file, each run by its own command, and killed in the middle."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest
import requests

from oracle_sync_tests.support import PROJECT
from oracle_sync_tests.support.harness import rows
from oracle_sync_tests.support.processes import PATIENCE, stop, until
from oracle_sync_tests.support.stack import (
    SERVICES,
    USUAL,
    Stack,
    prepared,
    reason_to_skip,
    start_all,
)

# One stack for all tests, each of which continues where the one before it stopped.
pytestmark = [
    pytest.mark.xdist_group("deploy"),
    pytest.mark.timeout(900),
    pytest.mark.skipif(bool(reason_to_skip()), reason=reason_to_skip()),
]

ROWS = 300


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with prepared(ROWS) as prepared_stack:
        start_all(prepared_stack)
        prepared_stack.switch_sensor_on()
        until(PATIENCE, "the tables", lambda: "minimal_opportunities" in tables(prepared_stack))
        yield prepared_stack


def half_done(stack: Stack) -> None:
    """Have a run in the middle of its work, so slow that it will not end by itself."""
    stack.wait_for_rows()
    before = stack.offset()
    stack.pod.latency_ms = 2000
    stack.pod.add(200)
    stack.launch()
    until(PATIENCE, "a first commit", lambda: before < stack.offset(), 0.05)
    assert not stack.equal()


def test_with_the_sensor_on_the_rows_arrive(stack: Stack) -> None:
    assert requests.get(f"{stack.url}/server_info", timeout=60).ok
    stack.wait_for_rows()

    assert stack.offset() >= ROWS


def tables(stack: Stack) -> set[str]:
    """Return the names of the tables in the schema `public`."""
    names = rows(stack.database(), "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    return {row[0] for row in names}


def test_the_database_is_reached_by_tls_and_password_alone(stack: Stack) -> None:
    encrypted = rows(
        stack.database(),
        "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) "
        "WHERE usename = 'oracle_sync'",
    )
    assert encrypted == [(True,)]
    refused = {
        "no pg_hba.conf entry": {"sslmode": "disable"},
        "password authentication failed": {"password": "guessed"},
        "certificate verify failed": {"sslrootcert": "/etc/ssl/certs/ca-certificates.crt"},
    }
    for words, changed in refused.items():
        with pytest.raises(psycopg2.OperationalError, match=rf"{words}|does not exist"):
            psycopg2.connect(stack.database(**changed))


def test_the_role_of_the_services_owns_its_database_and_no_more(stack: Stack) -> None:
    rights = rows(
        stack.database(),
        "SELECT rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls "
        "FROM pg_roles WHERE rolname = current_user",
    )
    assert rights == [(False,) * 5]


def test_connections_are_as_few_as_the_document_says(stack: Stack) -> None:
    text = " ".join((PROJECT / "docs" / "operations.md").read_text().split())
    limits = re.search(r"at rest hold at most (\d+) connections.* a run adds at most (\d+)", text)
    assert limits
    at_rest, of_a_run = int(limits[1]), int(limits[2])

    def most(times: int) -> int:
        count = (
            "SELECT count(*) FROM pg_stat_activity "
            "WHERE usename = 'oracle_sync' AND pid <> pg_backend_pid()"
        )
        counts = []
        for _ in range(times):
            counts.append(int(rows(stack.database(), count)[0][0]))
            time.sleep(0.3)
        return max(counts)

    stack.wait_for_rows()
    assert most(6) <= at_rest
    half_done(stack)
    assert most(3) <= at_rest + of_a_run
    stack.pod.latency_ms = 0
    stack.wait_for_rows()


def test_the_exporter_is_healthy_and_reports_the_sync(stack: Stack) -> None:
    stack.wait_for_rows()
    stack.start("metrics")
    try:
        stack.wait_until_healthy("metrics")
        text = requests.get(f"http://127.0.0.1:{stack.ports['9109']}/metrics", timeout=60).text
    finally:
        stop(stack.processes.pop("metrics"), 20)
    assert 'oracle_sync_up{schema=""} 1.0' in text
    offset = 'oracle_sync_offset{schema="",sync_name="oracle_opportunities"}'
    assert f"{offset} {len(stack.pod):.1f}" in text


def test_a_new_password_of_oracle_is_read_from_its_file_by_the_next_run(stack: Stack) -> None:
    stack.wait_for_rows()
    stack.pod.password = "changed-since"
    (stack.root / "run/secrets/oracle_password").write_text("changed-since\n")
    stack.pod.add(5)
    stack.launch()

    stack.wait_for_rows()


def test_a_second_daemon_by_mistake_is_reported_and_does_no_harm(stack: Stack) -> None:
    stack.wait_for_rows()
    stack.start("daemon", "second daemon")
    try:
        stack.pod.add(60)
        stack.launch()

        def reported() -> bool:
            logs = stack.log("daemon") + stack.log("second daemon")
            return "multiple daemon processes running at once" in " ".join(logs.split())

        until(PATIENCE, "a warning about the second daemon", reported, 1)
        stack.pod.add(60)
        stack.wait_for_rows()
    finally:
        stop(stack.processes.pop("second daemon"), 20)


def test_a_run_outlives_the_end_of_webserver_daemon_and_database(stack: Stack) -> None:
    half_done(stack)
    for service in ("webserver", "daemon"):
        stack.kill(service)
    assert not stack.healthy("webserver")
    offset = stack.offset()
    until(PATIENCE, "a commit without them", lambda: stack.offset() > offset)
    stack.kill("postgres")
    assert not stack.healthy("postgres")
    stack.restart("postgres")
    stack.wait_until_healthy("postgres")
    for service in ("webserver", "daemon"):
        stack.restart(service)
    stack.pod.latency_ms = 0
    stack.wait_until_healthy("webserver")
    # Connections that the code server had kept fail once each, as documented.
    until(PATIENCE, "the UI on new connections", lambda: shows_runs(stack))

    # If the run could not tell Dagster how it ended, it failed, and the sensor pauses a minute.
    stack.wait_for_rows()

    for service in USUAL:
        assert stack.processes[service].poll() is None, f"{service} ended"


def shows_runs(stack: Stack) -> bool:
    """Return whether the UI can read the runs."""
    query = {"query": "{runsOrError(limit:1){__typename}}"}
    answer = requests.post(f"{stack.url}/graphql", json=query, timeout=60).json()
    return bool(answer.get("data") and answer["data"]["runsOrError"]["__typename"] == "Runs")


def test_a_run_that_ended_with_its_code_server_is_noticed_and_started_again(stack: Stack) -> None:
    half_done(stack)
    failures = stack.statuses().count("FAILURE")
    stack.kill("code")
    assert not stack.healthy("code")
    offset = stack.offset()
    stack.restart("code")
    stack.pod.latency_ms = 0

    until(PATIENCE, "the run that died", lambda: stack.statuses().count("FAILURE") > failures)
    stack.wait_for_rows()

    assert stack.statuses().count("FAILURE") == failures + 1
    assert offset < stack.offset() == len(stack.pod)


def test_nothing_was_written_beside_the_volumes_and_no_log_shows_a_secret(stack: Stack) -> None:
    # The containers' own file systems are read-only.
    volumes = {mount.split(":")[1] for mount in SERVICES["code"]["volumes"]}
    writable = {Path(folder).name for folder in {*volumes, *SERVICES["code"]["tmpfs"]}}
    home = {path.name for path in (stack.root / "opt/dagster").iterdir()}
    assert home <= {"dagster.yaml", "workspace.yaml"} | writable
    secrets = {
        stack.secret(name)
        for name in ("oracle_password", "database_password", "postgres_password", "database_url")
    } | {stack.first_password}
    logs = [path for path in (stack.root / "logs").iterdir() if path.name != "postgres"]
    stored = (stack.root / "opt/dagster/storage").rglob("*")
    for path in [*logs, *(path for path in stored if path.is_file())]:
        text = path.read_text(errors="replace")
        assert not [secret for secret in secrets if secret in text], path.name
