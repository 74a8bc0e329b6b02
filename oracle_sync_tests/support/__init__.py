"""What tests share: sources, servers, processes, databases. No assertions."""

from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
"""The project's folder."""
