"""Write the `q` parameter in the grammar of the pod's REST framework version."""

from __future__ import annotations

import datetime as dt
import re

from oracle_sync.config.collection import CHANGED
from oracle_sync.engine.scope import Scope


def write_query(query: str, framework_version: str, key: str, scope: Scope) -> str:
    """Return `q` for the rows that both the setting and the scope allow; empty: all rows.

    Framework 1 joins conditions by semicolons, names an attribute once for both of its bounds,
    and takes no quotes; from 2 on `q` is an expression, in which dates are quoted (both forms
    were seen in code that runs against pods).

    Args:
        query: ORACLE_QUERY.
        framework_version: of ORACLE_FRAMEWORK_VERSION; empty means 1.
        key: the key attribute.
        scope: the rows that are wanted.
    """
    possible = {
        key: [(">=", scope.from_key), (">", scope.after_key), ("<=", scope.to_key)],
        CHANGED: [
            (">=", _time(scope.changed_since)),
            ("<=", _time(scope.changed_until)),
        ],
    }
    bounds = {
        attribute: [(operator, value) for operator, value in pairs if value is not None]
        for attribute, pairs in possible.items()
    }
    if framework_version in ("", "1"):
        conditions = [
            attribute + " and ".join(f"{operator}{value}" for operator, value in pairs)
            for attribute, pairs in bounds.items()
            if pairs
        ]
        return ";".join(filter(None, (query.rstrip("; "), *conditions)))
    conditions = [
        f"{attribute} {operator} " + (f"'{value}'" if attribute == CHANGED else value)
        for attribute, pairs in bounds.items()
        for operator, value in pairs
    ]
    if conditions and re.search(r"\bor\b", query, re.IGNORECASE):
        query = f"({query})"
    return " and ".join(filter(None, (query, *conditions)))


def _time(moment: dt.datetime | None) -> str | None:
    if moment is None:
        return None
    text = moment.astimezone(dt.UTC).isoformat(timespec="milliseconds").removesuffix("+00:00")
    return f"{text.removesuffix('.000')}Z"
