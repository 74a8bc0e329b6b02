"""Hosts, proxies and certificates on the way to the pod."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from oracle_sync.errors import SettingError, Unavailable
from oracle_sync_tests.support.certificates import make_certificate, server_context
from oracle_sync_tests.support.faulty_pod import FaultyPod, FaultyServer
from oracle_sync_tests.support.fetching import (
    ANY,
    closed_port,
    failure,
    in_seconds,
)
from oracle_sync_tests.support.raw_server import RawServer, sender
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
    with RawServer(sender(b"SSH-2.0-OpenSSH_9.2\r\n")) as server:
        error = failure(client(server.url, retry_seconds=2))
    assert isinstance(error, Unavailable)
    assert "SSH-2.0-OpenSSH_9.2" in str(error)


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Return an environment that names neither proxies nor certificates."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.fixture
def proxy() -> Iterator[Web]:
    """Run a proxy that lets nothing through and keeps a record."""
    with Web(lambda h: h.reply(b"", 403)) as web:
        yield web


def test_a_proxy_that_is_not_there_is_named_as_such(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("HTTPS_PROXY", f"http://127.0.0.1:{closed_port()}")
    error = failure(client("https://pod.example.com"))
    assert "proxy" in str(error)
    assert "HTTPS_PROXY" in error.advice


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_credentials_for_loopback_are_never_sent_to_a_proxy(
    environment: pytest.MonkeyPatch, proxy: Web, name: str, host: str
) -> None:
    environment.setenv(name, proxy.url)
    with Web(lambda h: h.reply(EMPTY_PAGE)) as web:
        client(web.url.replace("127.0.0.1", host)).fetch(ANY)
        assert len(web.requests) == 1
    assert proxy.requests == []


def test_a_client_secret_for_loopback_is_never_sent_to_a_proxy_that_the_pod_needs(
    environment: pytest.MonkeyPatch, proxy: Web
) -> None:
    environment.setenv("ALL_PROXY", proxy.url)
    with Web(lambda h: h.reply({"access_token": "t"})) as web:
        source = client(
            "https://pod.example.com",
            token_url=f"{web.url}/token",
            client_id="c",
            client_secret="d-secret",
            retry_seconds=0,
        )
        failure(source)
        assert [method for method, _, _ in web.requests] == ["POST"]
    assert [request[:2] for request in proxy.requests] == [("CONNECT", "pod.example.com:443")]


def test_what_no_proxy_says_of_the_pod_does_not_hold_for_the_token_endpoint(
    environment: pytest.MonkeyPatch, proxy: Web
) -> None:
    environment.setenv("HTTPS_PROXY", proxy.url)
    environment.setenv("NO_PROXY", "pod.example.com")
    source = client(
        "https://pod.example.com",
        token_url="https://id.example.com/token",
        client_id="c",
        client_secret="d-secret",
        retry_seconds=0,
    )
    assert "proxy" in str(failure(source))
    assert [request[:2] for request in proxy.requests] == [("CONNECT", "id.example.com:443")]


def test_a_password_of_the_proxy_is_not_shown(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("HTTPS_PROXY", f"http://ann:Zq7x9kTr@127.0.0.1:{closed_port()}")
    assert "Zq7x9kTr" not in failure(client("https://pod.example.com")).sentence()


@pytest.mark.parametrize(
    "value",
    ["http://", "http://[::1", "::::", "http://proxy:port", "http://proxy:99999", "socks5://p:1",
     "ftp://proxy:1", "http://ann:Zq7x9kTr@", "http://a b/", "http://ann:Zq7x9kTr@[::1", "http://ann:%E2%82%AC@proxy:1"],
)  # fmt: skip
def test_a_proxy_setting_that_cannot_be_used_is_named(
    environment: pytest.MonkeyPatch, value: str
) -> None:
    environment.setenv("HTTPS_PROXY", value)
    with pytest.raises(SettingError) as caught:
        client("https://pod.example.com")
    assert "HTTPS_PROXY" in caught.value.advice
    assert "Zq7x9kTr" not in caught.value.sentence()


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_a_ca_bundle_of_the_environment_that_does_not_exist_is_named(
    secure: Web, environment: pytest.MonkeyPatch, name: str
) -> None:
    environment.setenv(name, "/nowhere/ca.pem")
    with pytest.raises(SettingError, match="does not exist") as caught:
        client(secure.url).fetch(ANY)
    assert name in caught.value.advice
    assert secure.requests == []


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def secure(certificate: Path) -> Iterator[Web]:
    with Web(lambda h: h.reply(EMPTY_PAGE), server_context(certificate)) as web:
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
