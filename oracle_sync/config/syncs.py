"""Which syncs there are: the one that the environment describes, or those of `oracle_sync.toml`."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from oracle_sync.config.collection import OPPORTUNITIES, Collection
from oracle_sync.config.files import exposure, read_text
from oracle_sync.config.names import nearest
from oracle_sync.config.settings import (
    DEFAULT_SYNC_NAME,
    SETTINGS,
    SYNC_FILE,
    Settings,
    load,
)
from oracle_sync.errors import SettingError, shorten

MAX_SYNC_FILE = 1024 * 1024
"""Bytes of a file of syncs; a section has a few hundred."""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_TAKEN = re.compile(r"pg_.*|public|dagster|information_schema")

_CREDENTIALS = (
    "ORACLE_USER",
    "ORACLE_PASSWORD",
    "ORACLE_TOKEN",
    "ORACLE_TOKEN_URL",
    "ORACLE_CLIENT_ID",
    "ORACLE_CLIENT_SECRET",
    "ORACLE_SCOPE",
)
_PER_SYNC = {name for setting in SETTINGS if not setting.shared for name in setting.names}
_SECRET = {setting.name for setting in SETTINGS if setting.secret}


@dataclass(frozen=True)
class Sync:
    """One sync: its row in `sync_state`, the schema of its tables, and settings of its own."""

    name: str = DEFAULT_SYNC_NAME
    own: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)
    collection: Collection = field(default=OPPORTUNITIES, repr=False)
    warnings: tuple[str, ...] = field(default=(), repr=False, compare=False)
    """What is probably a mistake in the file that declares it."""

    @property
    def schema(self) -> str:
        """The PostgreSQL schema of its tables; empty: the one that the connection has."""
        return "" if self.name == DEFAULT_SYNC_NAME else self.name

    def label(self, name: str) -> str:
        """Return a Dagster name of this sync's own: `name`, or with its name after it."""
        return f"{name}_{self.name}" if self.schema else name

    def path(self, name: str) -> list[str]:
        """Return an asset key of this sync's own: `name`, or with its name before it."""
        return [self.schema, name] if self.schema else [name]

    def settings(self) -> Settings:
        """Return its own settings over the environment's.

        With a pod or credentials of its own it takes none of the environment's credentials:
        they would go to the wrong pod.

        Raises:
            SettingError: naming every setting whose value is not allowed.
        """
        environ = dict(os.environ)
        names = {name.removesuffix("_FILE") for name in self.own}
        if names & {"ORACLE_BASE_URL", *_CREDENTIALS}:
            names.update(_CREDENTIALS)
        for name in names:
            # NAME would win over NAME_FILE, wherever each of them is set.
            environ.pop(name, None)
            environ.pop(f"{name}_FILE", None)
        try:
            settings = load(environ | dict(self.own))
        except SettingError as error:
            if not self.own:
                raise
            raise SettingError(f"Sync {self.name}: {error}", error.advice) from None
        return replace(settings, warnings=settings.warnings + self.warnings)


PLAIN = Sync()


def declared() -> list[Sync]:
    """Return every sync: those of the file that ORACLE_SYNC_FILE names, else the plain one.

    Raises:
        SettingError: if the file cannot be read, or declares something else.
    """
    name = SYNC_FILE.read(os.environ)
    try:
        path = Path(name).expanduser()
        missing = not name or not path.exists()
    except (RuntimeError, ValueError):  # ~someone, of whom the system knows no home; a NUL
        missing = True
    if missing:
        if os.environ.get(SYNC_FILE.name):
            raise SettingError(f"{SYNC_FILE.name} names no file: {name}.")
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


def find(name: str | None, syncs: Sequence[Sync] | None = None) -> Sync:
    """Return the sync of a name; for any other name the plain one, whose table it shares.

    Args:
        name: of a sync, or a further name in the table of the plain one.
        syncs: those to look among; without them the declared ones.

    Raises:
        SettingError: if no row of `sync_state` can have that name, or if none is given and
            there are several syncs.
    """
    if name is not None:
        checked_name(name)
    syncs = declared() if syncs is None else syncs
    if name is None and len(syncs) == 1:
        return syncs[0]
    if name is None:
        names = ", ".join(sync.name for sync in syncs)
        raise SettingError(f"Several syncs are declared: {names}.", "Choose one: --sync-name.")
    return next((sync for sync in syncs if sync.name == name), PLAIN)


def _read(path: Path) -> list[Sync]:
    import tomllib

    text = read_text(path, "The file of syncs", MAX_SYNC_FILE)
    try:
        content = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        # Only the place: the words may quote what stands there, such as a password.
        place = re.search(r"\(at [^()]*\)$", str(error))
        raise SettingError(
            f"{path} is not TOML{f' {place[0]}' if place else ''}.", "The README shows one."
        ) from None
    sections = content.pop("syncs", None)
    if content or not isinstance(sections, dict) or not sections:
        raise SettingError(
            f"{path} must hold sections such as [syncs.emea], and nothing else.",
            "The README shows one.",
        )
    keys = {key for section in sections.values() if isinstance(section, dict) for key in section}
    exposed = exposure(path, secret=bool(keys & _SECRET))
    warnings = (exposed,) if exposed else ()
    return [_sync(path, name, section, warnings) for name, section in sections.items()]


def _sync(path: Path, name: str, section: Any, warnings: tuple[str, ...]) -> Sync:
    where = f"{path}, section syncs.{shorten(name, 60)}"
    if not _NAME.fullmatch(name) or _TAKEN.fullmatch(name):
        raise SettingError(
            f"{where}: a sync's name is also that of a PostgreSQL schema: up to 40 small letters, "
            "digits and _, a letter first, and none of PostgreSQL's own."
        )
    if not isinstance(section, dict):
        raise SettingError(f"{where} is not a section.")
    own = {key: _text(where, key, content) for key, content in section.items()}
    return Sync(name, own, warnings=warnings)


def _text(where: str, key: str, content: Any) -> str:
    """Return the value of a setting as the environment would hold it."""
    if key not in _PER_SYNC:
        shown = shorten(key, 60)
        raise SettingError(f"{where}: {shown} cannot be set per sync{nearest(key, _PER_SYNC)}")
    if isinstance(content, bool):
        return "on" if content else "off"
    if isinstance(content, str):
        return content
    if isinstance(content, int) and abs(content) < 2**63:
        return str(content)
    raise SettingError(f"{where}: {key} must be a text or a number.")
