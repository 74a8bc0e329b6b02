"""Whole systems: real processes, a real browser, hosts with a network between them."""
