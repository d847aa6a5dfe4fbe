"""Nothing is lost, shortened or changed without a word: it arrives, is counted, or is a problem that says so."""

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pyogrio
import pytest
import shapely

from libs.models import Problem
from tests.integration.reading.writing import collection

pytestmark = pytest.mark.integration

Reader = Callable[..., Any]
Refuser = Callable[..., Problem]
SHAPES = [shapely.Point(1, 2), None, shapely.Polygon(), shapely.Point(1, 2, 3), shapely.box(0, 0, 1, 1)]


# --- geometry


@pytest.mark.parametrize(
    ("name", "driver", "kind"),
    [
        ("a.gpkg", "GPKG", "GPKG"),
        ("a.fgb", "FlatGeobuf", "FlatGeobuf"),
        ("a.geojson", "GeoJSON", "GeoJSON"),
        ("a.kml", "KML", "KML"),
    ],
)
def test_missing_and_empty_geometries_stay_apart(
    read: Reader, write: Callable[..., Path], name: str, driver: str, kind: str
) -> None:
    # FlatGeobuf has neither empty geometries nor 2D and 3D in one file
    shapes = [shape for shape in SHAPES if driver != "FlatGeobuf" or shape is None or not (shape.is_empty or shape.has_z)]
    frame = gpd.GeoDataFrame({"n": range(len(shapes))}, geometry=shapes, crs="EPSG:4326")
    got = read(write(frame, name, driver, **({"SPATIAL_INDEX": "NO"} if driver == "FlatGeobuf" else {})), kind)
    assert len(got.geometries) == len(shapes)
    for wrote, came in zip(shapes, got.geometries, strict=True):
        assert (wrote is None) == (came is None)
        assert wrote is None or (shapely.equals_identical(wrote.normalize(), came.normalize()) and wrote.has_z == came.has_z)


def test_missing_geometries_far_into_a_flatgeobuf_do_not_shift_others(read: Reader, write: Callable[..., Path]) -> None:
    rows = 70_000
    shapes = shapely.points([(i, -i) for i in range(rows)])
    shapes[66_000] = None
    got = read(
        write(gpd.GeoDataFrame({"n": range(rows)}, geometry=shapes, crs="EPSG:2056"), "a.fgb", "FlatGeobuf", SPATIAL_INDEX="NO"),
        "FGB",
    )
    assert got.table.column("n").to_pylist() == list(range(rows))
    assert all((came is None) if i == 66_000 else (came.x == i) for i, came in enumerate(got.geometries))


@pytest.mark.parametrize("counted", [True, False], ids=["counted", "not counted"])
def test_a_flatgeobuf_with_large_features(read: Reader, write: Callable[..., Path], *, counted: bool) -> None:
    """GDAL's fast way takes the end of a batch that was full for the end of the file."""
    rows, around = 3_000, np.linspace(0, 6, 1_000)
    shapes = [shapely.LineString(np.c_[np.cos(around) + row, np.sin(around)]) for row in range(rows)]
    frame = gpd.GeoDataFrame({"n": range(rows)}, geometry=shapes, crs="EPSG:2056")
    path = write(frame, "a.fgb", "FlatGeobuf", SPATIAL_INDEX="NO")
    if not counted:  # as those write it who do not know it beforehand
        content = path.read_bytes()
        path.write_bytes(content.replace(struct.pack("<Q", rows), bytes(8), 1))
        assert pyogrio.read_info(path)["features"] == -1
    assert read(path, "FlatGeobuf").table["n"].to_pylist() == list(range(rows))


