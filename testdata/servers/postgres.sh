#!/usr/bin/env bash
# Makes sure that PostgreSQL's server programs and psql are on this machine, and prints nothing when they are.
set -euo pipefail
has() {
  command -v "$1" >/dev/null 2>&1 || ls -d /usr/lib/postgresql/*/bin/"$1" >/dev/null 2>&1
}
has initdb && has psql && exit 0
if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
  echo "postgres: installing PostgreSQL from Debian's packages"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql postgresql-client >/dev/null
  has initdb && has psql && exit 0
fi
echo "postgres: initdb and psql were not found; install PostgreSQL 15 or newer (Debian: apt-get install postgresql; macOS: brew install postgresql)" >&2
exit 1
