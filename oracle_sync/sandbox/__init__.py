"""A stand-in for an Oracle Fusion Cloud pod on loopback, with invented data, for tests and demos.

Belongs here: whatever imitates the pod, its faults included. Does not belong here: anything of
the sync itself; this package imports nothing else of `oracle_sync`.
"""

from oracle_sync.sandbox.faults import Fault
from oracle_sync.sandbox.pod import Pod
from oracle_sync.sandbox.server import PortTaken, SandboxServer, serve

__all__ = ["Fault", "Pod", "PortTaken", "SandboxServer", "serve"]
