"""What is measured: the contestants, the workloads, and who takes part in which, how often."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

IN_FLIGHT = 8
"""Requests in flight at most, for whoever can have several."""

_OURS = "SELECT opportunity_id, opportunity_number FROM minimal_opportunities"
_SCRIPT = ("{ours}", "-m", "benchmarks.contestants.script")


@dataclass(frozen=True)
class Contestant:
    """A process. In `command`, {ours} and {peers} are the interpreters of the two environments."""

    label: str
    command: tuple[str, ...]
    stored: str | None = None
    """Query of the rows it has stored: key and value as text. None: it stores nothing."""


CONTESTANTS: Mapping[str, Contestant] = {
    "ours": Contestant("oracle-sync", ("{ours}", "-m", "oracle_sync", "sync", "{page}"), _OURS),
    "refresh": Contestant(
        "oracle-sync --full-refresh",
        ("{ours}", "-m", "oracle_sync", "sync", "{page}", "--full-refresh"),
        _OURS,
    ),
    "script": Contestant("the replaced script", _SCRIPT, _OURS),
    "dlt": Contestant(
        "dlt rest_api, as shipped",
        ("{peers}", "-m", "benchmarks.contestants.dlt_rest"),
        "SELECT opty_id::text, opty_number FROM bench.opportunities",
    ),
    "dlt_tuned": Contestant(
        "dlt rest_api, tuned",
        ("{peers}", "-m", "benchmarks.contestants.dlt_rest", "tuned"),
        "SELECT opty_id::text, opty_number FROM bench.opportunities",
    ),
    "dlt_arrow": Contestant(
        "dlt, parallel Arrow by hand",
        ("{peers}", "-m", "benchmarks.contestants.dlt_arrow"),
        "SELECT opty_id::text, opty_number FROM bench.opportunities",
    ),
    "singer": Contestant(
        "Singer SDK tap, target-postgres",
        ("{peers}", "-m", "benchmarks.contestants.singer"),
        'SELECT "OptyId"::text, "OptyNumber" FROM opportunities',
    ),
    "floor": Contestant(
        f"{IN_FLIGHT} threads, fetching only", ("{ours}", "-m", "benchmarks.contestants.floor")
    ),
    "imports": Contestant(
        "import dagster, sqlalchemy, requests",
        ("{ours}", "-c", "import dagster, sqlalchemy, requests"),
    ),
    "dagster": Contestant("import dagster", ("{ours}", "-c", "import dagster")),
    "status": Contestant("oracle-sync status", ("{ours}", "-m", "oracle_sync", "status")),
}


@dataclass(frozen=True)
class Workload:
    """One job. `repeats` says who does it how often; `left_out` who does not, and why."""

    title: str
    rows: int
    page: int = 499
    latency_ms: int = 0
    repeats: Mapping[str, int] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)
    begins_with: int = 0
    """Rows that the table holds already, put there by ours."""
    added: int = 0
    """Rows that the source gets after that."""


_MINUTES = "takes minutes"
_NO_OFFSET = "begins at the first page"

WORKLOADS: Mapping[str, Workload] = {
    "a": Workload(
        "100,000 rows, 499 a page, no latency",
        100_000,
        repeats={
            "ours": 3,
            "dlt": 3,
            "dlt_tuned": 3,
            "dlt_arrow": 3,
            "singer": 1,
            "script": 1,
            "floor": 3,
            "imports": 3,
        },
    ),
    "b": Workload(
        "100,000 rows, 499 a page, 100 ms a request",
        100_000,
        latency_ms=100,
        repeats={
            "ours": 3,
            "dlt": 3,
            "dlt_tuned": 3,
            "dlt_arrow": 3,
            "singer": 1,
            "script": 1,
            "floor": 3,
            "imports": 3,
        },
    ),
    "c": Workload(
        "20,000 rows, 499 a page, 300 ms a request",
        20_000,
        latency_ms=300,
        repeats={
            "ours": 3,
            "dlt": 3,
            "dlt_arrow": 3,
            "singer": 1,
            "script": 1,
            "floor": 3,
        },
    ),
    "d": Workload(
        "2,000 rows, 5 a page, 20 ms a request",
        2_000,
        page=5,
        latency_ms=20,
        repeats={"ours": 3, "dlt": 3, "dlt_arrow": 3, "singer": 1, "script": 3, "floor": 3},
    ),
    "e": Workload(
        "1,000,000 rows, 499 a page, no latency",
        1_000_000,
        repeats={"ours": 3, "dlt": 1, "dlt_tuned": 3, "dlt_arrow": 3, "floor": 3},
        left_out={"singer": _MINUTES, "script": _MINUTES},
    ),
    "m": Workload("10,000 rows, for the memory", 10_000, repeats={"ours": 3, "dlt_arrow": 1}),
    "s": Workload(
        "one row",
        1,
        repeats={"ours": 3, "dlt": 3, "singer": 1, "script": 3, "imports": 3},
    ),
    "i": Workload(
        "50 new rows on 1,000,000",
        1_000_050,
        begins_with=1_000_000,
        added=50,
        repeats={"ours": 3, "script": 3, "imports": 3},
        left_out={"dlt": _NO_OFFSET, "singer": _NO_OFFSET},
    ),
    "r": Workload(
        "full refresh of 100,000 unchanged rows",
        100_000,
        begins_with=100_000,
        repeats={"refresh": 3},
    ),
    "u": Workload("status", 1_000_000, begins_with=1_000_000, repeats={"status": 5, "dagster": 5}),
    "t": Workload("a sensor tick on 1,000 and on 1,000,000 rows", 1_000_000),
}


def command(contestant: Contestant, page: int, peers: Path) -> list[str]:
    """Return the command that starts a contestant."""
    names = {"ours": sys.executable, "peers": str(peers), "page": str(page)}
    return [word.format_map(names) if "{" in word else word for word in contestant.command]
