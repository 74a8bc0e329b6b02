"""Dagster resources: settings in, a client or a database out."""

from oracle_sync.orchestration.resources.db import DbResource
from oracle_sync.orchestration.resources.frames import FrameIOManager, build_frames
from oracle_sync.orchestration.resources.oracle import OracleResource

__all__ = ["DbResource", "FrameIOManager", "OracleResource", "build_frames"]
