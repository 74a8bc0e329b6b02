"""What an invented row looks like: its key, its attributes, and their values.

Does not belong here: which rows exist, which were changed, and how they are asked for.
"""
