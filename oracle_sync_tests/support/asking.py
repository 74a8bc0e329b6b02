"""Requests to a stand-in pod, as tests send them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import requests

from oracle_sync.sandbox import SandboxServer

VERSION = "/crmRestApi/resources/11.12.1.0"
ROOT = f"{VERSION}/opportunities"
ORDERED = {"orderBy": "OptyId:asc", "fields": "OptyId,OptyNumber", "onlyData": "true"}


def ask(server: SandboxServer, path: str = ROOT, **options: Any) -> requests.Response:
    options.setdefault("auth", server.auth)
    options.setdefault("timeout", 10)
    options.setdefault("allow_redirects", False)
    headers = {"Accept": "application/json"} | options.pop("headers", {})
    return requests.get(server.url + path, headers=headers, **options)


def page(server: SandboxServer, **params: Any) -> dict[str, Any]:
    response = ask(server, params=ORDERED | params)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def rows(
    server: SandboxServer, name: str = "opportunities", framework: int = 1, **params: Any
) -> dict[str, Any]:
    """Return a page of a collection, with all its fields in the order of its keys."""
    params = {"onlyData": "true", "limit": 499, "totalResults": "true"} | params
    headers = {"REST-Framework-Version": str(framework)}
    response = ask(server, f"{VERSION}/{name}", params=params, headers=headers)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json(parse_float=Decimal)
    return answer


def count(server: SandboxServer, q: str, framework: int = 1, name: str = "opportunities") -> int:
    """Return how many rows the pod says pass a query."""
    total = rows(server, name, framework, q=q, limit=1)["totalResults"]
    assert isinstance(total, int)
    return total


def ids(answer: dict[str, Any]) -> list[int]:
    return [item["OptyId"] for item in answer["items"]]


def refusal(server: SandboxServer, headers: dict[str, str] | None = None, **params: Any) -> str:
    response = ask(server, params=params, headers=headers or {})
    assert response.status_code == 400, response.text
    return response.text


def control(server: SandboxServer, method: str, path: str, body: Any = None) -> requests.Response:
    return requests.request(method, f"{server.url}/sandbox{path}", json=body, timeout=60)
