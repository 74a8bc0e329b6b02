"""A PostgreSQL URL is read once, by us: exactly, or refused without a word of it."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from psycopg2.extensions import parse_dsn
from sqlalchemy import make_url
from sqlalchemy.dialects import postgresql

from oracle_sync.config.settings import load
from oracle_sync.errors import SettingError
from oracle_sync.redaction import known_secrets

SECRET = "Zq7x9kTr"


def parsed(url: str) -> str:
    return load({"DATABASE_URL": url}).database_url


def by_libpq(url: str) -> dict[str, str]:
    return dict(parse_dsn(url))


def by_sqlalchemy(url: str) -> dict[str, str]:
    """Return the parts with which Dagster's storage connects."""
    dialect: Any = postgresql.psycopg2.dialect
    _, arguments = dialect().create_connect_args(make_url(url))
    return {name: str(value) for name, value in arguments.items()}


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("postgresql://u@h/d", "postgresql://u@h/d"),
        ("postgres://u:p@h:1/d?sslmode=require", "postgresql://u:p@h:1/d?sslmode=require"),
        ("postgresql://u:p%40@h/d?password=q%2B", "postgresql://u:q%2B@h/d"),
        ("postgresql://h1:1,h2:2/d", "postgresql:///d?host=h1%2Ch2&port=1%2C2"),
        ("postgresql://h1,h2:2/d", "postgresql:///d?host=h1%2Ch2&port=%2C2"),
        ("postgresql://[::1]:5/d", "postgresql:///d?host=%3A%3A1&port=5"),
        ("postgresql://u:@/d?host=/run/pg", "postgresql://u@/d?host=%2Frun%2Fpg"),
        ("postgresql://%2Frun%2Fpg/a%20b", "postgresql:///?dbname=a%20b&host=%2Frun%2Fpg"),
        ("postgresql://h/d?ssl=true", "postgresql://h/d?sslmode=require"),
        ("postgresql://", "postgresql:///"),
        ("postgresql://u:tr\u00f6t@h/d", "postgresql://u:tr%C3%B6t@h/d"),
    ],
)
def test_a_url_is_rewritten_so_that_every_reader_understands_the_same(
    url: str, wanted: str
) -> None:
    assert parsed(url) == wanted
    assert parsed(wanted) == wanted
    assert by_sqlalchemy(wanted) == by_libpq(wanted)


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://u:{SECRET}/abc@localhost/d",
        f"postgresql://u:a/{SECRET}@localhost/d",
        f"postgresql://u:a@{SECRET}@localhost/d",
        f"postgresql://u:a%zz#{SECRET}@localhost/d",
        f"postgresql://u:a%{SECRET}@localhost/d",
        f"postgresql://u:a?{SECRET}@localhost/d",
        f"postgresql://u:a?port={SECRET}@localhost/d",
        f"postgresql://u:{SECRET} @localhost/d",
        f"postgresql://u:{SECRET}/d",
        f"postgresql://{SECRET}:70000/d",
        f"postgresql://localhost/d?{SECRET}",
        f"postgresql://localhost/d?{SECRET}=1",
        f"postgresql://localhost/d?password=a&password={SECRET}",
        f"postgresql://localhost/d?password=a={SECRET}",
        f"postgresql://u:{SECRET}%ff@localhost/d",
        f"postgresql://u:{SECRET}%00@localhost/d",
        f"postgresql://localhost/{SECRET}/{SECRET}",
        f"mysql://u:{SECRET}@localhost/d",
        SECRET,
    ],
)
@pytest.mark.parametrize("name", ["DATABASE_URL", "DAGSTER_DATABASE_URL"])
def test_a_url_that_cannot_be_read_is_refused_without_any_part_of_it(name: str, url: str) -> None:
    with pytest.raises(SettingError, match=f"{name} can't be read") as refused:
        load({name: url})
    words = refused.value.sentence()
    assert "percent-encode" in words
    assert not any(SECRET[at : at + 4] in words for at in range(len(SECRET) - 3))


TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
NAMES = st.from_regex(r"[a-z][a-z0-9.-]{0,10}", fullmatch=True)


@given(
    user=TEXT.filter(bool),
    password=TEXT,
    hosts=st.lists(st.tuples(NAMES, st.integers(1, 65535)), min_size=1, max_size=3),
    database=TEXT,
    application=TEXT,
)
def test_libpq_and_sqlalchemy_get_exactly_the_parts_that_were_written(
    user: str, password: str, hosts: list[tuple[str, int]], database: str, application: str
) -> None:
    assume(not password or set(password) - set("*\u2022"))
    parts = {
        "user": user,
        "password": password,
        "host": ",".join(host for host, _ in hosts),
        "port": ",".join(str(port) for _, port in hosts),
        "dbname": database,
        "application_name": application,
    }
    places = ",".join(f"{host}:{port}" for host, port in hosts)
    url = (
        f"postgresql://{quote(user, safe='')}:{quote(password, safe='')}@{places}"
        f"/{quote(database, safe='')}?application_name={quote(application, safe='')}"
    )
    wanted = {name: text for name, text in parts.items() if text}
    assert by_libpq(parsed(url)) == wanted
    assert by_sqlalchemy(parsed(url)) == wanted
    assert not password or password in known_secrets()


@given(st.text(st.characters(codec="ascii", categories=["L", "N", "P", "S"]), min_size=4))
def test_a_password_as_it_is_is_understood_exactly_or_refused_without_a_part_of_it(
    password: str,
) -> None:
    assume("%" not in password)
    text = f"postgresql://u:{password}@localhost:1/d"
    if set(password) & set("/?#@") or set(password) <= {"*"}:
        with pytest.raises(SettingError) as refused:
            parsed(text)
        assert password not in refused.value.sentence()
    else:
        found = by_libpq(parsed(text))
        assert (found["password"], found["host"]) == (password, "localhost")


def test_every_secret_of_a_url_is_known_wherever_it_stands() -> None:
    parsed("postgresql://h/d?password=one%2F&sslpassword=two&user=u")
    assert {"one/", "two"} <= {*known_secrets()}


@pytest.mark.parametrize("password", ["********", "***", "%E2%80%A2%E2%80%A2"])
def test_a_masked_password_is_refused(password: str) -> None:
    with pytest.raises(SettingError, match="its password is masked"):
        parsed(f"postgresql://u:{password}@h/d")
