"""Which syncs there are: the one that the environment describes, or those of a file.

Belongs here: reading `oracle_sync.toml`, and the names that follow from a sync's own. Does not
belong here: what a setting means (`settings.py`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from oracle_sync.config.collection import OPPORTUNITIES, Collection
from oracle_sync.config.settings import (
    DEFAULT_SYNC_NAME,
    SETTINGS,
    Settings,
    environment,
    load,
    read,
)
from oracle_sync.errors import SettingError

_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_TAKEN = re.compile(r"pg_.*|public|dagster|information_schema")

# One Dagster serves all syncs, from one folder.
_SHARED = {
    "ORACLE_SYNC_FILE",
    "ORACLE_SYNC_HOME",
    "ORACLE_SYNC_ALERT_WEBHOOK",
    "ORACLE_SYNC_ALERT_WEBHOOK_FILE",
    "DAGSTER_DATABASE_URL",
    "DAGSTER_DATABASE_URL_FILE",
}
_CREDENTIALS = (
    "ORACLE_USER",
    "ORACLE_PASSWORD",
    "ORACLE_TOKEN",
    "ORACLE_TOKEN_URL",
    "ORACLE_CLIENT_ID",
    "ORACLE_CLIENT_SECRET",
    "ORACLE_SCOPE",
)


@dataclass(frozen=True)
class Sync:
    """One sync: its row in `sync_state`, the schema of its tables, and settings of its own."""

    name: str = DEFAULT_SYNC_NAME
    own: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)
    collection: Collection = field(default=OPPORTUNITIES, repr=False)

    @property
    def schema(self) -> str:
        """PostgreSQL schema of its tables; empty: the one that the connection has."""
        return "" if self.name == DEFAULT_SYNC_NAME else self.name

    def label(self, name: str) -> str:
        """A Dagster name of this sync's own: `name`, or with its name after it."""
        return f"{name}_{self.name}" if self.schema else name

    def path(self, name: str) -> list[str]:
        """An asset key of this sync's own: `name`, or with its name before it."""
        return [self.schema, name] if self.schema else [name]

    def settings(self) -> Settings:
        """Its own settings over the environment's.

        With a pod or credentials of its own it takes none of the environment's credentials:
        they would go to the wrong pod.

        Raises:
            SettingError: if a value is out of bounds, naming the setting.
        """
        found = environment()
        names = {name.removesuffix("_FILE") for name in self.own}
        if names & {"ORACLE_BASE_URL", *_CREDENTIALS}:
            for name in _CREDENTIALS:
                found.pop(name, None)
                found.pop(f"{name}_FILE", None)
        for name in names:
            # NAME would win over NAME_FILE, wherever each of them is set.
            found.pop(name, None)
            found.pop(f"{name}_FILE", None)
        try:
            return load(found | dict(self.own))
        except SettingError as error:
            if not self.own:
                raise
            raise SettingError(f"Sync {self.name}: {error}", error.advice) from None


PLAIN = Sync()


def declared() -> list[Sync]:
    """Every sync: those of the file that ORACLE_SYNC_FILE names, else the plain one.

    Raises:
        SettingError: if the file can't be read, or says what can't be.
    """
    found = environment()
    name = read("ORACLE_SYNC_FILE", found)
    path = Path(name).expanduser()
    if not name or not path.is_file():
        if found.get("ORACLE_SYNC_FILE"):
            raise SettingError(f"ORACLE_SYNC_FILE names no file: {path}.")
        return [PLAIN]
    return _read(path)


def checked_name(name: str) -> str:
    """Return a sync name as it is.

    Raises:
        SettingError: if no row of `sync_state` can have it.
    """
    if not 1 <= len(name) <= 100 or not name.isprintable():
        raise SettingError(
            "A sync_name must have 1 to 100 characters, all of them printable.",
            "Choose another sync name.",
        )
    return name


def find(name: str | None) -> Sync:
    """Return the declared sync of a name; for any other name the plain one, whose table it shares.

    Raises:
        SettingError: if no row of `sync_state` can have that name, or if none is given and
            several are declared.
    """
    if name is not None:
        checked_name(name)
    syncs = declared()
    if name is None and len(syncs) == 1:
        return syncs[0]
    if name is None:
        names = ", ".join(sync.name for sync in syncs)
        raise SettingError(f"Several syncs are declared: {names}.", "Choose one: --sync-name.")
    return next((sync for sync in syncs if sync.name == name), PLAIN)


def _read(path: Path) -> list[Sync]:
    import tomllib

    try:
        content = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingError(f"{path} can't be read: {error}.") from None
    sections = content.pop("syncs", None)
    if content or not isinstance(sections, dict) or not sections:
        raise SettingError(
            f"{path} must hold sections such as [syncs.emea], and nothing else.",
            "The README shows one.",
        )
    return [_sync(path, name, section) for name, section in sections.items()]


def _sync(path: Path, name: str, section: Any) -> Sync:
    where = f"{path}, section syncs.{name}"
    if not _NAME.fullmatch(name) or _TAKEN.fullmatch(name):
        raise SettingError(
            f"{where}: a sync's name is also that of a PostgreSQL schema: up to 40 small letters, "
            "digits and _, a letter first, and none of PostgreSQL's own."
        )
    if not isinstance(section, dict):
        raise SettingError(f"{where} is no section.")
    known = {s.name for s in SETTINGS} | {f"{s.name}_FILE" for s in SETTINGS if s.secret}
    own = {}
    for key, value in section.items():
        if key not in known - _SHARED:
            raise SettingError(f"{where}: {key[:60]} is no setting that a sync has of its own.")
        if isinstance(value, bool):
            own[key] = "on" if value else "off"
        elif isinstance(value, (str, int)):
            own[key] = str(value)
        else:
            raise SettingError(f"{where}: {key} must be a text or a number.")
    return Sync(name, own)