CURVES = {
    "CIRCULARSTRING (0 0, 1 1, 2 0)": ("LineString", {"linearized": 1}),
    "COMPOUNDCURVE (CIRCULARSTRING (0 0, 1 1, 2 0), (2 0, 3 0))": ("LineString", {"linearized": 1}),
    "CURVEPOLYGON (CIRCULARSTRING (0 0, 4 0, 4 4, 0 4, 0 0))": ("Polygon", {"linearized": 1}),
    "MULTICURVE ((0 0, 1 1), CIRCULARSTRING (0 0, 1 1, 2 0))": ("MultiLineString", {"linearized": 1}),
    "MULTISURFACE (((0 0, 1 0, 1 1, 0 0)))": ("MultiPolygon", {"linearized": 1}),
    "GEOMETRYCOLLECTION (POINT (1 2), CIRCULARSTRING (0 0, 1 1, 2 0))": ("GeometryCollection", {"linearized": 1}),
    "TIN (((0 0 0, 1 0 0, 1 1 0, 0 0 0)))": ("MultiPolygon", {"surfaces_to_polygons": 1}),
    "POLYHEDRALSURFACE (((0 0 0, 1 0 0, 1 1 0, 0 0 0)))": ("MultiPolygon", {"surfaces_to_polygons": 1}),
    "TRIANGLE ((0 0, 1 0, 1 1, 0 0))": ("Polygon", {"surfaces_to_polygons": 1}),
    "POINT M (1 2 3)": ("Point", {"m_dropped": 1}),
    "LINESTRING ZM (1 2 3 4, 5 6 7 8)": ("LineString", {"m_dropped": 1}),
    "CIRCULARSTRING M (0 0 5, 1 1 5, 2 0 5)": ("LineString", {"linearized": 1, "m_dropped": 1}),
    "LINESTRING Z (1 2 3, 5 6 7)": ("LineString", {}),
    "GEOMETRYCOLLECTION (POINT (1 2), LINESTRING (0 0, 1 1))": ("GeometryCollection", {}),
    "POINT EMPTY": ("Point", {}),
}


@pytest.mark.parametrize("wkt", CURVES)
def test_curves_become_lines_and_measures_go_both_counted(read: Reader, tmp_path: Path, wkt: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f'wkt,n\n"{wkt}",1\n"POINT (1 1)",2\n')
    got = read(path, "CSV", crs="EPSG:2056", options={"wkt": "wkt"})
    kind, counts = CURVES[wkt]
    assert got.geometries[0].geom_type == kind
    assert got.counts["a"] == counts
    assert got.geometries[0].has_z == wkt.startswith(("TIN", "POLYHEDRALSURFACE", "LINESTRING Z"))
    assert got.geometries[1] == shapely.Point(1, 1)


@pytest.mark.parametrize(
    ("kind", "coordinates"),
    [
        ("Point", [None, 2]),
        ("Point", [1, 2, None]),
        ("Point", [1]),
        ("Point", [[1, 2]]),
        ("Point", [True, 2]),
        ("LineString", [[1, 2, 3], [4, 5, None]]),
        ("LineString", [[1, 2], None]),
        ("MultiPoint", [[]]),
        ("Polygon", [[[0, 0], [9, 0], [9, 9], [0, 0]], None]),
        ("MultiPolygon", [[[0, 0], [9, 0], [9, 9], [0, 0]]]),
    ],
)
@pytest.mark.parametrize("nested", [False, True])
def test_coordinates_that_are_none(refused: Refuser, tmp_path: Path, kind: str, coordinates: list[Any], *, nested: bool) -> None:
    """GDAL makes null of the geometry, or leaves out a part."""
    geometry: dict[str, Any] = {"type": kind, "coordinates": coordinates}
    if nested:
        geometry = {"type": "GeometryCollection", "geometries": [geometry]}
    problem = refused(collection(tmp_path / "a.geojson", {}, {"geometry": geometry}), "GeoJSON")
    assert (problem.code, problem.where) == ("damaged_geometry", "files[0]: feature 2")


@pytest.mark.parametrize(
    ("geometry", "code"),
    [
        ({"type": "Point", "coordinates": []}, "empty_points"),
        ({"type": "LineString", "coordinates": [[1, 2], [3, 4, 5]]}, "heights_missing"),
    ],
)
def test_geometries_that_are_read_as_others(read: Reader, tmp_path: Path, geometry: dict[str, Any], code: str) -> None:
    got = read(collection(tmp_path / "a.geojson", {"geometry": geometry}), "GeoJSON")
    assert [warning.code for warning in got.warnings] == [code]


# --- attributes


def test_integer_ids_of_features_are_a_column(read: Reader, tmp_path: Path) -> None:
    """GDAL makes text ids an attribute and hides integers."""
    got = read(
        collection(tmp_path / "a.geojson", {"id": 17, "properties": {"a": "x"}}, {"id": 5, "properties": {"a": "y"}}), "GeoJSON"
    )
    assert got.table.select(["id", "a"]).to_pylist() == [{"id": 17, "a": "x"}, {"id": 5, "a": "y"}]
    got = read(collection(tmp_path / "b.geojson", {"id": "k", "properties": {"a": "x"}}), "GeoJSON")
    assert got.table.column("id").to_pylist() == ["k"]


