"""Find out which columns a sync has: from its declaration, ORACLE_FIELDS and the pod's description.

The description is kept in the database, so that only a run asks for it, and only where it must.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from oracle_sync.config.collection import Collection
from oracle_sync.config.columns import needs_description, read_fields, resolve_columns
from oracle_sync.config.description import Description
from oracle_sync.config.names import nearest
from oracle_sync.config.settings import OracleSettings
from oracle_sync.config.syncs import Sync
from oracle_sync.engine.summary import Summary
from oracle_sync.errors import (
    BadAnswer,
    RequestRefused,
    SettingError,
    SignInRefused,
    SourceError,
    TooSlow,
)
from oracle_sync.oracle.client import OracleClient
from oracle_sync.postgres.database import Database
from oracle_sync.postgres.descriptions import Kept
from oracle_sync.postgres.writer import Writer

NAMED = 20
"""Attributes that a message names; a pod may have hundreds."""


@dataclass(frozen=True)
class Columns:
    """A collection with the columns that its rows are filled with, and what to know about them."""

    collection: Collection
    warnings: tuple[str, ...] = ()


def run_with_columns(
    sync: Sync,
    database: Database,
    client: OracleClient,
    writer: Writer,
    run: Callable[[], Summary],
) -> Summary:
    """Run a sync on its columns; run it again without those that Oracle turns out to refuse.

    Args:
        sync: whose columns they are.
        database: which keeps the pod's description.
        client: to ask Oracle with; it asks for the columns afterwards.
        writer: whose tables are brought to the columns.
        run: the sync itself.

    Raises:
        SyncError: if the columns can't be had, or the sync fails.
    """
    filled = writer.state.fields or sync.collection.attribute_list
    columns = columns_of_run(sync, database, client, filled)
    while True:
        fitted = writer.use_columns(columns.collection, sync.collection)
        client.collection = database.collection = fitted.collection
        try:
            summary = run()
        except RequestRefused as error:
            fewer = without_refused(sync, database, client) if error.status == 400 else None
            if fewer is None:
                raise
            columns = fewer
        else:
            summary.warnings += [*columns.warnings, *fitted.warnings]
            return summary


def stored_columns(sync: Sync, oracle: OracleSettings, database: Database) -> Columns | None:
    """Return the columns without a request to Oracle; None where a run has to ask it first.

    Raises:
        SettingError: if the fields that are asked for cannot be columns.
    """
    needed = needs_description(read_fields(oracle.fields), sync.collection, sync.types)
    if not needed and not oracle.skips_missing:
        return _columns(sync, oracle, None)
    kept = database.description(sync.collection.path)
    if needed and (kept is None or not (kept.description or kept.refusal)):
        return None
    return _columns(sync, oracle, kept)


def columns_of_run(sync: Sync, database: Database, client: OracleClient, filled: str) -> Columns:
    """Return the columns for a run; Oracle is asked where the fields have changed.

    Args:
        sync: whose columns they are.
        database: which keeps the description.
        client: to ask with, and the settings that name the fields.
        filled: the attributes that the rows have, as `Collection.attribute_list` gives them.

    Raises:
        SettingError: if the fields that are asked for cannot be columns, or the pod refuses some
            and they are not to be skipped.
        SourceError: if the pod does not answer.
    """
    oracle = client.settings
    columns = stored_columns(sync, oracle, database)
    if columns is not None and columns.collection.attribute_list == filled:
        return columns
    if needs_description(read_fields(oracle.fields), sync.collection, sync.types):
        refresh_description(sync.collection.path, database, client)
    else:
        database.keep_missing(sync.collection.path, ())
    columns = _columns(sync, oracle, database.description(sync.collection.path))
    if set(columns.collection.attributes) <= set(filled.split(",")):
        return columns
    client.collection = columns.collection
    return without_refused(sync, database, client) or columns


def without_refused(sync: Sync, database: Database, client: OracleClient) -> Columns | None:
    """Return the columns without those of the client that the pod refuses; None: it refuses none.

    Raises:
        SettingError: naming them, unless they are to be skipped.
        SourceError: if the pod does not answer.
    """
    refused = refused_fields(client)
    if not refused:
        return None
    path = sync.collection.path
    kept = database.description(path)
    database.keep_missing(path, [*(kept.missing if kept else ()), *refused])
    if not client.settings.skips_missing:
        raise fields_refused(refused, path, kept.description if kept else None)
    return stored_columns(sync, client.settings, database)


def refresh_description(path: str, database: Database, client: OracleClient) -> Kept:
    """Ask the pod to describe a collection, keep what it says, and return it.

    Raises:
        SourceError: if the pod does not answer, or refuses everything else too.
    """
    try:
        database.keep_description(path, client.describe(path))
    except SourceError as error:
        if not _is_refusal(error):
            raise
        # Where the pod refuses pages too, its description is not what is at fault.
        if refusal := client.refusal(()):
            raise refusal from None
        database.keep_description(path, None, error.what)
    kept = database.description(path)
    assert kept is not None
    return kept


def _is_refusal(error: SourceError) -> bool:
    if isinstance(error, SignInRefused):
        return error.status == 403
    return isinstance(error, (RequestRefused, BadAnswer, TooSlow))


def _columns(sync: Sync, oracle: OracleSettings, kept: Kept | None) -> Columns:
    missing = kept.missing if kept and oracle.skips_missing else ()
    description = kept.description if kept else None
    collection = resolve_columns(
        sync.collection, read_fields(oracle.fields), description, sync.types
    )
    present = tuple(column for column in collection.columns if column.attribute not in missing)
    collection = replace(collection, columns=present)
    return Columns(collection, tuple(_warnings(sync, collection, kept, missing)))


def _warnings(
    sync: Sync, collection: Collection, kept: Kept | None, missing: Sequence[str]
) -> Iterator[str]:
    path = collection.path
    if missing:
        yield (
            f"Oracle refuses {_some(missing)} of {path}, so the sync goes on without "
            "(ORACLE_SYNC_MISSING_FIELDS=skip)."
        )
    declared = {*sync.types, *(column.attribute for column in sync.collection.columns)}
    further = [c.attribute for c in collection.columns if c.attribute not in declared]
    if kept is None or not further:
        return
    if kept.description is None:
        yield (
            f"The pod does not describe {path}, so {_some(further)} are columns of text. "
            f"{kept.refusal} Types can be given in the file of syncs."
        )
        return
    unlisted = [name for name in further if kept.description.attribute(name) is None]
    if unlisted:
        yield (
            f"The pod's description of {path} does not list {_some(unlisted)}: their columns are "
            "text, and stay empty if Oracle has no such attributes."
        )


def refused_fields(client: OracleClient) -> list[str]:
    """Return the client's attributes for which the pod refuses a request that it grants without.

    Raises:
        SourceError: if the pod does not answer.
    """
    attributes = client.collection.attributes[1:]
    if not client.refusal(attributes) or client.refusal(()):
        return []
    return list(_search(client, attributes))


def fields_refused(
    attributes: Sequence[str], path: str, description: Description | None
) -> SettingError:
    """Return the error for attributes of a collection that the pod refuses.

    Args:
        attributes: their names.
        path: of the collection.
        description: to name the nearest that the pod has; None where it describes nothing.
    """
    known = [one.name for one in description.attributes] if description else []
    # What a description lists that was kept before is gone, and not mistyped.
    hints = [
        (name, "" if name in known else nearest(name, known).strip("; .")) for name in attributes
    ]
    names = _some(f"{name} ({hint})" if hint else name for name, hint in hints)
    return SettingError(
        f"Oracle refuses {names} of {path}: the pod has no such attribute, or does not show it to "
        "this user.",
        f"Correct ORACLE_FIELDS (oracle-sync describe {path} lists the attributes); or set "
        "ORACLE_SYNC_MISSING_FIELDS=skip to go on without: their columns, if there are any, keep "
        "the values that they have.",
    )


def _search(client: OracleClient, attributes: Sequence[str]) -> Iterator[str]:
    """Yield the refused ones among attributes that are not all accepted."""
    if len(attributes) == 1:
        yield attributes[0]
        return
    middle = len(attributes) // 2
    for half in (attributes[:middle], attributes[middle:]):
        if client.refusal(half):
            yield from _search(client, half)


def _some(names: Iterable[str]) -> str:
    """Return names as a list in words, cut where there are many."""
    names = list(names)
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
