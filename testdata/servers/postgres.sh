#!/usr/bin/env bash
# Makes sure that PostgreSQL's server programs are on this machine, and prints nothing when they are.
set -euo pipefail
find_initdb() {
  command -v initdb 2>/dev/null && return 0
  ls -d /usr/lib/postgresql/*/bin/initdb 2>/dev/null | sort -V | tail -n 1
}
[ -n "$(find_initdb)" ] && exit 0
if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
  echo "postgres: installing PostgreSQL from Debian's packages"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql >/dev/null
  [ -n "$(find_initdb)" ] && exit 0
fi
echo "postgres: initdb was not found; install PostgreSQL 15 or newer (Debian: apt-get install postgresql; macOS: brew install postgresql)" >&2
exit 1
