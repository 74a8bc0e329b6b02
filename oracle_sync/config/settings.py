"""The settings: each is declared here, once, as a field of the values that runs work with."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from oracle_sync.config.collection import COLLECTIONS, OPPORTUNITIES, Collection
from oracle_sync.config.database_url import DatabaseUrl
from oracle_sync.config.files import exposure
from oracle_sync.config.names import misnamed
from oracle_sync.config.setting import (
    Choice,
    Folder,
    Setting,
    Switch,
    Text,
    Whole,
    setting,
    settings_of,
)
from oracle_sync.config.urls import Address, Webhook
from oracle_sync.errors import SettingError

DEFAULT_SYNC_NAME = "oracle_opportunities"
"""The name that the replaced script gave its row in `sync_state`."""

MAX_BATCH_SIZE = 499
"""One of Oracle's guides cuts longer pages to 499 rows without an error; others say 500."""

BATCH_SIZE = Whole(1, MAX_BATCH_SIZE)
PERCENT = Whole(0, 100)
A_DAY = 86_400

SET_IT = "Set it in the environment or in .env, and restart what is running."


CREDENTIALS = (
    "ORACLE_USER",
    "ORACLE_PASSWORD",
    "ORACLE_TOKEN",
    "ORACLE_TOKEN_URL",
    "ORACLE_CLIENT_ID",
    "ORACLE_CLIENT_SECRET",
    "ORACLE_SCOPE",
)
"""What belongs to one pod: it is not sent to another."""


