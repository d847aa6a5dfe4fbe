#!/bin/sh
# The main job, narrated, on the files in demo/data: an invented town. Everything it makes lies in demo/var, fresh each time.
# `make demo` runs it.
set -eu
cd "$(dirname "$0")/.."

export SPATIAL_ETL_HOME=demo/var
unset MINIO_ENDPOINT MONGO_CONNECTION_STRING POSTGRES_HOST
rm -rf "$SPATIAL_ETL_HOME"

bold='' dim='' plain=''
if [ -t 1 ]; then bold=$(printf '\033[1m') dim=$(printf '\033[2m') plain=$(printf '\033[0m'); fi

say() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
show() { printf '\n%s$ %s%s\n' "$dim" "$*" "$plain"; }
run() { show "$@" && "$@"; }
rejected() { # a command whose batch must be rejected: exit code 1
  show "$@"
  code=0 && "$@" || code=$?
  [ "$code" -eq 1 ] || { echo "The demo expected the exit code 1, and got $code." >&2 && exit 1; }
}

say "1. One file: GeoJSON in, GeoParquet out, with a record of how it was made."
run spatial-etl ingest demo/data/parks.geojson --project Riverton

say "2. A delivery: a GeoPackage of two layers, a zipped Shapefile, CSV and KML, described by a manifest. All or nothing."
landing=$SPATIAL_ETL_HOME/landing-zone
run cat demo/manifests/town.json
run mkdir -p "$landing/town-2026-03"
run cp demo/data/town.gpkg demo/data/districts.zip demo/data/trees.csv demo/data/stops.kml "$landing/town-2026-03"
run spatial-etl submit demo/manifests/town.json
run spatial-etl process

say "3. A careless delivery is rejected, with everything that is wrong with it in one list."
run mkdir -p "$landing/careless"
run cp demo/data/trees.csv demo/data/town.gpkg "$landing/careless"
run spatial-etl submit demo/manifests/careless.json
rejected spatial-etl process

say "4. A Shapefile that a broken download cut off: rejected too, instead of half of it being loaded."
rejected spatial-etl ingest demo/data/cut_off/districts.shp --project Riverton

say "5. A dataset that is ingested again gets its next version, here by another recipe; the older version stays."
run spatial-etl ingest demo/data/parks.geojson --project Riverton --intent reproject --param crs=EPSG:25832

say "6. What the lake holds, and what happened."
run spatial-etl datasets
run spatial-etl status

say "7. Where a dataset came from, what was changed on the way, and that the lake holds exactly what was recorded."
run spatial-etl show riverton.town.buildings
run spatial-etl lineage riverton.town.buildings
run spatial-etl replay riverton.town.buildings
run spatial-etl verify

say "8. The files are plain GeoParquet: any tool reads them."
run find "$SPATIAL_ETL_HOME/data-lake" -name '*.parquet'
query="SELECT use, count(*) AS houses, round(avg(height_m), 1) AS mean_height
FROM '$SPATIAL_ETL_HOME/data-lake/riverton.town.buildings/v1/data.parquet' GROUP BY use ORDER BY houses DESC"
show "python -c \"import duckdb; print(duckdb.sql('''$query'''))\""
python -c "import sys, duckdb; print(duckdb.sql(sys.argv[1]))" "$query"

cat <<END
${bold}Look further:${plain}

  . .venv/bin/activate && export SPATIAL_ETL_HOME=$SPATIAL_ETL_HOME
  spatial-etl --help                                     # every command; --json on each
  spatial-etl ingest YOUR_FILE --project NAME            # your own data
  spatial-etl recipes                                    # what else can be done with it
  geopandas.read_parquet("$SPATIAL_ETL_HOME/data-lake/riverton.town.buildings/v1/data.parquet")
  qgis $SPATIAL_ETL_HOME/data-lake/riverton.town.buildings/v1/data.parquet
END
