#!/bin/sh
# The catalog on the embedded default, in the foreground, until Ctrl-C. `make catalog` runs it.
# A home that is new gets the demo's deliveries, so that there is something to see.
set -eu
cd "$(dirname "$0")/../.."

home=${SPATIAL_ETL_HOME:-var}
mkdir -p "$home"
home=$(cd "$home" && pwd)
export SPATIAL_ETL_HOME="$home"

if [ ! -e "$home/ledger.sqlite" ] && [ -z "${MONGO_CONNECTION_STRING:-}" ]; then
  spatial-etl ingest demo/data/parks.geojson demo/data/town.gpkg demo/data/districts.zip demo/data/stops.kml --project Riverton
  spatial-etl ingest demo/data/cut_off/districts.shp --project Riverton || [ $? -eq 1 ] # rejected, so that there is a rejection to see
fi

exec spatial-etl serve --port "${1:-8080}"
