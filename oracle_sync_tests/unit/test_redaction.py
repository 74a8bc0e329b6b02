"""No secret is left in foreign text, however it is encoded; and all other text is left as it is."""

from __future__ import annotations

import base64
import html
import json
import re
import time
import unicodedata
from collections.abc import Callable
from html.entities import codepoint2name
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle_sync.config.settings import load
from oracle_sync.errors import clean
from oracle_sync.redaction import MOST, SHORT, hide, known_secrets, one_line, redact


def entities(text: str) -> str:
    return "".join(
        f"&{codepoint2name[ord(c)]};" if ord(c) in codepoint2name else f"&#{ord(c)};" for c in text
    )


def utf16(text: str) -> list[int]:
    units = text.encode("utf-16-be")
    return [int.from_bytes(units[at : at + 2]) for at in range(0, len(units), 2)]


ENCODINGS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "html": html.escape,
    "html with entities": entities,
    "html with decimal numbers": lambda text: "".join(f"&#{ord(c)};" for c in text),
    "html with hexadecimal numbers": lambda text: "".join(f"&#x{ord(c):x};" for c in text),
    "html with capital hexadecimal numbers": lambda text: "".join(
        f"&#X{ord(c):04X};" for c in text
    ),
    "percent": lambda text: quote(text, safe=""),
    "percent of a path": quote,
    "percent of a form": quote_plus,
    "percent in small letters": lambda text: re.sub(
        "%..", lambda code: code[0].lower(), quote(text, safe="")
    ),
    "percent of each byte": lambda text: "".join(f"%{byte:02X}" for byte in text.encode()),
    "json": lambda text: json.dumps(text)[1:-1],
    "json in utf-8": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    "json with numbers": lambda text: "".join(f"\\u{unit:04x}" for unit in utf16(text)),
    "json with capital numbers": lambda text: "".join(f"\\u{unit:04X}" for unit in utf16(text)),
    "json with escaped slashes": lambda text: json.dumps(text)[1:-1].replace("/", "\\/"),
    "python": lambda text: repr(text)[1:-1],
}


def packed(
    before: bytes = b"", after: bytes = b"", *, urlsafe: bool = False, pad: bool = True
) -> Callable[[str], str]:
    def encode(text: str) -> str:
        encoder = base64.urlsafe_b64encode if urlsafe else base64.b64encode
        whole = encoder(before + text.encode() + after).decode()
        return whole if pad else whole.rstrip("=")

    return encode


BASE64 = st.builds(
    packed, st.binary(max_size=5), st.binary(max_size=5), urlsafe=st.booleans(), pad=st.booleans()
)
PLAIN = st.sampled_from(list(ENCODINGS.values()))

CHARACTERS = st.characters(exclude_categories=["Cc", "Cs", "Cn", "Co", "Zl", "Zp", "Zs"])
SECRETS = st.text(CHARACTERS, min_size=SHORT, max_size=40).filter(lambda t: one_line(t) == t)
WITH_SPACES = st.lists(SECRETS, min_size=1, max_size=3).map(" ".join)
SHORT_SECRETS = st.text(CHARACTERS, min_size=1, max_size=SHORT - 1)
TEXT = st.text(max_size=60)


@given(WITH_SPACES, PLAIN, st.sampled_from(["[]", "''", '""', "<>", "()", "  "]))
def test_of_a_secret_in_any_encoding_nothing_is_left_and_what_is_around_it_stays(
    secret: str, encode: Callable[[str], str], marks: str
) -> None:
    before, after = f"The password was {marks[0]}", f"{marks[1]} and is wrong"

    shown = redact(before + encode(secret) + after, [secret])

    assert shown == one_line(f"{before}***{after}")


@given(WITH_SPACES)
def test_of_a_secret_in_a_header_nothing_is_left(secret: str) -> None:
    read_as_latin_1 = secret.encode().decode("latin-1")

    shown = redact(f"[{read_as_latin_1}]", [secret])

    # The last of its bytes may be a control character there, which becomes a space.
    assert shown.replace(" ", "") == "[***]"


@given(WITH_SPACES, PLAIN, PLAIN)
def test_of_a_secret_that_was_encoded_twice_nothing_is_left(
    secret: str, inner: Callable[[str], str], outer: Callable[[str], str]
) -> None:
    assert redact(f"[{outer(inner(secret))}]", [secret]) == "[***]"


@given(WITH_SPACES, BASE64)
def test_of_a_secret_in_base64_nothing_is_left_wherever_it_stands_in_there(
    secret: str, encode: Callable[[str], str]
) -> None:
    assert redact(f"[{encode(secret)}]", [secret]) == "[***]"


@given(SECRETS, BASE64, PLAIN)
def test_base64_of_an_encoded_secret_and_encoded_base64_are_no_way_out(
    secret: str, pack: Callable[[str], str], encode: Callable[[str], str]
) -> None:
    assert redact(f"[{pack(encode(secret))}]", [secret]) == "[***]"
    assert redact(f"[{encode(pack(secret))}]", [secret]) == "[***]"


@given(SECRETS, PLAIN | BASE64, TEXT, TEXT)
def test_no_form_of_a_secret_survives_in_whatever_text_is_next_to_it(
    secret: str, encode: Callable[[str], str], before: str, after: str
) -> None:
    form = encode(secret)

    assert form not in redact(before.replace("\x1b", "") + form + after, [secret])


@given(SHORT_SECRETS, PLAIN | st.just(packed()) | st.just(packed(urlsafe=True, pad=False)))
def test_of_a_short_secret_that_stands_alone_nothing_is_left(
    secret: str, encode: Callable[[str], str]
) -> None:
    assert redact(f"password {encode(secret)} mistaken", [secret]) == "password *** mistaken"


