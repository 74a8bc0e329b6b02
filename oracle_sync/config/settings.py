"""The settings: their names, defaults and bounds, read from the environment and from `.env`.

Belongs here: turning text into checked values. Does not belong here: opening a connection, or
knowing whether a value works; `oracle-sync check` tries that.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from oracle_sync.config.collection import OPPORTUNITIES, Collection
from oracle_sync.errors import SettingError

DEFAULT_SYNC_NAME = "oracle_opportunities"
"""The name that the replaced script gave its row in `sync_state`."""

MAX_BATCH_SIZE = 499
"""One of Oracle's guides cuts longer pages to 499 rows without an error; others say 500."""


@dataclass(frozen=True)
class Setting:
    """One documented setting. `secret` ones may also come from a file named by NAME_FILE."""

    name: str
    default: str
    help: str
    secret: bool = False


SETTINGS = (
    Setting("ORACLE_BASE_URL", "", "https://... of the pod; plain http only for loopback"),
    Setting("ORACLE_USER", "", "user of Basic authentication"),
    Setting("ORACLE_PASSWORD", "", "password of Basic authentication", secret=True),
    Setting("ORACLE_TOKEN", "", "a bearer token instead", secret=True),
    Setting("ORACLE_TOKEN_URL", "", "OAuth 2 client credentials instead: token endpoint"),
    Setting("ORACLE_CLIENT_ID", "", "OAuth 2 client id"),
    Setting("ORACLE_CLIENT_SECRET", "", "OAuth 2 client secret", secret=True),
    Setting("ORACLE_SCOPE", "", "OAuth 2 scope"),
    Setting("ORACLE_API_VERSION", "11.12.1.0", "version in the path, or latest"),
    Setting(
        "ORACLE_FINDER",
        "MyOpportunitiesFinder;RecordSet='ALLOPTIES'",
        "finder; empty: not sent",
    ),
    Setting("ORACLE_QUERY", "RecordSet='ALL'", "the q parameter; empty: not sent"),
    Setting("ORACLE_FIELDS", "OptyId,OptyNumber", "fields; further ones go to the column extra"),
    Setting("ORACLE_ORDER_BY", "OptyId:asc", "order of the rows; must end in a unique key"),
    Setting("ORACLE_FRAMEWORK_VERSION", "", "REST-Framework-Version, 1 to 9; empty: not sent"),
    Setting("ORACLE_CA_BUNDLE", "", "file with CA certificates to trust instead of the system's"),
    Setting("ORACLE_TIMEOUT", "90", "seconds to wait for an answer, 1 to 600"),
    Setting("ORACLE_RETRY_SECONDS", "300", "seconds to keep retrying one request, 0 to 86400"),
    Setting("ORACLE_SYNC_BATCH_SIZE", "5", f"items per request, 1 to {MAX_BATCH_SIZE}"),
    Setting("ORACLE_SYNC_CONCURRENCY", "4", "requests in flight at most, 1 to 64"),
    Setting(
        "ORACLE_SYNC_PAGING",
        "offset",
        "key: for a pod that is slow at deep offsets; oracle-sync check says whether it takes it",
    ),
    Setting("DATABASE_URL", "", "a PostgreSQL URL; empty: an embedded PostgreSQL", secret=True),
    Setting(
        "DAGSTER_DATABASE_URL",
        "",
        "Dagster's storage; empty: the same database, schema dagster",
        secret=True,
    ),
    Setting("ORACLE_SYNC_SENSOR", "off", "on: the sensor runs without being switched on first"),
    Setting("ORACLE_SYNC_SENSOR_INTERVAL", "30", "seconds between two looks of the sensor"),
    Setting(
        "ORACLE_SYNC_REMOVAL_LIMIT",
        "10",
        "percent of the table that one full refresh may remove (10 rows are always allowed)",
    ),
    Setting("ORACLE_SYNC_LOCK_WAIT", "600", "seconds a run waits for another of its name"),
    Setting(
        "ORACLE_SYNC_ALERT_WEBHOOK",
        "",
        "https://... that is told of failing syncs, in Slack's format; empty: nobody is",
        secret=True,
    ),
    Setting("ORACLE_SYNC_HOME", ".oracle_sync", "embedded data, Dagster home, logs"),
    Setting(
        "ORACLE_SYNC_FILE",
        "oracle_sync.toml",
        "file that declares several syncs, if it is there; empty: none",
    ),
)
_MAY_BE_EMPTY = ("ORACLE_FINDER", "ORACLE_QUERY", "ORACLE_SYNC_FILE")
_BY_NAME = {setting.name: setting for setting in SETTINGS}


