"""Name what went wrong on the way to a server and back."""

from __future__ import annotations

from requests import exceptions

from oracle_sync.errors import (
    BadAnswer,
    RequestRefused,
    SignInRefused,
    SourceError,
    TooSlow,
    Unavailable,
    clean,
)
from oracle_sync.oracle.retries import Again
from oracle_sync.oracle.words import root_reason

CONNECT_TIMEOUT = 10.0
"""Seconds for a connection to be accepted."""

LOOK = "Run oracle-sync check; if it persists, the server or something before it is at fault."
BAD_BODY_ATTEMPTS = 3

# 504 is how Oracle cuts a request after five minutes; a smaller page helps. Any other status from
# 500 on passes by itself.
_REFUSALS: dict[int, type[SourceError]] = {
    401: SignInRefused,
    403: SignInRefused,
    407: SignInRefused,
    408: Unavailable,
    425: Unavailable,
    429: Unavailable,
    504: TooSlow,
}
_ADVICE = {
    400: "Check ORACLE_FINDER, ORACLE_QUERY, ORACLE_FIELDS and ORACLE_ORDER_BY: the server's "
    "words say which. An empty ORACLE_QUERY or ORACLE_FINDER is not sent.",
    403: "The user lacks a privilege on this resource, or the network is blocked: ask the "
    "administrator of the pod.",
    404: "Check ORACLE_BASE_URL and ORACLE_API_VERSION.",
}
_NEVER_REACHED = "Check ORACLE_BASE_URL, the network, and HTTPS_PROXY if you need one."


def name_refusal(status: int, what: str) -> SourceError:
    """Return the error for a status that is not a success; `what` says what happened, cleaned."""
    kind = _REFUSALS.get(status, Unavailable if status >= 500 else RequestRefused)
    return kind(what, _ADVICE.get(status, ""), status=status)


def name_failure(
    error: Exception, host: str, place: str, seconds: float, answered: bool
) -> Exception:
    """Return the error for a request that got no complete answer.

    Args:
        error: What requests raised.
        host: Where the request went.
        place: What it was for.
        seconds: How long it took.
        answered: Whether this host has ever answered. One that has not is more likely a wrong
            setting than an outage, so fewer attempts are made.

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
