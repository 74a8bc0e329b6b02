"""The preflight: what a sync needs is tried step by step, and each step says what is wrong."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace

from oracle_sync.config.collection import Collection
from oracle_sync.config.columns import needs_description, read_fields, resolve_columns
from oracle_sync.config.description import Description
from oracle_sync.config.settings import MAX_BATCH_SIZE, OracleSettings, Settings
from oracle_sync.config.syncs import Sync
from oracle_sync.engine.bases import base_at
from oracle_sync.engine.items import read_items
from oracle_sync.engine.rows import Rows
from oracle_sync.engine.source import Page, PageRequest
from oracle_sync.errors import NothingSynced, RequestRefused, SourceError, SyncError
from oracle_sync.operations.columns import fields_refused, refused_fields
from oracle_sync.operations.equality_probes import equality_steps
from oracle_sync.operations.steps import Step, failed
from oracle_sync.oracle.client import OracleClient
from oracle_sync.postgres import dagster_tables, embedded
from oracle_sync.postgres.database import Database, database_of


def preflight(sync: Sync) -> Iterator[Step]:
    """Try each step in order; those of Oracle and of the database do not depend on each other."""
    try:
        settings = sync.settings()
        settings.oracle.checked()
    except SyncError as error:
        yield failed("settings", error)
        return
    yield Step("settings", True, f"{settings.oracle.base_url}, signing in {_way(settings)}")
    brief = replace(settings.oracle, retry_seconds=min(5, settings.oracle.retry_seconds))
    lookback = dt.timedelta(seconds=settings.lookback)
    yield from _oracle(brief, sync, lookback)
    yield from _database(settings, sync)


def _oracle(settings: OracleSettings, sync: Sync, lookback: dt.timedelta) -> Iterator[Step]:
    by_key = settings.paging == "key"
    # Paging by offset demands no order, so it can be tried whatever is set.
    settings = replace(settings, paging="offset")
    bare = replace(settings, finder="", query="", fields="", order_by="")
    steps = (
        ("sign-in", bare, "the server answers, and lets the user in"),
        ("finder", replace(bare, finder=settings.finder), settings.finder),
        ("query", replace(bare, finder=settings.finder, query=settings.query), settings.query),
        ("fields", replace(settings, order_by=""), settings.fields),
        ("order", settings, settings.order_by),
    )
    collection = sync.collection
    for name, tried, result in steps:
        try:
            if name == "fields":
                described, collection = _columns(OracleClient(bare, collection), sync, tried)
                yield from described
            _ask(name, tried, collection)
        except SyncError as error:
            yield failed(name, error)
            return
        yield Step(name, True, result or "none is sent")
    client = OracleClient(settings, collection)
    try:
        yield from _pages(client, settings, by_key=by_key)
    except SyncError as error:
        yield failed("paging", error)
        return
    try:
        yield from equality_steps(client, changes=settings.changes, lookback=lookback)
    except SyncError as error:
        yield failed("equality", error)


def _columns(
    client: OracleClient, sync: Sync, settings: OracleSettings
) -> tuple[list[Step], Collection]:
    """Return the collection with the columns of the fields, and how it was described, if it was.

    Raises:
        SettingError: if the fields can't be columns.
    """
    names, description, steps = read_fields(settings.fields), None, []
    if needs_description(names, sync.collection, sync.types):
        try:
            description = client.describe(sync.collection.path)
        except SourceError as error:
            advice = "Columns are text where no type is given in the file of syncs."
            steps.append(Step("describe", None, str(error), advice))
        else:
            steps.append(Step("describe", True, f"{len(description.attributes)} attributes"))
    return steps, resolve_columns(sync.collection, names, description, sync.types)


def _ask(name: str, settings: OracleSettings, collection: Collection) -> None:
    """Ask for one row; a refusal of the fields names the bad ones.

    Raises:
        SyncError: if the pod gives none.
    """
    client = OracleClient(settings, collection)
    try:
        client.fetch(PageRequest(0, 1))
    except RequestRefused as error:
        refused = refused_fields(client) if name == "fields" and error.status == 400 else []
        if not refused:
            raise
        raise fields_refused(refused, collection.path, _description(client)) from None


def _description(client: OracleClient) -> Description | None:
    try:
        return client.describe(client.collection.path)
    except SourceError:
        return None


def _pages(client: OracleClient, settings: OracleSettings, *, by_key: bool) -> Iterator[Step]:
    page = client.fetch(PageRequest(0, MAX_BATCH_SIZE, want_total=True))
    rows = read_items(page.items, 0, client.collection)
    yield _storable(page, rows)
    cap = page.limit if page.limit is not None else len(page.items)
    if page.has_more and cap < MAX_BATCH_SIZE:
        yield Step("page size", None, f"the server gives at most {cap} rows at a time", "Fine.")
    if len(rows.tokens) < 2:
        return
    yield _joined(client, rows.tokens)
    if settings.orders_by(client.collection.key.attribute):
        yield _joined_by_key(client, rows.tokens, demanded=by_key)


def _storable(page: Page, rows: Rows) -> Step:
    """Try whether the first rows can be stored. A run can't pass a page in which none can."""
    if not page.items:
        return Step(
            "rows",
            None,
            "the server gives none",
            "An empty collection answers like this, and so does one that is outside the scope of "
            "the finder or of the user's role.",
        )
    about = f", about {page.total} in all" if page.total is not None else ""
    whole = len(page.items) - len(rows.rejects)
    result = f"{whole} of the first {len(page.items)} can be stored in full{about}"
    if not rows.rejects:
        return Step("rows", True, result)
    return Step("rows", None if rows.keys else False, result, rows.rejects[0].reason)


