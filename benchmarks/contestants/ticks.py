"""Ticks of the sensor `new_opportunities` on several tables, in turn, timed in this process."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack

import dagster as dg

from oracle_sync.config.settings import load
from oracle_sync.definitions import build_defs
from oracle_sync.orchestration.instance import instance
from oracle_sync.orchestration.resources import DbResource, OracleResource

TICKS, WARM_UP = 60, 5


def sensor(stack: ExitStack, source: str, database: str) -> Callable[[], None]:
    """Return a function that runs one tick of the sensor."""
    os.environ |= {"ORACLE_BASE_URL": source, "DATABASE_URL": database}
    home = stack.enter_context(instance(load()))
    resources = {"oracle": OracleResource(base_url=source), "db": DbResource(url=database)}
    defs = build_defs(resources)
    sensor_definition = defs.resolve_sensor_def("new_opportunities")

    def tick() -> None:
        with dg.build_sensor_context(
            instance=home, definitions=defs, resources=resources
        ) as context:
            data = sensor_definition.evaluate_tick(context)
        if "Up to date" not in (data.skip_message or ""):
            raise RuntimeError(f"The tick asked for a run: {data}")

    return tick


def main(tables: dict[str, tuple[str, str]]) -> None:
    """Print the seconds of each tick, by table."""
    with ExitStack() as stack:
        ticks = {name: sensor(stack, *where) for name, where in tables.items()}
        taken: dict[str, list[float]] = {name: [] for name in tables}
        for turn in range(WARM_UP + TICKS):
            for name, tick in ticks.items():
                began = time.perf_counter()
                tick()
                if turn >= WARM_UP:
                    taken[name].append(time.perf_counter() - began)
    print(json.dumps(taken))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
