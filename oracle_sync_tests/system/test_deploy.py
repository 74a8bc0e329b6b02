"""The services of the compose file, run as they stand there, and one after the other killed.

Belongs here: what a deployment does as a whole, seen from outside. Does not belong here: whether
the files of `deploy/` fit the project, which `test_deploy_files.py` reads off without starting
anything.
"""

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
from oracle_sync_tests.support.processes import stop, until
from oracle_sync_tests.support.stack import (
    SERVICES,
    USUAL,
    WAIT,
    Stack,
    prepared,
    reason_to_skip,
    start_all,
)

# One stack for all of them, which go on from one another: with --dist loadgroup to one worker.
pytestmark = [
    pytest.mark.xdist_group("deploy"),
    pytest.mark.timeout(300),
    pytest.mark.skipif(bool(reason_to_skip()), reason=reason_to_skip()),
]

ROWS = 300


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with prepared(ROWS) as made:
        start_all(made)
        made.switch_sensor_on()
        until(WAIT, "the tables", lambda: "minimal_opportunities" in tables(made))
        yield made


def half_done(stack: Stack, further: int) -> None:
    """Have a run in the middle of its work, which goes on slowly."""
    stack.arrives()
    before = stack.offset()
    stack.pod.latency_ms = 200
    stack.pod.add(further)
    stack.launch()
    until(WAIT, "a first commit", lambda: before < stack.offset(), 0.05)
    assert not stack.equal()


def test_with_the_sensor_on_the_rows_arrive(stack: Stack) -> None:
    assert requests.get(f"{stack.url}/server_info", timeout=5).ok
    stack.arrives()

    assert stack.offset() >= ROWS


def tables(stack: Stack) -> set[str]:
    found = rows(stack.database(), "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    return {row[0] for row in found}


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
    for said, changed in refused.items():
        with pytest.raises(psycopg2.OperationalError, match=rf"{said}|does not exist"):
            psycopg2.connect(stack.database(**changed))


def test_the_role_of_the_services_owns_its_database_and_no_more(stack: Stack) -> None:
    told = rows(
        stack.database(),
        "SELECT rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls "
        "FROM pg_roles WHERE rolname = current_user",
    )
    assert told == [(False,) * 5]


def test_connections_are_as_few_as_the_document_says(stack: Stack) -> None:
    text = " ".join((PROJECT / "docs" / "operations.md").read_text().split())
    said = re.search(r"at rest hold at most (\d+) connections.* a run adds at most (\d+)", text)
    assert said
    at_rest, of_a_run = int(said[1]), int(said[2])

    def most(times: int) -> int:
        count = (
            "SELECT count(*) FROM pg_stat_activity "
            "WHERE usename = 'oracle_sync' AND pid <> pg_backend_pid()"
        )
        seen = []
        for _ in range(times):
            seen.append(int(rows(stack.database(), count)[0][0]))
            time.sleep(0.3)
        return max(seen)

    stack.arrives()
    assert most(6) <= at_rest
    half_done(stack, 40)
    assert most(3) <= at_rest + of_a_run
    stack.pod.latency_ms = 0
    stack.arrives()


def test_the_exporter_is_healthy_and_tells_of_the_sync(stack: Stack) -> None:
    stack.arrives()
    stack.start("metrics")
    try:
        stack.becomes_healthy("metrics")
        told = requests.get(f"http://127.0.0.1:{stack.ports['9109']}/metrics", timeout=15).text
    finally:
        stop(stack.processes.pop("metrics"), 20)
    assert 'oracle_sync_up{schema=""} 1.0' in told
    of_the_sync = 'oracle_sync_offset{schema="",sync_name="oracle_opportunities"}'
    assert f"{of_the_sync} {len(stack.pod):.1f}" in told


def test_a_new_password_of_oracle_is_read_from_its_file_by_the_next_run(stack: Stack) -> None:
    stack.arrives()
    stack.pod.password = "changed-since"
    (stack.root / "run/secrets/oracle_password").write_text("changed-since\n")
    stack.pod.add(5)
    stack.launch()

    stack.arrives()


def test_a_second_daemon_by_mistake_is_told_of_and_it_and_a_second_webserver_do_no_harm(
    stack: Stack,
) -> None:
    stack.arrives()
    alone = stack.ports["3000"]
    stack.start("daemon", "second daemon")
    stack.ports["3000"] = stack.ports["second"]
    stack.start("webserver", "second webserver")
    try:
        stack.becomes_healthy("webserver")
        stack.pod.latency_ms = 20
        stack.pod.add(60)
        stack.launch()
        stack.pod.add(60)
        stack.arrives()

        def told() -> bool:
            logs = stack.log("daemon") + stack.log("second daemon")
            return "multiple daemon processes running at once" in " ".join(logs.split())

        until(WAIT, "a word on the second daemon", told, 1)
        assert stack.equal()
        assert set(stack.statuses()) == {"SUCCESS"}
    finally:
        stack.ports["3000"] = alone
        for name in ("second daemon", "second webserver"):
            stop(stack.processes.pop(name), 20)


def test_killed_webserver_and_daemon_come_back_and_the_run_goes_on_meanwhile(stack: Stack) -> None:
    half_done(stack, 100)
    for service in ("webserver", "daemon"):
        stack.kill(service)
    assert not stack.healthy("webserver")
    stack.pod.latency_ms = 0
    stack.arrives()
    stack.pod.add(5)
    for service in ("webserver", "daemon"):
        stack.restart(service)
    stack.becomes_healthy("webserver")
    stack.arrives()
    assert set(stack.statuses()) == {"SUCCESS"}


def test_a_run_that_ended_with_its_code_server_is_noticed_and_started_anew(stack: Stack) -> None:
    half_done(stack, 200)
    stack.kill("code")
    assert not stack.healthy("code")
    kept = stack.offset()
    stack.restart("code")
    stack.pod.latency_ms = 0

    until(WAIT, "the run that died", lambda: "FAILURE" in stack.statuses())
    stack.arrives()

    assert stack.statuses().count("FAILURE") == 1
    assert kept < stack.offset() == len(stack.pod)


def answers(stack: Stack) -> bool:
    """Whether the UI gets at the runs: the connections that Dagster kept fail once, as said."""
    query = {"query": "{runsOrError(limit:1){__typename}}"}
    told = requests.post(f"{stack.url}/graphql", json=query, timeout=30).json()
    return bool(told.get("data") and told["data"]["runsOrError"]["__typename"] == "Runs")


def test_a_run_outlives_the_restart_of_the_database(stack: Stack) -> None:
    half_done(stack, 200)
    stack.kill("postgres")
    assert not stack.healthy("postgres")
    stack.restart("postgres")
    stack.becomes_healthy("postgres")
    stack.pod.latency_ms = 0
    until(WAIT, "the UI on new connections", lambda: answers(stack))

    # Where the run could not tell Dagster how it ended, it failed, and the sensor pauses a minute.
    stack.arrives()

    for service in USUAL:
        assert stack.processes[service].poll() is None, f"{service} ended"


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
