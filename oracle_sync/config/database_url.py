"""PostgreSQL URLs, parsed once and by us.

libpq and SQLAlchemy read unusual URLs differently, and their refusals quote what they took for a
host or a port: with an unescaped character in the password, a part of the password.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote

from oracle_sync.errors import SettingError
from oracle_sync.redaction import hide

_SCHEME = re.compile(r"postgres(?:ql)?(?:\+psycopg2)?://")
_HOST = re.compile(r"(\[[0-9A-Fa-f:.%]+\]|[^:\[\]]*)(?::([0-9]{0,5}))?")
_PLAIN = re.compile(r"[A-Za-z0-9._-]*")

_PARAMETERS = frozenset(
    """
    application_name channel_binding client_encoding connect_timeout dbname
    fallback_application_name gssdelegation gssencmode gsslib host hostaddr keepalives
    keepalives_count keepalives_idle keepalives_interval krbsrvname load_balance_hosts
    max_protocol_version min_protocol_version oauth_client_id oauth_client_secret oauth_issuer
    oauth_scope options passfile password port replication require_auth requirepeer
    requiressl scram_client_key scram_server_key service servicefile sslcert sslcertmode
    sslcompression sslcrl sslcrldir sslkey sslkeylogfile sslmode sslnegotiation sslpassword
    sslrootcert sslsni ssl_max_protocol_version ssl_min_protocol_version target_session_attrs
    tcp_user_timeout user
    """.split()  # noqa: SIM905 - readable as words
)
"""Those of libpq 18."""

_SECRET = ("password", "sslpassword", "oauth_client_secret", "scram_client_key")

_ADVICE = (
    "It looks like postgresql://user:password@host:5432/database. In user and password, "
    "percent-encode special characters: @ as %40, / as %2F, ? as %3F, # as %23, % as %25."
)


class _Refused(ValueError):
    """Why a text cannot be read, without a word of it."""


@dataclass(frozen=True)
class DatabaseUrl:
    """A PostgreSQL URL. Its value is one that libpq and SQLAlchemy read alike."""

    bounds: str = "postgresql://user:password@host:5432/database"

    def parse(self, name: str, text: str) -> str:
        if not text:
            return ""
        try:
            parameters = _parameters(text)
        except _Refused as refused:
            raise SettingError(f"{name} can't be read: {refused}.", _ADVICE) from None
        hide(*(parameters.get(secret, "") for secret in _SECRET))
        return _written(parameters)


def _parameters(url: str) -> dict[str, str]:
    """Return a URL's parts under the names that libpq has for them."""
    scheme = _SCHEME.match(url)
    if not scheme:
        raise _Refused("it does not begin with postgresql://")
    rest = url[scheme.end() :]
    if re.search(r"[\s#\x00-\x1f]|%(?![0-9A-Fa-f]{2})", rest):
        raise _Refused("it holds a space, a # or a % that is not percent-encoded")
    authority, tail = re.match(r"([^/?]*)(.*)", rest).groups()  # type: ignore[union-attr]
    if "@" in tail or authority.count("@") > 1:
        raise _Refused("it holds an @, / or ? that is not percent-encoded")
    credentials, _, hosts = authority.rpartition("@")
    user, _, password = credentials.partition(":")
    path, _, query = tail.partition("?")
    if "/" in path[1:]:
        raise _Refused("it holds a / that is not percent-encoded")
    found = {"user": user, "password": password, "dbname": path[1:]} | _hosts(hosts)
    found = {name: text for name, text in found.items() if text} | _query(query)
    decoded = {name: _decoded(text) for name, text in found.items()}
    if decoded.get("password") and set(decoded["password"]) <= set("*\u2022"):
        raise _Refused("its password is masked")
    return decoded


def _hosts(text: str) -> dict[str, str]:
    pairs = [_HOST.fullmatch(part) for part in text.split(",")]
    if not all(pair and 0 < int(pair[2] or 1) < 2**16 for pair in pairs):
        raise _Refused("a port is not a number from 1 to 65535, or a host is not a name")
    ports = [pair[2] or "" for pair in pairs if pair]
    return {
        "host": ",".join(pair[1].strip("[]") for pair in pairs if pair),
        "port": ",".join(ports) if any(ports) else "",
    }


def _query(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for pair in filter(None, text.split("&")):
        name, _, content = pair.partition("=")
        if (name, content) == ("ssl", "true"):  # as JDBC writes it, and libpq reads it
            name, content = "sslmode", "require"
        if name not in _PARAMETERS or "=" in content or name in found:
            raise _Refused("after the ?, it holds something other than parameters of PostgreSQL")
        found[name] = content
    return found


def _decoded(text: str) -> str:
    try:
        decoded = unquote(text, errors="strict")
    except UnicodeDecodeError:
        decoded = "\0"
    if "\0" in decoded:
        raise _Refused("what it holds percent-encoded is not UTF-8 text")
    return decoded


def _written(parameters: dict[str, str]) -> str:
    """Return the URL of these parameters, with the unusual ones after the question mark."""
    left = dict(parameters)
    user, password = left.pop("user", ""), left.pop("password", "")
    credentials = quote(user, safe="") + (f":{quote(password, safe='')}" if password else "")
    url = "postgresql://" + (f"{credentials}@" if credentials else "")
    if _PLAIN.fullmatch(left.get("host", "")) and "," not in left.get("port", ""):
        url += left.pop("host", "")
        url += f":{left.pop('port')}" if left.get("port") else ""
    url += "/"
    if _PLAIN.fullmatch(left.get("dbname", "")):
        url += left.pop("dbname", "")
    query = "&".join(f"{name}={quote(text, safe='')}" for name, text in left.items() if text)
    return f"{url}?{query}" if query else url