@given(st.text("rows", min_size=1, max_size=5), st.lists(st.text("abc3", min_size=1, max_size=9)))
def test_a_short_secret_takes_nothing_out_of_words_and_numbers_that_contain_it(
    secret: str, words: list[str]
) -> None:
    text = " ".join(f"{word}{secret}, {secret}{word}: {word}{secret}{word}" for word in words)

    assert redact(text, [secret, "4", "14", "0"]) == text


@given(
    st.text("abcdefghijklm .,:;()'\"<>&%\\/=-+#0123", max_size=200),
    st.lists(st.text("NOPQRSTUVWXYZ456789", min_size=1, max_size=40)),
)
def test_text_without_a_secret_passes_unchanged(text: str, secrets: list[str]) -> None:
    assert redact(text, secrets) == one_line(text)


@pytest.mark.parametrize(
    "text",
    [
        "400 of the 3014 rows in minimal_opportunities are gone",
        "Basic authentication is off; use bearer authentication",
        "basic information: the bearer of this message",
        "see https://pod.example.com:443/crmRestApi/resources/11.13.18.05/opportunities?q=a%20b&x=1",
    ],
)
def test_ordinary_words_stay(text: str) -> None:
    assert redact(text, ["0", "row", "in_", "opportunity"]) == text


# Credentials that nobody has told of


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Authorization: Basic c2FuZGJveDpzYW5kYm94", "Authorization: ***"),
        ("bearer eyJhbGciOi.J9-x_y", "***"),
        ("at https://ann:geheim@pod/x", "at https://***@pod/x"),
    ],
)
def test_what_looks_like_credentials_is_replaced_even_if_nobody_knows_it(
    text: str, shown: str
) -> None:
    assert redact(text, []) == shown


# Lines, lengths and time


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07after", "after"),
        ("one\r\n2026-01-01 INFO forged", "one 2026-01-01 INFO forged"),
        ("a\x00b\x07c\x9bd\u2028e", "a b c d e"),
        ("half \ud800 pair", "half pair"),
        (None, "None"),
    ],
)
def test_foreign_text_becomes_one_line_that_can_forge_nothing(text: object, shown: str) -> None:
    assert clean(text) == shown


@pytest.mark.parametrize(
    ("text", "secrets"),
    [
        ("is hidden-word here", ["hidden-word"]),
        ("hid\x1b[0mden-word", ["hidden-word"]),
        ("hidden\x00word hidden\tword", ["hidden word"]),
        ("x" * 290 + "hidden-word", ["hidden-word"]),
        (" " * 5_995 + "hidden-word", ["hidden-word"]),
        (" " * 6_390 + "hidden-word", ["hidden-word"]),
        ("hidden-word" * 541 + " " * 43 + "hidden-word", ["hidden-word"]),
        ("hidden-word", ["hidden", "hidden-word", "-word"]),
    ],
)
def test_no_trick_of_the_text_lets_a_secret_through(text: str, secrets: list[str]) -> None:
    hide(*secrets)

    assert "hidd" not in clean(text)
    assert "-word" not in clean(text)


TRICKS = st.sampled_from(["\x1b[0m", "\x1b]0;t\x07", "\x00", "\r\n", " ", "\u2028", "\ud800"])


@given(st.lists(TEXT | SECRETS | TRICKS, max_size=30), SECRETS)
def test_never_a_control_character_and_never_more_than_the_limit(
    parts: list[str], secret: str
) -> None:
    hide(secret)

    shown = clean("".join(parts), limit=60)

    assert len(shown) <= 60
    assert not [c for c in shown if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp")]
    shown.encode()


def test_a_hostile_text_takes_a_bounded_time() -> None:
    secrets = [f"{at}geheim" * 300 for at in range(20)]
    text = "%2525&amp;amp;\\\\u0041+aGVsbG8gd29ybGQgJTQxJTQyJiM2NTtc" * 200
    began = time.process_time()

    redact(text, secrets)

    assert time.process_time() - began < 10


# Which secrets are known


def test_a_secret_is_known_as_soon_as_its_setting_is_read() -> None:
    load(
        {
            "ORACLE_PASSWORD": "geheim-1",
            "ORACLE_TOKEN": "geheim-2",
            "ORACLE_CLIENT_SECRET": "geheim-3",
            "DATABASE_URL": "postgresql://u:geheim%2F4@h/d?sslpassword=geheim-5",
            "DAGSTER_DATABASE_URL": "postgresql://u:geheim-6@h/d",
            "ORACLE_SYNC_ALERT_WEBHOOK": "https://chat.example.com/services/T0/geheim-7",
        }
    )

    secrets = (
        "geheim-1",
        "geheim-2",
        "geheim-3",
        "geheim/4",
        "geheim-5",
        "geheim-6",
        "services/T0/geheim-7",
    )
    for secret in secrets:
        assert clean(f"no {secret}!") == "no ***!"
        assert clean(f"no {quote(secret, safe='')}!") == "no ***!"


def test_a_secret_that_is_refused_is_known_too() -> None:
    load({"ORACLE_TOKEN": "two words"})

    assert clean("no such thing: two words") == "no such thing: ***"


def test_the_secrets_that_were_named_last_are_known() -> None:
    hide("password")
    for token in range(MOST + 10):
        hide(f"token-{token}", "password")

    assert len(known_secrets()) == MOST
    assert {"password", f"token-{MOST + 9}"} <= {*known_secrets()}
