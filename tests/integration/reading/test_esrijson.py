"""Esri JSON, as ArcGIS servers answer: every feature in its order, attributes by their declared types, the CRS that is named."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
import shapely

from libs.models import Problem
from libs.pipeline.format_choice import format_of
from libs.spatial_utils.sniffing import Kind, kind_of

pytestmark = pytest.mark.integration

CASE = Path(__file__).parents[2] / "data" / "cases" / "11-geojson-props" / "esri.json"
FIELD_TYPES = {"OBJECTID": "OID", "name": "String", "n": "Integer", "d": "Date"}
Reader = Callable[..., Any]
Refuser = Callable[..., Problem]


def feature_set(path: Path, *features: Any, kind: str | None = "Point", types: dict[str, str] = FIELD_TYPES, **more: Any) -> Path:
    """A feature set; a feature is its geometry and its attributes."""
    document: dict[str, Any] = {"objectIdFieldName": "OBJECTID"}
    if kind:
        document |= {"geometryType": f"esriGeometry{kind}", "spatialReference": {"wkid": 25832}}
    document["fields"] = [{"name": name, "type": f"esriFieldType{type_}"} for name, type_ in types.items()]
    document |= more
    document["features"] = [
        {"attributes": attributes} | ({"geometry": geometry} if kind else {}) for geometry, attributes in features
    ]
    path.write_text(json.dumps({name: value for name, value in document.items() if value is not ...}))
    return path


def test_the_answer_of_a_server(read: Reader) -> None:
    assert kind_of(CASE) is Kind.ESRI_JSON
    assert format_of(CASE).name == "EsriJSON"
    got = read(CASE, "EsriJSON")
    assert got.layer.crs.name == "EPSG:3857"
    assert got.layer.columns == (("OBJECTID", "int64"), ("N", "string"), ("D", "timestamp[ms, tz=UTC]"))
    (row,) = got.table.drop(["geom"]).to_pylist()
    assert row == {"OBJECTID": 1, "N": "x", "D": datetime(2024, 1, 1, tzinfo=UTC)}
    assert shapely.equals_exact(got.geometries[0], shapely.Polygon([(0, 0), (0, 1000), (1000, 1000)]))
    assert got.notes["esri"]["N"].title == "Name"
    assert got.warnings == []


def test_features_stay_in_the_order_of_the_file_even_with_the_same_objectid(read: Reader, tmp_path: Path) -> None:
    numbers = [7, 3, 3, -1, 2**40]
    rows = [({"x": index, "y": 5}, {"OBJECTID": number, "n": index}) for index, number in enumerate(numbers)]
    got = read(feature_set(tmp_path / "a.json", *rows), "EsriJSON")
    assert got.table.column("OBJECTID").to_pylist() == numbers
    assert got.table.column("n").to_pylist() == list(range(5))
    assert [point.x for point in got.geometries] == list(range(5))


TYPES = [
    ("SmallInteger", [1, None], "int16"),
    ("SmallInteger", [70_000, 1], "int32"),
    ("Integer", [2**31, 1], "int64"),
    ("Integer", [5.0, 1], "int32"),
    ("BigInteger", [2**53 + 1, 1], "int64"),
    ("Single", [0.5, 1], "float"),
    ("Double", [0.1, 1], "double"),
    ("String", ["ü", None], "string"),
    ("GlobalID", ["{A}", None], "string"),
    ("DateOnly", ["2024-02-29", None], "date32[day]"),
    ("TimeOnly", ["10:11:12", None], "string"),
    ("TimestampOffset", ["2024-05-01T10:00:00.123+02:00", None], "timestamp[ms, tz=+02:00]"),
    ("Date", [-62_135_596_800_000, None], "timestamp[ms, tz=UTC]"),
]


@pytest.mark.parametrize(("declared", "values", "type_"), TYPES)
def test_values_have_the_declared_type(read: Reader, tmp_path: Path, declared: str, values: list[Any], type_: str) -> None:
    path = feature_set(tmp_path / "a.json", *(({"x": 1, "y": 2}, {"v": value}) for value in values), types={"v": declared})
    got = read(path, "EsriJSON")
    assert got.layer.columns == (("v", type_),)
    column = got.table.column("v").to_pylist()
    wanted = {"DateOnly": [date(2024, 2, 29), None], "Date": [datetime(1, 1, 1, tzinfo=UTC), None]}.get(declared, values)
    if declared == "TimestampOffset":
        assert column[0].isoformat() == "2024-05-01T10:00:00.123000+02:00"
    else:
        assert column == wanted
    assert [warning for warning in got.warnings if warning.code == "field_type_differs"] == []


@pytest.mark.parametrize(
    ("declared", "values", "type_", "came"),
    [
        ("Date", ["2024-05-01", "soon"], "string", ["2024-05-01", "soon"]),
        ("Date", [10**17, None], "int64", [10**17, None]),
        ("Integer", [1.5, 2], "double", [1.5, 2.0]),
        ("Double", ["1,5", 2], "string", ["1,5", "2"]),
        ("DateOnly", ["2024-02-30", None], "string", ["2024-02-30", None]),
    ],
)
def test_values_that_are_not_of_their_type_are_kept_and_told(
    read: Reader, tmp_path: Path, declared: str, values: list[Any], type_: str, came: list[Any]
) -> None:
    path = feature_set(tmp_path / "a.json", *(({"x": 1, "y": 2}, {"v": value}) for value in values), types={"v": declared})
    got = read(path, "EsriJSON")
    assert got.layer.columns == (("v", type_),)
    assert got.table.column("v").to_pylist() == came
    assert [warning.code for warning in got.warnings if "declared" in warning.message] == ["field_type_differs"]


def test_attributes_that_are_not_declared_are_kept(read: Reader, tmp_path: Path) -> None:
    rows = [({"x": 1, "y": 2}, {"n": 1, "more": True}), ({"x": 1, "y": 2}, {"deep": [1, {"a": None}]})]
    table = read(feature_set(tmp_path / "a.json", *rows, types={"n": "Integer", "never": "Double"}), "EsriJSON").table
    assert table.drop(["geom"]).to_pylist() == [
        {"n": 1, "never": None, "more": True, "deep": None},
        {"n": None, "never": None, "more": None, "deep": '[1, {"a": null}]'},
    ]


def test_domains_and_unknown_zones(read: Reader, tmp_path: Path) -> None:
    codes = {"type": "codedValue", "name": "kinds", "codedValues": [{"name": "road", "code": 1}, {"name": "path", "code": 2}]}
    bounds = {"type": "range", "name": "spans", "range": [0, 9]}
    fields = [
        {"name": "k", "type": "esriFieldTypeInteger", "alias": "Kind", "domain": codes},
        {"name": "r", "type": "esriFieldTypeDouble", "alias": "r", "domain": bounds},
        {"name": "d", "type": "esriFieldTypeDate"},
    ]
    path = feature_set(
        tmp_path / "a.json", ({"x": 1, "y": 2}, {"k": 2, "r": 1, "d": 0}), fields=fields, datesInUnknownTimezone=True
    )
    got = read(path, "EsriJSON")
    notes = got.notes["a"]
    assert notes["k"].title == "Kind"
    assert [(value.value, value.label) for value in notes["k"].domain.values] == [(1, "road"), (2, "path")]
    assert (notes["r"].domain.min, notes["r"].domain.max) == (0, 9)
    assert got.table.column("d").to_pylist() == [datetime(1970, 1, 1)]  # noqa: DTZ001 - it has no zone
    assert [warning.code for warning in got.warnings] == ["coded_values"]


SQUARE = [[0, 0], [0, 9], [9, 9], [9, 0], [0, 0]]
HOLE = [[1, 1], [2, 1], [2, 2], [1, 2], [1, 1]]
ISLAND = [[20, 0], [20, 1], [21, 1], [21, 0], [20, 0]]
GEOMETRIES = [
    ("Point", {"x": 1, "y": 2, "z": 3}, {}, "POINT Z (1 2 3)"),
    ("Point", {"x": 1, "y": 2, "z": 3, "m": 4}, {"hasZ": True, "hasM": True}, "POINT Z (1 2 3)"),
    ("Multipoint", {"points": [[1, 2], [3, 4]]}, {}, "MULTIPOINT (1 2, 3 4)"),
    ("Polyline", {"paths": [[[1, 2], [3, 4]]]}, {}, "LINESTRING (1 2, 3 4)"),
    ("Polyline", {"paths": [[[1, 2], [3, 4]], [[5, 6], [7, 8]]]}, {}, "MULTILINESTRING ((1 2, 3 4), (5 6, 7 8))"),
    ("Polyline", {"paths": [[[1, 2, 5], [3, 4, 6]]]}, {"hasZ": True}, "LINESTRING Z (1 2 5, 3 4 6)"),
    ("Polyline", {"paths": [[[1, 2, 5], [3, 4, 6]]]}, {"hasM": True}, "LINESTRING (1 2, 3 4)"),
    ("Polyline", {"paths": [[[1, 2, 5, None], [3, 4, 6, "NaN"]]]}, {"hasM": True, "hasZ": True}, "LINESTRING Z (1 2 5, 3 4 6)"),
    ("Polyline", {"hasZ": True, "paths": [[[1, 2, 5], [3, 4, 6]]]}, {}, "LINESTRING Z (1 2 5, 3 4 6)"),
    ("Polygon", {"rings": []}, {}, "POLYGON EMPTY"),
    ("Polygon", {"rings": [SQUARE, HOLE]}, {}, "POLYGON ((0 0, 0 9, 9 9, 9 0, 0 0), (1 1, 2 1, 2 2, 1 2, 1 1))"),
    (
        "Polygon",
        {"rings": [SQUARE, ISLAND, HOLE]},
        {},
        "MULTIPOLYGON (((0 0, 0 9, 9 9, 9 0, 0 0), (1 1, 2 1, 2 2, 1 2, 1 1)), ((20 0, 20 1, 21 1, 21 0, 20 0)))",
    ),
]


@pytest.mark.parametrize(("kind", "geometry", "more", "wkt"), GEOMETRIES)
def test_geometries(read: Reader, tmp_path: Path, kind: str, geometry: dict[str, Any], more: dict[str, Any], wkt: str) -> None:
    got = read(feature_set(tmp_path / "a.json", (geometry, {"n": 1}), (None, {"n": 2}), kind=kind, **more), "EsriJSON")
    wanted = shapely.from_wkt(wkt)
    came, missing = got.geometries
    assert missing is None
    if kind == "Polyline" and wanted.geom_type != came.geom_type:
        wanted = shapely.multilinestrings([wanted])
    assert came.geom_type == wanted.geom_type
    assert came.has_z == wanted.has_z
    assert shapely.equals_exact(came.normalize(), wanted.normalize())
    assert got.table.column("n").to_pylist() == [1, 2]
    assert got.counts["a"] == ({"m_dropped": 1} if more.get("hasM") else {})


def test_a_point_without_coordinates_is_missing(read: Reader, tmp_path: Path) -> None:
    got = read(feature_set(tmp_path / "a.json", ({"x": "NaN", "y": "NaN"}, {"n": 1}), ({"x": None}, {"n": 2})), "EsriJSON")
    assert got.geometries == [None, None]
    assert [warning.code for warning in got.warnings] == ["empty_points"]


def test_a_table(read: Reader, tmp_path: Path) -> None:
    path = feature_set(tmp_path / "a.json", (None, {"n": 2}), (None, {"n": 1}), kind=None)
    assert format_of(path).name == "EsriJSON"
    got = read(path, "EsriJSON", type="tabular")
    assert got.table.column("n").to_pylist() == [2, 1]
    assert "geom" not in got.table.column_names


@pytest.mark.parametrize(
    ("reference", "crs"),
    [
        ({"wkid": 102100, "latestWkid": 3857}, "EPSG:3857"),
        ({"wkid": 102100}, "ESRI:102100"),
        ({"wkid": 4326}, "EPSG:4326"),
        ({"wkt": 'GEOGCS["GCS_WGS_1984",DATUM["D_WGS_1984",SPHEROID["WGS_1984",6378137.0,298.257223563]],'
                 'PRIMEM["Greenwich",0.0],UNIT["Degree",0.0174532925199433]]'}, "EPSG:4326"),
    ],
    ids=str,
)  # fmt: skip
def test_crs(read: Reader, tmp_path: Path, reference: dict[str, Any], crs: str) -> None:
    for more in ({"spatialReference": reference}, {"spatialReference": ...}):
        own = {} if more["spatialReference"] is not ... else {"spatialReference": reference}
        got = read(feature_set(tmp_path / "a.json", ({"x": 8, "y": 47, **own}, {"n": 1}), **more), "EsriJSON")
        assert got.layer.crs.name in {crs, "EPSG:3857" if crs == "ESRI:102100" else crs}


REFUSED = [
    ({"curveRings": [[[0, 0], {"c": [[1, 1], [2, 2]]}, [0, 0]]]}, "Polygon", {}, "geometry_lost", "returnTrueCurves=false"),
    ({"x": 1, "y": 2}, "Point", {"transform": {"scale": [1, 1], "translate": [0, 0]}}, "geometry_lost", "quantizationParameters"),
    ({"paths": [[[0, 0], [1, 1]]]}, "Point", {}, "unknown_geometry_type", "of its own"),
    ({"xmin": 0, "ymin": 0, "xmax": 1, "ymax": 1}, "Envelope", {}, "unknown_geometry_type", ""),
    ({"x": "1", "y": "2"}, "Point", {}, "bad_coordinate", ""),
    ({"paths": [[[0, 0], [1, None]]]}, "Polyline", {}, "bad_coordinate", ""),
    ({"rings": [[[0, 0], [0, 1], [1, 1]]]}, "Polygon", {}, "damaged_geometry", ""),
    ({"rings": [[0, 0], [0, 1]]}, "Polygon", {}, "damaged_geometry", ""),
    ({"x": 1, "y": 2, "spatialReference": {"wkid": 2056}}, "Point", {}, "crs_mixed", ""),
    ({"x": 1, "y": 2}, "Point", {"spatialReference": {"wkid": 0}}, "unknown_crs", ""),
    ({"x": 1, "y": 2}, "Point", {"spatialReference": ...}, "crs_missing", ""),
    ({"x": 1, "y": 2}, "Point", {"error": {"code": 498, "message": "Invalid Token"}}, "format_mismatch", "Repeat the request"),
]


@pytest.mark.parametrize(("geometry", "kind", "more", "code", "advice"), REFUSED, ids=lambda value: str(value)[:30])
def test_what_would_be_read_wrongly_is_refused(
    refused: Refuser, tmp_path: Path, geometry: Any, kind: str, more: dict[str, Any], code: str, advice: str
) -> None:
    problem = refused(feature_set(tmp_path / "a.json", (geometry, {"n": 1}), kind=kind, **more), "EsriJSON")
    assert problem.code == code
    assert advice in problem.remedy


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('{"spatialReference": {}, "features": [{"attributes": {"a": 1, "a": 2}}]}', "value_lost"),
        ('{"spatialReference": {}, "features": [{"attributes": {"a": "x\\u0000y"}}]}', "nul_character"),
        ('{"spatialReference": {}, "features": [1]}', "damaged"),
        ('{"spatialReference": {}, "features": [', "damaged"),
        ('{"geometryType": "esriGeometryPoint", "count": 5}', "format_mismatch"),
        ('{"spatialReference": {}, "features": [{"attributes": {"a": 12345678901234567891}}]}', "integer_lost"),
    ],
)
def test_damage(refused: Refuser, tmp_path: Path, text: str, code: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(text)
    assert refused(path, "EsriJSON", type="tabular").code == code


def test_a_page_of_a_larger_answer_is_told(read: Reader, tmp_path: Path) -> None:
    path = feature_set(tmp_path / "a.json", ({"x": 1, "y": 2}, {"n": 1}), exceededTransferLimit=True)
    assert [warning.code for warning in read(path, "EsriJSON").warnings] == ["one_page_of_many"]


def test_declared_as_geojson_it_says_what_to_write(refused: Refuser) -> None:
    problem = refused(CASE, "GeoJSON")
    assert problem.code == "format_mismatch"
    assert 'Write "format": "EsriJSON"' in problem.remedy
