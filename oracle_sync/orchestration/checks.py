"""The checks of the table: whether it is what Oracle has, and whether it hangs together.

Belongs here: what each check looks at, and says. Does not belong here: how a run carries them,
or runs them alone (`assets.py`).
"""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from oracle_sync.engine.probe import Probe
from oracle_sync.errors import removal_held
from oracle_sync.postgres.status import Status

COUNT = "matches_oracle_count"
ANCHOR = "anchor_stands"
REJECTS = "nothing_rejected"
OFFSET = "offset_agrees_with_table"
OPEN = "nothing_left_open"

ASKING = frozenset({COUNT, ANCHOR})
"""Those that need a request to Oracle when they run without a sync."""

_DESCRIPTIONS = {
    COUNT: "The table has as many rows as Oracle says there are. Oracle estimates: a warning.",
    ANCHOR: "The last row stored is still where it was. If not, rows moved: a full refresh is due.",
    REJECTS: "No item waits in rejected_items for a fix and a replay.",
    OFFSET: "The table holds a row for each item that the offset counts.",
    OPEN: "No full refresh is due or unfinished, and no removal waits for a confirmation.",
}


def specs(table: dg.AssetKey) -> list[dg.AssetCheckSpec]:
    """Return the checks of a table."""
    return [
        dg.AssetCheckSpec(name, asset=table, description=text)
        for name, text in _DESCRIPTIONS.items()
    ]


def results(
    table: dg.AssetKey, names: set[str], status: Status, seen: Probe
) -> Iterator[dg.AssetCheckResult]:
    """Yield the results of the checks named.

    Args:
        table: whose they are.
        names: which of them.
        status: as `Database.status` gives it.
        seen: what Oracle shows at the offset.
    """
    made = {
        COUNT: lambda: _count(status, seen),
        ANCHOR: lambda: _anchor(status, seen),
        REJECTS: lambda: _rejects(status),
        OFFSET: lambda: _offset(status),
        OPEN: lambda: _open(status),
    }
    for name in sorted(names):
        passed, severity, text, metadata = made[name]()
        yield dg.AssetCheckResult(
            passed=passed,
            asset_key=table,
            check_name=name,
            severity=severity,
            description=text,
            metadata=metadata,
        )


_WARN, _ERROR = dg.AssetCheckSeverity.WARN, dg.AssetCheckSeverity.ERROR
_Result = tuple[bool, dg.AssetCheckSeverity, str, dict[str, Any]]


def _count(status: Status, seen: Probe) -> _Result:
    rows, rejected, total = status.own_rows, status.rejected, seen.total
    metadata = {"rows_in_table": rows, "rows_rejected": rejected}
    if total is None:
        text = "This pod does not tell how many rows there are; nothing was compared."
        return True, _WARN, text, metadata
    metadata["rows_in_oracle"] = total
    # A set-aside item may be the new form of a row that the table has, or one that it lacks.
    same = rows <= total <= rows + rejected
    aside = f" and {rejected} set aside" if rejected else ""
    text = f"{rows} rows here{aside}, about {total} in Oracle."
    if not same:
        text += " A sync brings what is new; a full refresh also what changed before the offset."
    return same, _WARN, text, metadata


def _anchor(status: Status, seen: Probe) -> _Result:
    metadata = {"offset": status.state.offset, "stored": status.state.anchor, "found": seen.found}
    shown = {name: str(value) for name, value in metadata.items() if value is not None}
    if seen.anchored is None:
        return True, _WARN, "Nothing is stored yet that could be compared.", shown
    if seen.anchored:
        return True, _WARN, f"The row before offset {status.state.offset} is the one stored.", shown
    text = (
        f"The row before offset {status.state.offset} is another one: rows were added or removed "
        "before it. The sensor asks for a full refresh, or start one: full_refresh: true."
    )
    return False, _ERROR, text, shown


def _rejects(status: Status) -> _Result:
    rejected = status.rejected
    if not rejected:
        return True, _WARN, "No item waits for a fix.", {"open": 0}
    examples = "\n".join(
        f"- offset {item.at_offset}: {item.reason}" for item in status.rejected_examples
    )
    text = (
        f"{rejected} items could not be stored; they wait in rejected_items. After a fix, run "
        "the job replay_rejected_items, or oracle-sync replay."
    )
    return False, _WARN, text, {"open": rejected, "examples": dg.MetadataValue.md(examples)}


def _offset(status: Status) -> _Result:
    rows, rejected, offset = status.own_rows, status.rejected, status.state.offset
    metadata = {"offset": offset, "rows_in_table": rows, "rows_rejected": rejected}
    missing = offset - rows - rejected
    if missing > 0:
        text = (
            f"{missing} rows are missing: the offset counts {offset} items, the table has "
            f"{rows} rows. Someone removed rows by hand, or Oracle gave the same row twice. A "
            "full refresh puts it right: full_refresh: true."
        )
        return False, _ERROR, text, metadata
    text = f"The offset is {offset}, the table has {rows} rows"
    text += f", {rejected} are set aside." if rejected else "."
    if missing < 0:
        # After a rewind, or until the full refresh that a shift calls for.
        text += " Those beyond the offset are looked at again, or moved away by a full refresh."
    return True, _WARN, text, metadata


def _open(status: Status) -> _Result:
    state = status.state
    metadata = {"rows_held": state.removal_held or 0}
    if state.removal_held:
        return False, _ERROR, removal_held(state.removal_held, status.table).sentence(), metadata
    if state.doubt:
        text = f"A full refresh is due: {state.doubt}. The sensor asks for it, or start one."
        return False, _ERROR, text, metadata
    if state.refreshing:
        text = f"A full refresh is not finished; it has reached offset {state.offset}."
        return False, _WARN, text, metadata
    return True, _WARN, "Nothing waits for a refresh or a confirmation.", metadata
