"""Reads a lake file as one program from elsewhere does, and writes what it sees to standard output, pickled.

In a process of its own: some of these register types with pyarrow for the whole process. ``reading.py READER FILE``.
"""

import os
import pickle
import shutil
import sys
import warnings
from pathlib import Path
from typing import Any

Seen = dict[str, Any]
"""``crs``: of the geometry, in the reader's own form. ``columns``: values by name, geometry as WKB. ``types``: in its words."""


def of_arrow(table: Any, geometry: list[bytes | None], crs: Any) -> Seen:
    columns = {field.name: table[field.name].to_pylist() for field in table.schema if field.name != "geom"}
    return {"crs": crs, "columns": {**columns, "geom": geometry}, "types": {each.name: str(each.type) for each in table.schema}}


def of_frame(frame: Any) -> Seen:
    import shapely

    columns = {name: frame[name].tolist() for name in frame.columns if name != "geom"}
    geometry = [None if each is None else shapely.to_wkb(each, flavor="iso") for each in frame.geometry]
    types = {name: str(kind) for name, kind in frame.dtypes.items()}
    return {"crs": frame.crs.to_json(), "columns": {**columns, "geom": geometry}, "types": types}


def crs_in(metadata: dict[bytes, bytes]) -> Any:
    import json

    return json.loads(metadata[b"geo"])["columns"]["geom"]["crs"]


def read_pyarrow_table(path: str) -> Seen:
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    return of_arrow(table, table["geom"].to_pylist(), crs_in(table.schema.metadata))


def read_pyarrow_dataset(path: str) -> Seen:
    import pyarrow.dataset as ds

    dataset = ds.dataset(path)
    table = dataset.to_table()
    return of_arrow(table, table["geom"].to_pylist(), crs_in(dataset.schema.metadata))


def read_geopandas(path: str) -> Seen:
    import geopandas

    return of_frame(geopandas.read_parquet(path))


def read_dask_geopandas(path: str) -> Seen:
    import dask_geopandas

    warnings.filterwarnings("ignore", "The inplace keyword")  # Dask's own use of pandas
    frame = dask_geopandas.read_parquet(path)
    assert frame.spatial_partitions is not None, "of the bounding box in the metadata"
    seen = frame.compute(scheduler="synchronous")
    assert seen.crs == frame.crs
    return of_frame(seen.drop(columns="bbox"))


def read_geoarrow_pyarrow(path: str) -> Seen:
    import geoarrow.pyarrow as ga
    from geoarrow.pyarrow import io

    table = io.read_geoparquet_table(path)
    return of_arrow(table, ga.as_wkb(table["geom"]).to_pylist(), table["geom"].type.crs.to_json())


def read_polars(path: str) -> Seen:
    import json

    import polars as pl

    frame = pl.read_parquet(path)
    assert pl.scan_parquet(path).collect_schema() == frame.schema
    crs = json.loads(pl.read_parquet_metadata(path)["geo"])["columns"]["geom"]["crs"]
    types = {name: str(kind) for name, kind in frame.schema.items()}
    return {"crs": crs, "columns": {name: frame[name].to_list() for name in frame.columns}, "types": types}


def read_sedonadb(path: str) -> Seen:
    import sedonadb

    frame = sedonadb.connect().read_parquet(path)
    table = frame.to_arrow_table()
    return of_arrow(table, table["geom"].to_pylist(), table["geom"].type.crs.to_json())


def read_geoparquet_io(path: str) -> Seen:
    """Its checks, all of them, on every row."""
    import duckdb
    import duckdb_extension_spatial

    # What it installs into its home is there already, so that it has nothing to download.
    (extension,) = Path(duckdb_extension_spatial.__file__).parent.rglob("spatial.duckdb_extension")
    ((platform,),) = duckdb.connect().execute("PRAGMA platform").fetchall()
    installed = Path(os.environ["HOME"]) / ".duckdb" / "extensions" / f"v{duckdb.__version__}" / platform
    installed.mkdir(parents=True, exist_ok=True)
    shutil.copy(extension, installed)

    from geoparquet_io.core.check_parquet_structure import check_all
    from geoparquet_io.core.validate import validate_geoparquet

    verdicts = validate_geoparquet(path, sample_size=0).checks
    best_practice = check_all(path, return_results=True, quiet=True)
    return {
        "specification": {each.name: (each.status.name, each.message) for each in verdicts},
        "structure": {name: (each["passed"], each.get("issues", [])) for name, each in best_practice.items()},
    }


if __name__ == "__main__":
    warnings.simplefilter("error")
    sys.stdout.buffer.write(pickle.dumps(globals()[f"read_{sys.argv[1]}"](sys.argv[2])))
