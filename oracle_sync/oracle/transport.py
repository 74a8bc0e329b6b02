"""Send one request and read the whole answer, within bounds of time and size."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import requests
from requests.auth import AuthBase
from urllib3.exceptions import DecodeError, HTTPError, ReadTimeoutError

from oracle_sync.config.settings import OracleSettings
from oracle_sync.errors import BadAnswer
from oracle_sync.oracle.failures import CONNECT_TIMEOUT, LOOK, name_failure
from oracle_sync.oracle.limits import Limits, TooMuch
from oracle_sync.oracle.proxies import proxies_for
from oracle_sync.oracle.session import new_session
from oracle_sync.oracle.sizes import Size

_CHUNK = 256 * 1024


@dataclass(frozen=True)
class Request:
    """A URL to get, or to post a form to.

    Attributes:
        url: Where to.
        place: What the request is for, as error messages name it.
        size: How large the answer may be.
        form: What to post.
    """

    url: str
    place: str
    size: Size
    form: dict[str, str] | None = None


@dataclass(frozen=True)
class Reply:
    """A complete answer, whatever its status."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Transport:
    """Sends requests for any number of threads, each over its own connection.

    What the environment says of proxies is read once, at construction.

    Raises:
        SettingError: if a proxy is not an address.
    """

    def __init__(self, settings: OracleSettings) -> None:
        self._settings = settings
        self._local = threading.local()
        self._proxies = {
            urlsplit(url).netloc: proxies_for(url)
            for url in (settings.base_url, settings.token_url)
            if url
        }
        self._answered: set[str] = set()

    def send(self, request: Request, auth: AuthBase) -> Reply:
        """Send a request and return the answer.

        Args:
            request: What to send.
            auth: Sets the Authorization header.

        Raises:
            Again: if there was no complete answer, and there may be one next time.
            SourceError: if there can't be one.
        """
        host, place, size = urlsplit(request.url).netloc, request.place, request.size
        session, limits = self._session()
        limits.seconds, limits.size = 2.0 * self._settings.timeout, size.wire
        began = time.monotonic()
        try:
            with session.request(
                "POST" if request.form else "GET",
                request.url,
                auth=auth,
                data=request.form,
                proxies=self._proxies[host],
                timeout=(CONNECT_TIMEOUT, self._settings.timeout),
                allow_redirects=False,
                stream=True,
            ) as response:
                body = _read_body(response, size.body)
        except TooMuch:
            what = f"{host} sent more than {size.body >> 20} MB in one answer ({place})."
            raise BadAnswer(what, LOOK) from None
        except OSError as error:
            seconds, answered = time.monotonic() - began, host in self._answered
            raise name_failure(error, host, place, seconds, answered) from error
        self._answered.add(host)
        return Reply(response.status_code, response.headers, body)

    def _session(self) -> tuple[requests.Session, Limits]:
        """Return the session of this thread, and the limits that its answers keep to."""
        local = self._local
        if not hasattr(local, "session"):
            local.limits = Limits()
            local.session = new_session(self._settings, local.limits)
        return local.session, local.limits


def _read_body(response: requests.Response, most: int) -> bytes:
    body = bytearray()
    for chunk in _arriving(response):
        body += chunk
        if len(body) > most:
            raise TooMuch
    return bytes(body)


def _arriving(response: requests.Response) -> Iterator[bytes]:
    """Yield the body, unpacked, as it comes in.

    `iter_content` would wait for a chunk to be full, for hours if the body drips.

    Raises:
        TimeoutError: if nothing comes for as long as allowed.
        requests.RequestException: if the body can't be unpacked, or breaks off.
    """
    try:
        while chunk := response.raw.read1(_CHUNK, decode_content=True):
            yield chunk
    except ReadTimeoutError as error:
        raise TimeoutError from error
    except DecodeError as error:
        raise requests.exceptions.ContentDecodingError(error) from error
    except HTTPError as error:
        raise requests.exceptions.ChunkedEncodingError(error) from error
