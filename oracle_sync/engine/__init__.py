"""The engine: pages fetched ahead, joined to one another, committed with the offset they reach.

Knows neither Dagster nor HTTP nor SQL: it takes a source of pages and a store for rows.
"""