@dataclass(frozen=True)
class OracleSettings:
    """Where Oracle is, who asks, and for what. Secrets are left out of `repr`."""

    base_url: str = ""
    user: str = ""
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    token_url: str = ""
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    scope: str = ""
    api_version: str = "11.12.1.0"
    finder: str = ""
    query: str = ""
    fields: str = "OptyId,OptyNumber"
    order_by: str = "OptyId:asc"
    framework_version: str = ""
    ca_bundle: str = ""
    timeout: int = 90
    retry_seconds: int = 300
    paging: str = "offset"

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every value that must not be seen in any output."""
        return tuple(filter(None, (self.password, self.token, self.client_secret)))

    def orders_by(self, name: str) -> bool:
        """Whether rows come in the ascending order of this one field."""
        return self.order_by.replace(" ", "") in (name, f"{name}:asc")

    def checked(self, collection: Collection = OPPORTUNITIES) -> OracleSettings:
        """The same settings, once they can be used to read this collection.

        Raises:
            SettingError: naming every setting that is missing or can't be.
        """
        problems = [*_url_problems("ORACLE_BASE_URL", self.base_url, needed=True)]
        if self.token_url or self.client_id or self.client_secret:
            problems += _url_problems("ORACLE_TOKEN_URL", self.token_url, needed=True)
            if not (self.client_id and self.client_secret):
                problems.append(
                    "ORACLE_CLIENT_ID and ORACLE_CLIENT_SECRET are needed with ORACLE_TOKEN_URL"
                )
        elif not self.token and not (self.user and self.password):
            problems.append(
                "ORACLE_USER and ORACLE_PASSWORD are not set (nor a token, nor a client)"
            )
        if not re.fullmatch(r"[!-~]*", self.token):
            problems.append("ORACLE_TOKEN must be one word in ASCII, as a header can carry it")
        if self.framework_version and self.framework_version not in tuple("123456789"):
            problems.append("ORACLE_FRAMEWORK_VERSION must be a number from 1 to 9")
        if not re.fullmatch(r"[A-Za-z0-9._-]+", self.api_version):
            problems.append("ORACLE_API_VERSION is a version such as 11.12.1.0, or latest")
        if self.paging not in ("offset", "key"):
            problems.append("ORACLE_SYNC_PAGING must be offset or key")
        if self.paging == "key" and not self.orders_by(collection.key.attribute):
            problems.append(
                f"ORACLE_SYNC_PAGING=key needs ORACLE_ORDER_BY={collection.key.attribute}:asc"
            )
        if self.ca_bundle and not Path(self.ca_bundle).is_file():
            problems.append(f"ORACLE_CA_BUNDLE names no file: {self.ca_bundle}")
        if problems:
            raise SettingError("; ".join(problems) + ".", "Set it in the environment or in .env.")
        return self


@dataclass(frozen=True)
class Settings:
    """Everything that can be set, read by `load`."""

    oracle: OracleSettings
    batch_size: int
    concurrency: int
    database_url: str = field(repr=False)
    dagster_database_url: str = field(repr=False)
    sensor_on: bool
    sensor_interval: int
    removal_limit: int
    lock_wait: int
    alert_webhook: str = field(repr=False)
    home: Path


def read(name: str, environ: Mapping[str, str]) -> str:
    """One setting's text: from NAME, else (a secret) from the file in NAME_FILE, else its default.

    Raises:
        SettingError: if the file can't be read.
    """
    setting = _BY_NAME[name]
    if name in environ and (environ[name] or name in _MAY_BE_EMPTY):
        return environ[name].strip()
    path = environ.get(f"{name}_FILE") if setting.secret else None
    if path:
        try:
            # Windows programs put a mark before UTF-8 text.
            return Path(path).read_text(encoding="utf-8-sig").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
            raise SettingError(f"{name}_FILE can't be read: {path}: {reason}.") from None
    return setting.default


def environment() -> dict[str, str]:
    """The process's environment over the `.env` file of the current folder.

    Raises:
        SettingError: if that file can't be read.
    """
    found = dict(os.environ)
    if Path(".env").is_file():
        # Imported only where a file is to be read: `status` counts its milliseconds.
        from dotenv import dotenv_values

        try:
            values = dotenv_values(".env")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
            raise SettingError(
                f"The file .env can't be read: {reason}.", "Save it as UTF-8 text, readable by you."
            ) from None
        for name, value in values.items():
            found.setdefault(name, value or "")
    return found


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Read every setting; without `environ` from the environment and `.env`.

    Which settings of Oracle's are missing is not looked at here (see `OracleSettings.checked`), so
    that the Dagster definitions load and `status` answers without any.

    Raises:
        SettingError: if a value is out of bounds, naming the setting.
    """
    environ = environment() if environ is None else environ
    oracle = OracleSettings(
        **{
            name: read(f"ORACLE_{name.upper()}", environ)
            for name in OracleSettings.__dataclass_fields__
            if name not in ("timeout", "retry_seconds", "base_url", "paging")
        },
        base_url=read("ORACLE_BASE_URL", environ).rstrip("/"),
        timeout=_number("ORACLE_TIMEOUT", environ, 1, 600),
        retry_seconds=_number("ORACLE_RETRY_SECONDS", environ, 0, 86_400),
        paging=read("ORACLE_SYNC_PAGING", environ).lower(),
    )
    return Settings(
        oracle=oracle,
        batch_size=_number("ORACLE_SYNC_BATCH_SIZE", environ, 1, MAX_BATCH_SIZE),
        concurrency=_number("ORACLE_SYNC_CONCURRENCY", environ, 1, 64),
        database_url=_database("DATABASE_URL", environ),
        dagster_database_url=_database("DAGSTER_DATABASE_URL", environ),
        sensor_on=_switch("ORACLE_SYNC_SENSOR", environ),
        sensor_interval=_number("ORACLE_SYNC_SENSOR_INTERVAL", environ, 1, 86_400),
        removal_limit=_number("ORACLE_SYNC_REMOVAL_LIMIT", environ, 0, 100),
        lock_wait=_number("ORACLE_SYNC_LOCK_WAIT", environ, 0, 86_400),
        alert_webhook=_webhook("ORACLE_SYNC_ALERT_WEBHOOK", environ),
        home=Path(read("ORACLE_SYNC_HOME", environ)).expanduser().absolute(),
    )