@dataclass(frozen=True)
class OracleSettings:
    """Where Oracle is, who asks, and for what. Secrets are left out of `repr`."""

    base_url: str = setting(
        "ORACLE_BASE_URL", "{bounds} of the pod; plain http only for loopback", Address()
    )
    user: str = setting("ORACLE_USER", "user of Basic authentication")
    password: str = setting("ORACLE_PASSWORD", "password of Basic authentication", secret=True)
    token: str = setting(
        "ORACLE_TOKEN",
        "a bearer token instead",
        Text("[!-~]*", "one word in ASCII, as a header can carry it"),
        secret=True,
    )
    token_url: str = setting(
        "ORACLE_TOKEN_URL", "OAuth 2 client credentials instead: token endpoint", Address()
    )
    client_id: str = setting("ORACLE_CLIENT_ID", "OAuth 2 client id")
    client_secret: str = setting("ORACLE_CLIENT_SECRET", "OAuth 2 client secret", secret=True)
    scope: str = setting("ORACLE_SCOPE", "OAuth 2 scope")
    api_version: str = setting(
        "ORACLE_API_VERSION",
        "version in the path, or latest",
        Text("[A-Za-z0-9._-]+", "a version such as 11.12.1.0, or latest"),
        "11.12.1.0",
    )
    finder: str = setting(
        "ORACLE_FINDER",
        "finder; empty: not sent. The default is that of opportunities; others have none",
        default=OPPORTUNITIES.finder,
        may_be_empty=True,
    )
    query: str = setting(
        "ORACLE_QUERY",
        "the q parameter; empty: not sent. The default is that of opportunities; others have none",
        default=OPPORTUNITIES.query,
        may_be_empty=True,
    )
    fields: str = setting(
        "ORACLE_FIELDS",
        "fields, separated by commas; *_c: all custom ones, *: all. The default of other "
        "collections is their key and number",
        default=OPPORTUNITIES.default_fields,
    )
    missing_fields: str = setting(
        "ORACLE_SYNC_MISSING_FIELDS",
        "{bounds}: what to do about a field that Oracle refuses. skip goes on without it, and says "
        "so",
        Choice(("refuse", "skip")),
        "refuse",
    )
    order_by: str = setting(
        "ORACLE_ORDER_BY",
        "order of the rows; must end in a unique key. The default is the collection's key",
        default=OPPORTUNITIES.order_by,
    )
    framework_version: str = setting(
        "ORACLE_FRAMEWORK_VERSION",
        "header REST-Framework-Version, {bounds}; empty: not sent",
        Text("[1-9]?", "1 to 9"),
    )
    ca_bundle: str = setting(
        "ORACLE_CA_BUNDLE", "file with CA certificates to trust instead of the system's"
    )
    timeout: int = setting(
        "ORACLE_TIMEOUT", "seconds to wait for an answer, {bounds}", Whole(1, 600), "90"
    )
    retry_seconds: int = setting(
        "ORACLE_RETRY_SECONDS",
        "seconds to keep retrying one request, {bounds}",
        Whole(0, A_DAY),
        "300",
    )
    paging: str = setting(
        "ORACLE_SYNC_PAGING",
        "{bounds}; key is for a pod that is slow at deep offsets: oracle-sync check says whether "
        "the pod accepts it",
        Choice(("offset", "key")),
        "offset",
    )

    changes: str = setting(
        "ORACLE_SYNC_CHANGES",
        "{bounds}: whether rows that change in Oracle are read by their LastUpdateDate; auto: "
        "where the pod accepts that, on: a pod that does not is an error",
        Choice(("auto", "on", "off")),
        "auto",
    )

    refusals: Mapping[str, SettingError] = field(default_factory=dict, repr=False, compare=False)
    """Why the value that was set is not allowed, by field; the field has its default."""

    @property
    def skips_missing(self) -> bool:
        """Return whether a sync goes on without the fields that Oracle refuses."""
        return self.missing_fields == "skip"

    def orders_by(self, name: str) -> bool:
        """Return whether rows come in the ascending order of this one field."""
        return self.order_by.replace(" ", "") in (name, f"{name}:asc")

    def checked(self, collection: Collection = OPPORTUNITIES) -> OracleSettings:
        """Return the same settings, once they suffice to read this collection.

        Raises:
            SettingError: naming every setting that is missing, not allowed, or does not fit.
        """
        problems = [*self._refused(), *self._missing()]
        if self.paging == "key" and not self.orders_by(collection.key.attribute):
            problems.append(
                f"ORACLE_SYNC_PAGING=key needs ORACLE_ORDER_BY={collection.key.attribute}:asc."
            )
        if self.ca_bundle and not Path(self.ca_bundle).is_file():
            problems.append(f"ORACLE_CA_BUNDLE names no file: {self.ca_bundle}.")
        if problems:
            hints = [error.advice for error in self.refusals.values() if error.advice]
            raise SettingError(" ".join(problems), hints[0] if hints else SET_IT)
        return self

    def _refused(self) -> Iterator[str]:
        yield from map(str, self.refusals.values())
        for name, declared in settings_of(type(self)).items():
            try:  # made by hand, they have not been checked yet
                declared.parse(str(getattr(self, name)))
            except SettingError as error:
                yield str(error)

    def _missing(self) -> Iterator[str]:
        if not self._has("base_url"):
            yield "ORACLE_BASE_URL is not set."
        if self._has("token_url") or self._has("client_id") or self._has("client_secret"):
            if not self._has("token_url"):
                yield "ORACLE_TOKEN_URL is not set."
            if not (self._has("client_id") and self._has("client_secret")):
                yield "ORACLE_CLIENT_ID and ORACLE_CLIENT_SECRET are needed with ORACLE_TOKEN_URL."
        elif not self._has("token") and not (self._has("user") and self._has("password")):
            yield "ORACLE_USER and ORACLE_PASSWORD are not set (nor a token, nor a client)."

    def _has(self, name: str) -> bool:
        return bool(getattr(self, name)) or name in self.refusals


