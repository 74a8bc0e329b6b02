"""Get pages and descriptions from a pod, signed in, retried and checked."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from requests.auth import AuthBase

from oracle_sync.config.collection import Collection, Column
from oracle_sync.config.description import Description
from oracle_sync.config.settings import OracleSettings
from oracle_sync.engine.source import Page, PageRequest
from oracle_sync.errors import RequestRefused, SignInRefused
from oracle_sync.oracle.answers import Answer, read_answer, read_date, read_page
from oracle_sync.oracle.describe import read_collections, read_description
from oracle_sync.oracle.retries import Retries
from oracle_sync.oracle.sign_in import SignIn
from oracle_sync.oracle.sizes import DESCRIPTION, TOKEN, page_size
from oracle_sync.oracle.transport import Request, Transport
from oracle_sync.oracle.urls import collections_url, describe_url, page_url


class OracleClient:
    """A source of pages, for any number of threads.

    `on_notice` is called with a sentence before each pause between two attempts.
    """

    def __init__(
        self,
        settings: OracleSettings,
        collection: Collection,
        on_notice: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Check the settings; nothing is sent yet.

        Raises:
            SettingError: if a setting is missing or invalid.
        """
        self.settings = settings.checked(collection)
        self.collection = collection
        self._sign_in = SignIn(settings, self._get_token)
        self._transport = Transport(settings)
        self._retries = Retries(settings.retry_seconds, on_notice)
        self._guard = threading.Lock()
        self._totals_refused = False
        self.dated = True
        """See `Source.dated`."""
        self.requests = 0
        """How many requests were sent to the pod, repetitions included."""

    @property
    def retries(self) -> int:
        """How many requests were repetitions."""
        return self._retries.count

    @property
    def by_key(self) -> bool:
        """See `Source.by_key`."""
        return self.settings.paging == "key"

    @property
    def sorted_by_key(self) -> bool:
        """See `Source.sorted_by_key`."""
        return self.settings.orders_by(self.collection.key.attribute)

    def fetch(self, request: PageRequest, stopped: threading.Event | None = None) -> Page:
        """Return one page. See `Source.fetch`."""
        stopped = stopped or threading.Event()
        total = request.want_total and not self._totals_refused
        dated = self.dated
        try:
            return self._page(replace(request, want_total=total), dated, stopped)
        except RequestRefused as error:
            if error.status != 400:
                raise
            refused = error
        # One pod was seen to answer 400 to totalResults next to other parameters; another may not
        # have the date of a row's last change.
        for fewer in ((False, dated), (False, False)):
            if fewer == (total, dated):
                continue
            try:
                page = self._page(replace(request, want_total=fewer[0]), fewer[1], stopped)
            except RequestRefused:
                continue
            self._totals_refused = self._totals_refused or total
            self.dated = self.dated and fewer[1]
            return page
        raise refused

    def refusal(self, attributes: Sequence[str]) -> RequestRefused | None:
        """Return the pod's refusal of a row with these attributes and the key; None: it gives one.

        Raises:
            SourceError: if the pod does not answer.
        """
        narrow = replace(self.collection, columns=tuple(Column(a, a) for a in attributes))
        try:
            self._page(PageRequest(0, 1), False, threading.Event(), narrow)
        except RequestRefused as error:
            if error.status != 400:
                raise
            return error
        return None

    def describe(self, path: str) -> Description:
        """Return what the pod says of a collection.

        Raises:
            SourceError: if there is no description to be had.
        """
        url, place = describe_url(self.settings, path), f"description of {path}"
        return read_description(self._described(url, place), path)

    def collections(self) -> list[tuple[str, str]]:
        """Return path and title of each collection that the pod lists, in the order of their paths.

        Raises:
            SourceError: if there is no list to be had.
        """
        url = collections_url(self.settings)
        return read_collections(self._described(url, "list of collections"))

    def _described(self, url: str, place: str) -> Any:
        get = Request(url, place, DESCRIPTION)
        return self._retries.run(lambda: self._get(get), threading.Event()).value.content

    def _page(
        self,
        request: PageRequest,
        dated: bool,
        stopped: threading.Event,
        collection: Collection | None = None,
    ) -> Page:
        url = page_url(self.settings, collection or self.collection, request, dated=dated)
        place = f"offset {request.offset}, limit {request.limit}"
        if request.base:
            place += ", by key"
        get = Request(url, place, page_size(request.limit))
        outcome = self._retries.run(lambda: self._get(get), stopped)
        page = read_page(outcome.value.content, request, place)
        page.date = outcome.value.date
        page.seconds, page.throttled = outcome.seconds, outcome.throttled
        return page

    def _get(self, request: Request) -> Answer:
        """Make one attempt, or two where a token turns out to have expired."""
        header = self._sign_in.header()
        try:
            return self._get_as(header, request)
        except SignInRefused as error:
            if error.status != 401 or not self._sign_in.renewable:
                raise
            self._sign_in.forget(header)
            return self._get_as(self._sign_in.header(), request)

    def _get_as(self, header: AuthBase, request: Request) -> Answer:
        with self._guard:
            self.requests += 1
        reply = self._transport.send(request, header)
        return Answer(read_answer(reply, request), read_date(reply))

    def _get_token(self, form: dict[str, str], auth: AuthBase) -> Any:
        request = Request(self.settings.token_url, "the token endpoint", TOKEN, form)

        def attempt() -> Any:
            return read_answer(self._transport.send(request, auth), request)

        return self._retries.run(attempt, threading.Event()).value
