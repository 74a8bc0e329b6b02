"""The URL of a page: which parameters are sent, and how Oracle's REST framework reads them."""

from __future__ import annotations

import re
from urllib.parse import quote

from oracle_sync.config.collection import Collection
from oracle_sync.config.settings import OracleSettings
from oracle_sync.engine.page import Base, PageRequest

# A finder reads `Name;variable='value',variable2='value2'`: its own `;`, `,` and `=` stay as
# they are, and what is in the values is percent-encoded, the quotes included.
_LITERAL = ";,=:"


def resource_url(settings: OracleSettings, collection: Collection) -> str:
    """Return the collection's own URL, without parameters."""
    return (
        f"{settings.base_url}/crmRestApi/resources/{settings.api_version}/{quote(collection.path)}"
    )


def page_url(settings: OracleSettings, collection: Collection, request: PageRequest) -> str:
    """Return the URL of one page. A parameter whose setting is empty is not sent."""
    parameters = {
        "finder": settings.finder,
        "q": _query(settings, collection, request.base),
        "fields": settings.fields,
        "orderBy": settings.order_by,
        "limit": str(request.limit),
        "offset": str(request.distance),
        "onlyData": "true",
        "totalResults": "true" if request.want_total else "",
    }
    query = "&".join(
        f"{name}={quote(text, safe=_LITERAL)}" for name, text in parameters.items() if text
    )
    return f"{resource_url(settings, collection)}?{query}"


def _query(settings: OracleSettings, collection: Collection, base: Base | None) -> str:
    """Return the q parameter: the setting, and from which key on.

    Framework 1 joins conditions by semicolons; later ones take expressions, joined by `and`.
    """
    query, key = settings.query, collection.key.attribute
    if base is None:
        return query
    if settings.framework_version in ("", "1"):
        return ";".join(filter(None, (query.rstrip("; "), f"{key}>={base.key}")))
    if re.search(r"\bor\b", query, re.IGNORECASE):
        query = f"({query})"
    return " and ".join(filter(None, (query, f"{key} >= {base.key}")))
