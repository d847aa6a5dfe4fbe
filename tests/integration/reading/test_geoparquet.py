"""GeoParquet of every version and encoding, and Parquet's own geometry type."""

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import geopandas as gpd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely

from libs.models import Problem

pytestmark = pytest.mark.integration

Reader = Callable[..., Any]
Refuser = Callable[..., Problem]

SHAPES = {
    "point": [shapely.Point(1, 2), None],
    "linestring": [shapely.LineString([(0, 0), (1, 1), (2, 0)]), None],
    "polygon": [shapely.Point(0, 0).buffer(1).difference(shapely.Point(0, 0).buffer(0.5)), None, shapely.box(0, 0, 1, 1)],
    "multipoint": [shapely.MultiPoint([(0, 0), (1, 1)]), None],
    "multilinestring": [shapely.MultiLineString([[(0, 0), (1, 1)], [(2, 2), (3, 3)]]), None],
    "multipolygon": [shapely.MultiPolygon([shapely.box(0, 0, 1, 1), shapely.box(2, 2, 3, 3)]), None],
}


@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize("encoding", ["WKB", "geoarrow"])
@pytest.mark.parametrize("has_z", [False, True])
def test_encodings(read: Reader, tmp_path: Path, kind: str, encoding: str, has_z: bool) -> None:
    shapes = [shapely.force_3d(shape, 7.5) if has_z and shape is not None else shape for shape in SHAPES[kind]]
    frame = gpd.GeoDataFrame({"n": range(len(shapes))}, geometry=shapes, crs="EPSG:2056")
    path = tmp_path / "a.parquet"
    frame.to_parquet(path, geometry_encoding=encoding, schema_version="1.1.0")
    got = read(path, "GeoParquet")
    assert got.layer.crs.name == "EPSG:2056"
    assert got.table.column("n").to_pylist() == list(range(len(shapes)))
    for wrote, came in zip(shapes, got.geometries, strict=True):
        assert (wrote is None) == (came is None)
        assert wrote is None or (shapely.equals_identical(wrote, came) and came.has_z == has_z)


def native(path: Path, encoding: str, kind: pa.DataType, *values: Any) -> Path:
    geo = {"version": "1.1.0", "primary_column": "g", "columns": {"g": {"encoding": encoding}}}
    return parquet(path, geo, g=pa.array(values, kind))


def coordinates(names: str, kind: pa.DataType | None = None) -> pa.DataType:
    return pa.struct([(name, kind or pa.float64()) for name in names])


@pytest.mark.parametrize(
    ("names", "iso"),
    [("yx", "POINT (1 2)"), ("zyx", "POINT Z (1 2 3)"), ("xym", "POINT (1 2)"), ("myxz", "POINT Z (1 2 3)")],
)
def test_coordinates_are_found_by_name(read: Reader, tmp_path: Path, names: str, iso: str) -> None:
    point = {"x": 1.0, "y": 2.0, "z": 3.0, "m": 4.0}
    got = read(native(tmp_path / "a.parquet", "point", coordinates(names), point, None), "GeoParquet")
    assert [shape and shape.wkt for shape in got.geometries] == [iso, None]
    assert got.counts["a"].get("m_dropped", 0) == ("m" in names)


@pytest.mark.parametrize(
    ("encoding", "kind"),
    [
        ("point", coordinates("ab")),
        ("point", coordinates("xyk")),
        ("point", coordinates("xyy")),
        ("point", coordinates("xy", pa.string())),
        ("point", pa.list_(pa.float64(), 2)),
        ("point", pa.binary()),
        ("point", pa.list_(coordinates("xy"))),
        ("linestring", coordinates("xy")),
        ("polygon", pa.list_(coordinates("xy"))),
        ("linestring", pa.list_(pa.list_(pa.float64(), 2))),
    ],
)
def test_what_is_stored_otherwise_than_its_encoding(refused: Refuser, tmp_path: Path, encoding: str, kind: pa.DataType) -> None:
    assert refused(native(tmp_path / "a.parquet", encoding, kind, None), "GeoParquet").code == "geoparquet_encoding"


@pytest.mark.parametrize(
    ("encoding", "bad"),
    [
        ("point", {"x": 1.0, "y": None}),
        ("linestring", [{"x": 1.0, "y": 2.0}, None]),
        ("polygon", [None]),
        ("polygon", [[{"x": None, "y": 2.0}]]),
    ],
)
def test_what_is_missing_in_a_native_geometry(refused: Refuser, tmp_path: Path, encoding: str, bad: Any) -> None:
    kind = coordinates("xy")
    for _ in range({"point": 0, "linestring": 1, "polygon": 2}[encoding]):
        kind = pa.list_(kind)
    problem = refused(native(tmp_path / "a.parquet", encoding, kind, None, bad), "GeoParquet")
    assert (problem.code, problem.where) == ("damaged_geometry", "files[0]: row 2")


