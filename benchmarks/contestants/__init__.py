"""One module for each contestant that has to be written: a whole process, told all by environment.

Belongs here: the job done another way. Does not belong here: measuring it.
"""
