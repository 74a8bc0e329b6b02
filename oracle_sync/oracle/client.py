"""The HTTP client: one pooled session a thread, retries within a bounded time, checked answers.

Belongs here: getting JSON from Oracle, or a named error. Does not belong here: which page to
get, and what an item means.
"""

from __future__ import annotations

import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from urllib3.exceptions import DecodeError, HTTPError, ReadTimeoutError
from urllib3.util.retry import Retry

from oracle_sync import __version__
from oracle_sync.config.collection import Collection
from oracle_sync.config.settings import OracleSettings
from oracle_sync.engine.exact_json import read_json
from oracle_sync.engine.page import Page, PageRequest
from oracle_sync.errors import (
    BadAnswer,
    Reaction,
    RequestRefused,
    SignInRefused,
    SourceError,
    TooSlow,
    Unavailable,
    clean,
    from_status,
    reaction,
)
from oracle_sync.oracle.answers import (
    boolean,
    host_of,
    html_words,
    is_html,
    retry_after,
    root_reason,
    server_words,
    whole,
)
from oracle_sync.oracle.sign_in import SignIn
from oracle_sync.oracle.urls import page_url

MAX_BODY = 64 * 1024 * 1024
"""Bytes of an answer, unpacked, above which it can't be a page of 499 rows."""

CONNECT_TIMEOUT = 10.0
_CHUNK = 256 * 1024
_BAD_BODY_TRIES = 3


class _Again(Exception):
    """An attempt that may be made again: `error` is what to raise when it may not any more.

    `most` is how many attempts may end in an error of its kind.
    """

    def __init__(
        self, error: SourceError, *, wait: float | None = None, most: int | None = None
    ) -> None:
        super().__init__(str(error))
        self.error = error
        self.wait = wait
        self.most = most


