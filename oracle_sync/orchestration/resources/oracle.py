"""The Oracle pod as a Dagster resource.

Belongs here: settings as resource fields. Does not belong here: HTTP, which is in
`oracle_sync.oracle`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import dagster as dg
from pydantic import Field
from pydantic.config import JsonDict

from oracle_sync.config.settings import OracleSettings
from oracle_sync.config.syncs import PLAIN, Sync
from oracle_sync.errors import SettingError
from oracle_sync.oracle.client import OracleClient

# The key that Dagster 1.13 reads to mask a field in its UI. It masks the default as well, even
# none at all, and offers ******** as the value in the Launchpad; so a secret field gets its None
# from a factory, which Dagster doesn't take for a default.
SECRET: JsonDict = {"dagster__is_secret": True}


def nothing() -> None:
    """The default of a secret field."""


def _unset(setting: str) -> str:
    return f"Unset: the setting {setting}, read when a run needs it."


class OracleResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """How to reach and ask the pod. A field left out comes from the setting of the same name.

    The settings are read when a client is made, not when the definitions load: those load
    without any, and a validator here would see the name of an `EnvVar` and not its value.
    """

    base_url: str | None = Field(default=None, description=_unset("ORACLE_BASE_URL"))
    user: str | None = Field(default=None, description=_unset("ORACLE_USER"))
    password: str | None = Field(
        default_factory=nothing, description=_unset("ORACLE_PASSWORD"), json_schema_extra=SECRET
    )
    token: str | None = Field(
        default_factory=nothing, description=_unset("ORACLE_TOKEN"), json_schema_extra=SECRET
    )
    token_url: str | None = Field(default=None, description=_unset("ORACLE_TOKEN_URL"))
    client_id: str | None = Field(default=None, description=_unset("ORACLE_CLIENT_ID"))
    client_secret: str | None = Field(
        default_factory=nothing,
        description=_unset("ORACLE_CLIENT_SECRET"),
        json_schema_extra=SECRET,
    )
    scope: str | None = Field(default=None, description=_unset("ORACLE_SCOPE"))
    api_version: str | None = Field(default=None, description=_unset("ORACLE_API_VERSION"))
    finder: str | None = Field(default=None, description=_unset("ORACLE_FINDER"))
    query: str | None = Field(default=None, description=_unset("ORACLE_QUERY"))
    fields: str | None = Field(default=None, description=_unset("ORACLE_FIELDS"))
    order_by: str | None = Field(default=None, description=_unset("ORACLE_ORDER_BY"))
    framework_version: str | None = Field(
        default=None, description=_unset("ORACLE_FRAMEWORK_VERSION")
    )
    ca_bundle: str | None = Field(default=None, description=_unset("ORACLE_CA_BUNDLE"))
    timeout: int | None = Field(default=None, description=_unset("ORACLE_TIMEOUT"))
    retry_seconds: int | None = Field(default=None, description=_unset("ORACLE_RETRY_SECONDS"))
    paging: str | None = Field(default=None, description=_unset("ORACLE_SYNC_PAGING"))

    def settings(self, sync: Sync = PLAIN) -> OracleSettings:
        """The fields over the settings of a sync.

        Raises:
            SettingError: if a setting is out of bounds, or could go to the wrong pod.
        """
        given = {name: getattr(self, name) for name in OracleSettings.__dataclass_fields__}
        given = {name: value for name, value in given.items() if value is not None}
        if given and sync.own:
            raise SettingError(
                f"The resource oracle was given {', '.join(sorted(given))} in code, and the sync "
                f"{sync.name} has settings of its own.",
                "Give settings in one place only: in code, or in the file of ORACLE_SYNC_FILE.",
            )
        return replace(sync.settings().oracle, **given)

    def client(
        self,
        sync: Sync = PLAIN,
        on_notice: Callable[[str], None] = lambda _: None,
        **instead: Any,
    ) -> OracleClient:
        """A client for any number of threads; nothing is sent yet.

        Args:
            sync: whose pod is asked.
            on_notice: told of each wait before another try.
            instead: settings in place of the given ones.

        Raises:
            SettingError: naming what is missing.
        """
        settings = replace(self.settings(sync), **instead)
        return OracleClient(settings, sync.collection, on_notice)
