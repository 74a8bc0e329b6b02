"""Say which proxy, if any, a request goes through."""

from __future__ import annotations

import re
from importlib.util import find_spec
from urllib.parse import unquote, urlsplit

from requests.utils import get_environ_proxies, select_proxy

from oracle_sync.config.urls import is_loopback
from oracle_sync.errors import SettingError
from oracle_sync.redaction import hide


def proxies_for(url: str) -> dict[str, str]:
    """Return the proxy that the environment names for a URL, as requests takes it, or none.

    None for this machine, whatever the environment says: plain http is allowed there, and a proxy
    would see the password.

    Raises:
        SettingError: if the proxy is not an address.
    """
    parts = urlsplit(url)
    if is_loopback(parts.hostname):
        return {}
    proxy = select_proxy(url, get_environ_proxies(url))
    if not proxy:
        return {}
    address = proxy if "://" in proxy else f"http://{proxy}"
    if not _usable(address):
        # The address is not repeated, since it may hold a password.
        raise SettingError(
            f"The environment names a proxy for {parts.hostname} that is not an address such as "
            "http://proxy:8080.",
            "Check HTTPS_PROXY, ALL_PROXY and NO_PROXY.",
        )
    user, password = _credentials(address)
    if password:
        hide(password, f"{user}:{password}")
    return {parts.scheme: address}


def _credentials(address: str) -> tuple[str, str]:
    parts = urlsplit(address)
    return unquote(parts.username or ""), unquote(parts.password or "")


def _usable(address: str) -> bool:
    try:
        parts = urlsplit(address)
        _ = parts.port  # refuses what is not a number
        ":".join(_credentials(address)).encode("latin-1")  # all that a header carries
    except ValueError:
        return False
    schemes = {"http", "https"}
    if find_spec("socks"):
        schemes |= {"socks4", "socks4a", "socks5", "socks5h"}
    return (
        parts.scheme in schemes
        and bool(parts.hostname)
        and re.fullmatch(r"[!-~]+", address) is not None
    )
