"""Set up how HTTP is spoken: headers, certificates, no redirects and no cookies."""

from __future__ import annotations

import ssl
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import PoolManager

from oracle_sync import __version__
from oracle_sync.config.settings import OracleSettings
from oracle_sync.errors import SettingError
from oracle_sync.oracle.limits import Limits, bounded_pools


def new_session(settings: OracleSettings, limits: Limits) -> requests.Session:
    """Return a session with one connection, for one thread, whose answers keep to the limits.

    Raises:
        SettingError: if the environment names a file of certificates that does not exist.
    """
    session = _Session()
    session.verify = settings.ca_bundle or _environment_bundle(session)
    # The environment is not read again for each request, nor asked for proxies and passwords.
    session.trust_env = False
    # Each request signs in by itself. Cookies could only pile up, or outlive what they stand for.
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.mount("https://", _Adapter(limits, system_certificates=not settings.ca_bundle))
    session.mount("http://", _Adapter(limits, system_certificates=False))
    session.headers = requests.structures.CaseInsensitiveDict(
        {
            "Accept": "application/json, application/vnd.oracle.adf.error+json",
            "Accept-Encoding": "gzip",
            "User-Agent": f"oracle_sync/{__version__}",
        }
    )
    if settings.framework_version:
        session.headers["REST-Framework-Version"] = settings.framework_version
    return session


def _environment_bundle(session: requests.Session) -> str | bool:
    environment = session.merge_environment_settings("", {}, None, None, None)
    verify = environment["verify"]
    if isinstance(verify, str) and not Path(verify).exists():
        raise SettingError(
            f"The file of CA certificates that the environment names does not exist: {verify}.",
            "Check REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE, or set ORACLE_CA_BUNDLE.",
        )
    return True if verify is None else verify


class _Session(requests.Session):
    """Follows no redirect.

    requests would prepare the next request even where it is not to follow: it would read a body
    of any size first, and stumble over a target that is not a URL.
    """

    def get_redirect_target(self, _: requests.Response) -> str | None:
        return None


class _Adapter(HTTPAdapter):
    """Holds one connection, and trusts what the system trusts."""

    def __init__(self, limits: Limits, *, system_certificates: bool) -> None:
        self._limits = limits
        self._context = ssl.create_default_context() if system_certificates else None
        super().__init__(pool_connections=1, pool_maxsize=1)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        if self._context is not None:
            kwargs["ssl_context"] = self._context
        super().init_poolmanager(*args, **kwargs)
        self._bound(self.poolmanager)

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> PoolManager:
        manager: PoolManager = super().proxy_manager_for(*args, **kwargs)
        self._bound(manager)
        return manager

    def _bound(self, manager: PoolManager) -> None:
        manager.pool_classes_by_scheme = bounded_pools(manager.pool_classes_by_scheme, self._limits)