@dataclass(frozen=True)
class Settings:
    """Everything that can be set, read by `load`."""

    oracle: OracleSettings = field(default_factory=OracleSettings)
    warnings: tuple[str, ...] = ()
    """What is probably a mistake in how they are set."""
    batch_size: int = setting(
        "ORACLE_SYNC_BATCH_SIZE", "items per request, {bounds}", BATCH_SIZE, "5"
    )
    concurrency: int = setting(
        "ORACLE_SYNC_CONCURRENCY", "requests in flight at most, {bounds}", Whole(1, 64), "4"
    )
    database_url: str = setting(
        "DATABASE_URL",
        "{bounds}; empty: an embedded PostgreSQL",
        DatabaseUrl(),
        secret=True,
    )
    dagster_database_url: str = setting(
        "DAGSTER_DATABASE_URL",
        "Dagster's storage; empty: the same database, schema dagster",
        DatabaseUrl(),
        secret=True,
        shared=True,
    )
    sensor_on: bool = setting(
        "ORACLE_SYNC_SENSOR", "{bounds}; on: the sensor runs without a click", Switch(), "off"
    )
    sensor_interval: int = setting(
        "ORACLE_SYNC_SENSOR_INTERVAL",
        "seconds between two looks of the sensor, {bounds}",
        Whole(1, A_DAY),
        "30",
    )
    removal_limit: int = setting(
        "ORACLE_SYNC_REMOVAL_LIMIT",
        "percent of the table that one full refresh may remove, {bounds} (10 rows are always "
        "allowed)",
        PERCENT,
        "10",
    )
    lookback: int = setting(
        "ORACLE_SYNC_LOOKBACK",
        "seconds that late commits in Oracle and the difference between the pod's clocks stay "
        "below, added up, {bounds}: so much of the changes is read again each time",
        Whole(1, A_DAY),
        "300",
    )
    proof: str = setting(
        "ORACLE_SYNC_PROOF",
        "{bounds}: when the rows of both sides are counted to show that they are equal",
        Choice(("run", "hourly", "off")),
        "run",
    )
    lock_wait: int = setting(
        "ORACLE_SYNC_LOCK_WAIT",
        "seconds that a run waits for another one of its name, {bounds}",
        Whole(0, A_DAY),
        "600",
    )
    alert_webhook: str = setting(
        "ORACLE_SYNC_ALERT_WEBHOOK",
        "{bounds} that receives a message, in Slack's format, when a sync begins to fail and when "
        "it works again; empty: none",
        Webhook(),
        secret=True,
        shared=True,
    )
    home: Path = setting(  # noqa: RUF009 - it returns a field
        "ORACLE_SYNC_HOME",
        "folder for embedded data, Dagster's home and logs",
        Folder(),
        ".oracle_sync",
        shared=True,
    )


SYNC_FILE = Setting(
    "ORACLE_SYNC_FILE",
    "file that declares several syncs, if it exists; empty: none",
    default="oracle_sync.toml",
    shared=True,
    may_be_empty=True,
)
"""Read by `syncs.py`, before any sync's settings."""

COLLECTION = Setting(
    "ORACLE_COLLECTION",
    "collection that is synced: one that oracle-sync describe lists",
    default=OPPORTUNITIES.path,
)
KEY = Setting(
    "ORACLE_KEY",
    f"its key attribute; needed for a collection other than {', '.join(COLLECTIONS)}",
)
"""Read by `syncs.py`, like the one before: they decide what other settings are by default."""

SETTINGS = (
    *settings_of(OracleSettings).values(),
    COLLECTION,
    KEY,
    *settings_of(Settings).values(),
    SYNC_FILE,
)
PER_SYNC = {name for declared in SETTINGS if not declared.shared for name in declared.names}
"""The names of what a sync can set for itself."""


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Read every setting; without `environ` from the environment.

    What is wrong with Oracle's settings is said by `OracleSettings.checked`, when Oracle is to be
    asked: the Dagster definitions load and `status` answers without any.

    Raises:
        SettingError: naming every other setting whose value is not allowed.
    """
    environ = os.environ if environ is None else environ
    oracle, refusals = _values(OracleSettings, environ)
    values, problems = _values(Settings, environ)
    if problems:
        what = " ".join(str(problem) for problem in problems.values())
        raise SettingError(what, next(iter(problems.values())).advice or SET_IT)
    return Settings(
        OracleSettings(**oracle, refusals=refusals), warnings=warnings(environ), **values
    )


def _values(
    cls: type, environ: Mapping[str, str]
) -> tuple[dict[str, Any], dict[str, SettingError]]:
    """Return the values of a class's settings, and the refusals of the others, by field."""
    values, refusals = {}, {}
    for name, declared in settings_of(cls).items():
        try:
            values[name] = declared.read(environ)
        except SettingError as error:
            refusals[name] = error
    return values, refusals


def warnings(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return what is probably a mistake in an environment: each a sentence with what to do."""
    known = {name for declared in SETTINGS for name in declared.names}
    files = (environ.get(name) for name in known if name.endswith("_FILE"))
    open_files = (exposure(Path(file), secret=True) for file in files if file)
    return (*misnamed(environ, known), *filter(None, open_files))
