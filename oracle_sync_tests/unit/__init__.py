"""Fast tests: no database, no server, no other process. A minute for all of them."""
