"""Tests of oracle_sync; they mirror the package. Those that need a database start one of their own.

Belongs here: tests, and what only tests use. Does not belong here: anything the package imports.
"""
