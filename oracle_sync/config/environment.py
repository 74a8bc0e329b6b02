"""The `.env` file of the current folder, which becomes part of the environment."""

from __future__ import annotations

import io
import os
from pathlib import Path

from oracle_sync.config.files import exposure, read_text
from oracle_sync.config.settings import SETTINGS
from oracle_sync.errors import SettingError

ENV_FILE = Path(".env")

MAX_ENV_FILE = 64 * 1024
"""Bytes of a `.env`; one with every setting has a few thousand."""


def load_env_file() -> tuple[str, ...]:
    """Put the values of `.env` into the environment, where a name is not set yet.

    Every process reads its environment alone, so that all settings of a process, and of those
    that it starts, are from one moment. Dagster's own commands load `.env` in the same way when
    they start.

    Returns:
        Sentences about what is probably a mistake.

    Raises:
        SettingError: if the file cannot be read.
    """
    values = _env_file()
    for name, text in values.items():
        os.environ.setdefault(name, text)
    secret = any(values.get(setting.name) for setting in SETTINGS if setting.secret)
    exposed = exposure(ENV_FILE, secret=secret) if values else None
    return (exposed,) if exposed else ()


def demand_agreement() -> None:
    """See that no setting has one value in the environment and another one in `.env`.

    Raises:
        SettingError: naming those that have. Dagster's processes would use the values of `.env`,
            and our commands those of the environment.
    """
    values = _env_file()
    names = [name for setting in SETTINGS for name in setting.names if name in values]
    twice = [name for name in names if values[name] != os.environ.get(name)]
    if twice:
        raise SettingError(
            f"Set in the environment and, differently, in .env: {', '.join(twice)}. Dagster would "
            "use the values of .env, and other commands those of the environment.",
            "Remove them from one of the two.",
        )


def _env_file() -> dict[str, str]:
    """Return what `.env` sets; nothing if there is no such file."""
    if not ENV_FILE.exists():
        return {}
    # Imported only where a file is to be read: `status` counts its milliseconds.
    from dotenv import dotenv_values
    from dotenv.parser import parse_stream

    text = read_text(ENV_FILE, "The file of settings", MAX_ENV_FILE)
    for binding in parse_stream(io.StringIO(text)):
        if binding.error:
            raise SettingError(
                f"Line {binding.original.line} of .env can't be read.",
                "Each line looks like NAME=value; a value in quotes ends with the same quote.",
            )
    values = dotenv_values(stream=io.StringIO(text))
    return {name: value for name, value in values.items() if value is not None}