def _joined(client: OracleClient, tokens: list[str]) -> Step:
    """Try whether the row at offset 1 is the second one of the page at offset 0."""
    page = client.fetch(PageRequest(1, 1))
    if read_items(page.items, 1, client.collection).tokens == tokens[1:2]:
        return Step("paging", True, "pages join")
    return Step(
        "paging",
        False,
        "the row at offset 1 is not the second row of the first page",
        "The server ignores the offset or the order: try another ORACLE_FINDER or ORACLE_ORDER_BY.",
    )


def _joined_by_key(client: OracleClient, tokens: list[str], *, demanded: bool) -> Step:
    """Try whether rows can be counted from a key on; it is a failure only if that is demanded."""
    at = len(tokens) // 2
    base = base_at(tokens[at], at)
    if base is None:
        return Step("paging by key", None if demanded else True, "no: the keys are not numeric")
    try:
        page = client.fetch(PageRequest(at, 2, base=base))
    except SyncError as error:
        result = f"not accepted: {error}"
    else:
        if read_items(page.items, at, client.collection).tokens == tokens[at : at + 2]:
            also = "" if demanded else " too, where ORACLE_SYNC_PAGING is set to key"
            return Step("paging by key", True, f"works{also}")
        result = "not accepted: asked for rows from a key on, the server gives others"
    return Step("paging by key", not demanded, result, "Set ORACLE_SYNC_PAGING to offset.")


def _database(settings: Settings, sync: Sync) -> Iterator[Step]:
    where = "DATABASE_URL" if settings.database_url else f"embedded, in {settings.home}"
    try:
        database = _existing(sync, settings)
        if database is None:
            result = f"embedded; the first sync makes it in {settings.home}"
            yield Step("database", True, result)
            return
        yield Step("database", True, f"{where}; {_tables(database)}")
    except SyncError as error:
        yield failed("database", error)
        return
    try:
        database.demand_writable()
    except SyncError as error:
        yield failed("writing", error)
    else:
        yield Step("writing", True, "the role may write")
    yield _storage(settings)


def _existing(sync: Sync, settings: Settings) -> Database | None:
    """Return the database; None where it would be an embedded one that can be made."""
    try:
        return database_of(sync, create=False)
    except NothingSynced:
        embedded.demand_possible(settings.home)
        return None


def _tables(database: Database) -> str:
    try:
        names = database.sync_names()
    except NothingSynced:
        return "the first sync makes the tables"
    known = f"; known syncs: {', '.join(names)}" if names else ""
    return f"tables are there{known}"


def _storage(settings: Settings) -> Step:
    """Try whether Dagster can keep its runs, in the database of the sync or apart."""
    try:
        dagster_tables.demand_usable(settings)
    except SyncError as error:
        return failed("Dagster", error)
    apart = "DAGSTER_DATABASE_URL; " if settings.dagster_database_url else ""
    return Step("Dagster", True, f"{apart}its runs can be kept")


def _way(settings: Settings) -> str:
    oracle = settings.oracle
    if oracle.token_url:
        return "with client credentials"
    return "with a bearer token" if oracle.token else f"as {oracle.user}"
