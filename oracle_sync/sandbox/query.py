"""Reading what a client asks of the collection: finder, q, fields, order, limit, offset."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import eq, ge, gt, le, lt, ne
from typing import Any, Protocol

from oracle_sync.sandbox.data import ATTRIBUTES

DEFAULT_LIMIT = 25
FINDERS: dict[str, tuple[str, ...]] = {
    "MyOpportunitiesFinder": ("RecordSet",),
    "PrimaryKey": ("OptyId",),
    "AltKey": ("OptyNumber",),
}
"""Every finder and the variables that it takes."""

_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "=": eq,
    "!=": ne,
    "<>": ne,
    ">": gt,
    ">=": ge,
    "<": lt,
    "<=": le,
}
_CLAUSE = re.compile(
    r"""\s*([A-Za-z]\w*)\s*(>=|<=|!=|<>|=|>|<)\s*(?:'([^']*)'|"([^"]*)"|([^\s'";]+))\s*"""
)
_QUOTED = r"""(?:'[^']*'|"[^"]*")"""
_BY_SEMICOLON = re.compile(rf"((?:{_QUOTED}|[^;])*)(?:;|$)")
_BY_AND = re.compile(rf"((?:{_QUOTED}|(?!\sand\s).)*)(?:\sand\s|$)", re.IGNORECASE | re.DOTALL)
_BY_COMMA = re.compile(rf"((?:{_QUOTED}|[^,])*)(?:,|$)")


