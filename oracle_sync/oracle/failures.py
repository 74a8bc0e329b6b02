"""Naming what went wrong on the way to a server and back."""

from __future__ import annotations

from requests import exceptions

from oracle_sync.errors import BadAnswer, SourceError, TooSlow, Unavailable
from oracle_sync.oracle.retries import Again
from oracle_sync.oracle.words import Clean, root_reason

CONNECT_TIMEOUT = 10.0
"""Seconds for a connection to be accepted."""

LOOK = "Run oracle-sync check; if it persists, the server or something before it is at fault."
BAD_BODY_ATTEMPTS = 3

_NEVER_REACHED = "Check ORACLE_BASE_URL, the network, and HTTPS_PROXY if you need one."


def name_failure(
    error: Exception, host: str, place: str, seconds: float, answered: bool, clean: Clean
) -> Exception:
    """Return the error for a request that got no complete answer.

    Args:
        error: What requests raised.
        host: Where the request went.
        place: What it was for.
        seconds: How long it took.
        answered: Whether this host has ever answered. One that has not is more likely a wrong
            setting than an outage, so fewer attempts are made.
        clean: Makes the library's words safe to show.

    Returns:
        `Again` if another attempt may succeed, else a SourceError.
    """
    reason = clean(root_reason(error))
    attempts = None if answered else 3
    reach = "" if answered else _NEVER_REACHED
    if isinstance(error, exceptions.SSLError):
        return SourceError(
            f"TLS with {host} failed: {reason}.",
            "If its certificate is signed by your own authority, set ORACLE_CA_BUNDLE to "
            "that authority's file; else find out who is in between.",
        )
    if isinstance(error, exceptions.ConnectTimeout):
        what = f"{host} did not accept a connection within {CONNECT_TIMEOUT:.0f} s ({place})."
        return Again(Unavailable(what, reach), attempts=attempts)
    if isinstance(error, exceptions.ReadTimeout | TimeoutError):
        what = f"{host} did not answer within {seconds:.0f} s ({place})."
        return Again(TooSlow(what), attempts=2)
    if isinstance(error, exceptions.ContentDecodingError):
        what = f"{host} sent a body that can't be unpacked ({place})."
        return Again(BadAnswer(what, LOOK), attempts=BAD_BODY_ATTEMPTS)
    if isinstance(error, exceptions.ProxyError):
        what = f"The proxy to {host} failed: {reason} ({place})."
        advice = "Check HTTPS_PROXY, HTTP_PROXY and NO_PROXY."
        return Again(Unavailable(what, advice), attempts=attempts)
    if isinstance(error, exceptions.ConnectionError | exceptions.ChunkedEncodingError):
        what = f"The connection to {host} failed: {reason} ({place})."
        return Again(Unavailable(what, reach), attempts=attempts)
    return SourceError(f"The request to {host} failed: {clean(error)}.", LOOK)
