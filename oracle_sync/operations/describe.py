"""Tell what a pod offers: its collections, or one's attributes, and what of it is synced."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from oracle_sync.config.columns import read_fields, resolve_columns
from oracle_sync.config.description import Attribute, Description
from oracle_sync.config.names import nearest
from oracle_sync.config.syncs import Sync
from oracle_sync.errors import NothingSynced, RequestRefused, SettingError, shorten
from oracle_sync.oracle.client import OracleClient
from oracle_sync.postgres.database import database_of
from oracle_sync.postgres.descriptions import Kept


@dataclass(frozen=True)
class Offer:
    """A collection of a pod, and the names of the syncs that read it."""

    path: str
    title: str
    syncs: tuple[str, ...]


@dataclass(frozen=True)
class Use:
    """A column that an attribute goes to. `filled`: whether the rows that are there have it."""

    sync: str
    table: str
    column: str
    filled: bool


@dataclass(frozen=True)
class Field:
    """An attribute as the pod describes it, the type of its column, and where it is synced to."""

    name: str
    title: str
    type: str
    column_type: str
    custom: bool
    queryable: bool
    key: bool
    synced: tuple[Use, ...]


@dataclass(frozen=True)
class Sheet:
    """A collection with its attributes, as the pod described them at `described_at`, in UTC."""

    path: str
    title: str
    pod: str
    described_at: str
    attributes: tuple[Field, ...]

    def as_data(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        return asdict(self)


def list_collections(sync: Sync, syncs: Sequence[Sync]) -> list[Offer]:
    """Return the collections of a sync's pod.

    Args:
        sync: whose pod is asked.
        syncs: those that may read from it.

    Raises:
        SourceError, SettingError: if it can't be asked.
    """
    beside = _of_the_pod(sync, syncs)
    return [
        Offer(path, title, tuple(one.name for one in beside if one.collection.path == path))
        for path, title in _client(sync).collections()
    ]


def describe_collection(
    path: str, sync: Sync, syncs: Sequence[Sync], *, refresh: bool = False
) -> Sheet:
    """Return the attributes of a collection of a sync's pod.

    A description that a run has kept is shown again, unless a new one is asked for.

    Args:
        path: of the collection.
        sync: whose pod is asked.
        syncs: those that may read from it.
        refresh: ask the pod in any case, and keep what it says for the next run.

    Raises:
        SourceError, SettingError: if it can't be asked, or has no such collection.
    """
    kept = None if refresh else _kept(path, sync)
    if kept and kept.description:
        description, described_at = kept.description, kept.described_at
    else:
        description, described_at = _asked(path, sync), dt.datetime.now(dt.UTC)
    if refresh:
        _keep(path, sync, description)
    readers = [one for one in _of_the_pod(sync, syncs) if one.collection.path == path]
    uses: dict[str, list[Use]] = {}
    for reader in readers:
        for attribute, use in _uses(reader, description):
            uses.setdefault(attribute, []).append(use)
    return Sheet(
        path,
        description.title,
        sync.settings().oracle.base_url,
        f"{described_at.astimezone(dt.UTC):%Y-%m-%d %H:%M:%S}",
        tuple(_field(one, description, uses) for one in description.attributes),
    )


def pod_of(path: str | None, syncs: Sequence[Sync]) -> Sync:
    """Return a sync whose pod is meant where none is named.

    Raises:
        SettingError: if the syncs have several pods.
    """
    candidates = [sync for sync in syncs if sync.collection.path == path] or list(syncs)
    if len({sync.settings().oracle.base_url for sync in candidates}) > 1:
        names = ", ".join(sync.name for sync in candidates)
        raise SettingError(f"The syncs {names} have different pods.", "Choose one: --sync-name.")
    return candidates[0]


def _of_the_pod(sync: Sync, syncs: Sequence[Sync]) -> list[Sync]:
    url = sync.settings().oracle.base_url
    return [one for one in syncs if one.settings().oracle.base_url == url]


def _client(sync: Sync) -> OracleClient:
    return OracleClient(sync.settings().oracle, sync.collection)


def _kept(path: str, sync: Sync) -> Kept | None:
    try:
        return database_of(sync, create=False).description(path)
    except NothingSynced:
        return None


def _keep(path: str, sync: Sync, description: Description) -> None:
    # Where nothing has been synced, the first run asks by itself.
    with suppress(NothingSynced):
        database_of(sync, create=False).keep_description(path, description)


def _asked(path: str, sync: Sync) -> Description:
    client = _client(sync)
    try:
        return client.describe(path)
    except RequestRefused as error:
        if error.status != 404:
            raise
        hint = nearest(path, [known for known, _ in client.collections()])
        raise SettingError(
            f"The pod has no collection {shorten(path, 60)}{hint}",
            "oracle-sync describe lists those that it has.",
        ) from None


def _uses(sync: Sync, description: Description) -> Iterator[tuple[str, Use]]:
    """Yield each attribute that a sync reads, with its column."""
    fields = read_fields(sync.settings().oracle.fields)
    collection = resolve_columns(sync.collection, fields, description, sync.types)
    filled = _filled(sync)
    for column in (collection.key, *collection.columns):
        known = column.attribute in filled or (bool(filled) and column is collection.key)
        yield column.attribute, Use(sync.name, sync.table_name, column.name, known)


def _filled(sync: Sync) -> set[str]:
    """Return the attributes that the stored rows of a sync have."""
    try:
        state = database_of(sync, create=False).state(sync.name)
    except NothingSynced:
        return set()
    return set(state.fields.split(",")) if state and state.fields else set()


def _field(attribute: Attribute, description: Description, uses: dict[str, list[Use]]) -> Field:
    return Field(
        name=attribute.name,
        title=attribute.title,
        type=attribute.type,
        column_type=attribute.column_type,
        custom=attribute.custom,
        queryable=attribute.queryable,
        key=description.key == (attribute.name,),
        synced=tuple(uses.get(attribute.name, ())),
    )
