"""DuckDB with its spatial extension: one statement."""

import sys
from pathlib import Path

import duckdb
import duckdb_extension_spatial

source, target = sys.argv[1:]
(extension,) = Path(duckdb_extension_spatial.__file__).parent.glob(f"extensions/v{duckdb.__version__}/*.duckdb_extension")
connection = duckdb.connect(config={"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"})
connection.execute(f"LOAD '{extension}'")
connection.execute(
    f"""
    COPY (
        WITH buildings AS (
            SELECT * EXCLUDE geom, ST_Transform(geom, 'EPSG:32632', 'EPSG:4326', always_xy := true) AS geom
            FROM ST_Read('{source}')
        )
        SELECT * EXCLUDE geom, CASE WHEN ST_IsValid(geom) THEN geom ELSE ST_MakeValid(geom) END AS geometry FROM buildings
    ) TO '{target}' (FORMAT parquet, COMPRESSION zstd)
    """
)
