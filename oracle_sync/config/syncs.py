"""Which syncs there are: the one that the environment describes, and those of a file."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from oracle_sync.config.collection import OPPORTUNITIES, Collection
from oracle_sync.config.declaration import declare_collection
from oracle_sync.config.names import nearest
from oracle_sync.config.settings import (
    COLLECTION,
    CREDENTIALS,
    DEFAULT_SYNC_NAME,
    KEY,
    PER_SYNC,
    SYNC_FILE,
    Settings,
    load,
)
from oracle_sync.config.sync_file import Section, read_sync_file
from oracle_sync.errors import SettingError, shorten

_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_TAKEN = re.compile(r"pg_.*|public|dagster|information_schema")

_MAY_BE_EMPTY = {"ORACLE_FINDER", "ORACLE_QUERY"}


def _demand_name(name: str) -> None:
    if not _NAME.fullmatch(name) or _TAKEN.fullmatch(name):
        raise SettingError(
            f"{shorten(name, 60)!r} cannot name a sync: a sync's name is also that of a PostgreSQL "
            "schema: up to 40 small letters, digits and _, a letter first, and none of "
            "PostgreSQL's own."
        )


@dataclass(frozen=True, init=False)
class Sync:
    """One sync: its row in `sync_state`, the schema of its tables, and settings of its own."""

    name: str
    own: Mapping[str, str] = field(repr=False, compare=False)
    collection: Collection = field(repr=False)
    types: Mapping[str, str] = field(repr=False, compare=False)
    """Column types by attribute that outrank those that the pod describes."""
    warnings: tuple[str, ...] = field(repr=False, compare=False)
    """What is probably a mistake in the file that declares it."""

    def __init__(
        self,
        name: str = DEFAULT_SYNC_NAME,
        own: Mapping[str, str] | None = None,
        collection: Collection | str = OPPORTUNITIES,
        *,
        key: str = "",
        fields: str | Sequence[str] = "",
        types: Mapping[str, str] | None = None,
        table: str = "",
        warnings: tuple[str, ...] = (),
    ) -> None:
        """Declare a sync; nothing is read or sent.

        Args:
            name: of the sync, of its PostgreSQL schema, and in the names of its Dagster objects.
            own: settings that outrank the environment's, such as ORACLE_BASE_URL.
            collection: what is synced: the path of a collection, or one that is declared in full.
            key: the key attribute, for a collection that is not known.
            fields: attributes to read, as a list or separated by commas; as ORACLE_FIELDS.
            types: PostgreSQL types by attribute, where those that the pod describes do not fit.
            table: name of the table, if it is not to be called after the collection.
            warnings: what is probably a mistake in the declaration.

        Raises:
            SettingError: saying what is not possible.
        """
        own = dict(own or {})
        _demand_name(name)
        for setting in own:
            if setting not in PER_SYNC:
                raise SettingError(
                    f"{shorten(setting, 60)} cannot be set per sync{nearest(setting, PER_SYNC)}"
                )
        if fields and "ORACLE_FIELDS" in own:
            raise SettingError("fields and ORACLE_FIELDS are the same.", "Leave one out.")
        if fields:
            own["ORACLE_FIELDS"] = fields if isinstance(fields, str) else ",".join(fields)
        if isinstance(collection, str):
            collection = declare_collection(collection, key, table=table, types=types)
        values = (name, own, collection, dict(types or {}), warnings)
        for attribute, value in zip(self.__dataclass_fields__, values, strict=True):
            object.__setattr__(self, attribute, value)

    @property
    def schema(self) -> str:
        """The PostgreSQL schema of its tables; empty: the one that the connection has."""
        return "" if self.name == DEFAULT_SYNC_NAME else self.name

    @property
    def table_name(self) -> str:
        """The name of its table, with the schema where it has one of its own."""
        table = self.collection.table
        return f"{self.schema}.{table}" if self.schema else table

    def label(self, name: str) -> str:
        """Return a Dagster name of this sync's own: `name`, or with its name after it."""
        return f"{name}_{self.name}" if self.schema else name

    def path(self, name: str) -> list[str]:
        """Return an asset key of this sync's own: `name`, or with its name before it."""
        return [self.schema, name] if self.schema else [name]

    def settings(self) -> Settings:
        """Return its own settings over the environment's, over what suits its collection.

        With a pod or credentials of its own it takes none of the environment's credentials:
        they would go to the wrong pod. With another collection than the environment's it takes
        neither finder, query, fields nor order from there.

        Raises:
            SettingError: naming every setting whose value is not allowed.
        """
        environ = dict(os.environ)
        names = {name.removesuffix("_FILE") for name in self.own}
        if names & {"ORACLE_BASE_URL", *CREDENTIALS}:
            names.update(CREDENTIALS)
        suited = _suited(self.collection)
        if self.collection.path != _environment_path():
            names.update(suited)
        for name in names:
            # NAME would win over NAME_FILE, wherever each of them is set.
            environ.pop(name, None)
            environ.pop(f"{name}_FILE", None)
        environ |= self.own
        for name, default in suited.items():
            if not environ.get(name) and not (name in environ and name in _MAY_BE_EMPTY):
                environ[name] = default
        try:
            settings = load(environ)
        except SettingError as error:
            if not self.own:
                raise
            raise SettingError(f"Sync {self.name}: {error}", error.advice) from None
        return replace(settings, warnings=settings.warnings + self.warnings)