def test_the_covering_is_an_index_and_no_attribute(read: Reader, tmp_path: Path, places: gpd.GeoDataFrame) -> None:
    path = tmp_path / "a.parquet"
    places.to_parquet(path, write_covering_bbox=True)
    got = read(path, "GeoParquet")
    assert got.table.column_names == ["number", "large", "real", "text", "day", "geom"]


def parquet(path: Path, geo: dict[str, Any] | None, **columns: pa.Array) -> Path:
    table = pa.table(columns)
    if geo is not None:
        table = table.replace_schema_metadata({"geo": json.dumps(geo)})
    pq.write_table(table, path)
    return path


def test_the_crs_of_the_metadata(read: Reader, refused: Refuser, tmp_path: Path) -> None:
    path, points = tmp_path / "a.parquet", pa.array([shapely.to_wkb(shapely.Point(1, 2))])

    def described(**about: Any) -> Path:
        return parquet(
            path, {"version": "1.1.0", "primary_column": "g", "columns": {"g": {"encoding": "WKB", **about}}}, g=points
        )

    assert read(described(), "GeoParquet").layer.crs.name == "OGC:CRS84"
    assert read(described(crs='GEOGCRS["WGS 84",DATUM["World Geodetic System 1984",ELLIPSOID["WGS 84",6378137,298.257223563]],'
                              'CS[ellipsoidal,2],AXIS["latitude",north],AXIS["longitude",east],UNIT["degree",0.0174532925199433],'
                              'ID["EPSG",4326]]'), "GeoParquet").layer.crs.name in {"EPSG:4326", "OGC:CRS84"}  # fmt: skip
    assert refused(described(crs=None), "GeoParquet").code == "crs_missing"
    assert read(described(crs=None), "GeoParquet", crs="EPSG:2056").layer.crs.name == "EPSG:2056"
    assert read(described(), "GeoParquet").layer.crs_assumed
    layer = read(described(), "GeoParquet", crs="EPSG:2056").layer  # what the specification assumes is no declaration
    assert (layer.crs.name, layer.crs_source, layer.crs_assumed) == ("EPSG:2056", "manifest", False)
    assert [warning.code for warning in read(described(edges="spherical", epoch=2020.5), "GeoParquet").warnings] == [
        "edges",
        "epoch",
    ]
    assert refused(described(encoding="hexagon"), "GeoParquet").code == "geoparquet_encoding"


def test_broken_metadata(refused: Refuser, tmp_path: Path) -> None:
    path, points = tmp_path / "a.parquet", pa.array([shapely.to_wkb(shapely.Point(1, 2))])
    for geo in (
        {},
        {"primary_column": "g", "columns": {}},
        {"primary_column": "nope", "columns": {"nope": {}}},
        {"primary_column": "g", "columns": 5},
    ):
        assert refused(parquet(path, geo, g=points), "GeoParquet").code == "geoparquet_metadata"
    assert refused(parquet(path, None, g=points), "GeoParquet").code == "no_geometry"


def test_geometries_that_are_none(refused: Refuser, tmp_path: Path) -> None:
    geo = {"version": "1.1.0", "primary_column": "g", "columns": {"g": {"encoding": "WKB"}}}
    good = shapely.to_wkb(shapely.Point(1, 2))
    for bad in (b"", b"x", good[:-1], b"\1\2\0\0\0\xff\xff\xff\xff", b"\1\x63\0\0\0"):
        path = parquet(tmp_path / "a.parquet", geo, g=pa.array([good, bad]))
        problem = refused(path, "GeoParquet")
        assert problem.code == "damaged_geometry"
        assert problem.where == "files[0]: row 2"


VARIETY = [
    "POINT EMPTY",
    "POINT Z (1 2 3)",
    "LINESTRING EMPTY",
    "LINESTRING Z (0 0 1, 1 1 2)",
    "POLYGON EMPTY",
    "POLYGON ((0 0, 9 0, 9 9, 0 0), (5 1, 6 1, 6 2, 5 1))",
    "MULTIPOINT (1 2, 3 4)",
    "MULTIPOINT (1 2)",
    "MULTIPOINT EMPTY",
    "MULTILINESTRING ((0 0, 1 1))",
    "MULTILINESTRING ((0 0, 1 1), (2 2, 3 3))",
    "MULTIPOLYGON (((0 0, 1 0, 1 1, 0 0)))",
    "MULTIPOLYGON (((0 0, 9 0, 9 9, 0 0), (5 1, 6 1, 6 2, 5 1)), ((0 0, 1 0, 1 1, 0 0)))",
    "MULTIPOLYGON Z (((0 0 1, 1 0 1, 1 1 1, 0 0 1)))",
    "GEOMETRYCOLLECTION EMPTY",
    "GEOMETRYCOLLECTION (POINT (1 2), GEOMETRYCOLLECTION (LINESTRING (0 0, 1 1)))",
]


