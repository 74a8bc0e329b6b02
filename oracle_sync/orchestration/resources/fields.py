"""Resource fields that stand for settings: their descriptions, and the values given in code."""

from __future__ import annotations

from typing import Any

from pydantic import Field
from pydantic.config import JsonDict

from oracle_sync.config.setting import settings_of

# The key that Dagster 1.13 reads to mask a field in its UI. It masks the default as well, even
# none at all, and offers ******** as the value in the Launchpad; so a secret field gets its None
# from a factory, which Dagster does not take for a default.
_SECRET: JsonDict = {"dagster__is_secret": True}


def setting_field(cls: type, name: str) -> Any:
    """Return the resource field for a field of a settings class; unset, the setting is used."""
    setting = settings_of(cls)[name]
    description = f"{setting.meaning}. Unset: the setting {setting.name}, read when a run needs it."
    if setting.secret:
        return Field(
            default_factory=lambda: None, description=description, json_schema_extra=_SECRET
        )
    return Field(default=None, description=description)


def given_value(cls: type, name: str, field: str, value: object) -> Any:
    """Return the value of a resource's field that is set, checked as the setting is.

    A validator on the field would see the name of an `EnvVar`, and not its value.

    Raises:
        SettingError: if it is not allowed.
    """
    return settings_of(cls)[name].parse(str(value), f"The resource's field {field}")
