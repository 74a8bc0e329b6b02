"""The engine: walks a collection and keeps the table equal to it.

It knows a source of pages and a store of rows, both as interfaces. HTTP, SQL and Dagster do not
belong here.
"""
