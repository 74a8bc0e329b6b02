"""Keeping secrets out of foreign text: the words of servers, libraries and exceptions.

A secret comes back as it was sent, or HTML-escaped, percent-encoded, JSON-escaped or in base64. So
the text is read in each of these ways, and whatever reads as a secret is replaced.
"""

from __future__ import annotations

import base64
import html
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from urllib.parse import unquote_to_bytes

SHORT = 8
"""Characters below which a secret is replaced only where it is a whole word or number."""

DEPTH = 2
"""How many encodings around a secret are undone, such as JSON within a URL."""

GROWTH = 36
"""Characters that so many encodings make of one."""

MOST = 500
"""Secrets that are known at a time: every token that is fetched becomes one more."""

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-_])")

# Credentials that are not ours. A token has digits: "bearer authentication" is two words.
_BEARER = re.compile(r"(?i)\bbearer\s+(?=\S*[0-9])[A-Za-z0-9._~+/=-]{16,}")
_BASIC = re.compile(r"(?i)\bbasic\s+([A-Za-z0-9+/_-]{4,}={0,2})")
_IN_URL = re.compile(r"(?<=://)[^/\s@:]*:[^/\s@]*(?=@)")

_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{10,}={0,2}")
"""What may hold a secret that is not short."""

_known: dict[str, None] = {}
_guard = threading.Lock()


def hide(*secrets: str) -> None:
    """Keep these secrets out of all foreign text from now on, in this process.

    Whoever reads or receives a secret says so here, so that nobody who shows foreign text can
    forget to.
    """
    with _guard:
        for secret in filter(None, secrets):
            _known.pop(secret, None)
            _known[secret] = None
        while len(_known) > MOST:
            del _known[next(iter(_known))]


def known_secrets() -> tuple[str, ...]:
    """Return the secrets that are known."""
    with _guard:
        return tuple(_known)


def one_line(text: str) -> str:
    """Return a text without line breaks, control characters and terminal escapes.

    They could forge a line of a log.
    """
    return " ".join(_CONTROL.sub(" ", _ANSI.sub("", text)).split())


def redact(text: str, secrets: Iterable[str]) -> str:
    """Return a text on one line, with `***` for each secret, and for whatever looks like one."""
    line = one_line(text)
    spans = sorted(_find(line, [_secret(secret) for secret in secrets if one_line(secret)]))
    parts, end = [], 0
    for start, stop in spans:
        if start >= end:
            parts += [line[end:start], "***"]
        end = max(end, stop)
    line = "".join([*parts, line[end:]])
    return _IN_URL.sub("***", _BEARER.sub("***", _BASIC.sub(_hide_password, line)))


def _hide_password(basic: re.Match[str]) -> str:
    """Hide the credentials of Basic authentication; "basic authentication" is two words."""
    content = _from_base64(basic[1])
    return "***" if ":" in content and content.isprintable() else basic[0]


# -- what is looked for ----------------------------------------------------------------------------


