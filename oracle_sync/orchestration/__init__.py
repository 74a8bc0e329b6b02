"""Dagster's words for all of it: assets, checks, sensors, jobs, resources, instance, launcher."""