@pytest.mark.parametrize("kind", ["GeoJSON", "GeoJSONSeq"])
@pytest.mark.parametrize(
    ("features", "name", "expected"),
    [
        ([{"id": 5}, {"id": "a"}, {}], "id", ["5", "a", None]),
        ([{"id": "a"}, {"id": 5}], "id", ["a", "5"]),
        ([{"id": 5}, {}, {"id": 0}], "id", [5, None, 0]),
        ([{"id": None}, {"id": 7}], "id", [None, 7]),
        ([{"id": 5}, {"id": 5}], "id", [5, 5]),
        ([{"id": -5}, {"id": -1}], "id", [-5, -1]),
        ([{"id": 1.5}, {"id": 2**64}], "id", ["1.5", str(2**64)]),
        ([{"id": "a", "properties": {"id": 5}}, {"id": "b", "properties": {"id": 6}}], "feature_id", ["a", "b"]),
        ([{"id": 5, "properties": {"id": 5}}, {"id": 6, "properties": {"id": 9}}], "feature_id", [5, 6]),
        ([{"id": 5, "properties": {"id": 1, "feature_id": 2}}], "feature_id_2", [5]),
        ([{"id": 5, "properties": {"id": 5}}, {"id": 6, "properties": {"id": 6}}], "id", [5, 6]),
    ],
)
def test_ids_of_features_as_they_are(
    read: Reader, tmp_path: Path, features: list[dict[str, Any]], name: str, expected: list[Any], kind: str
) -> None:
    """GDAL takes the place of a feature for the id that it lacks, that is none for it, or that came before."""
    path = collection(tmp_path / "a.geojson", *features)
    if kind == "GeoJSONSeq":
        path.write_text("".join(f"{json.dumps(feature)}\n" for feature in json.loads(path.read_text())["features"]))
    got = read(path, kind)
    assert got.table.column(name).to_pylist() == expected
    assert {"id", "feature_id"}.issuperset({*got.table.column_names} - {name, "geom"})
    assert not got.warnings


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([12.3456, "n/a", 0.1, 1e25, 3, None], ["12.3456", "n/a", "0.1", "1e+25", "3", None]),
        ([True, 5, False], ["true", "5", "false"]),
        ([True, 1.5], ["true", "1.5"]),
        ([[True, False], [1, 0]], ["[true, false]", "[1, 0]"]),
        ([[2**53 + 1], [1.5]], ["[9007199254740993]", "[1.5]"]),
        ([{"a": 2**64 - 1}], ['{"a": 18446744073709551615}']),
        ([[0.1], "n/a"], ["[0.1]", "n/a"]),
    ],
)
def test_values_of_several_types_become_text_that_says_the_same(
    read: Reader, tmp_path: Path, values: list[Any], expected: list[str | None]
) -> None:
    """GDAL writes seventeen digits, makes numbers of truths, and rounds integers in lists and objects."""
    rows = 33_000 // len(values)  # more than one batch
    got = read(collection(tmp_path / "a.geojson", *({"properties": {"v": value, "n": 1}} for value in values * rows)), "GeoJSON")
    assert got.table.column("v").to_pylist() == expected * rows


def test_members_beside_the_properties_are_told_of(read: Reader, tmp_path: Path) -> None:
    features = [{"properties": {"a": 1}, "title": "x"}, {"properties": {"a": 2}, "when": {}, "bbox": [0, 0, 1, 1]}]
    got = read(collection(tmp_path / "a.geojson", *features), "GeoJSON")
    assert [warning.code for warning in got.warnings] == ["members_not_read"]
    assert "'title', 'when'." in got.warnings[0].message


def test_a_property_without_a_name(read: Reader, tmp_path: Path) -> None:
    got = read(collection(tmp_path / "a.geojson", *({"properties": {"": 7, "n": number}} for number in range(3))), "GeoJSON")
    assert got.table.column("").to_pylist() == [7, 7, 7]
    assert not got.warnings


def test_nested_and_listed_properties(read: Reader, tmp_path: Path) -> None:
    got = read(
        collection(
            tmp_path / "a.geojson",
            {
                "properties": {
                    "list": [1, 2],
                    "texts": ["a", None],
                    "object": {"k": [1, {"x": None}]},
                    "mixed": 1,
                    "empty": "",
                    "none": None,
                }
            },
            {"properties": {"mixed": "one"}},
        ),
        "GeoJSON",
    )
    row = got.table.to_pylist()[0]
    assert row["list"] == [1, 2]
    assert json.loads(row["object"]) == {"k": [1, {"x": None}]}
    assert got.table.column("mixed").to_pylist() == ["1", "one"]
    assert (row["empty"], row["none"]) == ("", None)


