"""Find out which of the fields that a sync asks for its pod refuses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from oracle_sync.config.collection import Collection, Column
from oracle_sync.config.columns import ALL, ALL_CUSTOM, read_fields
from oracle_sync.config.names import nearest
from oracle_sync.config.settings import OracleSettings
from oracle_sync.engine.source import PageRequest
from oracle_sync.errors import RequestRefused, SettingError, SourceError
from oracle_sync.oracle.client import OracleClient


def named_refusal(
    settings: OracleSettings, collection: Collection, error: RequestRefused
) -> RequestRefused | SettingError:
    """Return a refusal of the fields that names the bad ones; `error` where no single one is bad.

    Halves are tried, and halves of the refused ones, down to one field at a time.

    Args:
        settings: with the fields that are refused as a whole.
        collection: whose fields they are.
        error: the refusal of the whole.

    Raises:
        SourceError: if the pod does not answer.
    """
    names = [name for name in read_fields(settings.fields) if name not in (ALL, ALL_CUSTOM)]
    refused = list(_refused(settings, collection, names))
    if not refused:
        return error
    known = _attributes(settings, collection)
    return SettingError(
        f"the pod refuses {', '.join(_hinted(name, known) for name in refused)}; it accepts the "
        "other fields.",
        "Correct or leave out what it refuses (ORACLE_FIELDS, or fields in the file of syncs); "
        f"oracle-sync describe {collection.path} lists the attributes.",
    )


def _hinted(name: str, known: Sequence[str]) -> str:
    hint = nearest(name, known).strip("; .")
    return f"{name} ({hint})" if hint else name


def _refused(
    settings: OracleSettings, collection: Collection, names: Sequence[str]
) -> Iterator[str]:
    """Yield the names that are refused, each asked for beside the key alone in the end."""
    if not names or _accepts(settings, collection, names):
        return
    if len(names) == 1:
        yield names[0]
        return
    middle = len(names) // 2
    yield from _refused(settings, collection, names[:middle])
    yield from _refused(settings, collection, names[middle:])


def _accepts(settings: OracleSettings, collection: Collection, names: Sequence[str]) -> bool:
    key = collection.key.attribute
    beside = [name for name in names if name != key]
    narrow = replace(collection, columns=tuple(Column(name, name) for name in beside))
    asked = replace(settings, fields=",".join((key, *beside)))
    try:
        OracleClient(asked, narrow).fetch(PageRequest(0, 1))
    except RequestRefused as error:
        if error.status != 400:
            raise
        return False
    return True


def _attributes(settings: OracleSettings, collection: Collection) -> list[str]:
    """Return the names that the pod describes; none where it does not describe the collection."""
    try:
        description = OracleClient(settings, collection).describe(collection.path)
    except SourceError:
        return []
    return [attribute.name for attribute in description.attributes]
