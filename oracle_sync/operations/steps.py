"""Define the steps of the preflight, as every part of it yields them."""

from __future__ import annotations

from dataclasses import dataclass

from oracle_sync.errors import SyncError


@dataclass(frozen=True)
class Step:
    """The result of one step. `passed` is None for what works but deserves a look."""

    name: str
    passed: bool | None
    result: str
    advice: str = ""


def failed(name: str, error: SyncError) -> Step:
    """Return the step that an error ended."""
    return Step(name, False, str(error), error.advice)
