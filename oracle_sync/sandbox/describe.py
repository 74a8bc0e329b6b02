"""What a pod says of its collections: their attributes, finders and children."""

from __future__ import annotations

from typing import Any

from oracle_sync.sandbox.records.attribute import Attribute
from oracle_sync.sandbox.records.catalog import Resource
from oracle_sync.sandbox.records.columns import Columns

_CONTROLS = {
    "string": "text",
    "integer": "number",
    "number": "number",
    "boolean": "check_box",
    "date": "date",
    "datetime": "datetime",
}
_GADGET = "fnd:OSN_GADGET_TYPE"


def describe(columns: Columns, href: str) -> dict[str, Any]:
    """Return the description of one collection.

    Args:
        columns: Its attributes at present.
        href: Its address.
    """
    resource = columns.resource
    return {
        **_titles(resource),
        "attributes": [_attribute(one) for one in columns.attributes.values()],
        "collection": {
            "rangeSize": 25,
            "finders": _finders(resource),
            "links": [_link("self", href, resource.name, "collection")],
            "actions": [{"name": "get", "method": "GET", "responseType": ["application/json"]}],
        },
        "item": {
            "links": [
                _link("self", f"{href}/{{id}}", resource.name, "item"),
                *_children(resource, href),
            ]
        },
        "children": {
            child: {"$ref": f"{href}/{{id}}/child/{child}/describe"} for child in resource.children
        },
        "links": [_link("self", f"{href}/describe", resource.name, "describe")],
    }


def list_collection(resource: Resource, href: str) -> dict[str, Any]:
    """Return what the list of all collections says of one."""
    return {
        **_titles(resource),
        "links": [
            _link(rel, f"{href}/describe", resource.name, "describe")
            for rel in ("self", "canonical")
        ],
    }


def _titles(resource: Resource) -> dict[str, Any]:
    return {
        "discrColumnType": False,
        "title": resource.title,
        "titlePlural": resource.title_plural,
    }


def _attribute(attribute: Attribute) -> dict[str, Any]:
    description: dict[str, Any] = {
        "name": attribute.name,
        "type": attribute.type,
        "updatable": attribute.updatable,
        "mandatory": attribute.mandatory,
        "queryable": attribute.queryable,
        "allowChanges": "always" if attribute.updatable else "never",
        "title": attribute.title,
    }
    if attribute.precision is not None:
        description["precision"] = attribute.precision
    if attribute.max_length is not None:
        description["maxLength"] = str(attribute.max_length)
    if attribute.type in _CONTROLS:
        description["controlType"] = attribute.gadget or _CONTROLS[attribute.type]
    if attribute.gadget:
        description["properties"] = {_GADGET: attribute.gadget}
    return description


def _finders(resource: Resource) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "attributes": [{"name": variable, "type": "string"} for variable in variables],
        }
        for name, variables in resource.all_finders.items()
    ]


def _children(resource: Resource, href: str) -> list[dict[str, Any]]:
    return [
        _link("child", f"{href}/{{id}}/child/{child}", child, "collection")
        | {
            "cardinality": {
                "value": "1 to *",
                "sourceAttributes": resource.key,
                "destinationAttributes": resource.key,
            }
        }
        for child in resource.children
    ]


def _link(rel: str, href: str, name: str, kind: str) -> dict[str, Any]:
    return {"rel": rel, "href": href, "name": name, "kind": kind}
