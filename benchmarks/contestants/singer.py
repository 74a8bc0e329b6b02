"""Singer: a tap made with its SDK, piped into the target for PostgreSQL as that comes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import requests
from singer_sdk import Tap
from singer_sdk import typing as th
from singer_sdk.authenticators import BasicAuthenticator
from singer_sdk.pagination import BaseOffsetPaginator
from singer_sdk.streams import RESTStream

from benchmarks.contestants.floor import PARAMETERS, PATH

PAGE = int(os.environ["BENCH_PAGE"])


class _Pages(BaseOffsetPaginator):
    def has_more(self, response: requests.Response) -> bool:
        return bool(response.json()["hasMore"])


class _Opportunities(RESTStream[int]):
    name = "opportunities"
    path = PATH
    primary_keys = ("OptyId",)
    records_jsonpath = "$.items[*]"
    url_base = os.environ["ORACLE_BASE_URL"]
    schema = th.PropertiesList(
        th.Property("OptyId", th.IntegerType, required=True),
        th.Property("OptyNumber", th.StringType),
    ).to_dict()

    @property
    def authenticator(self) -> Any:
        return BasicAuthenticator(
            username=os.environ["ORACLE_USER"], password=os.environ["ORACLE_PASSWORD"]
        )

    def get_new_paginator(self) -> _Pages:
        return _Pages(start_value=0, page_size=PAGE)

    def get_url_params(
        self,
        context: Mapping[str, Any] | None,  # noqa: ARG002 - the name is the SDK's
        next_page_token: int | None,
    ) -> dict[str, Any]:
        return PARAMETERS | {"limit": PAGE, "offset": next_page_token or 0}


class _Oracle(Tap):
    name = "tap-opportunities"
    config_jsonschema = th.PropertiesList().to_dict()

    def discover_streams(self) -> list[_Opportunities]:
        return [_Opportunities(self)]


def main() -> None:
    """Run tap and target as two processes with a pipe between them, as Singer has it."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "target.json"
        url = os.environ["DATABASE_URL"].replace("postgresql:", "postgresql+psycopg:")
        config.write_text(json.dumps({"sqlalchemy_url": url, "default_target_schema": "public"}))
        tap = subprocess.Popen([sys.executable, "-m", __spec__.name, "tap"], stdout=subprocess.PIPE)
        target = Path(sys.executable).with_name("target-postgres")
        subprocess.run([target, "--config", config], stdin=tap.stdout, check=True)
        if tap.wait():
            sys.exit(tap.returncode)


if __name__ == "__main__":
    if sys.argv[1:] == ["tap"]:
        _Oracle.cli([])
    else:
        main()
