"""dlt with its own `rest_api` source; `tuned` with the settings that make this job fastest."""

from __future__ import annotations

import os
import sys
import tempfile
from typing import Any

import dlt
from dlt.sources.rest_api import rest_api_source

from benchmarks.contestants.floor import PARAMETERS, PATH

TUNING = {
    # One file instead of many, written by COPY instead of INSERT, and no intermediate rotation.
    "DATA_WRITER__BUFFER_MAX_ITEMS": "100000",
    "NORMALIZE__DATA_WRITER__BUFFER_MAX_ITEMS": "100000",
    "NORMALIZE__WORKERS": "1",
    "LOAD__WORKERS": "4",
    "NORMALIZE__LOADER_FILE_FORMAT": "parquet",
}


def main(tuned: bool) -> None:
    """Load the collection into the schema `bench`."""
    if tuned:
        os.environ.update(TUNING)
    env = os.environ
    source = rest_api_source(
        {
            "client": {
                "base_url": env["ORACLE_BASE_URL"],
                "auth": {
                    "type": "http_basic",
                    "username": env["ORACLE_USER"],
                    "password": env["ORACLE_PASSWORD"],
                },
                "paginator": {
                    "type": "offset",
                    "limit": int(env["BENCH_PAGE"]),
                    "total_path": None,
                    "has_more_path": "hasMore",
                },
            },
            "resources": [
                {
                    "name": "opportunities",
                    "endpoint": {"path": PATH, "params": PARAMETERS, "data_selector": "items"},
                    "primary_key": "OptyId",
                    "columns": {"OptyId": {"data_type": "bigint"}},
                }
            ],
        }
    )
    load(source)


def load(data: Any, **options: Any) -> None:
    """Run a pipeline with a folder of its own."""
    # dlt wants to see a host; libpq goes by the folder of the socket, which is named after it.
    url = os.environ["DATABASE_URL"].replace("@/", "@localhost:5432/")
    with tempfile.TemporaryDirectory() as folder:
        pipeline = dlt.pipeline(
            "bench",
            pipelines_dir=folder,
            destination=dlt.destinations.postgres(url),
            dataset_name="bench",
        )
        pipeline.run(data, **options)


if __name__ == "__main__":
    main(tuned="tuned" in sys.argv[1:])
