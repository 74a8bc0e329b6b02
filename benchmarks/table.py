"""The results as a table for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from benchmarks.workloads import CONTESTANTS, WORKLOADS

EMPTY = " |"
Runs = Sequence[Mapping[str, Any]]


def middle(runs: Runs, figure: str) -> float | None:
    """Return the median of a figure, or None where a run failed or does not have it."""
    values = [run.get(figure) for run in runs]
    if not runs or any(run["status"] for run in runs):
        return None
    numbers = [number for number in values if number is not None]
    return median(numbers) if len(numbers) == len(values) else None


def one(run: Mapping[str, Any]) -> str:
    """Describe a run in one line."""
    if run["status"]:
        return f"failed with status {run['status']}"
    lost = f", {run['lost']} rows lost" if "lost" in run else ""
    return (
        f"{run['wall']:.2f} s, {run['cpu']:.2f} s CPU, {run['rss_mb']:.0f} MB, "
        f"{run['requests']} requests{lost}"
    )


def markdown(results: Mapping[str, Any]) -> str:
    """All of it, as the README shows it."""
    lines = [
        f"{results['date']}; {results['machine']}; medians; {results['minutes']} minutes in all."
        + (f" At {results['scale']:g} of the rows." if results["scale"] != 1 else ""),
        "",
        "| work | by | wall s | CPU s | peak MB | requests | rows lost | runs |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    for key, by_name in results["workloads"].items():
        workload = WORKLOADS[key]
        for name, runs in by_name.items():
            cells = [f"({key}) {workload.title}", CONTESTANTS[name].label, *_figures(runs)]
            lines.append(f"| {' | '.join([*cells, str(len(runs))])} |")
        for name, why in workload.left_out.items():
            lines.append(
                f"| ({key}) {workload.title} | {CONTESTANTS[name].label} | {why} |" + " |" * 5
            )
    for rows, seconds in results["ticks"].items():
        label = f"(t) a sensor tick on {int(rows):,} rows"
        lines.append(
            f"| {label} | oracle-sync | {median(seconds):.4f} |" + " |" * 4 + f" {len(seconds)} |"
        )
    return "\n".join(lines)


def _figures(runs: Runs) -> list[str]:
    if any(run["status"] for run in runs):
        return ["failed", "", "", "", ""]
    written = {"wall": ".2f", "cpu": ".2f", "rss_mb": ".0f", "requests": ".0f", "lost": ".0f"}
    medians = {figure: middle(runs, figure) for figure in written}
    return ["" if medians[f] is None else format(medians[f], form) for f, form in written.items()]