@pytest.mark.parametrize("value", ["mine", 0.5])
def test_an_attribute_named_like_the_geometry(read: Reader, tmp_path: Path, value: str | float) -> None:
    got = read(
        collection(tmp_path / "a.geojson", {"properties": {"geom": value}, "geometry": {"type": "Point", "coordinates": [1, 2]}}),
        "GeoJSON",
    )
    assert got.table.column_names == ["geom", "geom"]
    assert got.table.column(0).to_pylist() == [value]


def test_integers_of_nineteen_digits_in_a_shapefile(read: Reader, write: Callable[..., Path]) -> None:
    """GDAL takes a column that wide for floating point."""
    frame = gpd.GeoDataFrame({"id": [1234567890123456789, 2]}, geometry=[shapely.Point(1, 1)] * 2, crs="EPSG:2056")
    path = write(frame, "a.shp", "ESRI Shapefile")
    table = path.with_suffix(".dbf").read_bytes()
    assert table[32 + 16] > 18
    got = read(path, "ESRI Shapefile")
    assert got.layer.columns == (("id", "int64"),)
    assert got.table.column("id").to_pylist() == [1234567890123456789, 2]


@pytest.mark.parametrize(
    "numbers",
    [
        ["18446744073709551615", "1"],
        ["-9223372036854775809"],
        ["9007199254740993", "0.5"],
    ],
)
def test_integers_that_would_be_rounded_in_geojson(refused: Refuser, tmp_path: Path, numbers: list[str]) -> None:
    path = collection(tmp_path / "a.geojson", {"properties": {"größe": 1}}, *({"properties": {"größe": "N"}} for _ in numbers))
    text = path.read_text(encoding="utf-8")
    for number in numbers:
        text = text.replace('"N"', number, 1)
    path.write_text(text)
    problem = refused(path, "GeoJSON")
    assert problem.code == "integer_lost"
    assert numbers[0] in problem.message


@pytest.mark.parametrize(
    ("numbers", "kind"),
    [
        (["1e300", "-1.7976931348623157e+308"], "double"),
        (["590295810358705700000", "0.5"], "double"),  # as JavaScript writes the double 2**69
        (["9007199254740993", "-999999999999999999", '"-1000000000000000001"'], "string"),
        (["9007199254740993", "-999999999999999999"], "int64"),
        (["-1000000000000000001", "7"], "int64"),  # GDAL makes a double of what has 20 characters
        (["-9223372036854775808", "9223372036854775807"], "int64"),
    ],
)
def test_large_numbers_that_are_kept(read: Reader, tmp_path: Path, numbers: list[str], kind: str) -> None:
    path = collection(tmp_path / "a.geojson", *({"properties": {"n": "N"}} for _ in numbers))
    text = path.read_text()
    for number in numbers:
        text = text.replace('"N"', number, 1)
    path.write_text(text)
    got = read(path, "GeoJSON")
    assert got.layer.columns == (("n", kind),)
    kept = {"double": float, "string": str, "int64": int}[kind]
    assert got.table.column("n").to_pylist() == [kept(json.loads(number)) for number in numbers]
    assert not got.warnings


SCHEMA = '<Schema id="S"><SimpleField name="n" type="int"/><SimpleField name="t" type="string"/></Schema>'


def data(**values: str) -> str:
    return "".join(f'<Data name="{name}"><value>{value}</value></Data>' for name, value in values.items())


def simple(**values: str) -> str:
    listed = "".join(f'<SimpleData name="{name}">{value}</SimpleData>' for name, value in values.items())
    return f'<SchemaData schemaUrl="#S">{listed}</SchemaData>'


