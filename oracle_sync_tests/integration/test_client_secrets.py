"""A server that repeats the credentials does not get them into any message."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Callable, Iterator
from urllib.parse import quote

import pytest

from oracle_sync_tests.support.faulty_pod import FaultyPod, FaultyServer
from oracle_sync_tests.support.fetching import (
    ANY,
    failure,
    oauth,
)
from oracle_sync_tests.support.raw_server import RawServer, sender
from oracle_sync_tests.support.web import Handler, Web, client, settings


@pytest.fixture
def server() -> Iterator[FaultyServer]:
    with FaultyServer(FaultyPod(rows=12)) as running:
        yield running


SECRET = "S3cr3t-of-the-pod"
PACKED = base64.b64encode(f"ann:{SECRET}".encode()).decode()

SPECIAL = 'S3cr3t&"of/the\\<pod>'
ENCODINGS: tuple[Callable[[str], str], ...] = (
    html.escape,
    quote,
    json.dumps,
    repr,
    lambda text: "".join(f"&#{ord(c)};" for c in text),
    lambda text: "".join(f"\\u{ord(c):04x}" for c in text),
    lambda text: base64.b64encode(text.encode()).decode(),
    lambda text: base64.urlsafe_b64encode(f"password={text}".encode()).decode(),
)


def echo(handler: Handler) -> None:
    """Repeat the credentials in every form that a careless server may choose."""
    sent = handler.headers["Authorization"]
    bare = sent.split()[1]
    plain = base64.b64decode(bare).decode() if sent.startswith("Basic") else bare
    secret = plain.partition(":")[2] or plain
    words = f"{sent} | {bare} | {plain} | {secret}"
    words += "".join(f" | {encode(secret)}" for encode in ENCODINGS)
    kind = handler.path.split("/")[1]
    if kind == "title":
        page = f"<html><title>{words}</title></html>".encode()
        handler.reply(page, 200, {"Content-Type": "text/html"})
    elif kind == "refusal-title":
        handler.reply(f"<html><title>{words}</title></html>".encode(), 503)
    elif kind == "cut-title":
        padding = "x" * 60
        handler.reply(f"<html><title>{padding} {words}</title></html>".encode(), 503)
    elif kind == "text":
        handler.reply(words.encode(), 400)
    elif kind == "json":
        detail = {"detail": words, "o:errorPath": words}
        handler.reply({"title": words, "o:errorDetails": [detail]}, 500)
    elif kind == "redirect":
        host = plain.replace(":", ".")
        handler.reply(b"", 302, {"Location": f"https://{host}.example.com/?x={bare}"})
    else:
        handler.reply({"count": words, "hasMore": True})


@pytest.mark.parametrize(
    "kind", ["title", "refusal-title", "cut-title", "text", "json", "redirect", "page"]
)
@pytest.mark.parametrize("way", ["basic", "bearer"])
@pytest.mark.parametrize("secret", [SECRET, SPECIAL])
def test_credentials_that_a_server_repeats_are_not_shown(kind: str, way: str, secret: str) -> None:
    signing = {"user": "ann", "password": secret} if way == "basic" else {"token": secret}
    notices: list[str] = []
    with Web(echo) as web:
        used = settings(f"{web.url}/{kind}", retry_seconds=1, **signing)
        source = client(f"{web.url}/{kind}", notices.append, retry_seconds=1, **signing)
        error = failure(source)
    shown = " ".join([str(error), error.sentence(), error.advice, repr(used), *notices])
    for part in (SECRET, SECRET.lower(), SECRET[:6], PACKED, PACKED[:10]):
        assert part not in shown
    for encode in ENCODINGS:
        assert encode(secret).strip("'\"") not in shown


def test_a_token_from_the_token_endpoint_is_not_shown_either(server: FaultyServer) -> None:
    server.pod.add_fault("echo_secret", times=None, status=400)
    error = failure(oauth(server))
    issued = list(server.pod._tokens)
    assert issued
    assert not [token for token in issued if token in error.sentence()]


def test_credentials_in_headers_that_cannot_be_parsed_are_not_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with RawServer(sender(f"HTTP/1.1 200 OK\r\n{SECRET}\r\n\r\n{{}}".encode())) as server:
        client(server.url, user="ann", password=SECRET).fetch(ANY)
    assert SECRET not in caplog.text
