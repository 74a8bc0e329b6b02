"""What the command line, the jobs and the UI share: status, moves, replay, check, export, metrics.

Nothing here imports Dagster, or prints.
"""
