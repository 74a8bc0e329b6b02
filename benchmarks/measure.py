"""Run one command, and print what it took as JSON.

It is started by file for each measurement, and imports little, since a child begins with the memory
of the process that starts it.
"""

import json
import os
import sys
import time


def main(command: list[str]) -> None:
    """Wait for the command to end, for its children's sake by way of rusage."""
    began = time.perf_counter()
    child = os.posix_spawnp(command[0], command, os.environ, file_actions=_quiet())
    _, status, usage = os.wait4(child, 0)
    wall = time.perf_counter() - began
    print(
        json.dumps(
            {
                "wall": wall,
                "cpu": usage.ru_utime + usage.ru_stime,
                # Kilobytes; of macOS bytes.
                "rss_mb": usage.ru_maxrss / (1024 if sys.platform != "darwin" else 1024 * 1024),
                "status": os.waitstatus_to_exitcode(status),
            }
        )
    )


def _quiet() -> list[tuple[int, int, int]]:
    # What a contestant prints goes where this process's errors go: to the run's log.
    return [(os.POSIX_SPAWN_DUP2, 2, 1)]


if __name__ == "__main__":
    main(sys.argv[1:])