class _Secret:
    """A secret, and how to find it in a text that has been decoded."""

    def __init__(self, secret: str) -> None:
        self._secret = secret
        self._line = one_line(secret)
        self.short = len(self._line) < SHORT
        # A cheap test: to compile the pattern of a token takes milliseconds.
        self._part = "" if self.short else max(re.split("[^!-~]+", self._line), key=len)

    def places(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield where the secret begins and ends."""
        if self._part in text:
            yield from (match.span() for match in self._pattern.finditer(text))

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        content = self._secret.encode(errors="replace")
        # UTF-8 that was read as Latin-1, as headers are, is another form of it.
        lines = {self._line, one_line(content.decode("latin-1"))}
        forms = [_form(line) for line in sorted(lines)]
        if not self.short:
            return re.compile("|".join(forms))
        packed = base64.b64encode(content).decode().rstrip("=")
        forms += [f"{re.escape(text)}={{0,2}}" for text in (packed, packed.translate(_URLSAFE))]
        return re.compile(rf"(?<![^\W_])(?:{'|'.join(forms)})(?![^\W_])")


_secret = lru_cache(MOST)(_Secret)

_URLSAFE = str.maketrans("+/", "-_")
_STANDARD = str.maketrans("-_", "+/")


def _form(text: str) -> str:
    """Return the pattern of a text, any letter of which beyond ASCII may have been lost."""
    letters = (re.escape(c) if c.isascii() else f"(?:{re.escape(c)}|\ufffd+)" for c in text)
    return "".join(r"\s+" if letter == r"\ " else letter for letter in letters)


def _find(text: str, secrets: list[_Secret]) -> Iterator[tuple[int, int]]:
    """Yield where a secret begins and ends, in whatever encoding."""
    long = [secret for secret in secrets if not secret.short]
    for reading in _readings(text, DEPTH) if secrets else ():
        places = [place for secret in secrets for place in secret.places(reading.text)]
        if long:
            places += [m.span() for m in _BASE64.finditer(reading.text) if _holds(m[0], long)]
        for start, stop in places:
            yield reading.starts[start], reading.ends[stop - 1]


def _holds(packed: str, secrets: list[_Secret]) -> bool:
    """Return whether base64 holds a secret, from whichever character on it is read."""
    contents = [_CONTROL.sub(" ", _from_base64(packed[skipped:])) for skipped in range(4)]
    texts = [reading.text for content in contents for reading in _readings(content, DEPTH)]
    return any(True for secret in secrets for text in texts for _ in secret.places(text))


def _from_base64(packed: str) -> str:
    packed = packed.rstrip("=").translate(_STANDARD)
    if len(packed) % 4 == 1:
        packed = packed[:-1]
    return base64.b64decode(packed + "=" * (-len(packed) % 4)).decode(errors="replace")


# -- how a text is read ----------------------------------------------------------------------------


@dataclass(frozen=True)
class _Reading:
    """A text as it reads in some encoding, and where each of its characters comes from."""

    text: str
    starts: list[int]
    ends: list[int]


def _readings(text: str, depth: int) -> Iterator[_Reading]:
    """Yield the text as it is, and as each way to read it shows it."""
    places = list(range(len(text) + 1))
    readings, seen = [_Reading(text, places[:-1], places[1:])], {text}
    yield from readings
    for _ in range(depth):
        further = []
        for reading in readings:
            for pattern, decode in _DECODERS:
                decoded = _decode(reading, pattern, decode)
                if decoded.text not in seen:
                    seen.add(decoded.text)
                    further.append(decoded)
                    yield decoded
        readings = further


def _decode(reading: _Reading, pattern: re.Pattern[str], decode: Callable[[str], str]) -> _Reading:
    matches = list(pattern.finditer(reading.text))
    if not matches:
        return reading
    text: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    end = 0
    for match in matches:
        start, stop = match.span()
        plain = _CONTROL.sub(" ", decode(match[0]))
        text += [reading.text[end:start], plain]
        starts += reading.starts[end:start] + [reading.starts[start]] * len(plain)
        ends += reading.ends[end:start] + [reading.ends[stop - 1]] * len(plain)
        end = stop
    text.append(reading.text[end:])
    return _Reading("".join(text), starts + reading.starts[end:], ends + reading.ends[end:])


def _from_percent(text: str) -> str:
    content = unquote_to_bytes(text)
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _from_form(text: str) -> str:
    return " " if text == "+" else _from_percent(text)


def _from_backslash(text: str) -> str:
    if text[1] in "ux":
        units = re.findall(r"[ux]([0-9A-Fa-f]+)", text)
        content = b"".join(int(unit, 16).to_bytes(2, "little") for unit in units)
        return content.decode("utf-16-le", "replace")
    if text[1] == "U" and len(text) > 2:
        return chr(int(text[2:], 16))
    return " " if text[1] in "nrtbf" else text[1]


_BACKSLASH = re.compile(
    r"(?:\\u[0-9A-Fa-f]{4}|\\x[0-9A-Fa-f]{2})+|\\U00(?:0[0-9A-Fa-f]|10)[0-9A-Fa-f]{4}|\\[^ux]"
)
_ENTITY = re.compile(r"&(?:#[0-9]{1,8}|#[xX][0-9A-Fa-f]{1,8}|[A-Za-z][A-Za-z0-9]{0,31});?")

_DECODERS: tuple[tuple[re.Pattern[str], Callable[[str], str]], ...] = (
    (_ENTITY, html.unescape),
    (re.compile(r"(?:%[0-9A-Fa-f]{2})+"), _from_percent),
    (re.compile(r"(?:%[0-9A-Fa-f]{2})+|\+"), _from_form),
    (_BACKSLASH, _from_backslash),
)
