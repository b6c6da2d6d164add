#!/usr/bin/env bash
# Runs a MinIO on loopback with one bucket until it is interrupted, and prints how to use it.
# MINIO_PORT, MINIO_FOLDER, MINIO_BUCKET, MINIO_ROOT_USER and MINIO_ROOT_PASSWORD change what is below.
set -euo pipefail
cd "$(dirname "$0")/../.."
port="${MINIO_PORT:-9000}"
folder="${MINIO_FOLDER:-.trueup/minio}"
bucket="${MINIO_BUCKET:-trueup}"
export MINIO_ROOT_USER="${MINIO_ROOT_USER:-trueup}" MINIO_ROOT_PASSWORD="${MINIO_ROOT_PASSWORD:-trueup-local}"
export MINIO_BROWSER=off MINIO_UPDATE=off MINIO_CALLHOME_ENABLE=off
[ -x .bin/minio ] || { echo "minio: it is not installed; run: make servers" >&2; exit 1; }
if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
  echo "minio: port $port is taken; choose another one: MINIO_PORT=9001 make minio" >&2
  exit 1
fi
mkdir -p "$folder/$bucket" # a folder of its drive is a bucket
cat <<TEXT
MinIO serves http://127.0.0.1:$port until you press Ctrl-C; its data is in $folder.

  export AWS_ACCESS_KEY_ID=$MINIO_ROOT_USER
  export AWS_SECRET_ACCESS_KEY=$MINIO_ROOT_PASSWORD
  export TRUEUP_STORE='s3://$bucket/project?endpoint=http://127.0.0.1:$port&path_style=true&region=us-east-1'

TEXT
exec .bin/minio server --quiet --address "127.0.0.1:$port" --console-address "127.0.0.1:0" "$folder"
