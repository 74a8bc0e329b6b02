"""The results as a chart, drawn with the matplotlib of the peers' environment."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl

from benchmarks.table import middle
from benchmarks.workloads import CONTESTANTS, WORKLOADS

SHOWN = ("a", "b", "c", "d", "e", "s", "i")
COLORS = {"ours": "#1f6f8b", "floor": "#b8c4c9", "imports": "#b8c4c9"}
PEER = "#d98c4a"


def draw(results: dict[str, Any], target: Path) -> None:
    """Draw a panel of bars for each workload, in seconds."""
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    keys = [key for key in SHOWN if key in results["workloads"]]
    heights = [len(results["workloads"][key]) + 1.2 for key in keys]
    figure, axes = plt.subplots(
        len(keys), 1, figsize=(9, 0.3 * sum(heights)), squeeze=False, height_ratios=heights
    )
    for key, axis in zip(keys, axes[:, 0], strict=True):
        seconds = {
            name: value
            for name, runs in results["workloads"][key].items()
            if (value := middle(runs, "wall")) is not None
        }
        names = sorted(seconds, key=seconds.__getitem__, reverse=True)
        labels = [CONTESTANTS[name].label for name in names]
        color = [COLORS.get(name, PEER) for name in names]
        bars = axis.barh(labels, [seconds[name] for name in names], color=color)
        axis.bar_label(bars, fmt=" %.1f s", fontsize=8)
        axis.set_title(WORKLOADS[key].title, fontsize=9, loc="left")
        axis.tick_params(labelsize=8, bottom=False, labelbottom=False, left=False)
        axis.margins(x=0.12)
        for side in axis.spines.values():
            side.set_visible(False)
    figure.text(0.01, 0.002, f"{results['date']}; {results['machine']}; medians", fontsize=7)
    figure.tight_layout(rect=(0, 0.01, 1, 1))
    figure.savefig(target, dpi=110)


if __name__ == "__main__":
    draw(json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2]))