@pytest.mark.parametrize(
    ("schema", "values", "code", "named"),
    [
        ("", data(a="1", **{"b &amp; c": "2"}), None, ""),
        (SCHEMA, simple(n="1", t=""), None, ""),
        (SCHEMA, simple(n="", t="x"), "empty_numbers", "'n'"),
        (SCHEMA, simple(n="1") + data(x="1"), "values_not_read", "'x'"),
        (SCHEMA, simple(n="1", u="1"), "values_not_read", "'u'"),
        ("", data(Name="other"), "values_replaced", "'other'"),
        ("", data(name="one"), None, ""),
        ("", data(begin="not a time"), "values_not_read", "'not a time'"),
        ("", data(begin="2024-05-01 10:00:00"), None, ""),
    ],
)
def test_values_of_kml_that_gdal_drops_or_makes_others(
    read: Reader, tmp_path: Path, schema: str, values: str, code: str | None, named: str
) -> None:
    path = tmp_path / "a.kml"
    point = "<Point><coordinates>1,2</coordinates></Point>"
    mark = f"<Placemark><name>one</name><ExtendedData>{values}</ExtendedData>{point}</Placemark>"
    path.write_text(f'<kml xmlns="http://www.opengis.net/kml/2.2"><Document>{schema}\n{mark}</Document></kml>')
    got = read(path, "KML")
    assert [warning.code for warning in got.warnings] == ([] if code is None else [code])
    if code is not None:
        assert got.warnings[0].where == "files[0]: line 2"
        assert named in got.warnings[0].message


# --- text


def test_text_in_a_declared_encoding(read: Reader, write: Callable[..., Path], places: gpd.GeoDataFrame) -> None:
    for encoding in ("UTF-8", "ISO-8859-1", "CP1252", "CP850"):
        path = write(places, "a.shp", "ESRI Shapefile", encoding=encoding)
        assert read(path, "ESRI Shapefile").table.column("text")[0].as_py() == "Zürich 0"


def test_names_of_columns_are_decoded_too(read: Reader, refused: Refuser, write: Callable[..., Path], tmp_path: Path) -> None:
    frame = gpd.GeoDataFrame({"Größe": [1], "text": ["ü"]}, geometry=[shapely.Point(1, 1)], crs="EPSG:2056")
    path = write(frame, "a.shp", "ESRI Shapefile", encoding="CP1252")
    assert read(path, "ESRI Shapefile").table.column_names == ["Größe", "text", "geom"]
    broken = collection(tmp_path / "a.geojson", {"properties": {"a?": 1}})
    broken.write_bytes(broken.read_bytes().replace(b"?", b"\xe9"))
    assert refused(broken, "GeoJSON").code == "wrong_encoding"


def test_a_wrong_cpg(read: Reader, refused: Refuser, write: Callable[..., Path], places: gpd.GeoDataFrame) -> None:
    path = write(places, "a.shp", "ESRI Shapefile", encoding="CP1252")
    path.with_suffix(".cpg").write_text("UTF-8")
    problem = refused(path, "ESRI Shapefile")
    assert problem.code == "wrong_encoding"
    assert "UTF-8" in problem.message
    assert '"encoding"' in problem.remedy
    assert problem.where == "files[0]: layer a, feature 1"
    assert read(path, "ESRI Shapefile", encoding="cp1252").table.column("text")[0].as_py() == "Zürich 0"


def test_utf8_behind_a_western_cpg(read: Reader, refused: Refuser, write: Callable[..., Path], places: gpd.GeoDataFrame) -> None:
    """It decodes without an error, into nonsense."""
    path = write(places, "a.shp", "ESRI Shapefile", encoding="UTF-8")
    path.with_suffix(".cpg").write_text("ISO-8859-1")
    assert refused(path, "ESRI Shapefile").code == "wrong_encoding"
    assert read(path, "ESRI Shapefile", encoding="UTF-8").table.column("text")[0].as_py() == "Zürich 0"
    assert read(path, "ESRI Shapefile", encoding="ISO-8859-1").table.column("text")[0].as_py() == "ZÃ¼rich 0"


def test_no_word_on_the_encoding(read: Reader, refused: Refuser, write: Callable[..., Path], places: gpd.GeoDataFrame) -> None:
    path = write(places, "a.shp", "ESRI Shapefile", encoding="UTF-8")
    path.with_suffix(".cpg").unlink()
    table = bytearray(path.with_suffix(".dbf").read_bytes())
    table[29] = 0
    path.with_suffix(".dbf").write_bytes(table)
    assert read(path, "ESRI Shapefile").table.column("text")[0].as_py() == "Zürich 0"
    path.with_suffix(".dbf").write_bytes(bytes(table).replace("ü".encode(), b"\xfc "))
    problem = refused(path, "ESRI Shapefile")
    assert problem.code == "wrong_encoding"
    assert "Nothing says" in problem.message


