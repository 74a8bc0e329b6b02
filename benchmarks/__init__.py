"""Compare oracle_sync with its alternatives, on one machine in one run: `make bench`."""
