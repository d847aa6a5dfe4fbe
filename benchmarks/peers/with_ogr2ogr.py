"""ogr2ogr into PostGIS, repaired and reprojected there, and GeoPandas out of it: what many pipelines do."""

import os
import subprocess
import sys

import geopandas
import pyarrow as pa
from adbc_driver_postgresql import dbapi

source, target = sys.argv[1:]
names = {"HOST": "host", "PORT": "port", "USER": "user", "PASSWORD": "password", "DB": "dbname"}
conninfo = " ".join(f"{name}='{os.environ[f'POSTGRES_{setting}']}'" for setting, name in names.items())
environment = os.environ | {"PG_USE_COPY": "YES"}
options = [
    "-nln",
    "ogr2ogr_buildings",
    "-overwrite",
    "-lco",
    "GEOMETRY_NAME=geom",
    "-lco",
    "SPATIAL_INDEX=NONE",
    "-nlt",
    "GEOMETRY",
]
subprocess.run(["ogr2ogr", "-f", "PostgreSQL", f"PG:{conninfo}", source, *options], env=environment, check=True)
with dbapi.connect(conninfo, autocommit=True) as connection, connection.cursor() as cursor:
    cursor.execute("SELECT *, ST_AsBinary(ST_MakeValid(ST_Transform(geom, 4326))) AS geometry FROM ogr2ogr_buildings")
    table: pa.Table = cursor.fetch_arrow_table().drop_columns(["geom"])
    cursor.execute("DROP TABLE ogr2ogr_buildings")
frame = table.to_pandas()
geometry = geopandas.GeoSeries.from_wkb(frame.pop("geometry"), crs="EPSG:4326")
geopandas.GeoDataFrame(frame, geometry=geometry).to_parquet(target, compression="zstd")
