"""The rows of each collection, in memory: which there are, how they change, and finding them.

Does not belong here: what a row looks like, and how clients ask.
"""
