"""Say how large an answer may be, which follows from what was asked for.

No honest answer comes near these bounds. They keep a few bytes on the wire from becoming millions
of objects in memory.
"""

from __future__ import annotations

from dataclasses import dataclass

_MB = 1024 * 1024


@dataclass(frozen=True)
class Size:
    """The most that an answer may hold. `body` is in bytes, unpacked."""

    body: int

    @property
    def values(self) -> int:
        """Return how many values its JSON may have: one with its name takes some 25 bytes."""
        return self.body // 25

    @property
    def wire(self) -> int:
        """Return the bytes that may come over the network, with headers and chunk sizes."""
        return 2 * self.body + _MB


TOKEN = Size(_MB)
DESCRIPTION = Size(48 * _MB)


def page_size(limit: int) -> Size:
    """Return the size of a page of so many items: 128 KB for each, as one may have long texts."""
    return Size(4 * _MB + limit * _MB // 8)


def count_values(body: bytes) -> int:
    """Return how many values JSON text can hold, without making any of them.

    Each of them but the first follows one of these marks, some of which may be part of a text.
    """
    return 1 + sum(body.count(mark) for mark in (b",", b"[", b"{"))
