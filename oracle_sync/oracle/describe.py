"""Read what `describe` answers: a collection's attributes, or the collections of a pod."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from oracle_sync.config.columns import is_attribute
from oracle_sync.config.description import Attribute, Description
from oracle_sync.errors import BadAnswer, shorten

_KEY_FINDER = "PrimaryKey"
_GADGET = "fnd:OSN_GADGET_TYPE"
_LOOK = "Without a description every further column is text; ORACLE_SYNC_FILE can name types."


def read_description(answer: Any, path: str) -> Description:
    """Return what the pod says of the collection `path`.

    Raises:
        BadAnswer: if the answer does not describe it.
    """
    resource = _resources(answer).get(path)
    if not isinstance(resource, dict):
        raise BadAnswer(f"The pod's description does not mention {path}.", _LOOK)
    attributes = tuple(_attributes(resource.get("attributes")))
    if not attributes:
        raise BadAnswer(f"The pod's description of {path} lists no attributes.", _LOOK)
    return Description(path, _text(resource.get("title")), _key(resource), attributes)


def read_collections(answer: Any) -> list[tuple[str, str]]:
    """Return path and title of each collection that the pod lists, in the order of their paths.

    Raises:
        BadAnswer: if the answer lists none.
    """
    resources = _resources(answer)
    if not resources:
        raise BadAnswer("The pod's description lists no collections.", _LOOK)
    titles = {
        str(path): _text(content.get("titlePlural") or content.get("title"))
        for path, content in resources.items()
        if isinstance(content, dict)
    }
    return sorted(titles.items())


def _resources(answer: Any) -> dict[Any, Any]:
    resources = answer.get("Resources") if isinstance(answer, dict) else None
    if not isinstance(resources, dict):
        raise BadAnswer("The pod's answer is not a description of resources.", _LOOK)
    return resources


def _attributes(listed: Any) -> Iterator[Attribute]:
    for one in listed if isinstance(listed, list) else []:
        name = one.get("name") if isinstance(one, dict) else None
        if not isinstance(name, str) or not is_attribute(name):
            continue
        properties = one.get("properties")
        gadget = properties.get(_GADGET) if isinstance(properties, dict) else None
        yield Attribute(
            name=name,
            type=_text(one.get("type")),
            title=_text(one.get("title")),
            queryable=str(one.get("queryable")).lower() == "true",
            gadget=_text(gadget).lower(),
            precision=_digits(one.get("precision")),
        )


def _key(resource: dict[str, Any]) -> tuple[str, ...]:
    collection = resource.get("collection")
    finders = collection.get("finders") if isinstance(collection, dict) else None
    for finder in finders if isinstance(finders, list) else []:
        if isinstance(finder, dict) and finder.get("name") == _KEY_FINDER:
            listed = finder.get("attributes")
            return tuple(
                one["name"]
                for one in (listed if isinstance(listed, list) else [])
                if isinstance(one, dict)
                and isinstance(one.get("name"), str)
                and is_attribute(one["name"])
            )
    return ()


def _text(content: Any) -> str:
    """Return a text on one line, without characters that PostgreSQL refuses."""
    return shorten(content) if isinstance(content, str) else ""


def _digits(content: Any) -> int | None:
    text = str(content)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 4 else None
