"""The benchmarks run, and count what is lost. No test says how fast anything is."""

from __future__ import annotations

import os
import sys
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks import bars, table
from benchmarks.run import Bench, Databases, adapted, rows_of
from benchmarks.workloads import CONTESTANTS, WORKLOADS

ROWS = 30
OWN = {"ours", "refresh", "script", "floor"}

pytestmark = pytest.mark.skipif(os.name != "posix", reason="measures with posix_spawn and wait4")


@pytest.fixture
def bench(postgres_url: str, tmp_path: Path) -> Iterator[Bench]:
    databases = Databases(postgres_url, f"b_{uuid.uuid4().hex[:8]}")
    with (
        (tmp_path / "log").open("w") as log,
        Bench(databases, tmp_path, Path(sys.executable), log) as made,
    ):
        yield made


def test_workloads_of_each_kind_finish_and_lose_nothing(bench: Bench) -> None:
    small = {
        "d": replace(WORKLOADS["d"], rows=ROWS),
        "i": replace(WORKLOADS["i"], rows=ROWS + 50, begins_with=ROWS),
        "r": replace(WORKLOADS["r"], rows=ROWS, begins_with=ROWS),
    }
    for key, workload in small.items():
        bench.measure(key, adapted(workload, 1.0, 1, OWN - ({"ours"} if key == "d" else set())))
    measured = {
        (key, name): runs[0] for key, by in bench.results.items() for name, runs in by.items()
    }
    assert {name for _, name in measured} == OWN
    for (key, name), run in measured.items():
        assert run["status"] == 0, (key, name)
        assert run.get("lost") == (None if name == "floor" else 0), (key, name)
        assert run["requests"] > 0
        assert run["wall"] > 0
        assert run["cpu"] > 0
        assert 5 < run["rss_mb"] < 500
    assert measured["i", "ours"]["requests"] <= 3
    assert measured["i", "ours"]["written"] == [50, 0, 0]
    assert measured["r", "refresh"]["written"] == [0, 0, 0]
    results = _results(bench.results)
    assert "(d) 2,000 rows, 5 a page" in table.markdown(results)
    assert any("(r) rows inserted" in line for line in bars.lines(results))


def test_a_row_that_is_missing_changed_or_invented_counts_as_lost(bench: Bench) -> None:
    databases, source = bench.databases, rows_of(ROWS, 0)
    databases.make("some")
    databases.query(
        "some",
        "CREATE TABLE minimal_opportunities (id serial, opportunity_id text, "
        "opportunity_number text)",
    )
    values = ", ".join(f"('{key}', {_literal(value)})" for key, value in source.items())
    columns = "minimal_opportunities (opportunity_id, opportunity_number)"
    databases.query("some", f"INSERT INTO {columns} VALUES {values}")
    query = CONTESTANTS["ours"].stored
    workload = replace(WORKLOADS["a"], rows=ROWS)
    assert query
    assert bench.lost("some", query, workload) == 0
    databases.query("some", "DELETE FROM minimal_opportunities WHERE id <= 3")
    assert bench.lost("some", query, workload) == 3
    databases.query(
        "some", "UPDATE minimal_opportunities SET opportunity_number = 'x' WHERE id = 4"
    )
    assert bench.lost("some", query, workload) == 4
    databases.query("some", f"INSERT INTO {columns} VALUES ('1', '1')")
    assert bench.lost("some", query, workload) == 5


def test_a_bar_is_reported_as_met_or_not_and_only_with_its_figures() -> None:
    def run(wall: float) -> list[dict[str, Any]]:
        return [{"status": 0, "wall": wall, "cpu": 1.0, "rss_mb": 1.0, "requests": 1, "lost": 0}]

    met = _results({"d": {"ours": run(1.0), "dlt": run(2.6), "script": run(2.9)}})
    lines = bars.lines(met)
    assert [line[:7] for line in lines] == ["met    ", "NOT MET", "met    "]
    failed = _results({"d": {"ours": [run(1.0)[0] | {"status": 1}], "dlt": run(9.0)}})
    assert len(bars.lines(failed)) == 1


def _results(workloads: dict[str, Any]) -> dict[str, Any]:
    head = {"date": "", "machine": "", "minutes": 0, "scale": 1.0, "ticks": {}}
    return head | {"workloads": workloads}


def _literal(value: str | None) -> str:
    return "NULL" if value is None else f"'{value}'"
