"""Keeps a PostgreSQL table equal to an Oracle Fusion Cloud collection, with Dagster.

The public names are imported when they are first asked for: `import oracle_sync` alone loads
nothing, so that `oracle-sync status` does not pay for Dagster.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from oracle_sync.config.collection import Collection, Column
    from oracle_sync.config.syncs import Sync
    from oracle_sync.definitions import build_defs
    from oracle_sync.errors import SyncError
    from oracle_sync.orchestration.resources import DbResource, OracleResource

__version__ = "0.1.0"

__all__ = [
    "Collection",
    "Column",
    "DbResource",
    "OracleResource",
    "Sync",
    "SyncError",
    "build_defs",
]

_HOMES = {
    "Collection": "oracle_sync.config.collection",
    "Column": "oracle_sync.config.collection",
    "DbResource": "oracle_sync.orchestration.resources",
    "OracleResource": "oracle_sync.orchestration.resources",
    "Sync": "oracle_sync.config.syncs",
    "SyncError": "oracle_sync.errors",
    "build_defs": "oracle_sync.definitions",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
