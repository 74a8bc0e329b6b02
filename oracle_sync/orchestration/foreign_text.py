"""Show text that came from Oracle as it is: never as a link, an image or a row of a table."""

import re
from collections.abc import Iterable, Sequence

import dagster as dg

from oracle_sync.errors import shorten

CELL = 200
"""Characters of a value that a table shows."""

_JOINER = "\N{WORD JOINER}"
"""Takes no room, and ends what a program would take for an address."""

_ADDRESSES = re.compile(r"(?<=:)(?=//)|(?<=www)(?=\.)|(?<=@)|(?<=\])(?=[(\[])", re.I)
_MARKUP = re.compile(r"[\\`*\[<&~]|(?<![^\W_])_|_(?![^\W_])|^[#>+=-]|(?<=\d)[.)](?=\s|$)")


def without_links(text: str) -> str:
    """Return text in which no address is taken for one, by Slack or by a browser's page."""
    return _ADDRESSES.sub(_JOINER, text)


def as_markdown(text: str) -> str:
    """Return one line of Markdown that shows the text as it is."""
    line = " ".join(text.split())
    return _MARKUP.sub(r"\\\g<0>", without_links(line))


def as_table(names: Sequence[str], rows: Iterable[Sequence[object]]) -> dg.TableMetadataValue:
    """Return a table for the metadata, whose cells Dagster does not read as Markdown."""
    return dg.MetadataValue.table(
        records=[
            dg.TableRecord({name: _cell(value) for name, value in zip(names, row, strict=True)})
            for row in rows
        ],
        schema=dg.TableSchema([dg.TableColumn(name) for name in names]),
    )


def _cell(value: object) -> str:
    return "" if value is None else shorten(str(value), CELL)