class OracleClient:
    """A source of pages, for any number of threads.

    `on_notice` is told, in a sentence, of each wait before another try.
    """

    def __init__(
        self,
        settings: OracleSettings,
        collection: Collection,
        on_notice: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Check the settings; nothing is sent yet.

        Raises:
            SettingError: if they can't be used.
        """
        self._settings = settings.checked(collection)
        self.collection = collection
        self._on_notice = on_notice
        self._local = threading.local()
        self._guard = threading.Lock()
        self._sign_in = SignIn(settings, self._post_token)
        self._answered = False
        self._totals_refused = False
        self.requests = 0
        """Requests for pages sent so far, tries included."""
        self.retries = 0
        """How many of them were tries after the first."""

    @property
    def by_key(self) -> bool:
        """See `Source.by_key`."""
        return self._settings.paging == "key"

    def fetch(self, request: PageRequest, stopped: threading.Event | None = None) -> Page:
        """Get one page. See `Source.fetch`."""
        if request.want_total and self._totals_refused:
            request = replace(request, want_total=False)
        try:
            return self._page(request, stopped or threading.Event())
        except RequestRefused as error:
            # One pod was seen to answer 400 to totalResults next to other parameters.
            if not request.want_total or error.status != 400:
                raise
            page = self._page(replace(request, want_total=False), stopped or threading.Event())
            self._totals_refused = True
            return page

    # -- one request, as often as it takes -----------------------------------------------------

    def _page(self, request: PageRequest, stopped: threading.Event) -> Page:
        url = page_url(self._settings, self.collection, request)
        place = _place(request)
        answer, throttled, seconds = self._json(url, place, stopped)
        return self._checked(request, answer, throttled, seconds)

    def _json(self, url: str, place: str, stopped: threading.Event) -> tuple[Any, int, float]:
        renewed = False

        def attempt() -> Any:
            nonlocal renewed
            header = self._sign_in.header()
            try:
                return self._send("GET", url, place, header)
            except SignInRefused as error:
                if error.status != 401 or renewed or not self._sign_in.renewable:
                    raise
                renewed = True
                self._sign_in.refused(header)
                return self._send("GET", url, place, self._sign_in.header())

        return self._persist(attempt, stopped)

    def _post_token(self, form: dict[str, str], auth: AuthBase) -> Any:
        place = "the token endpoint"

        def attempt() -> Any:
            return self._send("POST", self._settings.token_url, place, auth, form)

        return self._persist(attempt, threading.Event())[0]

    def _persist(
        self, attempt: Callable[[], Any], stopped: threading.Event
    ) -> tuple[Any, int, float]:
        """Make attempts until one succeeds, or the time for retries is over.

        urllib3's Retry says how long to wait; the waiting is done here, so that it can be cut
        short, and so that answers broken off in the middle are retried too, which urllib3 under
        requests does not see.
        """
        policy = Retry(total=None, backoff_factor=0.5, backoff_jitter=0.25, backoff_max=30)
        deadline = time.monotonic() + self._settings.retry_seconds
        throttled = 0
        tries: Counter[type[SourceError]] = Counter()
        while True:
            began = time.monotonic()
            try:
                answer = attempt()
            except _Again as again:
                tries[type(again.error)] += 1
                throttled += again.error.status in (429, 503)
                policy = policy.increment("GET", "", error=again)
                wait = policy.get_backoff_time() if again.wait is None else again.wait
                left = deadline - time.monotonic()
                alike = tries[type(again.error)]
                if wait > left or (again.most is not None and alike >= again.most):
                    raise self._given_up(again, tries.total(), left, wait) from again
                self._on_notice(f"{again.error} Trying again in {wait:.0f} s.")
                if stopped.wait(wait):
                    raise again.error from again
                with self._guard:
                    self.retries += 1
            else:
                self._answered = True
                return answer, throttled, time.monotonic() - began

    @staticmethod
    def _given_up(again: _Again, tries: int, left: float, wait: float) -> SourceError:
        error = again.error
        told = f"{error} Tried {tries} times." if tries > 1 else str(error)
        if again.wait is not None and wait > left:
            told = f"{error} The server asks to wait {wait:.0f} s."
        return type(error)(told, error.advice, status=error.status)

    def _send(
        self, method: str, url: str, place: str, auth: AuthBase, form: dict[str, str] | None = None
    ) -> Any:
        if method == "GET":
            with self._guard:
                self.requests += 1
        # A server that never answered is more likely a wrong setting than an outage.
        most = None if self._answered else 3
        host = urlsplit(url).netloc
        timeout = self._settings.timeout
        try:
            with self._session().request(
                method,
                url,
                auth=auth,
                data=form,
                timeout=(CONNECT_TIMEOUT, timeout),
                allow_redirects=False,
                stream=True,
            ) as response:
                body = self._body(response, time.monotonic() + 2 * timeout)
                if response.status_code == 200:
                    return self._parsed(body, place)
                raise self._refusal(response, body, place)
        except requests.exceptions.SSLError as error:
            raise SourceError(
                f"TLS with {host} failed: {self._clean(root_reason(error))}.",
                "If its certificate is signed by your own authority, set ORACLE_CA_BUNDLE to "
                "that authority's file; else find out who is in between.",
            ) from error
        except requests.exceptions.ConnectTimeout as error:
            what = f"{host} did not accept a connection within {CONNECT_TIMEOUT:.0f} s ({place})."
            raise _Again(Unavailable(what, _reach(self._answered)), most=most) from error
        except (requests.exceptions.ReadTimeout, TimeoutError) as error:
            what = f"{host} did not answer within {timeout} s ({place})."
            raise _Again(TooSlow(what), most=2) from error
        except requests.exceptions.ContentDecodingError as error:
            what = f"{host} sent a body that can't be unpacked ({place})."
            raise _Again(BadAnswer(what, _LOOK), most=_BAD_BODY_TRIES) from error
        except requests.exceptions.ProxyError as error:
            what = f"The proxy to {host} failed: {self._clean(root_reason(error))} ({place})."
            advice = "Check HTTPS_PROXY, HTTP_PROXY and NO_PROXY."
            raise _Again(Unavailable(what, advice), most=most) from error
        except (requests.exceptions.ConnectionError, requests.exceptions.ChunkedEncodingError) as e:
            what = f"The connection to {host} failed: {self._clean(root_reason(e))} ({place})."
            raise _Again(Unavailable(what, _reach(self._answered)), most=most) from e
        except requests.exceptions.RequestException as error:
            raise SourceError(f"The request to {host} failed: {self._clean(error)}.") from error

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = self._new_session()
        return session

    def _new_session(self) -> requests.Session:
        settings = self._settings
        session = _Session()
        # What the environment says of proxies and certificates is read once, not per request.
        found = session.merge_environment_settings(settings.base_url, {}, None, None, None)
        session.trust_env = False
        session.proxies = found["proxies"]
        session.verify = settings.ca_bundle or found["verify"]
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

    # -- answers -------------------------------------------------------------------------------

    def _body(self, response: requests.Response, deadline: float) -> bytes:
        chunks, size = [], 0
        for chunk in _arriving(response):
            chunks.append(chunk)
            size += len(chunk)
            if size > MAX_BODY:
                raise BadAnswer(
                    f"The server sent more than {MAX_BODY >> 20} MB for one page.", _LOOK
                )
            if time.monotonic() > deadline:
                raise TimeoutError
        return b"".join(chunks)

    def _parsed(self, body: bytes, place: str) -> Any:
        try:
            return read_json(body)
        except (ValueError, RecursionError) as error:
            if is_html(body):
                words = html_words(body, self._clean)
                raise BadAnswer(
                    f"The server answered with {words} instead of JSON ({place}).",
                    "An expired session, a maintenance page or a wrong ORACLE_BASE_URL answer so: "
                    "open that address in a browser.",
                    status=200,
                ) from None
            what = f"The server's JSON is broken: {self._clean(error)} ({place})."
            raise _Again(BadAnswer(what, _LOOK, status=200), most=_BAD_BODY_TRIES) from None

    def _refusal(self, response: requests.Response, body: bytes, place: str) -> Exception:
        """The error, or another try, for a status that is no success."""
        status = response.status_code
        if 300 <= status < 400:
            target = host_of(self._clean(response.headers.get("Location", "")))
            return SignInRefused(
                f"The server redirects to {target} ({status}, {place}): mostly to a "
                "sign-in page. It was not followed, so that no credentials go astray.",
                "Check ORACLE_BASE_URL, and whether the user may sign in at all.",
                status=status,
            )
        words = self._clean(server_words(body, self._clean)).rstrip(". ")
        error = from_status(
            status, f"Oracle answered {status} ({place})" + (f": {words}." if words else ".")
        )
        if reaction(status) is Reaction.RETRY:
            wait = retry_after(response.headers.get("Retry-After"))
            return _Again(error, wait=wait)
        if reaction(status) is Reaction.SMALLER:
            return _Again(error, most=2)
        return error

    def _checked(self, request: PageRequest, answer: Any, throttled: int, seconds: float) -> Page:
        """A page out of the JSON, once it is one."""
        place = _place(request)
        if not isinstance(answer, dict):
            raise BadAnswer(f"The server's JSON is no page: it is not an object ({place}).", _LOOK)
        items = answer.get("items", [])
        if not isinstance(items, list):
            raise BadAnswer(f"The server's `items` is not a list ({place}).", _LOOK)
        if "items" not in answer and answer.get("count"):
            raise BadAnswer(
                f"The server counts {self._clean(answer['count'])} items and sends none ({place}).",
                _LOOK,
            )
        limit = whole(answer.get("limit"))
        if limit == 0:
            raise BadAnswer(
                f"The server says that it used a limit of 0 ({place}), which leads nowhere.", _LOOK
            )
        return Page(
            request=request,
            items=items,
            has_more=boolean(answer.get("hasMore")),
            limit=limit,
            total=whole(answer.get("totalResults")) if request.want_total else None,
            throttled=throttled,
            seconds=seconds,
        )

    def _clean(self, text: object, limit: int = 300) -> str:
        return clean(text, self._settings.secrets + self._sign_in.secrets, limit)


_LOOK = "Run oracle-sync check; if it persists, the server or something before it is at fault."


def _place(request: PageRequest) -> str:
    place = f"offset {request.offset}, limit {request.limit}"
    return f"{place}, by key" if request.base else place


def _reach(answered: bool) -> str:
    if answered:
        return ""
    return "Check ORACLE_BASE_URL, the network, and HTTPS_PROXY if you need one."


class _Session(requests.Session):
    """Knows no redirects.

    requests would prepare the next request even where it is not to follow: it would read a body
    of any size first, and stumble over a target that is no URL.
    """

    def get_redirect_target(self, _: requests.Response) -> str | None:
        return None


class _Adapter(HTTPAdapter):
    """One connection a session, trusting what the system trusts."""

    def __init__(self, *, system_certificates: bool) -> None:
        self._context = ssl.create_default_context() if system_certificates else None
        super().__init__(pool_connections=1, pool_maxsize=1)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        if self._context is not None:
            kwargs["ssl_context"] = self._context
        super().init_poolmanager(*args, **kwargs)


def _arriving(response: requests.Response) -> Iterator[bytes]:
    """The body, unpacked, as it comes in.

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
