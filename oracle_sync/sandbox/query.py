"""Reading what a client asks of a collection: finder, q, fields, order, limit, offset."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from oracle_sync.sandbox.conditions import LIKE, NULL, Condition, Group, Term, Value
from oracle_sync.sandbox.grammar import BadRequest, Token, read_q
from oracle_sync.sandbox.records.attribute import Attribute
from oracle_sync.sandbox.records.catalog import SCOPED_FINDER
from oracle_sync.sandbox.records.columns import CHANGED, Columns
from oracle_sync.sandbox.records.stamps import read_moment
from oracle_sync.sandbox.settings import PodSettings

DEFAULT_LIMIT = 25
_RECORD_SET = "RecordSet"
"""What opportunities take in a finder and in `q`, though it is not an attribute."""

_COMMA = re.compile(r",(?=(?:[^']*'[^']*')*[^']*$)")
"""A comma outside quotes."""

_VARIABLE = re.compile(r"\s*(\w+)\s*=\s*(?:('[^']*')|([^\s']+))\s*")
_NUMBER = re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,30})?")


@dataclass(frozen=True)
class Query:
    """The parameters of a request for a page."""

    offset: int = 0
    limit: int = DEFAULT_LIMIT
    fields: tuple[str, ...] = ()
    order: tuple[tuple[str, bool], ...] = ()
    """Attribute, and whether it descends. Empty: the order is undefined."""
    terms: tuple[Term, ...] = ()
    """What a row must pass, all of it."""
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


def read_query(
    parameters: Mapping[str, str], framework: int, rules: PodSettings, columns: Columns
) -> Query:
    """Return what the parameters of a request for a collection ask for.

    Raises:
        BadRequest: as a pod would answer 400.
    """
    return _Reader(framework, rules, columns).read(parameters)


class _Reader:
    def __init__(self, framework: int, rules: PodSettings, columns: Columns) -> None:
        self._framework = framework
        self._rules = rules
        self._attributes = columns.attributes
        self._resource = columns.resource

    def read(self, parameters: Mapping[str, str]) -> Query:
        if "fields" in parameters and "expand" in parameters:
            raise BadRequest("The parameters fields and expand cannot be used together.", "fields")
        total = _flag(parameters, "totalResults")
        if total and self._rules.refuse_total:
            raise BadRequest("The parameter totalResults cannot be used here.", "totalResults")
        finder, terms = self._finder(parameters.get("finder", ""))
        limit = _whole(parameters, "limit", DEFAULT_LIMIT, at_least=1)
        return Query(
            offset=_whole(parameters, "offset", 0, at_least=0),
            limit=min(limit, self._rules.max_limit),
            fields=self._fields(parameters.get("fields", "")),
            order=self._order(parameters.get("orderBy", "")),
            terms=terms + read_q(parameters.get("q", ""), self._framework, self._compare),
            scoped=finder == SCOPED_FINDER,
            only_data=_flag(parameters, "onlyData"),
            total=total,
            framework=self._framework,
        )

    def _fields(self, text: str) -> tuple[str, ...]:
        refused = {CHANGED} if self._rules.refuse_date_field else set()
        if not text:
            return tuple(name for name in self._attributes if name not in refused)
        names = tuple(dict.fromkeys(part.strip() for part in text.split(",")))
        for name in names:
            self._attribute(name, "fields")
            if name in refused:
                raise BadRequest(f"Attribute {name} cannot be accessed.", "fields")
        return names

    def _order(self, text: str) -> tuple[tuple[str, bool], ...]:
        order = []
        for part in text.split(",") if text else ():
            name, _, direction = part.strip().partition(":")
            if direction.lower() not in ("", "asc", "desc"):
                raise BadRequest(f"The order {part} is not valid.", "orderBy")
            self._demand_queryable(self._attribute(name, "orderBy"), "orderBy")
            order.append((name, direction.lower() == "desc"))
        return tuple(order)

    def _finder(self, text: str) -> tuple[str, tuple[Term, ...]]:
        """Read `Name;var=value,var2=value2`; return the name, and terms for finders by key."""
        name, _, rest = text.partition(";")
        finders = self._resource.all_finders
        if text and name not in finders:
            raise BadRequest(
                f"The finder {name} is not defined for {self._resource.name}.", "finder"
            )
        terms: list[Term] = []
        for part in _COMMA.split(rest) if rest else ():
            variable = _VARIABLE.fullmatch(part)
            if variable is None or variable[1] not in finders[name]:
                raise BadRequest(f"The finder variable {part} is not valid.", "finder")
            if self._rules.unquoted_finder and variable[2] is not None:
                raise BadRequest(f"The finder variable {part} must not be quoted.", "finder")
            if variable[1] in self._attributes:
                token = Token("word", (variable[2] or variable[3]).strip("'"))
                terms.append(self._condition(variable[1], "=", [token], "finder"))
        return name, tuple(terms)

    def _compare(self, name: str, operator: str, tokens: list[Token]) -> Term:
        """Make a term of a comparison in `q`, unless the pod refuses or ignores it."""
        rules, resource = self._rules, self._resource
        quoted = any(token.kind == "quoted" for token in tokens)
        if quoted and rules.quotes == "refused":
            raise BadRequest("Quotes cannot be used in a query.", "q")
        if name == _RECORD_SET and resource.finders:
            if rules.reject_recordset_q or operator != "=":
                raise BadRequest(f"Attribute {name} cannot be used in a query.", "q")
            return Group(any=False, terms=())
        if (name == resource.key and rules.refuse_key_q) or (
            name == CHANGED and rules.refuse_date_q
        ):
            raise BadRequest(f"Attribute {name} cannot be used in a query.", "q")
        term = self._condition(name, operator, tokens, "q")
        ignored = (name == resource.key and rules.ignore_key_q) or (
            name == CHANGED and rules.ignore_date_q
        )
        return Group(any=False, terms=()) if ignored else term

    def _condition(self, name: str, operator: str, tokens: list[Token], parameter: str) -> Term:
        attribute = self._attribute(name, parameter)
        self._demand_queryable(attribute, parameter)
        if operator in (LIKE, NULL):
            return Condition(name, operator, tuple(token.text for token in tokens))
        values = tuple(self._value(attribute, token, parameter) for token in tokens)
        return Condition(name, operator, values)

    def _value(self, attribute: Attribute, token: Token, parameter: str) -> Value:
        text = token.text
        if attribute.type in ("integer", "number"):
            if not _NUMBER.fullmatch(text):
                raise BadRequest(f"The value {text} is not a number.", parameter)
            return Decimal(text) if "." in text else int(text)
        if parameter == "q" and token.kind == "word" and self._rules.quotes == "demanded":
            raise BadRequest(f"The value {text} must be quoted.", parameter)
        if attribute.is_time:
            moment = read_moment(text)
            if moment is None:
                raise BadRequest(f"The value {text} is not a date.", parameter)
            return moment
        if attribute.type == "boolean":
            return {"y": "true", "n": "false"}.get(text.lower(), text.lower())
        return text

    def _attribute(self, name: str, parameter: str) -> Attribute:
        if name not in self._attributes:
            raise BadRequest(
                f"URL request parameter {parameter} cannot be used: "
                f"attribute {name} is not defined for {self._resource.name}.",
                parameter,
            )
        return self._attributes[name]

    @staticmethod
    def _demand_queryable(attribute: Attribute, parameter: str) -> None:
        if not attribute.queryable:
            raise BadRequest(f"Attribute {attribute.name} is not queryable.", parameter)


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
