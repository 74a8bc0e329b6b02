"""Reading `q`, in the grammar of framework 1 and in that of the later ones."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from oracle_sync.sandbox.conditions import IN, LIKE, NULL, OPERATORS, Group, Term

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<operator>>=|<=|!=|<>|=|>|<)
    | (?P<mark>[();,])
    | '(?P<one>(?:[^']|'')*)'
    | "(?P<two>[^"]*)"
    | (?P<word>[^\s'"();,<>=!]+)
    )""",
    re.VERBOSE,
)


class BadRequest(Exception):
    """What a pod answers 400 to; `path` is the parameter it names."""

    def __init__(self, detail: str, path: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.path = path


@dataclass(frozen=True)
class Token:
    """A word, a quoted text, an operator or a mark."""

    kind: str
    text: str

    @property
    def is_value(self) -> bool:
        """Whether it can stand for a value."""
        return self.kind in ("word", "quoted")

    def says(self, *words: str) -> bool:
        """Return whether it is one of these words, or marks."""
        return self.kind in ("word", "mark") and self.text.lower() in words


Compare = Callable[[str, str, list[Token]], Term]
"""Makes a term of an attribute's name, an operator and values, or refuses it."""

_END = Token("end", "")


def read_q(text: str, framework: int, compare: Compare) -> tuple[Term, ...]:
    """Return the terms of `q`, all of which a row must pass.

    Raises:
        BadRequest: if the text does not follow the grammar, or `compare` raises it.
    """
    reader = _Reader(text, compare)
    return reader.read_clauses() if framework == 1 else reader.read_expression()


class _Reader:
    def __init__(self, text: str, compare: Compare) -> None:
        self._text = text
        self._compare = compare
        self._tokens = self._split(text.strip())
        self._next = 0

    def read_clauses(self) -> tuple[Term, ...]:
        """Read framework 1: `Name>=a and <b;Other=c`, each attribute named once."""
        terms: list[Term] = []
        while self._here is not _END:
            terms.append(self._clause())
            if self._here is not _END:
                self._demand(";")
        return tuple(terms)

    def read_expression(self) -> tuple[Term, ...]:
        """Read framework 2 and later: `and`, `or`, parentheses, `in`, `like`, `is null`."""
        term = self._either() if self._here is not _END else Group(any=False, terms=())
        if self._here is not _END:
            self._fail()
        return term.terms if isinstance(term, Group) and not term.any else (term,)

    def _clause(self) -> Term:
        name = self._name()
        terms = [self._compare(name, self._operator(), [self._value()])]
        joint = ""
        while self._here.says("and", "or"):
            word = self._take().text.lower()
            joint = joint or word
            operator = self._operator() if self._here.kind == "operator" else "="
            terms.append(self._compare(name, operator, [self._value()]))
            if word != joint or self._here.kind == "operator":
                self._fail()
        return terms[0] if len(terms) == 1 else Group(joint == "or", tuple(terms))

    def _either(self) -> Term:
        terms = [self._both()]
        while self._here.says("or"):
            self._take()
            terms.append(self._both())
        return terms[0] if len(terms) == 1 else Group(any=True, terms=tuple(terms))

    def _both(self) -> Term:
        terms = [self._factor()]
        while self._here.says("and"):
            self._take()
            terms.append(self._factor())
        return terms[0] if len(terms) == 1 else Group(any=False, terms=tuple(terms))

    def _factor(self) -> Term:
        if not self._here.says("("):
            return self._comparison()
        self._take()
        term = self._either()
        self._demand(")")
        return term

    def _comparison(self) -> Term:
        name = self._name()
        if self._here.says("is"):
            return self._null(name)
        negated = self._here.says("not")
        if negated:
            self._take()
        if self._here.says("in"):
            term = self._compare(name, IN, self._list())
        elif self._here.says("like"):
            self._take()
            term = self._compare(name, LIKE, [self._value()])
        elif negated:
            self._fail()
        else:
            return self._compare(name, self._operator(), [self._value()])
        return Group(any=True, terms=(term,), negated=True) if negated else term

    def _null(self, name: str) -> Term:
        self._take()
        negated = self._here.says("not")
        if negated:
            self._take()
        self._demand("null")
        term = self._compare(name, NULL, [])
        return Group(any=True, terms=(term,), negated=True) if negated else term

    def _list(self) -> list[Token]:
        self._take()
        self._demand("(")
        values = [self._value()]
        while self._here.says(","):
            self._take()
            values.append(self._value())
        self._demand(")")
        return values

    def _name(self) -> str:
        if self._here.kind != "word":
            self._fail()
        return self._take().text

    def _operator(self) -> str:
        if self._here.text not in OPERATORS:
            self._fail()
        return self._take().text

    def _value(self) -> Token:
        if not self._here.is_value:
            self._fail()
        return self._take()

    def _demand(self, text: str) -> None:
        if not self._here.says(text):
            self._fail()
        self._take()

    @property
    def _here(self) -> Token:
        return self._tokens[self._next] if self._next < len(self._tokens) else _END

    def _take(self) -> Token:
        self._next += 1
        return self._tokens[self._next - 1]

    def _split(self, text: str) -> list[Token]:
        tokens: list[Token] = []
        position = 0
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None:
                self._fail()
            kind = str(match.lastgroup)
            content = match[kind]
            quoted = kind in ("one", "two")
            tokens.append(Token("quoted" if quoted else kind, content.replace("''", "'")))
            position = match.end()
        return tokens

    def _fail(self) -> NoReturn:
        raise BadRequest(f"The query {self._text} cannot be parsed.", "q")
