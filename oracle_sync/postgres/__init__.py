"""PostgreSQL: the tables, their migrations, the one writer of each sync, the embedded server."""
