"""How a command ends that fails: a line of cause, a line of advice, and an exit status."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, NoReturn

import click

from oracle_sync.errors import SyncError, unexpected

_OUTPUT_ERRORS = (errno.EPIPE, errno.ENOSPC, errno.EIO, errno.EBADF)


class Group(click.Group):
    """Ends each of its commands in words, whatever went wrong."""

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        """Parse the arguments, which may print the help."""
        with _in_words():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        with _in_words():
            return super().invoke(ctx)


def fail(error: SyncError) -> NoReturn:
    """Say what happened and what to do, and exit with status 1."""
    click.echo(f"Failed: {' '.join(filter(None, (error.what, error.kept)))}", err=True)
    if error.advice:
        click.echo(f"What to do: {error.advice}", err=True)
    sys.exit(1)


def drop_output() -> None:
    """Let what is still to be printed vanish, since it can't be written either.

    Python would otherwise try once more at the exit, and print a traceback.
    """
    with suppress(OSError):
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, sys.stdout.fileno())
        os.close(nothing)


@contextmanager
def _in_words() -> Iterator[None]:
    try:
        yield
    except SyncError as error:
        fail(error)
    except (click.ClickException, click.Abort, click.exceptions.Exit):
        raise
    except Exception as error:
        if isinstance(error, OSError) and not error.filename and error.errno in _OUTPUT_ERRORS:
            drop_output()
            fail(_unwritable(error))
        fail(unexpected(error, "The command"))


def _unwritable(error: OSError) -> SyncError:
    return SyncError(
        f"The output can't be written: {error.strerror}. What the command did before stays done.",
        "Send it to where there is room, and somebody reads to the end; oracle-sync status shows "
        "what is stored.",
    )
