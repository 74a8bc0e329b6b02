"""Test that text from Oracle is shown as it is, whatever it holds."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from oracle_sync.orchestration.foreign_text import as_markdown, as_table, without_links

JOINER = "\N{WORD JOINER}"

PIECES = [
    *("[a](https://evil.example/x)", "![p](http://evil.example/p.png)", "<img src=x>", "</td>"),
    *("| a | b |", "|---|---|", "\n", "\n\n", "    ", "\t", "# ", "> ", "- ", "1. ", "2) "),
    *("```", "~~~", "`", "**", "__", "_", "*", "~~", "***", "===", "---", "\\", "&amp;", "&#58;"),
    *("www.evil.example", "HTTPS://evil.example", "ann@evil.example", "[a]: /b", "[a][b]", "]"),
    *("key", "rejected_items", "Ärger", "@", ":", "//", ".", " "),
]

TEXTS = st.lists(st.sampled_from(PIECES) | st.text(max_size=5), max_size=12).map("".join)

# The addresses that the UI's Markdown (remark-gfm) makes a link of, besides those in brackets.
ADDRESSES = re.compile(r"https?://|www(?=\.)|[-.\w+]+@[-\w]", re.I)


@given(TEXTS)
def test_markdown_shows_any_text_as_one_plain_paragraph(text: str) -> None:
    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])

    tokens = parser.parse(as_markdown(text))

    shown = [token for token in tokens if token.type not in {"paragraph_open", "paragraph_close"}]
    assert len(shown) <= 1
    parts = [part for token in shown for part in token.children or ()]
    assert {part.type for part in parts} <= {"text", "text_special"}
    content = "".join(part.content for part in parts)
    # The parser puts another character in the place of NUL.
    expected = " ".join(text.split()).replace("\0", "\N{REPLACEMENT CHARACTER}")
    assert content.replace(JOINER, "") == expected.replace(JOINER, "")
    assert not ADDRESSES.search(content)


@given(TEXTS)
def test_a_text_without_links_holds_no_address_and_looks_the_same(text: str) -> None:
    shown = without_links(text)

    assert not ADDRESSES.search(shown)
    assert "](" not in shown
    assert shown.replace(JOINER, "") == text.replace(JOINER, "")


@pytest.mark.parametrize(
    "text",
    ["120 rows here, about 127 in Oracle.", "Start a run with full_refresh: true (it is 3.5 s)."],
)
def test_plain_english_stays_as_it_is(text: str) -> None:
    assert as_markdown(text) == text


def test_a_table_has_the_rows_it_was_given_and_its_cells_are_one_short_line() -> None:
    shown = as_table(["name", "value"], [("anchor", "x |\n| forged | row"), ("doubt", None)])

    assert [record.data for record in shown.records] == [
        {"name": "anchor", "value": "x | | forged | row"},
        {"name": "doubt", "value": ""},
    ]
    [long] = as_table(["a"], [("x" * 10_000,)]).records
    assert len(str(long.data["a"])) == 200
