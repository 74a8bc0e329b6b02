"""The pod's time: what its `Date` header says, which tests can freeze and move."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from email.utils import formatdate

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from oracle_sync.sandbox.records.stamps import SECOND, to_moment, to_time


class Clock:
    """A clock that runs with this machine's, or is moved ahead of it, or stands still."""

    def __init__(self) -> None:
        self._ahead = 0
        self._frozen: int | None = None

    def now(self) -> int:
        """Return the present moment."""
        return self._machine() + self._ahead if self._frozen is None else self._frozen

    @property
    def frozen(self) -> bool:
        """Whether it stands still."""
        return self._frozen is not None

    def freeze(self, at: datetime | None = None) -> None:
        """Let it stand still, at a time or at the present one."""
        self._frozen = self.now() if at is None else to_moment(at)

    def advance(self, seconds: float) -> None:
        """Move it ahead, or back where the seconds are negative; it stays frozen if it was."""
        moved = round(seconds * SECOND)
        if self._frozen is None:
            self._ahead += moved
        else:
            self._frozen += moved

    def run(self) -> None:
        """Let it run on from its present time."""
        self._ahead = self.now() - self._machine()
        self._frozen = None

    def to_dict(self) -> dict[str, object]:
        """Return its state, ready for JSON."""
        return {"now": to_time(self.now()).isoformat(), "frozen": self.frozen}

    @staticmethod
    def _machine() -> int:
        return time.time_ns() // 1_000


class DateHeader:
    """Adds the pod's time to every answer of an application."""

    def __init__(self, app: ASGIApp, now: Callable[[], int]) -> None:
        self._app = app
        self._now = now

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""

        async def send_dated(message: Message) -> None:
            if message["type"] == "http.response.start":
                date = formatdate(self._now() // SECOND, usegmt=True).encode()
                message["headers"] = [*message["headers"], (b"date", date)]
            await send(message)

        await self._app(scope, receive, send_dated)
