"""What clients have asked of a pod so far."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request


@dataclass
class Traffic:
    """Counts of requests for the collection, and a log of all requests.

    Used in the event loop only, so that it needs no lock.
    """

    requests: int = 0
    in_flight: int = 0
    max_in_flight: int = 0
    log: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=10_000))
    _arrivals: deque[float] = field(default_factory=deque)

    @contextmanager
    def count(self) -> Iterator[None]:
        """Count a request for the collection while it is answered."""
        self.requests += 1
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)
        try:
            yield
        finally:
            self.in_flight -= 1

    def record(self, request: Request) -> dict[str, Any]:
        """Return a new entry of the log; its status is filled in when there is one."""
        parameters = request.query_params
        entry = {
            "method": request.method,
            "path": f"{request.url.path}?{request.url.query}".rstrip("?"),
            "offset": whole_number(parameters.get("offset")),
            "limit": whole_number(parameters.get("limit")),
            "status": None,
        }
        self.log.append(entry)
        return entry

    def exceeds(self, per_second: int) -> bool:
        """Return whether a request comes on top of so many in the last second; 0 is no limit."""
        if not per_second:
            return False
        now = time.monotonic()
        while self._arrivals and self._arrivals[0] <= now - 1:
            self._arrivals.popleft()
        if len(self._arrivals) >= per_second:
            return True
        self._arrivals.append(now)
        return False


def whole_number(text: str | None) -> int | None:
    """Return the number in a parameter; None if there is none, or none of a sane size."""
    return int(text) if text and text.isdecimal() and len(text) < 19 else None
