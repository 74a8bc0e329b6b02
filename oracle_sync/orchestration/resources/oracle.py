"""The Oracle pod as a Dagster resource."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import dagster as dg

from oracle_sync.config.setting import settings_of
from oracle_sync.config.settings import CREDENTIALS, OracleSettings, Settings
from oracle_sync.config.syncs import PLAIN, Sync
from oracle_sync.errors import SettingError
from oracle_sync.oracle.client import OracleClient
from oracle_sync.orchestration.resources.fields import given_value, setting_field


def _field(name: str) -> Any:
    return setting_field(OracleSettings, name)


def _clash(given: set[str], sync: Sync) -> bool:
    """Return whether settings given in code could go to another pod than they were meant for."""
    own = {name.removesuffix("_FILE") for name in sync.own}
    pod = {"ORACLE_BASE_URL", *CREDENTIALS}
    return bool(given & own or (own & pod and given))


class OracleResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """How to reach and ask the pod. A field left out comes from the setting of the same name.

    The settings are read when a client is made, not when the definitions load.
    """

    base_url: str | None = _field("base_url")
    user: str | None = _field("user")
    password: str | None = _field("password")
    token: str | None = _field("token")
    token_url: str | None = _field("token_url")
    client_id: str | None = _field("client_id")
    client_secret: str | None = _field("client_secret")
    scope: str | None = _field("scope")
    api_version: str | None = _field("api_version")
    finder: str | None = _field("finder")
    query: str | None = _field("query")
    fields: str | None = _field("fields")
    missing_fields: str | None = _field("missing_fields")
    order_by: str | None = _field("order_by")
    framework_version: str | None = _field("framework_version")
    ca_bundle: str | None = _field("ca_bundle")
    timeout: int | None = _field("timeout")
    retry_seconds: int | None = _field("retry_seconds")
    paging: str | None = _field("paging")
    changes: str | None = _field("changes")

    def settings(self, sync: Sync = PLAIN, settings: Settings | None = None) -> OracleSettings:
        """Return the fields over the settings of a sync, which are read if they are left out.

        Raises:
            SettingError: if a value is not allowed, or could go to the wrong pod.
        """
        given = {
            name: given_value(OracleSettings, name, name, value)
            for name in settings_of(OracleSettings)
            if (value := getattr(self, name)) is not None
        }
        if _clash({settings_of(OracleSettings)[name].name for name in given}, sync):
            raise SettingError(
                f"The resource oracle was given {', '.join(sorted(given))} in code, and the sync "
                f"{sync.name} has settings of its own.",
                "Give settings in one place only: in code, or in the file of ORACLE_SYNC_FILE.",
            )
        oracle = (settings or sync.settings()).oracle
        refusals = {name: why for name, why in oracle.refusals.items() if name not in given}
        return replace(oracle, refusals=refusals, **given)

    def client(
        self,
        sync: Sync = PLAIN,
        settings: Settings | None = None,
        on_notice: Callable[[str], None] = lambda _: None,
        **instead: Any,
    ) -> OracleClient:
        """Return a client for any number of threads; nothing is sent yet.

        Args:
            sync: whose pod is asked.
            settings: the sync's; read if they are left out.
            on_notice: called with a sentence before each wait for another try.
            instead: values in place of those of the settings.

        Raises:
            SettingError: naming what is missing or not allowed.
        """
        oracle = replace(self.settings(sync, settings), **instead)
        return OracleClient(oracle, sync.collection, on_notice)
