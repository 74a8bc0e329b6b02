"""The checks of a table: whether it is what Oracle has, and whether it agrees with itself.

A check passes only where it compared something. Where it could not, it warns and says why.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import dagster as dg

from oracle_sync.engine.probe import Probe
from oracle_sync.engine.proof import Outcome, clock
from oracle_sync.engine.store import State
from oracle_sync.errors import SyncError, removal_held
from oracle_sync.orchestration.foreign_text import as_markdown, as_table
from oracle_sync.postgres.status import Status

EQUAL = "equals_oracle"
COUNT = "matches_oracle_count"
ANCHOR = "anchor_stands"
REJECTS = "nothing_rejected"
OFFSET = "offset_agrees_with_table"
OPEN = "nothing_left_open"

ASKING = frozenset({COUNT, ANCHOR})
"""Those that need a request to Oracle."""

PROOF_AGE = 2 * 3600
"""Seconds after which a proof is too old for a check to pass."""

_DESCRIPTIONS = {
    EQUAL: "Both sides counted the same rows, by Oracle's dates, so that they are the same rows.",
    COUNT: "The table has as many rows as Oracle says there are. Oracle estimates: a warning.",
    ANCHOR: "The last row stored is still where it was. If not, rows moved: a full refresh is due.",
    REJECTS: "No item waits in rejected_items for a fix and a replay.",
    OFFSET: "The table holds a row for each item that the offset counts, and no other.",
    OPEN: (
        "No full refresh is due or unfinished, every row has every field, and no removal waits for "
        "a confirmation."
    ),
}

_WARN, _ERROR = dg.AssetCheckSeverity.WARN, dg.AssetCheckSeverity.ERROR


@dataclass(frozen=True)
class _Verdict:
    """What a check found; `severity` counts only where it did not pass."""

    passed: bool
    text: str
    metadata: Mapping[str, Any] = field(default_factory=dict)
    severity: dg.AssetCheckSeverity = _WARN


def specs(table: dg.AssetKey) -> list[dg.AssetCheckSpec]:
    """Return the checks of a table."""
    return [
        dg.AssetCheckSpec(name, asset=table, description=text)
        for name, text in _DESCRIPTIONS.items()
    ]


def results(
    table: dg.AssetKey, names: set[str], status: Status, seen: Probe | SyncError
) -> Iterator[dg.AssetCheckResult]:
    """Yield the results of some checks.

    Args:
        table: whose checks they are.
        names: which of them.
        status: how the sync stands.
        seen: what Oracle showed at the offset, asked after `status` was read; or why it did not.
    """
    verdicts: dict[str, Callable[[], _Verdict]] = {
        EQUAL: lambda: _equal(status),
        COUNT: lambda: _count(status, seen),
        ANCHOR: lambda: _anchor(status, seen),
        REJECTS: lambda: _rejects(status),
        OFFSET: lambda: _offset(status),
        OPEN: lambda: _open(status),
    }
    for name in sorted(names):
        verdict = verdicts[name]()
        yield dg.AssetCheckResult(
            passed=verdict.passed,
            asset_key=table,
            check_name=name,
            severity=verdict.severity,
            description=as_markdown(verdict.text),
            metadata=verdict.metadata,
        )


def _nothing_compared(why: str, metadata: Mapping[str, Any]) -> _Verdict:
    return _Verdict(False, f"Nothing was compared: {why}", metadata)


def _equal(status: Status) -> _Verdict:
    state, proof = status.state, status.state.proof
    if proof is None:
        return _nothing_compared("no run has counted both sides yet.", {})
    values = {
        "rows_in_table": proof.ours,
        "rows_in_oracle": proof.theirs,
        "rows_rejected": proof.rejected,
        "dated_until": proof.until and clock(proof.until),
        "shown_equal_at": state.proven_at and clock(state.proven_at),
        "seconds_to_count": round(proof.seconds, 3),
    }
    metadata = {name: value for name, value in values.items() if value is not None}
    if proof.outcome == Outcome.UNKNOWN:
        return _Verdict(False, proof.sentence(), metadata)
    if proof.equal and (status.seconds_since_proof or 0) > PROOF_AGE:
        text = f"{proof.sentence()} That is too long ago: a run compares them anew."
        return _Verdict(False, text, metadata)
    severity = _ERROR if proof.outcome == Outcome.DIFFERENT else _WARN
    return _Verdict(proof.equal, proof.sentence(), metadata, severity)


def _count(status: Status, seen: Probe | SyncError) -> _Verdict:
    rows, rejected = status.own_rows, status.rejected
    metadata = {"rows_in_table": rows, "rows_rejected": rejected}
    if isinstance(seen, SyncError):
        return _nothing_compared(seen.sentence(), metadata)
    if seen.total is None:
        return _nothing_compared("this pod does not say how many rows there are.", metadata)
    metadata["rows_in_oracle"] = seen.total
    # A rejected item may be the new form of a row that the table has, or one that it lacks.
    same = rows <= seen.total <= rows + rejected
    aside = f" and {rejected} rejected" if rejected else ""
    text = f"{rows} rows here{aside}, about {seen.total} in Oracle."
    if not same:
        text += " A sync brings what is new; a full refresh also what changed before the offset."
    return _Verdict(same, text, metadata)


def _anchor(status: Status, seen: Probe | SyncError) -> _Verdict:
    state = status.state
    values = {"offset": state.offset, "stored": state.anchor}
    if isinstance(seen, Probe):
        values["found"] = seen.found
    metadata = {name: str(value) for name, value in values.items() if value is not None}
    if isinstance(seen, SyncError):
        return _nothing_compared(seen.sentence(), metadata)
    if seen.anchored is None:
        return _nothing_compared("no row is stored yet that Oracle could be asked for.", metadata)
    if seen.anchored:
        return _Verdict(True, f"The row before offset {state.offset} is the one stored.", metadata)
    text = (
        f"The row before offset {state.offset} is not the one stored: rows were added or removed "
        "before it. The next run, which the sensor asks for, puts that right."
    )
    return _Verdict(False, text, metadata, _ERROR)


def _rejects(status: Status) -> _Verdict:
    rejected = status.rejected
    if not rejected:
        return _Verdict(True, "No item waits for a fix.", {"open": 0})
    examples = ((item.at_offset, item.reason) for item in status.rejected_examples)
    text = (
        f"{rejected} items could not be stored; they wait in rejected_items. After a fix, run "
        "the job replay_rejected_items, or oracle-sync replay."
    )
    return _Verdict(
        False, text, {"open": rejected, "examples": as_table(["offset", "reason"], examples)}
    )


def _offset(status: Status) -> _Verdict:
    state, rows, rejected = status.state, status.own_rows, status.rejected
    metadata = {"offset": state.offset, "rows_in_table": rows, "rows_rejected": rejected}
    if not state.offset and not rows:
        return _nothing_compared("the offset is 0, and the table has no row.", metadata)
    missing, surplus = state.offset - rows - rejected, rows - state.offset
    if missing > 0:
        text = (
            f"{missing} rows are missing: the offset counts {state.offset} items, the table has "
            f"{rows} rows. Someone removed rows by hand, or Oracle gave the same row twice. A "
            "full refresh puts it right: full_refresh: true."
        )
        return _Verdict(False, text, metadata, _ERROR)
    if surplus > 0 and (not state.complete or state.refreshing or state.doubt):
        text = (
            f"the offset counts {state.offset} items and the table has {rows} rows, so a missing "
            "row would not show until a sync has reached the end again."
        )
        return _nothing_compared(text, metadata)
    if surplus > 0:
        text = (
            f"{surplus} rows too many: the offset counts {state.offset} items, the table has "
            f"{rows} rows. Another program added them, or their removal is held back (the check "
            f"{OPEN} says so). Look at them; a full refresh moves rows away that Oracle lacks."
        )
        return _Verdict(False, text, metadata, _ERROR)
    aside = f", {rejected} are rejected" if rejected else ""
    text = f"The offset is {state.offset}, the table has {rows} rows{aside}."
    return _Verdict(True, text, metadata)


def _open(status: Status) -> _Verdict:
    state = status.state
    metadata = {
        "rows_held": state.removal_held or 0,
        "fields_not_in_every_row": ", ".join(state.refilling_fields),
    }
    if state.removal_held:
        text = removal_held(state.removal_held, status.table).sentence()
        return _Verdict(False, text, metadata, _ERROR)
    if state.refilling:
        text = (
            f"Not every row has {', '.join(state.refilling_fields)} yet. A full refresh brings "
            f"them; {_reached(state)}."
        )
        return _Verdict(False, text, metadata)
    if state.doubt:
        text = f"A proof or a full refresh is due: {state.doubt}. The next run makes it."
        return _Verdict(False, text, metadata, _ERROR)
    if state.refreshing:
        return _Verdict(False, f"A full refresh is not finished; {_reached(state)}.", metadata)
    return _Verdict(True, "Nothing waits for a refresh or a confirmation.", metadata)


def _reached(state: State) -> str:
    if not state.refreshing:
        return "the next run begins it"
    return f"it has reached offset {state.offset}"
