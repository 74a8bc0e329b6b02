"""Addresses that credentials are sent to: which are allowed. No refusal repeats any of one."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from oracle_sync.errors import SettingError
from oracle_sync.redaction import hide


@dataclass(frozen=True)
class Address:
    """An https address without credentials, query or fragment; plain http on this machine only."""

    bounds: str = "https://host"

    def parse(self, name: str, text: str) -> str:
        problem = _problem(text) if text else ""
        if problem:
            raise SettingError(f"{name} {problem}.")
        return text.rstrip("/")


@dataclass(frozen=True)
class Webhook:
    """An https address that is a secret as a whole, and may hold a query."""

    bounds: str = "https://host/..."

    def parse(self, name: str, text: str) -> str:
        scheme, host = _scheme_and_host(text)
        if text and not (host and (scheme == "https" or (scheme == "http" and is_loopback(host)))):
            raise SettingError(
                f"{name} must look like {self.bounds}; plain http only for loopback.",
                f"Set {name} in the environment or in .env, or leave it empty.",
            )
        hide(text.partition("://")[2].partition("/")[2])  # which errors name without the host
        return text


def is_loopback(host: str | None) -> bool:
    """Return whether a host's name stays on this machine."""
    if not host:
        return False
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _scheme_and_host(url: str) -> tuple[str, str]:
    """Return both; two empty ones if it is not a URL."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # refuses what is not a number
    except ValueError:
        return "", ""
    return parts.scheme, parts.hostname or ""


def _problem(url: str) -> str:
    scheme, host = _scheme_and_host(url)
    # Wherever an @ stands: in https://ann:12/34@host all before it was meant as a password.
    if "@" in url:
        return "must not hold a user or password: use ORACLE_USER and ORACLE_PASSWORD"
    if scheme not in ("https", "http") or not host or not re.fullmatch(r"[!-~]+", url):
        return "must look like https://host"
    if scheme == "http" and not is_loopback(host):
        return "must be https: plain http would send the password in clear text"
    if "?" in url or "#" in url:
        return "must not hold a query"
    return ""
