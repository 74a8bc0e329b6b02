"""Write URLs: which parameters are sent, and how Oracle's REST framework reads them."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import quote

from oracle_sync.config.collection import CHANGED, Collection
from oracle_sync.config.columns import ALL, read_fields
from oracle_sync.config.settings import OracleSettings
from oracle_sync.engine.scope import EVERYTHING
from oracle_sync.engine.source import PageRequest
from oracle_sync.oracle.query import write_query

# A finder reads `Name;variable='value',variable2='value2'`: its own `;`, `,` and `=` stay as
# they are, and what is in the values is percent-encoded, the quotes included.
_LITERAL = ";,=:"


def describe_url(settings: OracleSettings, path: str) -> str:
    """Return the URL of a collection's description."""
    return f"{_resource_url(settings, path)}/describe"


def collections_url(settings: OracleSettings) -> str:
    """Return the URL of the list of all collections."""
    return f"{_resource_url(settings, 'describe')}?metadataMode=minimal"


def page_url(
    settings: OracleSettings, collection: Collection, request: PageRequest, *, dated: bool
) -> str:
    """Return the URL of one page. A parameter whose setting is empty is not sent.

    `dated` asks for the time of each row's last change beside the collection's own attributes.
    """
    attributes = [*collection.attributes]
    if dated and CHANGED not in attributes:
        attributes.append(CHANGED)
    # Where all are wanted, they need not be named: there may be more than a URL has room for.
    named = bool(settings.fields) and ALL not in read_fields(settings.fields)
    parameters = {
        "finder": settings.finder,
        "q": write_query(
            settings.query,
            settings.framework_version,
            collection.key.attribute,
            replace(request.scope, from_key=request.base.key) if request.base else request.scope,
        ),
        "fields": ",".join(attributes) if named else "",
        # A part of the rows is read by its keys, however the whole is ordered.
        "orderBy": settings.order_by
        if request.scope == EVERYTHING
        else f"{collection.key.attribute}:asc",
        "limit": str(request.limit),
        "offset": str(request.distance),
        "onlyData": "true",
        "totalResults": "true" if request.want_total else "",
    }
    query = "&".join(
        f"{name}={quote(text, safe=_LITERAL)}" for name, text in parameters.items() if text
    )
    return f"{_resource_url(settings, collection.path)}?{query}"


def _resource_url(settings: OracleSettings, path: str) -> str:
    return f"{settings.base_url}/crmRestApi/resources/{settings.api_version}/{quote(path)}"
