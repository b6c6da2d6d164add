#!/usr/bin/env bash
# Installs MinIO and VersityGW into .bin/, in the versions that the modules beside this file pin, for the tests
# and for "make minio". Prints nothing when they are there.
set -euo pipefail
cd "$(dirname "$0")"
bin="$(cd ../.. && pwd)/.bin"
command -v go >/dev/null || { echo "servers: go was not found; install Go 1.26 or newer (https://go.dev/dl)" >&2; exit 1; }
mkdir -p "$bin"
for name in minio versitygw; do
  # The sums pin every line of what is built, so they are the version.
  version="$(cat "$name/go.mod" "$name/go.sum" | cksum)"
  stamp="$bin/$name.version"
  if [ -x "$bin/$name" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$version" ]; then continue; fi
  echo "servers: building $name (some minutes the first time)"
  (cd "$name" && GOFLAGS=-mod=readonly GOBIN="$bin" go install tool)
  echo "$version" >"$stamp"
done