class BadRequest(Exception):
    """What a pod answers 400 to; `path` is the parameter it names."""

    def __init__(self, detail: str, path: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.path = path


class Rules(Protocol):
    """The settings of a pod that decide what it refuses."""

    max_limit: int
    reject_recordset_q: bool
    refuse_key_q: bool
    ignore_key_q: bool
    unquoted_finder: bool
    refuse_total: bool


@dataclass(frozen=True)
class Condition:
    """One comparison of `q`, such as `OptyId > 123`."""

    attribute: str
    operator: str
    value: int | float | str

    def holds(self, value: object) -> bool:
        """Return whether a row with this value passes; an empty field never does."""
        if value is None:
            return False
        if not isinstance(self.value, str):
            return isinstance(value, int | float) and _OPERATORS[self.operator](value, self.value)
        return _OPERATORS[self.operator](str(value), self.value)


@dataclass(frozen=True)
class Query:
    """The parameters of a request for a page."""

    offset: int = 0
    limit: int = DEFAULT_LIMIT
    fields: tuple[str, ...] = tuple(ATTRIBUTES)
    order: tuple[tuple[str, bool], ...] = ()
    """Attribute, and whether it descends. Empty: the order is undefined."""
    conditions: tuple[Condition, ...] = ()
    finder: str | None = None
    scoped: bool = False
    """Whether a finder limits the request to what its user may see."""
    only_data: bool = False
    total: bool = False
    framework: int = 1


def read_framework(header: str | None) -> int:
    """Return the version in `REST-Framework-Version`; without one, it is 1."""
    if header is None:
        return 1
    if header.strip() not in {str(version) for version in range(1, 10)}:
        raise BadRequest(f"Framework version {header} is not supported.", "REST-Framework-Version")
    return int(header)


def read_query(parameters: Mapping[str, str], framework: int, rules: Rules) -> Query:
    """Return what the parameters of a request for the collection ask for.

    Raises:
        BadRequest: as a pod would answer 400.
    """
    if "fields" in parameters and "expand" in parameters:
        raise BadRequest("The parameters fields and expand cannot be used together.", "fields")
    total = _flag(parameters, "totalResults")
    if total and rules.refuse_total:
        raise BadRequest("The parameter totalResults cannot be used here.", "totalResults")
    name, conditions = _finder(parameters.get("finder", ""), rules)
    limit = _whole(parameters, "limit", DEFAULT_LIMIT, at_least=1)
    return Query(
        offset=_whole(parameters, "offset", 0, at_least=0),
        limit=min(limit, rules.max_limit),
        fields=_fields(parameters.get("fields", "")),
        order=_order(parameters.get("orderBy", "")),
        conditions=conditions + _conditions(parameters.get("q", ""), framework, rules),
        finder=name,
        scoped=name == "MyOpportunitiesFinder",
        only_data=_flag(parameters, "onlyData"),
        total=total,
        framework=framework,
    )


def _whole(parameters: Mapping[str, str], name: str, default: int, at_least: int) -> int:
    text = parameters.get(name, "")
    if not text:
        return default
    if not re.fullmatch(r"[0-9]{1,18}", text) or int(text) < at_least:
        raise BadRequest(f"The value {text} of the parameter {name} is not valid.", name)
    return int(text)


def _flag(parameters: Mapping[str, str], name: str) -> bool:
    text = parameters.get(name, "false").lower()
    if text not in ("true", "false"):
        raise BadRequest(f"The value {text} of the parameter {name} is not valid.", name)
    return text == "true"


def _checked(attribute: str, parameter: str) -> str:
    if attribute not in ATTRIBUTES:
        raise BadRequest(
            f"URL request parameter {parameter} cannot be used: "
            f"attribute {attribute} is not defined for opportunities.",
            parameter,
        )
    return attribute


def _fields(text: str) -> tuple[str, ...]:
    if not text:
        return tuple(ATTRIBUTES)
    return tuple(dict.fromkeys(_checked(part.strip(), "fields") for part in text.split(",")))


def _order(text: str) -> tuple[tuple[str, bool], ...]:
    order = []
    for part in text.split(",") if text else ():
        attribute, _, direction = part.strip().partition(":")
        if direction.lower() not in ("", "asc", "desc"):
            raise BadRequest(f"The order {part} is not valid.", "orderBy")
        order.append((_checked(attribute, "orderBy"), direction.lower() == "desc"))
    return tuple(order)


def _finder(text: str, rules: Rules) -> tuple[str | None, tuple[Condition, ...]]:
    """Read `Name;var=value,var2=value2`; return the name, and conditions for finders by key."""
    if not text:
        return None, ()
    name, _, rest = text.partition(";")
    if name not in FINDERS:
        raise BadRequest(f"The finder {name} is not defined for opportunities.", "finder")
    conditions = []
    for part in _split(_BY_COMMA, rest) if rest else ():
        clause = _CLAUSE.fullmatch(part)
        if clause is None or clause[2] != "=" or clause[1] not in FINDERS[name]:
            raise BadRequest(f"The finder variable {part} is not valid.", "finder")
        if rules.unquoted_finder and clause[5] is None:
            raise BadRequest(f"The finder variable {part} must not be quoted.", "finder")
        if clause[1] in ATTRIBUTES:
            conditions.append(_condition(clause, "finder"))
    return name, tuple(conditions)


def _conditions(text: str, framework: int, rules: Rules) -> tuple[Condition, ...]:
    """Read `q`: clauses joined by `;` in framework 1, by `and` from framework 2 on."""
    conditions = []
    for part in _split(_BY_SEMICOLON if framework == 1 else _BY_AND, text) if text else ():
        clause = _CLAUSE.fullmatch(part)
        if clause is None:
            raise BadRequest(f"The query {text} cannot be parsed.", "q")
        if clause[1] == "OptyId" and rules.refuse_key_q:
            raise BadRequest("Attribute OptyId cannot be used in a query.", "q")
        if clause[1] == "OptyId" and rules.ignore_key_q:
            continue
        if clause[1] != "RecordSet":
            conditions.append(_condition(clause, "q"))
        elif rules.reject_recordset_q or clause[2] != "=":
            raise BadRequest("Attribute RecordSet cannot be used in a query.", "q")
    return tuple(conditions)


def _condition(clause: re.Match[str], parameter: str) -> Condition:
    attribute = _checked(clause[1], parameter)
    text = next(group for group in clause.groups()[2:] if group is not None)
    if ATTRIBUTES[attribute] not in ("integer", "number"):
        return Condition(attribute, clause[2], text)
    if not re.fullmatch(r"-?[0-9]{1,30}(\.[0-9]{1,30})?", text):
        raise BadRequest(f"The value {text} is not a number.", parameter)
    return Condition(attribute, clause[2], float(text) if "." in text else int(text))


def _split(by: re.Pattern[str], text: str) -> list[str]:
    """Split at a separator that stands outside quotes."""
    parts, position = [], 0
    while position <= len(text):
        part = by.match(text, position)
        if part is None:
            break
        parts.append(part[1])
        if part.end() == len(text) and part.end() == part.end(1):
            break
        position = part.end()
    return parts