PLAIN = Sync()


def environment_sync() -> Sync:
    """Return the sync that the environment describes: PLAIN, or that of ORACLE_COLLECTION.

    Raises:
        SettingError: if there is no such collection.
    """
    path, key = COLLECTION.read(os.environ), KEY.read(os.environ)
    if path == OPPORTUNITIES.path and not key:
        return PLAIN
    try:
        collection = declare_collection(path, key)
    except SettingError as error:
        raise SettingError(f"ORACLE_COLLECTION: {error}", error.advice) from None
    name = DEFAULT_SYNC_NAME if path == OPPORTUNITIES.path else collection.name
    return Sync(name, collection=collection)


def declared() -> list[Sync]:
    """Return every sync: the environment's, or those of the file that ORACLE_SYNC_FILE names.

    Where the environment names a pod, its sync stays beside those of the file: its rows would
    otherwise grow old, and nobody would notice.

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
        return [environment_sync()]
    file = read_sync_file(path)
    syncs = [_sync(section, file.warnings) for section in file.sections]
    if file.environment_sync and os.environ.get("ORACLE_BASE_URL"):
        of_environment = environment_sync()
        if of_environment.name not in {sync.name for sync in syncs}:
            syncs.insert(0, of_environment)
    return syncs


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
    matching = (sync for sync in syncs if sync.name == name)
    return next(matching, None) or environment_sync()


def _sync(section: Section, warnings: tuple[str, ...]) -> Sync:
    own = dict(section.settings)
    path = own.pop(COLLECTION.name, _environment_path())
    environment_key = os.environ.get(KEY.name, "") if path == _environment_path() else ""
    key = own.pop(KEY.name, environment_key)
    try:
        return Sync(
            section.name,
            own,
            path,
            key=key,
            table=section.table,
            types=section.types,
            warnings=warnings,
        )
    except SettingError as error:
        raise SettingError(f"{section.place}: {error}", error.advice) from None


def _environment_path() -> str:
    return os.environ.get(COLLECTION.name, "").strip() or OPPORTUNITIES.path


def _suited(collection: Collection) -> dict[str, str]:
    """Return the settings whose defaults follow from the collection, with these defaults."""
    return {
        "ORACLE_FINDER": collection.finder,
        "ORACLE_QUERY": collection.query,
        "ORACLE_FIELDS": collection.default_fields,
        "ORACLE_ORDER_BY": collection.order_by,
    }