def test_what_is_well_formed_passes_byte_for_byte(read: Reader, tmp_path: Path) -> None:
    geo = {"version": "1.1.0", "primary_column": "g", "columns": {"g": {"encoding": "WKB"}}}
    shapes = [shapely.to_wkb(shapely.from_wkt(text), byte_order=1, flavor="iso") for text in VARIETY] * 3
    got = read(parquet(tmp_path / "a.parquet", geo, g=pa.array([None, *shapes])), "GeoParquet")
    assert got.table.column("geom").to_pylist() == [None, *shapes]


@pytest.mark.parametrize("text", [text for text in VARIETY if "EMPTY" not in text])
def test_what_is_cut_off_is_found_in_any_company(refused: Refuser, tmp_path: Path, text: str) -> None:
    geo = {"version": "1.1.0", "primary_column": "g", "columns": {"g": {"encoding": "WKB"}}}
    whole = [shapely.to_wkb(shapely.from_wkt(other), byte_order=1, flavor="iso") for other in VARIETY]
    cut = shapely.to_wkb(shapely.from_wkt(text), byte_order=1, flavor="iso")[:-8]
    problem = refused(parquet(tmp_path / "a.parquet", geo, g=pa.array([*whole, cut])), "GeoParquet")
    assert (problem.code, problem.where) == ("damaged_geometry", f"files[0]: row {len(whole) + 1}")


def test_other_spellings_of_wkb_are_brought_to_one(read: Reader, tmp_path: Path) -> None:
    geo = {"version": "1.0.0", "primary_column": "g", "columns": {"g": {"encoding": "WKB"}}}
    point = shapely.Point(1, 2, 3)
    spellings = [shapely.to_wkb(point, byte_order=order, flavor=flavor) for order in (0, 1) for flavor in ("iso", "extended")]
    got = read(parquet(tmp_path / "a.parquet", geo, g=pa.array(spellings)), "GeoParquet")
    assert set(got.table.column("geom").to_pylist()) == {shapely.to_wkb(point, byte_order=1, flavor="iso")}


def test_plain_parquet_is_a_table(read: Reader, refused: Refuser, tmp_path: Path, places: gpd.GeoDataFrame) -> None:
    columns = {
        "i": pa.array([1, None], pa.uint16()),
        "s": pa.array(["a", None]).dictionary_encode(),
        "big": pa.array(["x", "y"], pa.large_string()),
        "nested": pa.array([[{"a": 1}], None]),
        "money": pa.array([None, Decimal("1.00")], pa.decimal128(10, 2)),
    }
    path = parquet(tmp_path / "a.parquet", None, **columns)
    got = read(path, "Parquet", type="tabular")
    assert not got.layer.has_geometry
    kinds = ("uint16", "string", "string", "list<element: struct<a: int64>>", "decimal128(10, 2)")
    assert got.layer.columns == tuple(zip(columns, kinds, strict=True))
    assert got.table.to_pylist()[0]["nested"] == [{"a": 1}]
    places.to_parquet(path)
    assert refused(path, "GeoParquet", type="tabular").code == "type_mismatch"


def test_a_uuid_is_its_bytes(read: Reader, tmp_path: Path) -> None:
    path = parquet(tmp_path / "a.parquet", None, u=pa.array([b"0123456789abcdef", None], pa.uuid()))
    got = read(path, "Parquet", type="tabular")
    assert got.layer.columns == (("u", "fixed_size_binary[16]"),)
    assert got.table.column("u").to_pylist() == [b"0123456789abcdef", None]


PAIRS = pa.map_(pa.string(), pa.int64())


@pytest.mark.parametrize(
    ("kind", "values", "code", "where"),
    [
        (pa.list_view(pa.int32()), [[1]], "unknown_type", "files[0]"),
        (pa.struct([("a", pa.list_view(pa.int32()))]), [{"a": [1]}], "unknown_type", "files[0]"),
        (PAIRS, [None, [("a", 1), ("b", 1)], [("a", 1), ("a", 2)]], "repeated_key", "files[0]: row 3"),
        (pa.list_(PAIRS), [[], [[("a", 1)], [("a", 1), ("a", 1)]]], "repeated_key", "files[0]: row 2"),
        (pa.struct([("m", PAIRS)]), [{"m": [("a", 1), ("a", 2)]}], "repeated_key", "files[0]: row 1"),
    ],
)
def test_what_nobody_could_go_on_with(
    refused: Refuser, tmp_path: Path, kind: pa.DataType, values: list[Any], code: str, where: str
) -> None:
    problem = refused(parquet(tmp_path / "a.parquet", None, v=pa.array(values, kind)), "Parquet", type="tabular")
    assert (problem.code, problem.where) == (code, where)


@pytest.mark.parametrize("fraction", [0.2, 0.9])
def test_a_truncated_file(refused: Refuser, tmp_path: Path, places: gpd.GeoDataFrame, fraction: float) -> None:
    path = tmp_path / "a.parquet"
    places.to_parquet(path)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * fraction)])
    assert refused(path, "GeoParquet").code == "damaged"
