"""Ours beside its peers, measured on one machine in one run: `make bench`, see README.md.

Belongs here: what backs the figures of the project's README. Does not belong here: tests; a
figure depends on the machine, and decides nothing by itself.
"""
