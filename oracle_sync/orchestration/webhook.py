"""Send a message to the webhook of ORACLE_SYNC_ALERT_WEBHOOK, in Slack's format."""

import requests

from oracle_sync.errors import SyncError, clean
from oracle_sync.oracle.words import host_of, root_reason
from oracle_sync.orchestration.foreign_text import without_links

TIMEOUT = (5.0, 10.0)
"""Seconds to connect, and to wait for the answer."""


def send(url: str, text: str) -> None:
    """Send a message, in which Slack finds neither markup nor links.

    Args:
        url: of the webhook; it is a secret as a whole.
        text: the message, in lines.

    Raises:
        SyncError: if the webhook can't be reached or refuses.
    """
    host = host_of(url)
    try:
        with requests.post(
            url,
            json={"text": _escaped(text)},
            timeout=TIMEOUT,
            allow_redirects=False,
            stream=True,  # whatever it answers, only the status counts
        ) as response:
            status = response.status_code
    except (requests.RequestException, ValueError) as error:
        # Not the exception's own words, which hold the URL and with it the token.
        reason = clean(root_reason(error), 120)
        raise SyncError(f"The alert webhook at {host} can't be reached: {reason}.") from None
    if not 200 <= status < 300:
        raise SyncError(
            f"The alert webhook at {host} answered {status}.", "Check ORACLE_SYNC_ALERT_WEBHOOK."
        )


def _escaped(text: str) -> str:
    # Slack takes these three for markup, and asks for no further escapes.
    return without_links(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
