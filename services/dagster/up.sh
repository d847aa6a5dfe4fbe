#!/bin/sh
# The platform on real services, all on loopback: those of `make services`, and Dagster's processes in the foreground until Ctrl-C.
set -eu
cd "$(dirname "$0")/../.."

settings=$(python -m services.local env)
eval "$settings"
export DAGSTER_POSTGRES_HOST="$POSTGRES_HOST" DAGSTER_POSTGRES_PORT="$POSTGRES_PORT" DAGSTER_POSTGRES_USER="$POSTGRES_USER" \
  DAGSTER_POSTGRES_PASSWORD="$POSTGRES_PASSWORD" DAGSTER_POSTGRES_DB="${DAGSTER_POSTGRES_DB:-dagster}"

spatial-etl admin init
exec python -m services.dagster --port "${1:-3000}"
