"""dlt with a resource written by hand for this job: threads that fetch, Arrow tables, COPY."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import dlt
import pyarrow as pa
import requests

from benchmarks.contestants.dlt_rest import load
from benchmarks.contestants.floor import PARAMETERS, address, session

TOGETHER = 40
"""Pages in one table."""


# dlt has types where it is installed, and is not for the project itself.
@dlt.resource(name="opportunities", primary_key="OptyId")  # type: ignore[untyped-decorator,unused-ignore]
def opportunities(page: int, threads: int) -> Iterator[Any]:
    """Yield the collection as Arrow tables."""
    sessions = [session() for _ in range(threads)]

    def fetch(http: requests.Session, offset: int, **further: str) -> dict[str, Any]:
        parameters: dict[str, str | int] = {"limit": page, "offset": offset}
        answer = http.get(address(), params=PARAMETERS | parameters | further, timeout=60)
        answer.raise_for_status()
        content: dict[str, Any] = answer.json()
        return content

    def stripe(number: int, first: int) -> list[dict[str, Any]]:
        offsets = range(first + number * page, min(total, first + TOGETHER * page), threads * page)
        return [row for offset in offsets for row in fetch(sessions[number], offset)["items"]]

    total = int(fetch(sessions[0], 0, totalResults="true")["totalResults"])
    with ThreadPoolExecutor(threads) as pool:
        for first in range(0, total, TOGETHER * page):
            rows = [
                row for part in pool.map(stripe, range(threads), [first] * threads) for row in part
            ]
            yield pa.table(
                {
                    "OptyId": pa.array([row["OptyId"] for row in rows], pa.int64()),
                    "OptyNumber": pa.array([row["OptyNumber"] for row in rows], pa.string()),
                }
            )


def main(file_format: Any) -> None:
    """Load the collection into the schema `bench`."""
    env = os.environ
    load(
        opportunities(int(env["BENCH_PAGE"]), int(env["ORACLE_SYNC_CONCURRENCY"])),
        loader_file_format=file_format,
    )


if __name__ == "__main__":
    main(sys.argv[1] if sys.argv[1:] else "parquet")
