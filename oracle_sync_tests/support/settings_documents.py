"""The settings as README and `.env.example` show them, from their declarations.

`python -m oracle_sync_tests.support.settings_documents` brings both files up to date.
"""

from __future__ import annotations

import re

from oracle_sync.config.settings import SETTINGS
from oracle_sync_tests.support import PROJECT

README = PROJECT / "README.md"
EXAMPLE = PROJECT / ".env.example"

TABLE = re.compile(r"(?ms)^\| name \| default \| meaning \|$.*?(?=^$)")

NEEDED = ("ORACLE_BASE_URL", "ORACLE_USER", "ORACLE_PASSWORD")
"""Without the others, a sync works."""


def readme() -> str:
    """Return the README with the table of settings as they are declared."""
    marks = {setting: " (*)" * setting.secret + " (+)" * setting.shared for setting in SETTINGS}
    rows = [
        f"| `{setting.name}`{marks[setting]} | {f'`{setting.default}`' if setting.default else ''} "
        f"| {setting.meaning} |"
        for setting in SETTINGS
    ]
    table = "\n".join(["| name | default | meaning |", "|---|---|---|", *rows, ""])
    return TABLE.sub(lambda _: table, README.read_text(encoding="utf-8"))


def example() -> str:
    """Return the text of `.env.example`."""
    parts = [
        "# Copy to .env, readable by you alone (chmod 600 .env), and fill in. What is left out "
        "keeps its\n# default. Secrets may also come from files: "
        "ORACLE_PASSWORD_FILE=/run/secrets/oracle_password.\n"
    ]
    for setting in SETTINGS:
        mark = "" if setting.name in NEEDED else "#"
        parts.append(f"# {setting.meaning}\n{mark}{setting.name}={setting.default}\n")
    return "\n".join(parts)


if __name__ == "__main__":
    README.write_text(readme(), encoding="utf-8")
    EXAMPLE.write_text(example(), encoding="utf-8")
