"""A stand-in for an Oracle Fusion Cloud pod on loopback, with invented data, for demos and tests.

Does not belong here: anything of the sync itself. This package imports nothing else of
`oracle_sync`.
"""

from oracle_sync.sandbox.pod import Pod
from oracle_sync.sandbox.server import PortTaken, SandboxServer, serve

__all__ = ["Pod", "PortTaken", "SandboxServer", "serve"]
