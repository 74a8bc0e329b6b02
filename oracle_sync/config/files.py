"""Reading the small text files that a user writes: bounded, as UTF-8, with errors in words."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from oracle_sync.errors import SettingError

_MOUNTED = (Path("/run/secrets"), Path("/var/run/secrets"))
"""Where container platforms put secrets, with modes that a user does not choose."""


def read_text(path: Path, name: str, limit: int) -> str:
    """Return a file's text without a byte order mark.

    Args:
        path: of the file.
        name: what a refusal calls it.
        limit: bytes that it may have.

    Raises:
        SettingError: if it cannot be read, is too large, or is not UTF-8 text.
    """
    try:
        with path.open("rb") as file:
            content = file.read(limit + 1)
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        reason = "it is not UTF-8 text"
    except OSError as error:
        reason = error.strerror or type(error).__name__
    except ValueError:  # a NUL in its name
        reason = "no file can have that name"
    else:
        if len(content) <= limit and "\0" not in text:
            return text
        too_large = f"it is larger than {limit >> 10} KB"
        reason = too_large if len(content) > limit else "it is not UTF-8 text"
    raise SettingError(
        f"{name} can't be read: {path}: {reason}.", "Save it as UTF-8 text, readable by you."
    )


def exposure(path: Path, *, secret: bool) -> str | None:
    """Return how other users of this machine can get at a file, in a sentence; None: they can't.

    Args:
        path: of the file.
        secret: whether reading it is harm enough.
    """
    if os.name != "posix" or any(folder in path.absolute().parents for folder in _MOUNTED):
        return None
    try:
        found = path.stat()
        if any(_closed(folder) for folder in path.resolve().parents):
            return None
    except (OSError, ValueError):  # reading it says what is wrong
        return None
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH) or found.st_uid not in (0, os.getuid()):
        return (
            f"Other users of this machine can write to {path}, and so decide where passwords "
            f"are sent. Make it yours alone: chmod 600 {path}."
        )
    if secret and found.st_mode & stat.S_IROTH:
        return (
            f"Other users of this machine can read the secrets in {path}. Make it yours alone: "
            f"chmod 600 {path}."
        )
    return None


def _closed(folder: Path) -> bool:
    return not folder.stat().st_mode & (stat.S_IXOTH | stat.S_IXGRP)
