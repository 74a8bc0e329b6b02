#!/bin/sh
# Creates the files that the services read: passwords, the database URL, and PostgreSQL's
# certificate with its authority. Keeps files that exist; to rotate one, remove it first.
#   sh deploy/secrets.sh [FOLDER] [HOST OF THE DATABASE]
set -eu
folder=${1:-$(dirname "$0")/secrets}
host=${2:-postgres}
mkdir -p "$folder"
# The folder keeps other users out. The files are readable, since each is mounted into a container
# that runs as another user.
chmod 700 "$folder"
cd "$folder"
umask 022

random() { openssl rand -hex 24; }

[ -s postgres_password ] || random >postgres_password
if [ ! -s database_password ]; then
  random >database_password
  rm -f database_url
fi
[ -s database_url ] ||
  echo "postgresql://oracle_sync:$(cat database_password)@$host/oracle_sync" >database_url

if [ ! -s postgres_cert ]; then
  openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj "/CN=oracle_sync database authority" \
    -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign \
    -keyout authority_key -out postgres_ca 2>/dev/null
  openssl req -newkey rsa:2048 -nodes -subj "/CN=$host" -keyout postgres_key -out request 2>/dev/null
  printf 'subjectAltName=DNS:%s\nbasicConstraints=CA:FALSE\n' "$host" >extensions
  openssl x509 -req -in request -CA postgres_ca -CAkey authority_key -CAcreateserial -days 825 \
    -extfile extensions -out postgres_cert 2>/dev/null
  # Nothing else is ever signed: a new certificate comes with a new authority.
  rm -f authority_key request extensions postgres_ca.srl
  chmod 644 postgres_key
fi

if [ ! -s oracle_password ]; then
  : >oracle_password
  echo "Now write the password of ORACLE_USER to $folder/oracle_password."
fi
