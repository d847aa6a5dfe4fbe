"""GeoPandas: everything in memory, a line for each step."""

import sys

import geopandas

source, target = sys.argv[1:]
buildings = geopandas.read_file(source, use_arrow=True).to_crs("EPSG:4326")
buildings["geometry"] = buildings.make_valid()
buildings.to_parquet(target, compression="zstd")
