"""Sign in: by Basic, a fixed bearer token, or OAuth 2 client credentials."""

from __future__ import annotations

import base64
import math
import re
import threading
import time
from collections.abc import Callable
from typing import Any

import requests
from requests.auth import AuthBase

from oracle_sync.config.settings import OracleSettings
from oracle_sync.errors import BadAnswer
from oracle_sync.redaction import hide

RENEW_BEFORE = 60.0
"""Seconds before its end at which a token is renewed, or a tenth of its life if that is less."""

GetToken = Callable[[dict[str, str], AuthBase], Any]
"""Posts a form to the token endpoint and returns the content of its answer."""


class Header(AuthBase):
    """Sets the Authorization header.

    It is passed as `auth`, since without one requests would take credentials from ~/.netrc.
    """

    def __init__(self, value: str) -> None:
        self._value = value

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = self._value
        return request

    def __repr__(self) -> str:
        return "Header(***)"


def basic(user: str, password: str) -> Header:
    """Return Basic authentication in UTF-8; requests' own refuses what is beyond Latin-1."""
    pair = f"{user}:{password}"
    hide(pair, password)
    return Header(f"Basic {base64.b64encode(pair.encode()).decode()}")


class SignIn:
    """Provides the header for the next request, for any number of threads."""

    def __init__(self, settings: OracleSettings, get_token: GetToken) -> None:
        self._settings = settings
        self._get_token = get_token
        self._guard = threading.Lock()
        self._token = ""
        self._renew_at = 0.0

    @property
    def renewable(self) -> bool:
        """Whether a token that was refused can be renewed."""
        return bool(self._settings.token_url)

    def header(self) -> Header:
        """Return the header to send now; fetch or renew the token if that is due."""
        settings = self._settings
        if self.renewable:
            with self._guard:
                if time.monotonic() >= self._renew_at:
                    self._renew()
                return Header(f"Bearer {self._token}")
        if settings.token:
            return Header(f"Bearer {settings.token}")
        return basic(settings.user, settings.password)

    def forget(self, header: Header) -> None:
        """Drop the token of a header that was answered 401, unless another thread renewed it."""
        with self._guard:
            if header._value == f"Bearer {self._token}":
                self._renew_at = 0.0

    def _renew(self) -> None:
        settings = self._settings
        form = {"grant_type": "client_credentials"}
        if settings.scope:
            form["scope"] = settings.scope
        answer = self._get_token(form, basic(settings.client_id, settings.client_secret))
        token = answer.get("access_token") if isinstance(answer, dict) else None
        # Nothing else can stand in a header.
        if not isinstance(token, str) or not re.fullmatch(r"[!-~]+", token):
            raise BadAnswer(
                "The token endpoint answered without an access_token that can be sent.",
                "Check ORACLE_TOKEN_URL and ORACLE_SCOPE.",
            )
        hide(token)
        life = _seconds(answer.get("expires_in"))
        self._token = token
        self._renew_at = time.monotonic() + life - min(RENEW_BEFORE, life / 10)


def _seconds(expires_in: Any) -> float:
    """Return how long a token lasts; an hour if the server says nothing that makes sense.

    A token that is taken to last too long is renewed when it is refused. One that is taken to
    have expired would be fetched again for every page.
    """
    try:
        seconds = float(expires_in)
    except (TypeError, ValueError, OverflowError):
        return 3600.0
    return seconds if 0 < seconds < math.inf else 3600.0
