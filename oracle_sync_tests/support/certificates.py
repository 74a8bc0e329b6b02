"""Certificates that nobody vouches for."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from pathlib import Path

import pytest


def make_certificate(folder: Path) -> Path:
    """Make a self-signed certificate for 127.0.0.1 and return its file; the key is beside it."""
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl command to make a certificate with")
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


def server_context(certificate: Path) -> ssl.SSLContext:
    """Return the context of a server with this certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    return context
