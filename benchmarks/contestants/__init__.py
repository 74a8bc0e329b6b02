"""A module for each contestant that had to be written. The environment says what to do."""
