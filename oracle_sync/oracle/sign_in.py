"""Signing in: Basic, a given bearer token, or OAuth 2 client credentials.

Belongs here: which Authorization header a request carries, and renewing a token. Does not
belong here: retrying, or any request but the one for a token.
"""

from __future__ import annotations

import base64
import re
import threading
import time
from collections.abc import Callable
from typing import Any

import requests
from requests.auth import AuthBase

from oracle_sync.config.settings import OracleSettings
from oracle_sync.errors import BadAnswer

RENEW_BEFORE = 60.0
"""Seconds before its end at which a token is renewed, or a tenth of its life if that is less."""

GetToken = Callable[[dict[str, str], AuthBase], Any]
"""Posts a form to the token endpoint and gives the JSON that it answers."""


class Header(AuthBase):
    """Sets the Authorization header.

    An object of its own, since for a session without `auth` requests would take credentials from
    ~/.netrc.
    """

    def __init__(self, value: str) -> None:
        self._value = value

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = self._value
        return request

    def __repr__(self) -> str:
        return "Header(***)"


def basic(user: str, password: str) -> Header:
    """Basic authentication in UTF-8, which requests' own would refuse beyond Latin-1."""
    return Header(f"Basic {_packed(user, password)}")


def _packed(user: str, password: str) -> str:
    return base64.b64encode(f"{user}:{password}".encode()).decode()


class SignIn:
    """Gives the header for the next request. Shared by all threads."""

    def __init__(self, settings: OracleSettings, get_token: GetToken) -> None:
        self._settings = settings
        self._get_token = get_token
        self._guard = threading.Lock()
        self._token = ""
        self._renew_at = 0.0

    @property
    def renewable(self) -> bool:
        """Whether a refused token can be renewed."""
        return bool(self._settings.token_url)

    def header(self) -> Header:
        """The header to send now; fetches or renews the token where one is due."""
        settings = self._settings
        if self.renewable:
            with self._guard:
                if time.monotonic() >= self._renew_at:
                    self._renew()
                return Header(f"Bearer {self._token}")
        if settings.token:
            return Header(f"Bearer {settings.token}")
        return basic(settings.user, settings.password)

    def refused(self, header: Header) -> None:
        """Forget a token that was answered with 401, unless another thread has renewed it."""
        with self._guard:
            if header._value == f"Bearer {self._token}":
                self._renew_at = 0.0

    @property
    def secrets(self) -> tuple[str, ...]:
        """What is sent in headers, which no output may show."""
        settings = self._settings
        return (
            self._token,
            _packed(settings.user, settings.password),
            _packed(settings.client_id, settings.client_secret),
        )

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
        try:
            life = float(answer.get("expires_in") or 3600)
        except (TypeError, ValueError):
            life = 3600.0
        self._token = token
        self._renew_at = time.monotonic() + life - min(RENEW_BEFORE, life / 10)
