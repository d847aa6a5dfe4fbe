#!/bin/sh
# Dagster on the embedded default: webserver, daemon and code server in the foreground, until Ctrl-C. `make dev` runs it.
# A home that is new gets the demo's deliveries into its landing zone, so that there is something to see.
set -eu
cd "$(dirname "$0")/../.."

port=${1:-3000}
home=${SPATIAL_ETL_HOME:-var}
mkdir -p "$home"
home=$(cd "$home" && pwd)
export SPATIAL_ETL_HOME="$home"

if [ ! -e "$home/ledger.sqlite" ]; then
  landing=$home/landing-zone
  mkdir -p "$landing/town-2026-03" "$landing/careless"
  cp demo/data/town.gpkg demo/data/districts.zip demo/data/trees.csv demo/data/stops.kml "$landing/town-2026-03"
  cp demo/data/trees.csv demo/data/town.gpkg "$landing/careless"
  spatial-etl submit demo/manifests/town.json
  spatial-etl submit demo/manifests/careless.json
fi

echo "Deliver more with: spatial-etl --home $home submit MANIFEST"
exec python -m services.dagster --port "$port"
