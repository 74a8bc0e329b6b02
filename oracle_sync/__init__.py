"""Keeps a PostgreSQL table equal to an Oracle Fusion Cloud collection, with Dagster.

Nothing is imported here: `oracle-sync status` must not pay for what it does not use.
"""

__version__ = "0.1.0"
