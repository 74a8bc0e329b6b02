"""The address of a server: tried before anything else happens, and refused with the reason."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest
from click.testing import CliRunner

from oracle_sync.cli.main import cli
from oracle_sync.operations.address import demand_free, shown

pytestmark = pytest.mark.usefixtures("no_settings")


@pytest.fixture
def taken() -> Iterator[int]:
    """Yield a port that another program listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def refusal(*words: str) -> str:
    """Return what a command says that must fail at once, without settings and leaving nothing."""
    result = CliRunner().invoke(cli, words)
    assert isinstance(result.exception, SystemExit), result.exc_info
    assert result.exit_code == 1
    assert os.listdir() == []
    assert result.stdout == ""
    cause, advice = result.stderr.splitlines()
    assert cause.startswith("Failed: ")
    assert advice.startswith("What to do: ")
    return result.stderr


@pytest.mark.parametrize("command", ["dev", "demo", "metrics"])
def test_a_port_that_is_taken_is_named_before_anything_else_happens(
    command: str, taken: int
) -> None:
    said = refusal(command, "--port", str(taken))
    assert f"Port {taken} on 127.0.0.1 can't be used: Address already in use." in said
    assert "--port" in said


@pytest.mark.parametrize("command", ["dev", "metrics"])
@pytest.mark.parametrize(
    "host",
    [
        "no-such-host.invalid",
        "256.1.1.1",
        "1.2.3.4",
        "::2",
        "a" * 300,
        "a..b",
        "\udcff",
        "a\0b",
        "",
    ],
)
def test_a_host_that_is_not_this_machine_is_named_before_anything_else_happens(
    command: str, host: str
) -> None:
    said = refusal(command, "--host", host)
    assert "not an address of this machine" in said
    assert "--host" in said
    assert len(said) < 400


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0"])
def test_a_free_port_is_accepted_and_stays_free(host: str) -> None:
    demand_free(host, 0)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    demand_free(host, port)
    demand_free(host, port)


@pytest.mark.skipif(not socket.has_ipv6, reason="there is no IPv6 here")
def test_an_address_of_ipv6_is_accepted_and_stands_in_brackets_in_a_url() -> None:
    demand_free("::1", 0)
    assert shown("::1", 3000) == "http://[::1]:3000"
    assert shown("localhost", 3000) == "http://localhost:3000"
