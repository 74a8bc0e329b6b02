"""The commands that run until Ctrl-C: `dev`, `sandbox` and `demo`."""

from __future__ import annotations

import sys

import click

from oracle_sync.errors import SettingError

port_option = click.option("--port", default=3000, show_default=True, type=click.IntRange(1, 65535))


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@port_option
def dev(host: str, port: int) -> None:
    """Run the Dagster UI, its daemon and its storage, until Ctrl-C."""
    from oracle_sync.cli.dev import serve_ui

    sys.exit(serve_ui(host, port, click.echo))


@click.command()
@click.option("--port", default=8765, show_default=True, type=click.IntRange(0, 65535))
@click.option("--rows", default=150, show_default=True, type=click.IntRange(0, 10_000_000))
@click.option("--latency-ms", default=0.0, show_default=True, type=click.FloatRange(0, 60_000))
def sandbox(port: int, rows: int, latency_ms: float) -> None:
    """Run a stand-in Oracle Fusion pod on loopback, with invented data."""
    from oracle_sync.sandbox import PortTaken, serve

    try:
        serve(port=port, rows=rows, latency_ms=latency_ms)
    except PortTaken as error:
        raise SettingError(str(error), "Choose another one with --port.") from None


@click.command()
@click.option("--once", is_flag=True, help="Stop after the sync, without the UI.")
@port_option
def demo(once: bool, port: int) -> None:
    """Show it all on invented data, in a folder of its own; touches nothing of yours."""
    from oracle_sync.cli.demo import run_demo

    sys.exit(run_demo(once=once, port=port, say=click.echo))
