"""The bars that oracle_sync should clear, as ratios within the results of one run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from statistics import median, stdev
from typing import Any

from benchmarks.table import middle


def lines(results: Mapping[str, Any]) -> list[str]:
    """Return a line for each bar that the run has the figures for."""
    return [f"{'met    ' if met else 'NOT MET'}  {words}" for met, words in _bars(results)]


def _bars(results: Mapping[str, Any]) -> Iterator[tuple[bool, str]]:
    def get(key: str, name: str, figure: str = "wall") -> float | None:
        return middle(results["workloads"].get(key, {}).get(name, []), figure)

    def at_most(
        what: str, ours: float | None, times: float, *others: float | None
    ) -> Iterator[tuple[bool, str]]:
        if ours is not None and None not in others:
            base = sum(filter(None, others))
            yield (
                ours <= times * base,
                f"{what}: {ours:.2f} s, {ours / base:.2f} of {base:.2f} s; at most {times:.3g}",
            )

    b = get("b", "ours")
    floor = (get("b", "floor"), get("b", "imports"))
    yield from at_most("(b) against fetching and imports together", b, 1.2, *floor)
    yield from at_most("(b) against dlt as shipped", b, 1 / 4, get("b", "dlt"))
    d = get("d", "ours")
    yield from at_most("(d) against dlt", d, 1 / 2.5, get("d", "dlt"))
    yield from at_most("(d) against the script", d, 1 / 3, get("d", "script"))
    e = get("e", "ours")
    yield from at_most("(e) against dlt tuned", e, 0.4, get("e", "dlt_tuned"))
    yield from at_most("(e) against dlt's parallel Arrow", e, 1, get("e", "dlt_arrow"))
    large, small = get("e", "ours", "rss_mb"), get("m", "ours", "rss_mb")
    if large is not None and small is not None:
        yield (
            large - small <= 15,
            f"(e) memory: {large - small:.1f} MB above that of 10,000 rows; at most 15",
        )
    yield from at_most("(i) against imports", get("i", "ours"), 1.3, get("i", "imports"))
    requests = get("i", "ours", "requests")
    if requests is not None:
        yield requests <= 3, f"(i) requests: {requests:.0f}; at most 3"
    written = [run.get("written") for run in results["workloads"].get("r", {}).get("refresh", [])]
    if written:
        yield (
            all(one == [0, 0, 0] for one in written),
            f"(r) rows inserted, updated, deleted in the table: {written[0]}; none",
        )
    if results["ticks"]:
        one, other = results["ticks"].values()
        apart = abs(median(one) - median(other))
        noise = max(stdev(one), stdev(other))
        yield (
            apart <= noise,
            f"(t) medians {apart * 1000:.2f} ms apart; at most their spread, {noise * 1000:.2f} ms",
        )
    status = get("u", "status")
    yield from at_most("status against import dagster", status, 1 / 4, get("u", "dagster"))
    if status is not None:
        yield status <= 0.6, f"status: {status:.2f} s; at most 0.6 s"
    lost = [
        run.get("lost", 0)
        for by_name in results["workloads"].values()
        for name in ("ours", "refresh")
        for run in by_name.get(name, [])
    ]
    yield not any(lost), f"rows lost by ours: {sum(lost)}, in {len(lost)} runs"
