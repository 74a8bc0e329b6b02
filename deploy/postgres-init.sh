#!/bin/sh
# PostgreSQL's image runs this once, on an empty volume. Creates a role that owns one database.
set -eu
psql -v ON_ERROR_STOP=1 -U postgres -d postgres <<'SQL'
\set password `cat /run/secrets/database_password`
CREATE ROLE oracle_sync LOGIN PASSWORD :'password';
CREATE DATABASE oracle_sync OWNER oracle_sync;
REVOKE ALL ON DATABASE oracle_sync FROM PUBLIC;
SQL
