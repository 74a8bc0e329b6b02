"""The address that a server is to listen on, tried before anything else happens."""

from __future__ import annotations

import errno
import os
import socket

from oracle_sync.errors import SettingError, shorten


def demand_free(host: str, port: int) -> None:
    """See that a server can listen on an address.

    Raises:
        SettingError: if the host is not this machine, or the port can't be used.
    """
    if not host:
        # To the resolver it means any address: more than whoever left it empty asked for.
        raise _not_ours(host)
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, ValueError):  # ValueError: the text can't be a name at all
        raise _not_ours(host) from None
    try:
        with socket.socket(family, kind) as probe:
            if os.name == "posix":
                # As servers do; elsewhere this option would let two programs share the port.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        if error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
            raise _not_ours(host) from None
        raise SettingError(
            f"Port {port} on {host} can't be used: {error.strerror or error}.",
            "Choose another one with --port, or stop the program that uses it.",
        ) from None


def shown(host: str, port: int) -> str:
    """Return the address as a URL."""
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def _not_ours(host: str) -> SettingError:
    return SettingError(
        f"'{shorten(host, 100)}' is not an address of this machine, so no server can listen on it.",
        "Set --host to 127.0.0.1, or to 0.0.0.0 to be reached from other machines.",
    )
