#!/usr/bin/env bash
# Installs json-server, pinned by the lock file beside its package.json, for the integration tests.
set -euo pipefail
cd "$(dirname "$0")/json-server"
stamp=node_modules/.lock-installed
if [ -f "$stamp" ] && cmp -s package-lock.json "$stamp"; then exit 0; fi
command -v npm >/dev/null || { echo "json-server: npm was not found; install Node.js 18 or newer (Debian: apt-get install nodejs npm)" >&2; exit 1; }
echo "json-server: installing from npm"
npm ci --silent --no-audit --no-fund
cp package-lock.json "$stamp"
