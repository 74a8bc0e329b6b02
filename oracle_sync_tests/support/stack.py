"""The compose file without Docker: each service's own command and environment, as a process."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import requests
import yaml

from oracle_sync.sandbox import Pod, SandboxServer
from oracle_sync_tests.support import PROJECT
from oracle_sync_tests.support.harness import rows, table
from oracle_sync_tests.support.processes import (
    MARK,
    PATIENCE,
    free_port,
    kill_family,
    left_behind,
    stop,
    until,
)

DEPLOY = PROJECT / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
USUAL = [name for name, service in SERVICES.items() if not service.get("profiles")]
"""Those that a plain `docker compose up` starts."""
ENDED = ("SUCCESS", "FAILURE", "CANCELED")

# What PostgreSQL's image runs first: it fills an empty volume, then starts the server. Sockets go
# to a folder of the test; nothing has to survive the end of the machine.
ENTRYPOINT = """#!/bin/sh
set -eu
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  initdb -D "$PGDATA" -U postgres --auth=trust --pwfile="$POSTGRES_PASSWORD_FILE" >/dev/null
  echo "unix_socket_directories = '$PGHOST'" >>"$PGDATA/postgresql.conf"
  echo "fsync = off" >>"$PGDATA/postgresql.conf"
  pg_ctl -D "$PGDATA" -w -o "-c listen_addresses=''" start >/dev/null
  for script in {root}/docker-entrypoint-initdb.d/*.sh; do sh "$script"; done
  pg_ctl -D "$PGDATA" -w -m fast stop >/dev/null
fi
exec "$@"
"""


def postgres_binaries() -> Path | None:
    """Return the folder of a PostgreSQL server with TLS, which the embedded one lacks."""
    for server in sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), reverse=True):
        return server.parent
    return None


def reason_to_skip() -> str:
    """Return why the services can't be started here; "" if they can."""
    if os.name != "posix":
        return "the services of the compose file are for Linux"
    if postgres_binaries() is None:
        return "no PostgreSQL server with TLS (apt-get install postgresql)"
    if shutil.which("openssl") is None:
        return "openssl is not installed"
    return ""


@dataclass
class Stack:
    """The running services, and the pod that they read from."""

    root: Path
    pod: Pod
    mark: str
    ports: dict[str, int]
    pod_url: str
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def here(self, text: str) -> str:
        """Translate paths and ports in a text of the compose file to those of this machine."""
        folders = r"run/secrets|opt/dagster|etc/postgresql|docker-entrypoint|var/lib|tmp/postgres"
        text = re.sub(r"(?<!\d)(3000|4000|9109)(?!\d)", lambda m: str(self.ports[m[0]]), text)
        text = text.replace("0.0.0.0", "127.0.0.1")
        return re.sub(rf"(?<![\w.])/(?={folders})", f"{self.root}/", text)

    def environment(self, service: str) -> dict[str, str]:
        """Return the environment of a service's container, and what replaces DNS."""
        declaration = SERVICES[service]
        variables = {
            "PATH": f"{Path(sys.executable).parent}:{self.root}/bin:{postgres_binaries()}:"
            "/usr/bin:/bin",
            "HOME": str(self.root),
            "LANG": "C.UTF-8",
            MARK: self.mark,
            "PGPORT": str(self.ports["5432"]),
        }
        if service == "postgres":
            variables["PGHOST"] = str(self.root / "sockets")
        else:
            variables |= image_environment()
            # In place of the name "postgres", which the certificate must still bear.
            variables["PGHOSTADDR"] = "127.0.0.1"
            variables["PYTHONPATH"] = str(PROJECT)
        for _ in declaration.get("env_file", []):
            variables |= self.oracle_settings()
        variables |= {
            name: str(value) for name, value in declaration.get("environment", {}).items()
        }
        if variables.get("CODE_SERVER_HOST"):
            variables["CODE_SERVER_HOST"] = {"code": "127.0.0.1"}[variables["CODE_SERVER_HOST"]]
        return {
            name: value if name in ("PATH", "PYTHONPATH", "HOME") else self.here(value)
            for name, value in variables.items()
        }

    def oracle_settings(self) -> dict[str, str]:
        """Return the example's settings, changed to read the stand-in pod in small steps."""
        return example_settings() | {
            "ORACLE_BASE_URL": self.pod_url,
            "ORACLE_USER": self.pod.user,
            "ORACLE_SYNC_BATCH_SIZE": "5",
            "ORACLE_SYNC_CONCURRENCY": "2",
            "ORACLE_SYNC_SENSOR_INTERVAL": "2",
        }

    def start(self, service: str, name: str = "") -> None:
        """Start a service by its own command; `name`: of a second one beside the first."""
        name = name or service
        with (self.root / "logs" / name).open("ab") as log:
            self.processes[name] = self._run(service, SERVICES[service]["command"], log)

    def _run(self, service: str, command: list[str], out: Any) -> subprocess.Popen[bytes]:
        home = self.root / "opt/dagster"
        return subprocess.Popen(
            [self.here(word) for word in command],
            env=self.environment(service),
            cwd=self.root if service == "postgres" else home,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            # PostgreSQL refuses to be run by root, in its image too.
            **(as_postgres() if service == "postgres" else {}),
        )

    def healthy(self, service: str) -> bool:
        """Run the service's own health check, and return whether it passes."""
        check = SERVICES[service]["healthcheck"]
        assert check["test"][0] == "CMD"
        process = self._run(service, check["test"][1:], subprocess.DEVNULL)
        try:
            # On a busy machine it may take longer than on a server.
            return process.wait(4 * float(check["timeout"].rstrip("s"))) == 0
        except subprocess.TimeoutExpired:
            return False
        finally:
            process.kill()
            process.wait()

    def wait_until_healthy(self, service: str) -> None:
        def is_healthy() -> bool:
            process = self.processes[service]
            assert process.poll() is None, f"{service} ended: {self.log(service)[-2000:]}"
            # Some of the checks take seconds of processor time, so they are not run too early.
            return self._has_started(service) and self.healthy(service)

        until(PATIENCE, f"{service} healthy", is_healthy)

    def _has_started(self, service: str) -> bool:
        if service == "daemon":
            beats = "SELECT count(DISTINCT daemon_type) > 3 FROM dagster.daemon_heartbeats"
            return bool(rows(self.database(), beats)[0][0])
        port = {"postgres": "5432", "code": "4000", "webserver": "3000", "metrics": "9109"}[service]
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.ports[port])) == 0

    def kill(self, service: str) -> None:
        """End a service as a container ends by SIGKILL: with all its processes."""
        kill_family(self.processes[service])

    def restart(self, service: str) -> None:
        """Start a service again, as Docker does after its end."""
        assert SERVICES[service]["restart"] in ("always", "unless-stopped")
        self.start(service)

    @property
    def first_password(self) -> str:
        """Oracle's, as it was before anybody changed it."""
        return f"hidden-{self.mark}"

    def log(self, service: str) -> str:
        return (self.root / "logs" / service).read_text(errors="replace")

    # -- seen from outside -----------------------------------------------------------------------

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.ports['3000']}"

    def secret(self, name: str) -> str:
        return (self.root / "run/secrets" / name).read_text().strip()

    def database(self, **changed: str) -> str:
        """Return the URL of the services' database, with parts changed."""
        parts = {
            "user": "oracle_sync",
            "password": self.secret("database_password"),
            "sslmode": "verify-full",
            "sslrootcert": str(self.root / "run/secrets/postgres_ca"),
        } | changed
        return (
            f"postgresql://{parts['user']}:{parts['password']}@postgres:{self.ports['5432']}"
            f"/oracle_sync?hostaddr=127.0.0.1&sslmode={parts['sslmode']}"
            f"&sslrootcert={parts['sslrootcert']}"
        )

    def query(self, query: str, **variables: Any) -> Any:
        answer = requests.post(
            f"{self.url}/graphql", json={"query": query, "variables": variables}, timeout=60
        ).json()
        assert "errors" not in answer, answer
        return answer["data"]

    def switch_sensor_on(self) -> None:
        answer = self.query(
            "mutation($s: SensorSelector!) { startSensor(sensorSelector: $s) { __typename } }",
            s={
                "repositoryLocationName": "oracle_sync",
                "repositoryName": "__repository__",
                "sensorName": "new_opportunities",
            },
        )
        assert answer["startSensor"]["__typename"] == "Sensor", answer

    def launch(self) -> None:
        """Start a run as a click on the job does."""
        answer = self.query(
            """mutation($p: ExecutionParams!) { launchRun(executionParams: $p) {
                 __typename ... on LaunchRunSuccess { run { runId } }
                 ... on PythonError { message } } }""",
            p={
                "selector": {
                    "repositoryLocationName": "oracle_sync",
                    "repositoryName": "__repository__",
                    "jobName": "sync_opportunities",
                },
                "runConfigData": {},
            },
        )["launchRun"]
        assert answer["__typename"] == "LaunchRunSuccess", answer

    def statuses(self) -> list[str]:
        """Return how the runs stand, newest first."""
        statuses = rows(self.database(), "SELECT status FROM dagster.runs ORDER BY id DESC")
        return [row[0] for row in statuses]

    def offset(self) -> int:
        offsets = rows(self.database(), "SELECT current_offset FROM sync_state")
        return int(offsets[0][0]) if offsets else 0

    def equal(self) -> bool:
        return table(self.database()) == self.pod.snapshot()

    def wait_for_rows(self) -> None:
        """Wait until the table equals the source, and no run is under way."""

        def settled() -> bool:
            return self.equal() and all(status in ENDED for status in self.statuses())

        until(PATIENCE, "table = source, and every run ended", settled, 0.5)


def image_environment() -> dict[str, str]:
    """Return the environment that the Dockerfile sets, without its PATH."""
    text = (DEPLOY / "Dockerfile").read_text()
    block = re.search(r"(?m)^ENV ((?:.*\\\n)*.*)$", text)
    assert block
    pairs = dict(word.split("=", 1) for word in block[1].replace("\\\n", " ").split())
    pairs.pop("PATH")
    return pairs


def example_settings() -> dict[str, str]:
    """Return the settings of `oracle.env.example`."""
    lines = (DEPLOY / "oracle.env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def as_postgres() -> Mapping[str, Any]:
    """Return the arguments that start a process as another user than root."""
    if os.geteuid() != 0:
        return {}
    return {"user": "postgres", "group": "postgres", "extra_groups": []}


@contextmanager
def prepared(source_rows: int) -> Iterator[Stack]:
    """Lay out folders, secrets and ports of a stack and run its pod, but not its services.

    Nothing is left afterwards.
    """
    # Not pytest's folder: that is closed to the user who runs PostgreSQL.
    root = Path(tempfile.mkdtemp(prefix="oracle_sync_stack-"))
    root.chmod(0o755)
    mark = uuid.uuid4().hex
    pod = Pod(rows=source_rows)
    ports = {name: free_port() for name in ("3000", "4000", "5432", "9109")}
    try:
        with SandboxServer(pod) as server:
            stack = Stack(root, pod, mark, ports, server.url)
            pod.password = stack.first_password
            _lay_out(stack)
            try:
                yield stack
            finally:
                for name, process in stack.processes.items():
                    if name != "postgres":
                        process.terminate()
                for process in reversed(stack.processes.values()):
                    stop(process, 15)
                # Those that end by themselves, a moment after their parents, are not left behind.
                _, left = psutil.wait_procs(left_behind(mark), timeout=60)
                for one in left:
                    one.kill()
                psutil.wait_procs(left, timeout=60)
    finally:
        shutil.rmtree(root, ignore_errors=True)
    assert not left, f"left behind: {[one.pid for one in left]}"


def _lay_out(stack: Stack) -> None:
    root = stack.root
    for folder in ("bin", "logs", "tmp", "opt/dagster/storage", "sockets", "var/lib/postgresql"):
        (root / folder).mkdir(parents=True)
    for folder in ("tmp", "sockets", "var/lib/postgresql"):
        (root / folder).chmod(0o777)
    subprocess.run(["sh", DEPLOY / "secrets.sh", root / "files"], check=True, capture_output=True)
    (root / "files/oracle_password").write_text(f"{stack.pod.password}\n")
    mounted = {name for service in SERVICES.values() for name in service["secrets"]}
    (root / "run/secrets").mkdir(parents=True)
    for name in mounted:
        source = root / COMPOSE["secrets"][name]["file"].replace("secrets/", "files/")
        shutil.copy(source, root / "run/secrets" / name)
    # Mounts of single files; the volumes are folders, which are there.
    for mount in SERVICES["postgres"]["volumes"]:
        if mount.startswith("./"):
            source, target, _ = mount.split(":")
            (root / target.lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(DEPLOY / source, root / target.lstrip("/"))
    init = next((root / "docker-entrypoint-initdb.d").iterdir())
    init.write_text(stack.here(init.read_text()))
    entrypoint = root / "bin/docker-entrypoint.sh"
    entrypoint.write_text(ENTRYPOINT.replace("{root}", str(root)))
    entrypoint.chmod(0o755)
    home = root / "opt/dagster"
    # Dead runs are looked for more often, so that the test need not wait for half a minute.
    text = (PROJECT / "dagster.yaml").read_text()
    assert "poll_interval_seconds: 30" in text
    (home / "dagster.yaml").write_text(
        text.replace("poll_interval_seconds: 30", "poll_interval_seconds: 2")
    )
    (home / "workspace.yaml").write_text(stack.here((DEPLOY / "workspace.yaml").read_text()))


def start_all(stack: Stack) -> None:
    """Start the services in the order of their dependencies."""
    waiting = list(USUAL)
    healthy: set[str] = set()
    while waiting:
        ready = [s for s in waiting if set(SERVICES[s].get("depends_on", {})) <= healthy]
        assert ready, f"{waiting} wait for one another"
        for service in ready:
            stack.start(service)
        for service in ready:
            stack.wait_until_healthy(service)
        healthy |= set(ready)
        waiting = [s for s in waiting if s not in ready]
