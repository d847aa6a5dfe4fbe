"""The least that does the job in PostGIS: COPY in, the functions in parallel, COPY out in Hilbert order, Parquet."""

import os
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pyogrio
from adbc_driver_postgresql import dbapi

source, target = sys.argv[1:]
names = {"HOST": "host", "PORT": "port", "USER": "user", "PASSWORD": "password", "DB": "dbname"}
conninfo = " ".join(f"{name}='{os.environ[f'POSTGRES_{setting}']}'" for setting, name in names.items())
settings = {"jit": "off", "max_parallel_workers_per_gather": os.cpu_count(), "client_min_messages": "error"}
with dbapi.connect(conninfo, autocommit=True) as connection, connection.cursor() as cursor:
    for name, value in settings.items():
        cursor.execute(f"SET {name} = {value}")
    with pyogrio.open_arrow(source, batch_size=65_536) as (meta, stream):
        reader = pa.RecordBatchReader.from_stream(stream)
        attributes = [name for name in reader.schema.names if name != (meta["geometry_name"] or "wkb_geometry")]
        srid = meta["crs"].removeprefix("EPSG:")
        cursor.execute("DROP TABLE IF EXISTS least")
        plain = {name: reader.schema.field(name) for name in attributes}
        sample = pa.schema([*plain.values(), pa.field("wkb", pa.binary())])
        cursor.adbc_ingest("least", pa.Table.from_batches([], sample), mode="create")
        cursor.execute("ALTER TABLE least SET UNLOGGED")
        cursor.execute("ALTER TABLE least ALTER wkb TYPE geometry USING NULL")
        batches = (batch.rename_columns([*attributes, "wkb"]) for batch in reader)
        cursor.adbc_ingest("least", pa.RecordBatchReader.from_batches(sample, batches), mode="append")
    columns = ", ".join(f'"{name}"' for name in attributes)
    new = f"ST_Transform(ST_SetSRID(wkb, {srid}), 4326)"
    valid = f"SELECT {columns}, {new} AS geom FROM least"
    repaired = f"SELECT {columns}, CASE WHEN ST_IsValid(geom) THEN geom ELSE ST_MakeValid(geom) END AS geom FROM ({valid}) AS new"
    cursor.execute(f"SELECT {columns}, ST_AsBinary(geom) AS geom FROM ({repaired}) AS repaired ORDER BY repaired.geom")
    result = cursor.fetch_record_batch()
    with pq.ParquetWriter(target, result.schema, compression="zstd") as writer:
        for batch in result:
            writer.write_batch(batch)
    cursor.execute("DROP TABLE least")
