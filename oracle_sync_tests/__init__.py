"""The tests: unit, integration and system, and in support what they share."""
