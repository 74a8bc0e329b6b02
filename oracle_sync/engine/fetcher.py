"""Fetch pages on threads, and decide how many of them may work at a time."""

from __future__ import annotations

import queue
import threading
from concurrent.futures import Future

from oracle_sync.engine.source import Page, PageRequest, Source


class Fetcher:
    """Up to `workers` daemon threads, each started when first needed.

    Not a ThreadPoolExecutor, since leaving that one waits for its threads: a run that is
    cancelled, or interrupted, must end within seconds although a request may hang for minutes.
    """

    def __init__(self, source: Source, workers: int) -> None:
        self._source = source
        self._workers = workers
        self._stopped = threading.Event()
        self._threads: list[threading.Thread] = []
        self._queue: queue.SimpleQueue[tuple[PageRequest, Future[Page]] | None] = (
            queue.SimpleQueue()
        )

    def submit(self, request: PageRequest) -> Future[Page]:
        """Have `request` fetched by the next free thread."""
        future: Future[Page] = Future()
        self._queue.put((request, future))
        if len(self._threads) < self._workers:
            thread = threading.Thread(
                target=self._work, name=f"oracle-fetch-{len(self._threads)}", daemon=True
            )
            self._threads.append(thread)
            thread.start()
        return future

    def close(self) -> None:
        """Let the threads end; those in a request end after it, and nobody waits for them."""
        self._stopped.set()
        for _ in self._threads:
            self._queue.put(None)

    def _work(self) -> None:
        while (job := self._queue.get()) is not None:
            request, future = job
            if not future.set_running_or_notify_cancel():
                continue
            try:
                page = self._source.fetch(request, self._stopped)
            except BaseException as error:
                future.set_exception(error)
            else:
                future.set_result(page)


class Window:
    """How many pages may be asked for and not yet committed: never above `most`.

    Begins at one, since most runs are incremental and end with the first page; grows with each
    good page; halves when the server says 429 or 503, or when its answers become slow.
    """

    SLOWER = 4.0
    """Times the best latency seen, above which the server is taken to be struggling."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._size = 1.0
        self._best: float | None = None

    @property
    def size(self) -> int:
        """Return how many pages may be asked for and not yet committed now."""
        return max(1, int(self._size))

    def open(self) -> None:
        """Use the whole window at once: the number of pages to come is known."""
        self._size = float(self.most)

    def observe(self, page: Page) -> None:
        """Learn from one answer."""
        self._best = min(page.seconds, self._best or page.seconds)
        struggling = page.seconds > 1.0 and page.seconds > self.SLOWER * self._best
        if page.throttled:
            self._size = max(1.0, self._size / 2)
        elif struggling:
            self._size = max(1.0, self._size - 1)
        elif self._size < self.most:
            self._size = min(float(self.most), max(self._size + 0.5, self._size * 1.5))
