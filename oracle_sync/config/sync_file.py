"""Read the file that declares syncs: TOML with a section for each, its keys checked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from oracle_sync.config.files import exposure, read_text
from oracle_sync.config.names import nearest
from oracle_sync.config.settings import PER_SYNC, SETTINGS
from oracle_sync.errors import SettingError, shorten

MAX_SYNC_FILE = 1024 * 1024
"""Bytes of a file of syncs; a section has a few hundred."""

ENVIRONMENT_SYNC = "environment_sync"
"""The key, beside the sections, that leaves out the sync that the environment describes."""

SHORT: Mapping[str, str] = {
    "collection": "ORACLE_COLLECTION",
    "key": "ORACLE_KEY",
    "fields": "ORACLE_FIELDS",
}
"""Short names of settings in a section."""

_SECRET = {setting.name for setting in SETTINGS if setting.secret}
_KEYS = {*PER_SYNC, *SHORT, "types", "table"}


@dataclass(frozen=True)
class Section:
    """What a section declares. `place` is how a refusal calls it."""

    place: str
    name: str
    settings: Mapping[str, str] = field(repr=False)
    table: str = ""
    types: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class SyncFile:
    """The sections, whether the environment's sync stays beside them, and probable mistakes."""

    sections: tuple[Section, ...]
    environment_sync: bool
    warnings: tuple[str, ...]


def read_sync_file(path: Path) -> SyncFile:
    """Return what the file declares.

    Raises:
        SettingError: if it cannot be read, or declares something else.
    """
    content = _parsed(path)
    environment_sync = content.pop(ENVIRONMENT_SYNC, True)
    sections = content.pop("syncs", None)
    if content or not isinstance(sections, dict) or not sections:
        raise SettingError(
            f"{path} must hold sections such as [syncs.emea], and nothing else but "
            f"{ENVIRONMENT_SYNC}.",
            "The README shows one.",
        )
    if not isinstance(environment_sync, bool):
        raise SettingError(f"{path}: {ENVIRONMENT_SYNC} must be true or false.")
    keys = {key for section in sections.values() if isinstance(section, dict) for key in section}
    exposed = exposure(path, secret=bool(keys & _SECRET))
    return SyncFile(
        tuple(_section(path, name, section) for name, section in sections.items()),
        environment_sync,
        (exposed,) if exposed else (),
    )


def _parsed(path: Path) -> dict[str, Any]:
    import tomllib

    text = read_text(path, "The file of syncs", MAX_SYNC_FILE)
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        # Only the place: the words may quote what stands there, such as a password.
        place = re.search(r"\(at [^()]*\)$", str(error))
        raise SettingError(
            f"{path} is not TOML{f' {place[0]}' if place else ''}.", "The README shows one."
        ) from None


def _section(path: Path, name: str, section: Any) -> Section:
    place = f"{path}, section syncs.{shorten(name, 60)}"
    if not isinstance(section, dict):
        raise SettingError(f"{place} is not a section.")
    for key in section:
        if key not in _KEYS:
            raise SettingError(
                f"{place}: {shorten(key, 60)} cannot be set per sync{nearest(key, _KEYS)}"
            )
    for short, long in SHORT.items():
        if short in section and long in section:
            raise SettingError(f"{place}: {short} and {long} are the same.", "Leave one out.")
    settings = {
        SHORT.get(key, key): _text(place, key, content)
        for key, content in section.items()
        if key not in ("types", "table")
    }
    table = section.get("table", "")
    if not isinstance(table, str):
        raise SettingError(f"{place}: table must be a text.")
    return Section(place, name, settings, table, _types(place, section.get("types", {})))


def _text(place: str, key: str, content: Any) -> str:
    """Return the value of a setting as the environment would hold it."""
    if isinstance(content, bool):
        return "on" if content else "off"
    if isinstance(content, str):
        return content
    if isinstance(content, int) and abs(content) < 2**63:
        return str(content)
    if key == "fields":
        if isinstance(content, list) and all(isinstance(one, str) for one in content):
            return ",".join(content)
        raise SettingError(f"{place}: fields must be a text, or a list of texts.")
    raise SettingError(f"{place}: {key} must be a text or a number.")


def _types(place: str, content: Any) -> dict[str, str]:
    if isinstance(content, dict) and all(isinstance(one, str) for one in content.values()):
        return content
    raise SettingError(
        f"{place}: types must give each attribute the name of a type.",
        'For example: types = { Revenue = "numeric" }',
    )
