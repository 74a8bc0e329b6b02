"""How HTTP is spoken: headers, proxies, certificates, and no redirects."""

from __future__ import annotations

import ssl
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from oracle_sync import __version__
from oracle_sync.config.settings import OracleSettings


def new_session(settings: OracleSettings) -> requests.Session:
    """Return a session with one connection, for one thread."""
    session = _Session()
    # What the environment says of proxies and certificates is read once, not per request.
    environment = session.merge_environment_settings(settings.base_url, {}, None, None, None)
    session.trust_env = False
    session.proxies = environment["proxies"]
    session.verify = settings.ca_bundle or environment["verify"]
    session.mount("https://", _Adapter(system_certificates=not settings.ca_bundle))
    session.mount("http://", _Adapter(system_certificates=False))
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


class _Session(requests.Session):
    """Follows no redirect.

    requests would prepare the next request even where it is not to follow: it would read a body
    of any size first, and stumble over a target that is not a URL.
    """

    def get_redirect_target(self, _: requests.Response) -> str | None:
        return None


class _Adapter(HTTPAdapter):
    """Holds one connection, and trusts what the system trusts."""

    def __init__(self, *, system_certificates: bool) -> None:
        self._context = ssl.create_default_context() if system_certificates else None
        super().__init__(pool_connections=1, pool_maxsize=1)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        if self._context is not None:
            kwargs["ssl_context"] = self._context
        super().init_poolmanager(*args, **kwargs)
