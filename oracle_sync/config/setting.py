"""What a setting is: its declaration, the kinds of values, and how text becomes one."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from oracle_sync.config.files import read_text
from oracle_sync.errors import SettingError
from oracle_sync.redaction import hide

MAX_SECRET = 64 * 1024
"""Characters of a secret's file: a token has a few thousand at most."""

_MASKS = frozenset("*\u2022")


class Kind(Protocol):
    """A kind of value."""

    @property
    def bounds(self) -> str:
        """The values it allows, as a help text and a refusal say it."""

    def parse(self, name: str, text: str) -> Any:
        """Return the value of a text.

        Raises:
            SettingError: if the text is none of the allowed values; `name` is the setting's.
        """


@dataclass(frozen=True)
class Text:
    """Any text, or one of a pattern; `bounds` says which in words."""

    pattern: str = ""
    bounds: str = ""

    def parse(self, name: str, text: str) -> str:
        if self.pattern and not re.fullmatch(self.pattern, text):
            raise SettingError(f"{name} must be {self.bounds}.")
        return text


@dataclass(frozen=True)
class Whole:
    """A whole number from `low` to `high`."""

    low: int
    high: int

    @property
    def bounds(self) -> str:
        return f"{self.low} to {self.high}"

    def parse(self, name: str, text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", text):
            # Only what looks like a number is repeated: the rest may be a secret in a wrong place.
            shown = f", not {text}" if re.fullmatch(r"[-+.,0-9e]{1,20}", text) else ""
            raise SettingError(f"{name} must be a whole number from {self.bounds}{shown}.")
        return self.demand(name, int(text))

    def demand(self, name: str, number: int) -> int:
        """Return the number.

        Raises:
            SettingError: if it is out of bounds.
        """
        if not self.low <= number <= self.high:
            raise SettingError(f"{name} must be a whole number from {self.bounds}, not {number}.")
        return number


@dataclass(frozen=True)
class Choice:
    """One of some words, in any case."""

    words: tuple[str, ...]

    @property
    def bounds(self) -> str:
        *others, last = self.words
        return f"{', '.join(others)} or {last}"

    def parse(self, name: str, text: str) -> str:
        if text.lower() not in self.words:
            raise SettingError(f"{name} must be {self.bounds}.")
        return text.lower()


@dataclass(frozen=True)
class Switch:
    """On or off."""

    bounds: str = "on or off"

    def parse(self, name: str, text: str) -> bool:
        return Choice(("on", "off")).parse(name, text) == "on"


@dataclass(frozen=True)
class Folder:
    """A folder, which need not exist yet."""

    bounds: str = ""

    def parse(self, name: str, text: str) -> Path:
        try:
            return Path(text).expanduser().absolute()
        except RuntimeError:  # ~someone, of whom the system knows no home
            raise SettingError(f"{name} names a home folder that does not exist.") from None


@dataclass(frozen=True)
class Setting:
    """The one declaration of a setting; parsing, resources and documents come from it."""

    name: str
    help: str
    """What it means. `{bounds}` stands for the values that its kind allows."""
    kind: Kind = Text()
    default: str = ""
    secret: bool = False
    """Never shown, and may come from the file that NAME_FILE names."""
    shared: bool = False
    """One for all syncs: it cannot be set per sync."""
    may_be_empty: bool = False
    """Empty is a value of its own, and does not stand for the default."""

    @property
    def meaning(self) -> str:
        """The help text with its bounds."""
        return self.help.format(bounds=self.kind.bounds)

    @property
    def names(self) -> tuple[str, ...]:
        """The names under which it can be set."""
        return (self.name, f"{self.name}_FILE") if self.secret else (self.name,)

    def read(self, environ: Mapping[str, str]) -> Any:
        """Return its value: that of NAME, else of the file in NAME_FILE, else the default.

        Raises:
            SettingError: if the value is not allowed, or the file cannot be read.
        """
        if environ.get(self.name) or (self.may_be_empty and self.name in environ):
            return self.parse(environ[self.name])
        path = environ.get(f"{self.name}_FILE") if self.secret else None
        if path:
            return self.parse(read_text(Path(path), f"{self.name}_FILE", MAX_SECRET))
        return self.parse(self.default)

    def parse(self, text: str, name: str = "") -> Any:
        """Return the value of a text; `name` is what a refusal calls the setting.

        A secret is known from here on to what shows foreign text.

        Raises:
            SettingError: if it is not allowed.
        """
        name, text = name or self.name, text.strip()
        try:
            text.encode()
        except UnicodeEncodeError:
            raise SettingError(f"{name} holds bytes that are not UTF-8 text.") from None
        if self.secret and text and _MASKS.issuperset(text):
            raise SettingError(
                f"{name} consists of {text[0]} only: that is how a secret is masked, not a secret. "
                "Nothing was sent.",
                "Give the secret itself. In the Launchpad, remove the line instead: the setting "
                "is used then.",
            )
        if self.secret:
            hide(text)
        return self.kind.parse(name, text)


def setting(name: str, help: str, kind: Kind = Text(), default: str = "", **options: bool) -> Any:  # noqa: A002
    """Declare a setting as a field of a dataclass; see `Setting`."""
    declaration = Setting(name, help, kind, default, **options)
    return dataclasses.field(
        default_factory=lambda: declaration.parse(default),
        repr=not declaration.secret,
        metadata={"setting": declaration},
    )


def settings_of(cls: type) -> dict[str, Setting]:
    """Return the settings that a dataclass declares, by the name of their field."""
    return {
        field.name: field.metadata["setting"]
        for field in dataclasses.fields(cls)
        if "setting" in field.metadata
    }