def _number(name: str, environ: Mapping[str, str], low: int, high: int) -> int:
    text = read(name, environ)
    if not re.fullmatch(r"[0-9]{1,9}", text) or not low <= int(text) <= high:
        raise SettingError(
            f"{name} must be a whole number from {low} to {high}, not {text[:40]!r}.",
            f"Set {name} in the environment or in .env.",
        )
    return int(text)


def _switch(name: str, environ: Mapping[str, str]) -> bool:
    text = read(name, environ).lower()
    if text not in ("on", "off"):
        raise SettingError(f"{name} must be on or off, not {text[:40]!r}.")
    return text == "on"


def _database(name: str, environ: Mapping[str, str]) -> str:
    url = read(name, environ)
    if not url:
        return ""
    # SQLAlchemy's spelling of the driver is accepted; psycopg2 and libpq know no such scheme.
    url = re.sub(r"^postgres(?:ql)?(?:\+psycopg2)?://", "postgresql://", url)
    if not url.startswith("postgresql://"):
        raise SettingError(
            f"{name} is no PostgreSQL URL.",
            f"{name} looks like postgresql://user:password@host:5432/database.",
        )
    return url


def _webhook(name: str, environ: Mapping[str, str]) -> str:
    # The whole URL is the secret: unlike other URLs it may hold a query, and is never shown.
    url = read(name, environ)
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host, parts = None, urlsplit("")
    plain = parts.scheme == "http" and is_loopback(host)
    if url and (not host or not (parts.scheme == "https" or plain)):
        raise SettingError(
            f"{name} must look like https://host/...; plain http only for loopback.",
            f"Set {name} in the environment or in .env, or leave it empty.",
        )
    return url


def is_loopback(host: str | None) -> bool:
    """Whether a host's name stays on this machine."""
    if not host:
        return False
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _url_problems(name: str, url: str, *, needed: bool) -> list[str]:
    if not url:
        return [f"{name} is not set"] if needed else []
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return [f"{name} is no URL"]
    if parts.scheme not in ("https", "http") or not host:
        return [f"{name} must look like https://host"]
    if parts.scheme == "http" and not is_loopback(host):
        return [f"{name} must be https: plain http would send the password in clear text"]
    if parts.username or parts.password:
        return [f"{name} must not hold a user or password: use ORACLE_USER and ORACLE_PASSWORD"]
    if parts.query or parts.fragment:
        return [f"{name} must not hold a query"]
    return []
