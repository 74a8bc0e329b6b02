#!/bin/sh
# Run by PostgreSQL's image, once, on an empty volume: a role that owns its database and no more.
set -eu
psql -v ON_ERROR_STOP=1 -U postgres -d postgres <<'SQL'
\set password `cat /run/secrets/database_password`
CREATE ROLE oracle_sync LOGIN PASSWORD :'password';
CREATE DATABASE oracle_sync OWNER oracle_sync;
REVOKE ALL ON DATABASE oracle_sync FROM PUBLIC;
SQL
