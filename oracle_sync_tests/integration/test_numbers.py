"""Numbers that a float cannot hold go from Oracle's JSON into the table with every digit."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

from oracle_sync_tests.support.harness import rows, run, wide
from oracle_sync_tests.support.web import Handler, Web, client

ITEMS = (
    '{"OptyId": 3000000000000000000000.5, "OptyNumber": "A", "Revenue": 12345678901234567.89}',
    '{"OptyId": 3000000000000000000000.25, "OptyNumber": "B", "Revenue": 1.0e3}',
    '{"OptyId": 3000000000000000000001, "OptyNumber": 300000000000001.0, "Revenue": 0.1}',
    '{"OptyId": 3.0E14, "OptyNumber": 3000000000000000000000.5, "Team": [{"share": 1e-7}]}',
)
"""The first three keys are one and the same float."""


def page(handler: Handler) -> None:
    parameters = parse_qs(urlsplit(handler.path).query)
    offset, limit = (int(parameters[name][0]) for name in ("offset", "limit"))
    items = ITEMS[offset : offset + limit]
    more = "true" if offset + len(items) < len(ITEMS) else "false"
    body = f'{{"items": [{", ".join(items)}], "hasMore": {more}, "limit": {limit}}}'
    handler.reply(body.encode())


def test_keys_that_differ_only_in_digits_a_float_cannot_hold_stay_different_rows(
    database_url: str,
) -> None:
    with Web(page) as web:
        source = client(web.url)
        source.collection = wide(Revenue="numeric", Team="jsonb")
        run(database_url, source, batch_size=2)
    assert rows(
        database_url,
        "SELECT opportunity_id, opportunity_number, revenue::text"
        " FROM minimal_opportunities ORDER BY id",
    ) == [
        ("3000000000000000000000.5", "A", "12345678901234567.89"),
        ("3000000000000000000000.25", "B", "1000"),
        ("3000000000000000000001", "300000000000001", "0.1"),
        ("300000000000000", "3000000000000000000000.5", None),
    ]
    (team,) = rows(database_url, "SELECT team FROM minimal_opportunities WHERE team IS NOT NULL")
    assert team == ([{"share": 1e-7}],)


def test_a_number_beyond_any_use_leaves_its_column_null_and_as_a_key_sets_the_item_aside(
    database_url: str,
) -> None:
    items = (
        '{"OptyId": 1, "OptyNumber": "A", "Revenue": 1e200000}',
        '{"OptyId": 2, "OptyNumber": "B", "Revenue": 1e99999999999999999999}',
        f'{{"OptyId": {"9" * 5_000}, "OptyNumber": "C"}}',
        '{"OptyId": 4, "OptyNumber": "D"}',
    )
    body = f'{{"items": [{", ".join(items)}], "hasMore": false}}'.encode()
    with Web(lambda h: h.reply(body if "offset=0" in h.path else b'{"items": []}')) as web:
        source = client(web.url)
        source.collection = wide(Revenue="numeric")
        summary = run(database_url, source, batch_size=9)
    assert summary.rejected == 3
    stored = rows(
        database_url, "SELECT opportunity_id, revenue FROM minimal_opportunities ORDER BY id"
    )
    assert stored == [("1", None), ("2", None), ("4", None)]
    reasons = rows(database_url, "SELECT reason FROM rejected_items")
    assert all("digits" in reason for (reason,) in reasons)
