"""The floor: threads that fetch every page, and do nothing with it."""

from __future__ import annotations

import os
import queue
import threading

import requests

PATH = "/crmRestApi/resources/11.12.1.0/opportunities"
PARAMETERS: dict[str, str | int] = {
    "fields": "OptyId,OptyNumber",
    "orderBy": "OptyId:asc",
    "onlyData": "true",
}


def session() -> requests.Session:
    """Return a session that signs in."""
    made = requests.Session()
    made.auth = (os.environ["ORACLE_USER"], os.environ["ORACLE_PASSWORD"])
    return made


def address() -> str:
    """Return the URL of the collection."""
    return os.environ["ORACLE_BASE_URL"] + PATH


def main(rows: int, page: int, threads: int) -> None:
    """Fetch `rows` rows, `page` at a time."""
    offsets: queue.SimpleQueue[int] = queue.SimpleQueue()
    for offset in range(0, rows, page):
        offsets.put(offset)

    def work() -> None:
        own = session()
        while True:
            try:
                offset = offsets.get_nowait()
            except queue.Empty:
                return
            parameters: dict[str, str | int] = {"limit": page, "offset": offset}
            own.get(address(), params=PARAMETERS | parameters, timeout=60).raise_for_status()

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


if __name__ == "__main__":
    env = os.environ
    main(int(env["BENCH_ROWS"]), int(env["BENCH_PAGE"]), int(env["ORACLE_SYNC_CONCURRENCY"]))
