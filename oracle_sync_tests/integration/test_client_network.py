"""Hosts, proxies and certificates on the way to the pod."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from oracle_sync.errors import (
    Unavailable,
)
from oracle_sync_tests.support.faulty_pod import FaultyPod, FaultyServer
from oracle_sync_tests.support.fetching import (
    ANY,
    closed_port,
    failure,
    in_seconds,
)
from oracle_sync_tests.support.web import EMPTY_PAGE, Web, client


@pytest.fixture
def server() -> Iterator[FaultyServer]:
    with FaultyServer(FaultyPod(rows=12)) as running:
        yield running


def test_an_unknown_host_is_named_with_the_setting_to_check() -> None:
    began = time.monotonic()
    error = failure(client("https://no-such-pod.invalid"))
    in_seconds(30, began)
    assert isinstance(error, Unavailable)
    assert "no-such-pod.invalid" in str(error)
    assert "ORACLE_BASE_URL" in error.advice
    assert "Tried 3 times" in str(error)


def test_a_closed_port_is_named_with_the_setting_to_check() -> None:
    port = closed_port()
    error = failure(client(f"http://127.0.0.1:{port}"))
    assert isinstance(error, Unavailable)
    assert f"127.0.0.1:{port}" in str(error)
    assert "refused" in str(error)
    assert "ORACLE_BASE_URL" in error.advice


def test_a_server_that_does_not_speak_http_is_unavailable() -> None:
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection = listener.accept()[0]
            except OSError:
                return
            with connection:
                connection.recv(65_536)
                connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")

    threading.Thread(target=serve, daemon=True).start()
    try:
        error = failure(client(f"http://127.0.0.1:{listener.getsockname()[1]}", retry_seconds=2))
    finally:
        listener.close()
    assert isinstance(error, Unavailable)


def test_a_proxy_that_is_not_there_is_named_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{closed_port()}")
    for name in ("https_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    error = failure(client("https://pod.example.com"))
    assert "proxy" in str(error)
    assert "HTTPS_PROXY" in error.advice


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for 127.0.0.1, and its key beside it."""
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl command to make a certificate with")
    folder = tmp_path_factory.mktemp("tls")
    command = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -batch"
    extension = ["-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"]
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    subprocess.run(
        ["openssl", *command.split(), *extension, *files],
        check=True,
        capture_output=True,
        timeout=60,
    )
    return folder / "cert.pem"


@pytest.fixture
def secure(certificate: Path) -> Iterator[Web]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    with Web(lambda h: h.reply(EMPTY_PAGE), context) as web:
        yield web


def test_a_certificate_that_nobody_vouches_for_is_refused_and_nothing_is_sent(secure: Web) -> None:
    error = failure(client(secure.url))
    assert "TLS with 127.0.0.1" in str(error)
    assert "certificate" in str(error)
    assert "ORACLE_CA_BUNDLE" in error.advice
    assert secure.requests == []


def test_a_certificate_in_the_ca_bundle_is_accepted(secure: Web, certificate: Path) -> None:
    assert client(secure.url, ca_bundle=str(certificate)).fetch(ANY).items == []
    assert len(secure.requests) == 1


def test_a_certificate_for_another_host_is_refused_even_if_it_is_in_the_bundle(
    secure: Web, certificate: Path
) -> None:
    url = secure.url.replace("127.0.0.1", "127.0.0.2")
    error = failure(client(url, ca_bundle=str(certificate), retry_seconds=1))
    assert secure.requests == []
    assert "127.0.0.2" in str(error)


def test_a_ca_bundle_without_a_certificate_is_named(secure: Web, tmp_path: Path) -> None:
    bundle = tmp_path / "empty.pem"
    bundle.write_text("nothing here\n")
    error = failure(client(secure.url, ca_bundle=str(bundle)))
    assert "ORACLE_CA_BUNDLE" in error.sentence()
    assert secure.requests == []


def test_https_to_a_server_of_plain_http_fails_by_name(server: FaultyServer) -> None:
    error = failure(client(server.url.replace("http://", "https://")))
    assert "TLS with 127.0.0.1" in str(error)
