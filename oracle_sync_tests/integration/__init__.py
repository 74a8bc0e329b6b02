"""Tests of parts together: a real PostgreSQL, real HTTP, Dagster in this process."""
