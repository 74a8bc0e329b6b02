"""The preflight: what a sync needs is tried step by step, and each step says what is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from oracle_sync.config.collection import Collection
from oracle_sync.config.settings import MAX_BATCH_SIZE, OracleSettings, Settings
from oracle_sync.config.syncs import Sync
from oracle_sync.engine.bases import base_at
from oracle_sync.engine.page import PageRequest, read_items
from oracle_sync.errors import SyncError
from oracle_sync.oracle.client import OracleClient
from oracle_sync.postgres.database import Database, url_of


@dataclass(frozen=True)
class Step:
    """The result of one step. `passed` is None for what works but deserves a look."""

    name: str
    passed: bool | None
    result: str
    advice: str = ""


def preflight(sync: Sync) -> Iterator[Step]:
    """Try each step in order; those of Oracle and of the database do not depend on each other."""
    try:
        settings = sync.settings()
        settings.oracle.checked()
    except SyncError as error:
        yield _failed("settings", error)
        return
    yield Step("settings", True, f"{settings.oracle.base_url}, signing in by {_way(settings)}")
    brief = replace(settings.oracle, retry_seconds=min(5, settings.oracle.retry_seconds))
    yield from _oracle(brief, sync.collection)
    yield from _database(settings, sync)


def _oracle(settings: OracleSettings, collection: Collection) -> Iterator[Step]:
    by_key = settings.paging == "key"
    settings = replace(settings, paging="offset")  # which demands no order, and is always tried
    bare = replace(settings, finder="", query="", fields="", order_by="")
    steps = (
        ("sign-in", bare, "the server answers, and lets the user in"),
        ("finder", replace(bare, finder=settings.finder), settings.finder or "none is sent"),
        ("query", replace(bare, finder=settings.finder, query=settings.query), settings.query),
        ("fields", replace(settings, order_by=""), settings.fields),
        ("order", settings, settings.order_by),
    )
    for name, tried, said in steps:
        try:
            OracleClient(tried, collection).fetch(PageRequest(0, 1))
        except SyncError as error:
            yield _failed(name, error)
            return
        yield Step(name, True, said or "none is sent")
    try:
        yield from _paging(OracleClient(settings, collection), settings, demanded=by_key)
    except SyncError as error:
        yield _failed("paging", error)


def _paging(client: OracleClient, settings: OracleSettings, *, demanded: bool) -> Iterator[Step]:
    page = client.fetch(PageRequest(0, MAX_BATCH_SIZE, want_total=True))
    rows = read_items(page.items, 0, client.collection)
    if not page.items:
        yield Step(
            "rows",
            None,
            "the server gives none",
            "That is as likely outside the finder's or the role's scope as an empty collection.",
        )
        return
    about = f", about {page.total} in all" if page.total is not None else ""
    good = None if rows.rejects else True
    said = f"{len(rows.keys)} of the first {len(page.items)} can be stored{about}"
    yield Step("rows", good, said, rows.rejects[0].reason if rows.rejects else "")
    cap = page.limit if page.limit is not None else len(page.items)
    if page.has_more and cap < MAX_BATCH_SIZE:
        yield Step("page size", None, f"the server gives at most {cap} rows at a time", "Fine.")
    if len(rows.tokens) < 2:
        return
    following = client.fetch(PageRequest(1, 1))
    tokens = read_items(following.items, 1, client.collection).tokens
    joined = tokens == rows.tokens[1:2]
    yield Step(
        "paging",
        joined,
        "pages join" if joined else "the row at offset 1 is not the second row of the first page",
        "The server ignores the offset or the order: try another ORACLE_FINDER or ORACLE_ORDER_BY.",
    )
    if settings.orders_by(client.collection.key.attribute):
        yield _paging_by_key(client, rows.tokens, demanded=demanded)


def _paging_by_key(client: OracleClient, tokens: list[str], *, demanded: bool) -> Step:
    """Whether rows are counted from a key; no matter where they are not to be."""
    at = len(tokens) // 2
    base = base_at(tokens[at], at)
    if base is None:
        return Step("paging by key", None if demanded else True, "no: the keys are no numbers")
    try:
        found = client.fetch(PageRequest(at, 2, base=base))
    except SyncError as error:
        said = f"not accepted: {error}"
    else:
        if read_items(found.items, at, client.collection).tokens == tokens[at : at + 2]:
            told = "works" if demanded else "works too, where ORACLE_SYNC_PAGING is set to key"
            return Step("paging by key", True, told)
        said = "not accepted: asked for rows from a key on, the server gives others"
    return Step("paging by key", not demanded, said, "Set ORACLE_SYNC_PAGING to offset.")


def _database(settings: Settings, sync: Sync) -> Iterator[Step]:
    where = "DATABASE_URL" if settings.database_url else f"embedded, in {settings.home}"
    try:
        database = Database(url_of(settings), sync.collection, sync.schema)
        names = database.sync_names()
    except SyncError as error:
        yield _failed("database", error)
        return
    known = f"; known syncs: {', '.join(names)}" if names else ""
    yield Step("database", True, f"{where}; tables are there{known}")
    try:
        database.demand_writable()
    except SyncError as error:
        yield _failed("writing", error)
    else:
        yield Step("writing", True, "the role may write")


def _way(settings: Settings) -> str:
    oracle = settings.oracle
    if oracle.token_url:
        return "client credentials"
    return "bearer token" if oracle.token else f"user {oracle.user}"


def _failed(name: str, error: SyncError) -> Step:
    return Step(name, False, str(error), error.advice)