def test_text_of_mapinfo(read: Reader, tmp_path: Path) -> None:
    """GDAL decodes it with tables of the C library, which the reading process must still reach."""
    path = tmp_path / "a.mif"
    for charset, codec in (("WindowsCyrillic", "cp1251"), ("UTF-8", "utf-8")):
        head = f'Version 1520\nCharset "{charset}"\nDelimiter ","\nCoordSys Earth Projection 1, 104\nColumns 1\n  a Char(20)\n'
        path.write_text(f"{head}Data\n\nPoint 1 2\n")
        path.with_suffix(".mid").write_bytes('"Москва"\n'.encode(codec))
        assert read(path, "MIF").table.column("a").to_pylist() == ["Москва"]


@pytest.mark.parametrize("name", ["nonsense", "<html>404</html>", "UTF-16"])
def test_a_cpg_that_means_nothing(refused: Refuser, write: Callable[..., Path], places: gpd.GeoDataFrame, name: str) -> None:
    path = write(places, "a.shp", "ESRI Shapefile")
    path.with_suffix(".cpg").write_text(name)
    assert refused(path, "ESRI Shapefile").code == "unknown_encoding"


def test_geojson_that_is_not_utf8(refused: Refuser, tmp_path: Path) -> None:
    path = collection(tmp_path / "a.geojson", {"properties": {"a": "?"}})
    path.write_bytes(path.read_bytes().replace(b"?", b"\xe9"))
    assert refused(path, "GeoJSON").code == "wrong_encoding"


# --- CRS


def test_crs_of_manifest_and_file(read: Reader, refused: Refuser, write: Callable[..., Path], places: gpd.GeoDataFrame) -> None:
    path = write(places, "a.gpkg", "GPKG")
    assert read(path, "GPKG", crs="OGC:CRS84").layer.crs.name == "EPSG:4326"
    problem = refused(path, "GPKG", crs="EPSG:4258")
    assert problem.code == "crs_mismatch"
    assert "EPSG:4258" in problem.message
    assert "EPSG:4326" in problem.message
    assert refused(path, "GPKG", crs="EPSG:999999").code == "unknown_crs"


def test_an_esri_prj_is_recognised(read: Reader, write: Callable[..., Path], places: gpd.GeoDataFrame) -> None:
    for code in (2056, 32632, 2193, 27700, 3035):
        path = write(places.set_crs(code, allow_override=True), "a.shp", "ESRI Shapefile")
        assert "EPSG" not in path.with_suffix(".prj").read_text()
        assert read(path, "ESRI Shapefile", crs=f"EPSG:{code}").layer.crs.name == f"EPSG:{code}"


def test_no_crs_anywhere(refused: Refuser, read: Reader, write: Callable[..., Path], places: gpd.GeoDataFrame) -> None:
    path = write(places, "a.shp", "ESRI Shapefile")
    path.with_suffix(".prj").unlink()
    problem = refused(path, "ESRI Shapefile")
    assert problem.code == "crs_missing"
    assert read(path, "ESRI Shapefile", crs="EPSG:2056").layer.crs.name == "EPSG:2056"


def test_a_crs_that_does_not_exist(refused: Refuser, tmp_path: Path) -> None:
    """GDAL would read it as EPSG:4326."""
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::987654"}}
    assert refused(collection(tmp_path / "a.geojson", {"properties": {"a": 1}}, crs=crs), "GeoJSON").code == "unknown_crs"


@pytest.mark.parametrize(
    "crs", ["EPSG:2056", {"type": "proj4", "properties": {}}, {"properties": {"name": "EPSG:2056"}}, {"type": "name"}, 2056]
)
def test_a_crs_that_says_nothing(refused: Refuser, read: Reader, tmp_path: Path, crs: Any) -> None:
    """GDAL would read it as EPSG:4326."""
    path = collection(tmp_path / "a.geojson", {"geometry": {"type": "Point", "coordinates": [2_600_000, 1_200_000]}}, crs=crs)
    assert refused(path, "GeoJSON").code == "unknown_crs"
    assert read(path, "GeoJSON", crs="EPSG:2056").layer.crs.name == "EPSG:2056"


def test_no_crs_is_that_of_the_format(read: Reader, tmp_path: Path) -> None:
    assert read(collection(tmp_path / "a.geojson", {"properties": {"a": 1}}, crs=None), "GeoJSON").layer.crs.name == "EPSG:4326"
