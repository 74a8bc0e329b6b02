"""The command `describe`: what a pod offers, and what of it is synced."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from oracle_sync.config.syncs import declared, find
from oracle_sync.errors import clean

if TYPE_CHECKING:
    from oracle_sync.operations.describe import Field, Offer, Sheet

WIDEST = 60
"""Characters of a cell; the titles of a pod may be sentences."""


@click.command()
@click.argument("collection", required=False)
@click.option("--sync-name", help="The sync whose pod is asked, where several have different ones.")
@click.option("--refresh", is_flag=True, help="Ask the pod again, and keep what it says.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def describe(collection: str | None, sync_name: str | None, refresh: bool, as_json: bool) -> None:
    """List the pod's collections, or the attributes of one: type, custom, queryable, synced."""
    from oracle_sync.operations.describe import describe_collection, list_collections, pod_of

    syncs = declared()
    sync = pod_of(collection, syncs) if sync_name is None else find(sync_name, syncs)
    if collection is None:
        offers = list_collections(sync, syncs)
        if as_json:
            click.echo(json.dumps([asdict(offer) for offer in offers]))
        else:
            _show(("collection", "title", "synced by"), [_offer_cells(one) for one in offers])
        return
    sheet = describe_collection(collection, sync, syncs, refresh=refresh)
    if as_json:
        click.echo(json.dumps(sheet.as_data()))
        return
    click.echo(_heading(sheet))
    head = ("attribute", "title", "type", "column type", "custom", "queryable", "synced")
    _show(head, [_field_cells(field) for field in sheet.attributes])


def _heading(sheet: Sheet) -> str:
    custom = sum(field.custom for field in sheet.attributes)
    keys = [field.name for field in sheet.attributes if field.key]
    key = f"; the key is {clean(keys[0])}" if keys else ""
    return (
        f"{sheet.path} of {sheet.pod}, described {sheet.described_at} UTC: "
        f"{len(sheet.attributes)} attributes, {custom} custom{key}."
    )


def _offer_cells(offer: Offer) -> Sequence[str]:
    return offer.path, offer.title, ", ".join(offer.syncs)


def _field_cells(field: Field) -> Sequence[str]:
    uses = (f"{use.table}.{use.column}{'' if use.filled else ' (not yet)'}" for use in field.synced)
    marks = ["yes" if mark else "" for mark in (field.custom, field.queryable)]
    return field.name, field.title, field.type, field.column_type, *marks, ", ".join(uses)


def _show(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    # The last column is as long as it has to be; the others are foreign text, and cut.
    table = [head, *([*(clean(cell, WIDEST) for cell in row[:-1]), row[-1]] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        click.echo("  ".join(cells).rstrip())
