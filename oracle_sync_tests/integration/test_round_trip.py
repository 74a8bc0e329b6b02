"""Test that any value of Oracle's comes back from its column as Oracle gave it, or is set aside."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oracle_sync.engine.exact_json import read_json, write_json
from oracle_sync.operations.replay import replay
from oracle_sync.postgres.database import Database
from oracle_sync_tests.support.harness import NAME, rows, run, wide
from oracle_sync_tests.support.source import ListSource, item

TYPES = {
    "Text": "text",
    "Whole": "bigint",
    "Number": "numeric",
    "Flag": "boolean",
    "Day": "date",
    "Time": "timestamptz",
    "Parts": "jsonb",
}
COLLECTION = wide(**TYPES)
SELECT = (
    "SELECT opportunity_id, text, whole, number, flag, day, time, parts::text "
    "FROM minimal_opportunities"
)
EMPTY = (
    "TRUNCATE minimal_opportunities, removed_opportunities, sync_state, rejected_items, "
    "refresh_marks"
)


@dataclass(frozen=True)
class Given:
    """A value as Oracle sends it, and as the column holds it. A misfit is null in its column."""

    sent: Any
    stored: Any
    fits: bool = True


def fit(sent: Any, stored: Any) -> Given:
    return Given(sent, stored)


def misfit(sent: Any) -> Given:
    return Given(sent, None, fits=False)


def is_storable(text: str) -> bool:
    return "\0" not in text and not any("\ud800" <= letter <= "\udfff" for letter in text)


def text_of(sent: str) -> Given:
    return fit(sent, sent) if is_storable(sent) else misfit(sent)


def json_of(sent: Any) -> Given:
    return fit(sent, sent) if all(map(is_storable, texts_in(sent))) else misfit(sent)


def texts_in(content: Any) -> list[str]:
    """Return every text in a JSON value, the names of objects included."""
    if isinstance(content, str):
        return [content]
    if isinstance(content, dict):
        return [text for pair in content.items() for one in pair for text in texts_in(one)]
    return [t for one in content for t in texts_in(one)] if isinstance(content, list) else []


NULL = st.just(fit(None, None))
LETTERS = st.text(st.characters(exclude_categories=()), max_size=30)
TEXTS = st.one_of(
    NULL,
    LETTERS.map(text_of),
    st.sampled_from(["", "x" * 4_000, "ü" * 4_000, "a\0b", "\ud800", "\\u0000", "NULL"]).map(
        text_of
    ),
)
WHOLES = st.integers(-(2**63), 2**63 - 1)
WHOLE = st.one_of(
    NULL,
    WHOLES.map(lambda n: fit(n, n)),
    WHOLES.map(lambda n: fit(str(n), n)),
    st.integers(-(10**15), 10**15).map(lambda n: fit(Decimal(f"{n}.0"), n)),
    st.sampled_from([2**63, -(2**63) - 1, Decimal("1.5"), "1 000", "", True, [1], {}]).map(misfit),
)
DECIMALS = st.decimals(-(10**20), 10**20, places=4) | st.decimals(-1, 1, places=18)
NUMBER = st.one_of(
    NULL,
    WHOLES.map(lambda n: fit(n, Decimal(n))),
    DECIMALS.map(lambda n: fit(n, n)),
    DECIMALS.map(lambda n: fit(f"{n:f}", n)),
    st.sampled_from(["NaN", "1,5", "", "Infinity", False, ["1"]]).map(misfit),
)
FLAG = st.one_of(
    NULL,
    st.sampled_from([True, "true", "Y", 1, "1", "yes"]).map(lambda sent: fit(sent, True)),
    st.sampled_from([False, "false", "N", 0, "0", "no"]).map(lambda sent: fit(sent, False)),
    st.sampled_from(["maybe", 2, -1, "", []]).map(misfit),
)
DATES = st.dates(dt.date(1900, 1, 1), dt.date(2100, 12, 31))
MIDNIGHTS = st.sampled_from(["", "T00:00:00Z", "T00:00:00+00:00", "T00:00:00.000Z"])
DAY = st.one_of(
    NULL,
    st.builds(lambda day, rest: fit(f"{day}{rest}", day), DATES, MIDNIGHTS),
    st.sampled_from(["2026-02-30", "25.11.2026", "2026-11-25T10:00:00Z", 7, ""]).map(misfit),
)


@st.composite
def times(draw: st.DrawFn) -> Given:
    """Return a time in one of the forms that pods send: whole seconds, a fraction, a date alone."""
    zones = {"Z": 0, "+00:00": 0, "+02:00": 120, "-05:30": -330}
    day = draw(DATES)
    if draw(st.booleans()) and draw(st.booleans()):
        return fit(f"{day}", dt.datetime(day.year, day.month, day.day, tzinfo=dt.UTC))
    zone = draw(st.sampled_from(sorted(zones)))
    precision = draw(st.sampled_from(["seconds", "milliseconds", "microseconds"]))
    clock = draw(st.times())
    unit = {"seconds": 10**6, "milliseconds": 10**3, "microseconds": 1}[precision]
    clock = clock.replace(microsecond=clock.microsecond // unit * unit)
    local = dt.datetime.combine(day, clock)
    stored = (local - dt.timedelta(minutes=zones[zone])).replace(tzinfo=dt.UTC)
    return fit(f"{local.isoformat(timespec=precision)}{zone}", stored)


TIME = st.one_of(
    NULL,
    times(),
    st.sampled_from(["now", "infinity", "2026-11-25T25:00:00Z", 1447244000, ""]).map(misfit),
)
LEAVES = st.none() | st.booleans() | WHOLES | DECIMALS | LETTERS
TREES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(LETTERS, inner, max_size=3),
    max_leaves=6,
)
PARTS = TREES.map(json_of)
ROW = st.fixed_dictionaries(
    {
        "Text": TEXTS,
        "Whole": WHOLE,
        "Number": NUMBER,
        "Flag": FLAG,
        "Day": DAY,
        "Time": TIME,
        "Parts": PARTS,
    }
)


def source_of(contents: list[dict[str, Given]]) -> ListSource:
    """Return a source that sends these rows as JSON text, as a pod does."""
    source = ListSource(len(contents))
    source.collection = COLLECTION
    for key, row in zip(source.keys, contents, strict=True):
        source.items[key] = item(key) | {name: one.sent for name, one in row.items()}
    source.shown = lambda content: read_json(write_json(content))
    return source


def stored(url: str) -> dict[str, list[Any]]:
    """Return the values of each row, JSON with all digits of its numbers."""
    return {
        key: [*plain, None if parts is None else read_json(parts)]
        for key, *plain, parts in rows(url, SELECT)
    }


def expected(source: ListSource, contents: list[dict[str, Given]]) -> dict[str, list[Any]]:
    pairs = zip(source.keys, contents, strict=True)
    return {str(key): [row[name].stored for name in TYPES] for key, row in pairs}


@settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(contents=st.lists(ROW, min_size=1, max_size=12), size=st.integers(1, 12))
def test_the_table_holds_what_the_source_gave_and_what_does_not_fit_can_be_replayed(
    database_url: str, contents: list[dict[str, Given]], size: int
) -> None:
    rows(database_url, EMPTY)
    source = source_of(contents)

    done = run(database_url, source, batch_size=size)

    assert stored(database_url) == expected(source, contents)
    misfits = {
        str(key): [name for name in TYPES if not row[name].fits]
        for key, row in zip(source.keys, contents, strict=True)
    }
    rejects = dict(rows(database_url, "SELECT key, field FROM rejected_items"))
    assert rejects == {key: ", ".join(names) for key, names in misfits.items() if names}
    assert done.rejected == len(rejects)

    for key, raw in rows(database_url, "SELECT key, raw::text FROM rejected_items"):
        mended = read_json(raw) | dict.fromkeys(misfits[key]) | {"OptyNumber": "mended"}
        rows(
            database_url,
            "UPDATE rejected_items SET raw = %s WHERE key = %s",
            write_json(mended),
            key,
        )
    replayed = replay(Database(database_url, COLLECTION), NAME, "test")
    assert (replayed.stored, replayed.refused) == (len(rejects), [])
    assert stored(database_url) == expected(source, contents)
    numbers = rows(
        database_url, "SELECT opportunity_id, opportunity_number FROM minimal_opportunities"
    )
    assert {key for key, number in numbers if number == "mended"} == set(rejects)


@settings(
    max_examples=20,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(contents=st.lists(ROW, min_size=1, max_size=6))
def test_a_second_walk_over_the_same_values_changes_nothing(
    database_url: str, contents: list[dict[str, Given]]
) -> None:
    rows(database_url, EMPTY)
    source = source_of(contents)
    run(database_url, source, batch_size=5)

    again = run(database_url, source, batch_size=3, full_refresh=True)

    assert (again.inserted, again.updated) == (0, 0)
    assert stored(database_url) == expected(source, contents)
