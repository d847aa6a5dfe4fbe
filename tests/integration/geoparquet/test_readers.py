"""What the platform writes, as readers and a validator from elsewhere see it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas
import geoparquet_validator
import numpy as np
import pyarrow.parquet as pq
import pytest
import shapely

pytestmark = pytest.mark.integration

MIXED = [
    "POINT Z (9 48 7)", None, "POLYGON ((9 48, 9.1 48, 9.1 48.1, 9 48))", "LINESTRING (8 47, 8.5 47.5)", "POLYGON EMPTY",
    "MULTIPOLYGON (((9 48, 9.1 48, 9.1 48.1, 9 48)))", "POINT (9 48)", "GEOMETRYCOLLECTION (POINT (1 2))",
]  # fmt: skip


def frame_of(*shapes: str | None, crs: Any = "EPSG:4326", **columns: list) -> geopandas.GeoDataFrame:
    geometry = [None if shape is None else shapely.from_wkt(shape) for shape in shapes]
    return geopandas.GeoDataFrame({"n": range(len(shapes)), **columns}, geometry=geometry, crs=crs)


def geo(path: Path) -> dict[str, Any]:
    return json.loads(pq.read_metadata(path).metadata[b"geo"])


def column(path: Path) -> dict[str, Any]:
    described: dict[str, Any] = geo(path)["columns"]["geom"]
    return described


def assert_conformant(path: Path) -> None:
    report = geoparquet_validator.check(str(path))
    # Good distribution asks for statistics of the covering, which there are only where a geometry has an extent.
    classes = ["core", "covering", *(["distribution"] if "bbox" in column(path) else [])]
    assert [test for each in classes for test in geoparquet_validator.failed(report, each)] == [], report
    by_class = {outcome["id"].split("/")[2]: outcome["status"] for outcome in report["outcomes"]}
    assert by_class["covering"] == "pass", "claimed, and found right"


def test_two_readers_see_the_same(write: Callable, sql: Callable) -> None:
    source = frame_of(*MIXED, text=["a", "", None, "ü", "x", "y", "z", "w"], value=[0.5, None, 1, 2, 3, 4, 5, 6])
    path = write(source)
    assert_conformant(path)

    frame = geopandas.read_parquet(path).sort_values("n", ignore_index=True)
    assert frame.geometry.name == "geom"
    assert frame.crs == "EPSG:4326"
    assert [None if each is None else each.wkb for each in frame.geometry] == [
        None if s is None else s.wkb for s in source.geometry
    ]
    assert frame["value"].equals(source["value"])

    rows = sql(f"SELECT n, ST_AsWKB(geom)::BLOB, text FROM '{path}' ORDER BY n")
    assert [row[1] for row in rows] == [None if each is None else shapely.to_wkb(each, flavor="iso") for each in source.geometry]
    assert [row[2] for row in rows] == ["a", "", None, "ü", "x", "y", "z", "w"]


def test_a_window_finds_the_same_by_either_reader(write: Callable, sql: Callable) -> None:
    """Through the covering, which is there for that."""
    draw = np.random.default_rng(1)
    corners = np.column_stack([draw.uniform(-170, 170, 5_000), draw.uniform(-80, 80, 5_000)])
    boxes = shapely.box(*corners.T, *(corners + draw.uniform(0, 3, corners.shape)).T)
    path = write(geopandas.GeoDataFrame({"n": range(5_000)}, geometry=boxes, crs=4326))
    window = (-10.0, -10.0, 25.5, 20.0)
    expected = set(np.flatnonzero(shapely.intersects(boxes, shapely.box(*window))))
    assert len(expected) > 50
    assert set(geopandas.read_parquet(path, bbox=window)["n"]) == expected
    west, south, east, north = window
    where = f"bbox.xmin <= {east} AND bbox.xmax >= {west} AND bbox.ymin <= {north} AND bbox.ymax >= {south}"
    assert {row[0] for row in sql(f"SELECT n FROM '{path}' WHERE {where}")} == expected


@pytest.mark.parametrize(
    ("shapes", "types"),
    [
        (["POINT (1 2)", "POINT (3 4)"], ["Point"]),
        (["POINT Z (1 2 3)", "POINT (3 4)"], ["Point", "Point Z"]),
        (["POLYGON Z ((0 0 1, 1 0 1, 1 1 1, 0 0 1))"], ["Polygon Z"]),
        (MIXED, ["GeometryCollection", "LineString", "MultiPolygon", "Point", "Point Z", "Polygon"]),
        (["MULTIPOINT ((1 1))", "MULTILINESTRING Z ((0 0 1, 1 1 1))", None], ["MultiLineString Z", "MultiPoint"]),
        (["POINT EMPTY", "MULTIPOLYGON EMPTY"], ["MultiPolygon", "Point"]),
        ([None, None], []),
    ],
)
def test_geometry_types_are_exact(shapes: list[str | None], types: list[str], write: Callable) -> None:
    path = write(frame_of(*shapes))
    assert column(path)["geometry_types"] == types
    assert_conformant(path)
    assert len(geopandas.read_parquet(path)) == len(shapes)


def test_the_metadata_in_full(write: Callable) -> None:
    path = write(frame_of("POINT (8 47)", "LINESTRING (7.5 46, 9 48)", None, "POINT EMPTY", crs="EPSG:4258"), intent="keep_crs")
    metadata = geo(path)
    assert (metadata["version"], metadata["primary_column"], list(metadata["columns"])) == ("1.1.0", "geom", ["geom"])
    described = metadata["columns"]["geom"]
    assert described.keys() == {"encoding", "geometry_types", "crs", "bbox", "covering"}
    assert described["encoding"] == "WKB"
    assert described["bbox"] == [7.5, 46, 9, 48]
    assert described["covering"] == {"bbox": {side: ["bbox", side] for side in ("xmin", "ymin", "xmax", "ymax")}}
    assert described["crs"]["id"] == {"authority": "EPSG", "code": 4258}
    assert described["crs"]["$schema"].startswith("https://proj.org/schemas/")
    boxes = dict(zip(*pq.read_table(path, columns=["n", "bbox"]).to_pydict().values(), strict=True))
    assert boxes == {
        0: {"xmin": 8, "ymin": 47, "xmax": 8, "ymax": 47},
        1: {"xmin": 7.5, "ymin": 46, "xmax": 9, "ymax": 48},
        2: None,
        3: {"xmin": None, "ymin": None, "xmax": None, "ymax": None},
    }


CUSTOM = "+proj=laea +lat_0=10 +lon_0=-81 +ellps=GRS80 +units=m +no_defs +type=crs"


@pytest.mark.parametrize("crs", ["EPSG:4326", "OGC:CRS84", "EPSG:3857", "EPSG:2056", "ESRI:54030", CUSTOM])
def test_any_crs_comes_back(crs: str, write: Callable) -> None:
    import pyproj

    path = write(frame_of("POINT (1 2)", crs=crs), intent="raw")
    assert geopandas.read_parquet(path).crs == pyproj.CRS(crs)
    assert_conformant(path)


def test_an_empty_layer(write: Callable, sql: Callable) -> None:
    path = write(frame_of())
    assert geopandas.read_parquet(path).shape == (0, 2)
    assert (column(path)["geometry_types"], column(path).get("bbox")) == ([], None)
    assert sql(f"SELECT count(*) FROM '{path}'") == [(0,)]
    assert geoparquet_validator.failed(geoparquet_validator.check(str(path))) == []


def test_a_table_is_plain_parquet(write: Callable, sql: Callable) -> None:
    import pandas as pd

    path = write(pd.DataFrame({"a": [1, 2], "b": ["x", None]}), intent="ingest_tabular", type="tabular")
    assert b"geo" not in (pq.read_metadata(path).metadata or {})
    assert pq.read_table(path).to_pydict() == {"a": [1, 2], "b": ["x", None]}
    assert sql(f"SELECT a, b FROM '{path}' ORDER BY a") == [(1, "x"), (2, None)]


def test_row_groups(write: Callable) -> None:
    count = 150_000
    draw = np.random.default_rng(2)
    points = shapely.points(draw.uniform(-170, 170, count), draw.uniform(-80, 80, count))
    path = write(geopandas.GeoDataFrame({"n": range(count)}, geometry=points, crs=4326))
    metadata = pq.read_metadata(path)
    assert [metadata.row_group(index).num_rows for index in range(metadata.num_row_groups)] == [65_536, 65_536, 18_928]
    for index in range(metadata.num_row_groups):
        columns = columns_of(metadata, index)
        assert {each.compression for each in columns.values()} == {"ZSTD"}
        assert all(columns[f"bbox.{side}"].statistics.has_min_max for side in ("xmin", "ymin", "xmax", "ymax"))
    # Along a Hilbert curve, a row group covers a part of the extent only.
    west, east = (columns_of(metadata, 0)[f"bbox.{side}"].statistics for side in ("xmin", "xmax"))
    assert east.max - west.min < 200
    assert_conformant(path)


def columns_of(metadata: pq.FileMetaData, index: int) -> dict[str, Any]:
    group = metadata.row_group(index)
    return {group.column(position).path_in_schema: group.column(position) for position in range(group.num_columns)}


def test_large_features_make_small_row_groups(write: Callable) -> None:
    """A row group is read as a whole: what counts is its size, when features are large."""
    angles = np.linspace(0, 2 * np.pi, 5_001)
    ring = np.column_stack([np.cos(angles), np.sin(angles)])
    ring[-1] = ring[0]
    draw = np.random.default_rng(3)
    shapes = shapely.polygons([ring * 0.01 + draw.uniform(-80, 80, 2) for _ in range(3_000)])
    path = write(geopandas.GeoDataFrame({"n": range(3_000)}, geometry=shapes, crs=4326))
    metadata = pq.read_metadata(path)
    groups = [columns_of(metadata, index)["geom"].total_uncompressed_size for index in range(metadata.num_row_groups)]
    assert sum(groups) > 3_000 * 80_000
    assert max(groups) < 160 * 2**20
    assert_conformant(path)
