"""A stand-in pod behind TLS as a separate process, for tests with several hosts.

Run as `python -m oracle_sync_tests.support.tls_pod HOST PORT CERTIFICATE KEY ROWS LATENCY_MS`. The
pod itself listens on loopback only; TLS ends here, as at a load balancer.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import sys

from oracle_sync.sandbox import Pod, SandboxServer


async def serve(host: str, port: int, context: ssl.SSLContext, behind: int) -> None:
    """Pass each connection on to the port behind, until the process is ended."""

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while chunk := await reader.read(65_536):
                writer.write(chunk)
                await writer.drain()
        writer.close()

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner, outer = await asyncio.open_connection("127.0.0.1", behind)
        await asyncio.gather(pass_on(reader, outer), pass_on(inner, writer))

    server = await asyncio.start_server(connect, host, port, ssl=context)
    print("listening", flush=True)
    await server.serve_forever()


def main(host: str, port: str, certificate: str, key: str, rows: str, latency: str) -> None:
    """Serve a pod with this many rows."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with SandboxServer(Pod(rows=int(rows), latency_ms=float(latency))) as pod:
        asyncio.run(serve(host, int(port), context, int(pod.url.rsplit(":", 1)[1])))


if __name__ == "__main__":
    main(*sys.argv[1:])
