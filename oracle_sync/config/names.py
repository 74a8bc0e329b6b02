"""Names that look like a setting, and are none."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

_OF_ORACLE_CLIENTS = {
    f"ORACLE_{name}"
    for name in ("BASE", "HOME", "HOSTNAME", "OCM_SERVICE", "PATH", "PDB_SID", "SID", "UNQNAME")
}
"""What Oracle's own programs read: not meant for us."""


def misnamed(environ: Mapping[str, str], known: Collection[str]) -> Iterator[str]:
    """Yield a sentence for each name that looks like a setting and is none of those known."""
    for name in sorted(environ.keys() - set(known)):
        # A database may well be someone else's, so its name has to be very near.
        hint = nearest(name, known, 0.9) if "DATABASE" in name else "."
        if name.startswith("ORACLE_") and name not in _OF_ORACLE_CLIENTS:
            hint = nearest(name, known)
        elif hint == ".":
            continue
        yield f"{name} is set, but there is no such setting{hint}"


def nearest(name: str, known: Collection[str], likeness: float = 0.6) -> str:
    """Return the end of a sentence on an unknown name: the known one that it resembles most."""
    import difflib

    found = difflib.get_close_matches(name, known, 1, likeness)
    return f"; did you mean {found[0]}?" if found else "."
