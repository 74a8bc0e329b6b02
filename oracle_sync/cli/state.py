"""The commands that show what is stored: `status` and `history`."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from oracle_sync.cli.options import existing, sync_name_option
from oracle_sync.config.syncs import declared
from oracle_sync.errors import NothingSynced, removal_held

if TYPE_CHECKING:
    from oracle_sync.postgres.status import Status

INTERNAL = {
    "sync_name",
    "offset",
    "complete",
    "anchor",
    "epoch",
    "walk",
    "holder",
    "held_since",
    "changes_began",
    "pass_since",
    "pass_offset",
    "pass_anchor",
}
"""Parts of a state that `--json` leaves out, or gives under another name."""


@click.command()
@sync_name_option
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def status(sync_name: str | None, as_json: bool) -> None:
    """Show offset, totals and rows; of each declared sync, if none is named."""
    from oracle_sync.operations.undeclared import left_behind

    syncs = declared() if sync_name is None else []
    names = [sync.name for sync in syncs] if sync_name is None else [sync_name]
    answers = [_answer(name) for name in names]
    for warning in left_behind(syncs) if syncs else ():
        click.echo(f"Warning: {warning}", err=True)
    if as_json:
        shown = [_json(name, answer) for name, answer in zip(names, answers, strict=True)]
        click.echo(json.dumps(shown if len(shown) > 1 else shown[0], default=str))
        return
    for answer in answers:
        click.echo(answer if isinstance(answer, str) else _text(answer))


@click.command()
@sync_name_option
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 10_000))
def history(sync_name: str | None, limit: int) -> None:
    """Show each change of the offset that was not a page: when, from, to, who and why."""
    try:
        database, name = existing(sync_name)
        changes = database.history(name, limit)
    except NothingSynced as nothing:
        click.echo(nothing.sentence())
        return
    if not changes:
        database.demand_known(name)
        click.echo(f"No history for '{name}': its offset has only moved by pages.")
    for change in changes:
        click.echo(
            f"{change.at:%Y-%m-%d %H:%M:%S}  {change.action:<9}  "
            f"{change.from_offset} -> {change.to_offset}  {change.who}: {change.reason}"
        )


def _answer(sync_name: str) -> Status | str:
    """Return the status of a sync, or a sentence where it has none yet."""
    try:
        database, name = existing(sync_name)
        answer = database.status(name)
    except NothingSynced as nothing:
        return nothing.sentence()
    return answer or f"No sync state found for '{name}'. Start with oracle-sync sync."


def _text(status: Status) -> str:
    from oracle_sync.engine.proof import clock

    state = status.state
    last = f"{state.last_sync_at:%Y-%m-%d %H:%M:%S} UTC" if state.last_sync_at else "never"
    lines = [
        f"Sync Status for '{state.sync_name}':",
        f"Offset: {state.offset}",
        f"Total Synced: {state.total_synced}",
        f"Last Sync: {last}",
        f"Complete: {'yes' if state.complete and not state.removal_held else 'no'}",
        f"Rows in {status.table}: {status.rows}",
    ]
    if state.covered_until and state.complete:
        lines.append(f"Changes covered: until {clock(state.covered_until)}")
    if state.proof:
        lines.append(f"Equality: {state.proof.sentence()}")
        if state.proven_at and not state.proof.equal:
            lines.append(f"Last shown equal: {clock(state.proven_at)}, {state.proven_rows} rows")
    if status.running:
        lines.append(f"Running: {status.running}")
    if state.refreshing:
        lines.append("Full refresh: not finished; the next sync continues it")
    if state.doubt:
        lines.append(f"Proof or full refresh due: {state.doubt}")
    if state.removal_held:
        lines.append(f"Removal held: {removal_held(state.removal_held, status.table).sentence()}")
    lines += _columns(status)
    if status.removed:
        lines.append(f"Removed from Oracle: {_count(status.removed, 'row')}, kept aside")
    if status.rejected:
        lines.append(
            f"Rejected items: {status.rejected}, kept in rejected_items; after a fix: "
            "oracle-sync replay"
        )
        lines += [f"   offset {item.at_offset}: {item.reason}" for item in status.rejected_examples]
    if state.last_error:
        lines.append(f"Last error: {state.last_error}")
    return "\n   ".join(lines)


def _columns(status: Status) -> list[str]:
    """Return what is not as the fields that are asked for say."""
    lines = []
    if status.state.refilling:
        missing = ", ".join(status.state.refilling_fields)
        lines.append(f"Not in every row yet: {missing}; the next sync fills them")
    lines += [f"Not filled since {one.since}: {one.column}" for one in status.unfilled]
    if status.description_refusal:
        lines.append(
            f"Without types: the pod does not describe its attributes. {status.description_refusal}"
        )
    if status.missing:
        lines.append(f"Refused by Oracle: {', '.join(status.missing)}")
    return lines


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _json(sync_name: str, answer: Status | str) -> dict[str, Any]:
    if isinstance(answer, str):
        return {"sync_name": sync_name, "known": False}
    values = asdict(answer)
    state = values.pop("state")
    shown = {name: value for name, value in state.items() if name not in INTERNAL}
    renamed = {"current_offset": state["offset"], "is_complete": state["complete"]}
    return {"sync_name": sync_name} | shown | values | {"known": True} | renamed
