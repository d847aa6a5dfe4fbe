"""Nothing is lost, shortened or changed without a word: it arrives, is counted, or is a problem that says so."""

import json
import shutil
import sqlite3
import struct
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import geopandas as gpd
import pyarrow as pa
import pyogrio
import pytest
import shapely

from libs.models import Problem

pytestmark = pytest.mark.integration

Reader = Callable[..., Any]
Refuser = Callable[..., Problem]
SHAPES = [shapely.Point(1, 2), None, shapely.Polygon(), shapely.Point(1, 2, 3), shapely.box(0, 0, 1, 1)]


GML_POINT = (
    '<g:FeatureCollection xmlns:g="http://www.opengis.net/gml">\n<g:featureMember><f>'
    '<g:Point srsName="EPSG:4326"><g:pos>8 {}</g:pos></g:Point></f></g:featureMember></g:FeatureCollection>'
)


def collection(path: Path, *features: dict[str, Any], **members: Any) -> Path:
    whole = [{"type": "Feature", "properties": {}, "geometry": None, **feature} for feature in features]
    path.write_text(json.dumps({"type": "FeatureCollection", **members, "features": whole}), encoding="utf-8")
    return path


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


CURVES = {
    "CIRCULARSTRING (0 0, 1 1, 2 0)": ("LineString", {"linearized": 1}),
    "COMPOUNDCURVE (CIRCULARSTRING (0 0, 1 1, 2 0), (2 0, 3 0))": ("LineString", {"linearized": 1}),
    "CURVEPOLYGON (CIRCULARSTRING (0 0, 4 0, 4 4, 0 4, 0 0))": ("Polygon", {"linearized": 1}),
    "MULTICURVE ((0 0, 1 1), CIRCULARSTRING (0 0, 1 1, 2 0))": ("MultiLineString", {"linearized": 1}),
    "MULTISURFACE (((0 0, 1 0, 1 1, 0 0)))": ("MultiPolygon", {"linearized": 1}),
    "GEOMETRYCOLLECTION (POINT (1 2), CIRCULARSTRING (0 0, 1 1, 2 0))": ("GeometryCollection", {"linearized": 1}),
    "TIN (((0 0 0, 1 0 0, 1 1 0, 0 0 0)))": ("MultiPolygon", {"linearized": 1}),
    "POLYHEDRALSURFACE (((0 0 0, 1 0 0, 1 1 0, 0 0 0)))": ("MultiPolygon", {"linearized": 1}),
    "TRIANGLE ((0 0, 1 0, 1 1, 0 0))": ("Polygon", {"linearized": 1}),
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


def test_a_damaged_geometry_in_a_geopackage(refused: Refuser, write: Callable[..., Path]) -> None:
    """A line of a hundred positions that has none: GDAL hands its bytes on as they are."""
    path = write(
        gpd.GeoDataFrame({"n": [1, 2]}, geometry=[shapely.Point(1, 1)] * 2, crs="EPSG:4326"), "a.gpkg", "GPKG", SPATIAL_INDEX="NO"
    )
    with sqlite3.connect(path) as database:
        header = b"GP\0\1" + struct.pack("<I", 4326)
        database.execute("UPDATE a SET geom = ? WHERE fid = 2", (header + struct.pack("<BII", 1, 2, 100),))
    problem = refused(path, "GPKG")
    assert problem.code == "damaged_geometry"
    assert problem.where == "files[0]: layer a, feature 2"


# --- times


def test_times_keep_their_zone_or_their_lack_of_one(read: Reader, tmp_path: Path) -> None:
    got = read(
        collection(
            tmp_path / "a.geojson",
            {
                "properties": {
                    "utc": "2024-05-01T10:00:00Z",
                    "east": "2024-05-01T10:00:00.250+05:45",
                    "naive": "2024-05-01T10:00:00",
                    "t": "10:11:12",
                }
            },
        ),
        "GeoJSON",
    )
    assert dict(got.layer.columns) == {
        "utc": "timestamp[ms, tz=UTC]", "east": "timestamp[ms, tz=+05:45]", "naive": "timestamp[ms]", "t": "time32[ms]",
    }  # fmt: skip
    row = got.table.to_pylist()[0]
    assert row["utc"] == datetime(2024, 5, 1, 10, tzinfo=UTC)
    assert row["east"] == datetime(2024, 5, 1, 10, 0, 0, 250_000, tzinfo=timezone(timedelta(hours=5, minutes=45)))
    assert row["naive"] == datetime(2024, 5, 1, 10)  # noqa: DTZ001 - that is the point


def test_several_time_zones_stay_as_text_with_a_warning(read: Reader, tmp_path: Path) -> None:
    times = ["2024-05-01T10:00:00Z", "2024-05-01T10:00:00+02:00"]
    got = read(collection(tmp_path / "a.geojson", *({"properties": {"t": time}} for time in times)), "GeoJSON")
    assert got.table.column("t").to_pylist() == times
    assert [warning.code for warning in got.warnings] == ["mixed_time_zones"]


def test_times_with_and_without_zone_in_one_column_are_a_problem(refused: Refuser, tmp_path: Path) -> None:
    """GDAL would drop the zone."""
    times = ["2024-05-01T10:00:00", "2024-05-01T10:00:00+02:00"]
    problem = refused(collection(tmp_path / "a.geojson", *({"properties": {"t": time}} for time in times)), "GeoJSON")
    assert problem.code == "mixed_time_zones"


def test_microseconds_are_not_cut(read: Reader, tmp_path: Path) -> None:
    """GDAL counts milliseconds."""
    rows = [
        {"t": "2024-05-01T10:00:00.123456", "z": "2024-05-01T10:00:00.5+02:00", "d": "2024-05-01", "s": "x", "n": None},
        {"t": None, "z": "2024-05-01T10:00:00+02:00", "d": None, "s": "2024-05-01T10:00:00", "n": None},
    ]
    got = read(collection(tmp_path / "a.geojson", *({"properties": row} for row in rows)), "GeoJSON")
    assert dict(got.layer.columns) == {
        "t": "timestamp[us]",
        "z": "timestamp[ms, tz=+02:00]",
        "d": "date32[day]",
        "s": "string",
        "n": "string",
    }
    assert got.table.column("t").to_pylist() == [datetime(2024, 5, 1, 10, 0, 0, 123_456), None]  # noqa: DTZ001 - it has no zone


def test_zones_survive_formats_whose_columns_do_not_declare_them(read: Reader, tmp_path: Path) -> None:
    moments = [datetime(2024, 5, 1, 10, tzinfo=UTC), None, datetime(2024, 5, 1, 11, 0, 0, 123_456, tzinfo=UTC)]
    table = pa.table(
        {"t": pa.array(moments, pa.timestamp("us", "UTC")), "geometry": pa.array([shapely.to_wkb(shapely.Point(1, 2))] * 3)}
    )
    for driver, name in (("FlatGeobuf", "a.fgb"), ("GML", "a.gml")):
        path = tmp_path / name
        pyogrio.write_arrow(table, path, driver=driver, geometry_name="geometry", geometry_type="Point", crs="EPSG:4326")
        got = read(path, driver)
        kind = got.table.schema.field("t").type
        assert kind.tz == "UTC"
        assert [value if value is None else value.replace(microsecond=0) for value in got.table.column("t").to_pylist()] == [
            value if value is None else value.replace(microsecond=0) for value in moments
        ]


# --- attributes


def test_integer_ids_of_features_are_a_column(read: Reader, tmp_path: Path) -> None:
    """GDAL makes text ids an attribute and hides integers."""
    got = read(
        collection(tmp_path / "a.geojson", {"id": 17, "properties": {"a": "x"}}, {"id": 5, "properties": {"a": "y"}}), "GeoJSON"
    )
    assert got.table.select(["id", "a"]).to_pylist() == [{"id": 17, "a": "x"}, {"id": 5, "a": "y"}]
    got = read(collection(tmp_path / "b.geojson", {"id": "k", "properties": {"a": "x"}}), "GeoJSON")
    assert got.table.column("id").to_pylist() == ["k"]


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


@pytest.mark.parametrize("value", ["'abc'", "1.5", "99999999999"])
def test_a_value_that_a_number_column_cannot_hold(refused: Refuser, write: Callable[..., Path], value: str) -> None:
    """SQLite keeps anything anywhere; GDAL reads 0, 1 or the largest number."""
    frame = gpd.GeoDataFrame({"n": pa.array([1, 2], pa.int32())}, geometry=[shapely.Point(1, 1)] * 2, crs="EPSG:4326")
    path = write(frame.astype({"n": "int32"}), "a.gpkg", "GPKG", SPATIAL_INDEX="NO")
    with sqlite3.connect(path) as database:
        database.execute(f"UPDATE a SET n = {value} WHERE fid = 2")
    problem = refused(path, "GPKG")
    assert problem.code == "value_lost"
    assert "'n'" in problem.message


def test_a_stale_count_in_a_geopackage_is_no_damage(read: Reader, write: Callable[..., Path], places: gpd.GeoDataFrame) -> None:
    path = write(places, "a.gpkg", "GPKG")
    with sqlite3.connect(path) as database:
        database.execute("UPDATE gpkg_ogr_contents SET feature_count = 777")
    assert read(path, "GPKG").table.num_rows == 100


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
        ["-1000000000000000001"],  # GDAL makes a double of what has 20 characters
        ["18446744073709551615", "1"],
        ["9007199254740993", "0.5"],
        ["-9223372036854775808"],
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
    assert "'encoding'" in problem.remedy
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


# --- damage


@pytest.mark.parametrize("fraction", [0.3, 0.6, 0.95])
@pytest.mark.parametrize(("kind", "driver", "name"), [
    ("GeoJSON", "GeoJSON", "a.geojson"), ("GeoJSONSeq", "GeoJSONSeq", "a.geojsonl"), ("GPKG", "GPKG", "a.gpkg"),
    ("FlatGeobuf", "FlatGeobuf", "a.fgb"), ("KML", "KML", "a.kml"), ("GML", "GML", "a.gml"), ("MIF", "MapInfo File", "a.mif"),
])  # fmt: skip
def test_a_truncated_file_is_never_a_short_count(
    refused: Refuser, write: Callable[..., Path], places: gpd.GeoDataFrame, kind: str, driver: str, name: str, fraction: float
) -> None:
    path = write(places, name, driver)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * fraction)])
    assert refused(path, kind).code in {"damaged", "truncated", "count_mismatch", "format_mismatch"}


@pytest.mark.parametrize("part", [".shp", ".shx", ".dbf"])
@pytest.mark.parametrize("fraction", [0.0, 0.1, 0.5, 0.99])
def test_a_shapefile_with_a_truncated_part(
    refused: Refuser, write: Callable[..., Path], places: gpd.GeoDataFrame, part: str, fraction: float
) -> None:
    path = write(places, "a.shp", "ESRI Shapefile")
    content = path.with_suffix(part).read_bytes()
    path.with_suffix(part).write_bytes(content[: int(len(content) * fraction)])
    assert refused(path, "ESRI Shapefile").code in {"truncated", "empty_file", "format_mismatch"}


@pytest.mark.parametrize("part", [".dat", ".map", ".id"])
def test_a_mapinfo_table_with_a_truncated_part(
    refused: Refuser, write: Callable[..., Path], places: gpd.GeoDataFrame, part: str
) -> None:
    path = write(places, "a.tab", "MapInfo File")
    content = path.with_suffix(part).read_bytes()
    path.with_suffix(part).write_bytes(content[: len(content) // 2])
    assert refused(path, "TAB").code in {"damaged", "truncated", "count_mismatch"}


def test_parts_of_two_shapefiles(refused: Refuser, write: Callable[..., Path], places: gpd.GeoDataFrame) -> None:
    path = write(places, "a.shp", "ESRI Shapefile")
    other = write(places[:50], "b.shp", "ESRI Shapefile")
    shutil.copy(other.with_suffix(".dbf"), path.with_suffix(".dbf"))
    assert refused(path, "ESRI Shapefile").code == "count_mismatch"


def test_deleted_records_of_a_shapefile_are_no_damage(read: Reader, write: Callable[..., Path], places: gpd.GeoDataFrame) -> None:
    path = write(places, "a.shp", "ESRI Shapefile")
    table = bytearray(path.with_suffix(".dbf").read_bytes())
    header, record = struct.unpack("<8xHH", table[:12])
    table[header + 7 * record] = ord("*")
    path.with_suffix(".dbf").write_bytes(table)
    got = read(path, "ESRI Shapefile")
    assert got.table.column("text").to_pylist() == [None if i == 5 else f"Zürich {i}" for i in range(100) if i != 7]


@pytest.mark.parametrize(("name", "driver", "missing", "kind"), [
    ("a.shp", "ESRI Shapefile", ".shx", "ESRI Shapefile"), ("a.shp", "ESRI Shapefile", ".dbf", "ESRI Shapefile"),
    ("a.tab", "MapInfo File", ".dat", "TAB"), ("a.tab", "MapInfo File", ".map", "TAB"), ("a.mif", "MapInfo File", ".mid", "MIF"),
])  # fmt: skip
def test_a_missing_sidecar_is_named(
    refused: Refuser, write: Callable[..., Path], places: gpd.GeoDataFrame, name: str, driver: str, missing: str, kind: str
) -> None:
    path = write(places, name, driver)
    path.with_suffix(missing).unlink()
    problem = refused(path, kind)
    assert problem.code == "missing_sidecar"
    assert f"a{missing}" in problem.message


@pytest.mark.parametrize(("line", "code"), [('{"type":"Feature","proper', "damaged"), ('{"foo":1}', "damaged"), ("x", "damaged")])
def test_a_broken_line_of_a_sequence_is_named(
    refused: Refuser, write: Callable[..., Path], places: gpd.GeoDataFrame, line: str, code: str
) -> None:
    path = write(places, "a.geojsonl", "GeoJSONSeq")
    lines = path.read_text(encoding="utf-8").splitlines()
    lines[41] = line
    path.write_text("\n".join(lines), encoding="utf-8")
    problem = refused(path, "GeoJSONSeq")
    assert problem.code == code
    assert problem.where == "files[0]: line 42"


def test_both_spellings_of_a_sequence(read: Reader, write: Callable[..., Path], places: gpd.GeoDataFrame, tmp_path: Path) -> None:
    path = write(places, "a.geojsonl", "GeoJSONSeq")
    lines = path.read_text(encoding="utf-8").splitlines()
    separated = tmp_path / "b.geojsons"
    separated.write_text("".join(f"\x1e{json.dumps(json.loads(line), indent=2)}\n" for line in lines), encoding="utf-8")
    assert read(path, "GeoJSONSeq").table.drop_columns("geom") == read(separated, "GeoJSONSeq").table.drop_columns("geom")


def test_sequence_and_collection_taken_for_each_other(
    refused: Refuser, write: Callable[..., Path], places: gpd.GeoDataFrame
) -> None:
    """GDAL would read one feature of the first, and none of the second."""
    problem = refused(write(places, "a.geojsonl", "GeoJSONSeq"), "GeoJSON")
    assert problem.code == "format_mismatch"
    assert "GeoJSONSeq" in problem.remedy
    assert refused(write(places, "a.geojson", "GeoJSON"), "GeoJSONSeq").code in {"format_mismatch", "damaged"}


@pytest.mark.parametrize("wrong", ["Featur", "Point", None])
@pytest.mark.parametrize("padding", [0, 9_000_000])
def test_a_member_of_a_collection_that_is_no_feature(
    refused: Refuser, read: Reader, tmp_path: Path, wrong: Any, padding: int
) -> None:
    """GDAL passes over it."""
    features = [{"properties": {"geometry": "x" * padding if i == 3 else "short"}, "geometry": None} for i in range(9)]
    path = collection(tmp_path / "a.geojson", *features)
    assert read(path, "GeoJSON").table.num_rows == 9
    features[6]["type"] = wrong
    problem = refused(collection(tmp_path / "a.geojson", *features), "GeoJSON")
    assert (problem.code, problem.where) == ("damaged", "files[0]: feature 7")


def test_a_text_with_nul_would_be_cut(refused: Refuser, tmp_path: Path) -> None:
    assert refused(collection(tmp_path / "a.geojson", {"properties": {"a": "b\0c"}}), "GeoJSON").code == "nul_character"


@pytest.mark.parametrize(("content", "kind", "code"), [
    (b"", "GeoJSON", "empty_file"), (b"  \n", "GeoJSON", "empty_file"),
    (b"<!DOCTYPE html><html></html>", "GeoJSON", "format_mismatch"),
    (b'{"type":"Topology","objects":{}}', "GeoJSON", "format_mismatch"), (b"a,b\n1,2\n", "GPKG", "format_mismatch"),
    (b"PK\x03\x04broken", "ESRI Shapefile", "archive_damaged"), (b"SQLite format 3\0", "GPKG", "unreadable"),
    (b"version https://git-lfs.github.com/spec/v1\n", "GPKG", "format_mismatch"), (b'{"foo":1}', "GeoJSON", "damaged"),
    (b"fgb\3fgb\0", "FlatGeobuf", "damaged"), (b"PAR1", "GeoParquet", "damaged"), (b"\0" * 1000, "GeoJSON", "format_mismatch"),
])  # fmt: skip
def test_a_file_that_is_not_what_it_says(refused: Refuser, tmp_path: Path, content: bytes, kind: str, code: str) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(content)
    assert refused(path, kind).code == code


# --- what GDAL passes over


@pytest.mark.parametrize(
    ("name", "kind", "text"),
    [
        ("a.kml", "KML", "<kml><Document>\n<Placemark><Point><coordinates>{}</coordinates></Point></Placemark></Document></kml>"),
        ("a.gpx", "GPX", '<gpx version="1.1" xmlns="http://www.topografix.com/GPX/1/1">\n<wpt lat="47" lon="{}"/></gpx>'),
        (
            "a.gml",
            "GML",
            GML_POINT,
        ),
    ],
)
def test_a_coordinate_that_is_no_number(refused: Refuser, read: Reader, tmp_path: Path, name: str, kind: str, text: str) -> None:
    """GDAL reads 0."""
    path = tmp_path / name
    path.write_text(text.format("8,47" if kind == "KML" else "47"))
    assert read(path, kind).table.num_rows == 1
    path.write_text(text.format("8,x" if kind == "KML" else "x"))
    problem = refused(path, kind)
    assert problem.code in {"bad_coordinate", "damaged"}
    if problem.code == "bad_coordinate":
        assert problem.where == "files[0]: line 2"


def test_entities_of_a_drawing_that_have_no_counterpart(read: Reader, tmp_path: Path) -> None:
    path = tmp_path / "a.dxf"
    line = "  0\nLINE\n  8\nL\n 10\n0\n 20\n0\n 11\n1\n 21\n1\n"
    path.write_text(f"  0\nSECTION\n  2\nENTITIES\n{line}  0\nTOLERANCE\n  8\nL\n  0\nENDSEC\n  0\nEOF\n")
    got = read(path, "DXF", crs="EPSG:2056")
    assert got.table.num_rows == 1
    (warning,) = got.warnings
    assert warning.code == "entities_not_read"
    assert "TOLERANCE" in warning.message


def test_records_of_a_mif_that_span_lines(read: Reader, refused: Refuser, tmp_path: Path) -> None:
    path = tmp_path / "a.mif"
    head = (
        'Version 300\nCharset "WindowsLatin1"\nDelimiter ","\nCoordSys Earth Projection 1, 104\nColumns 1\n  a Char(20)\nData\n\n'
    )
    path.write_text(head + "Point 1 2\nPoint 3 4\n")
    path.with_suffix(".mid").write_text('"one\n\ntwo"\n"three"\n')
    assert read(path, "MIF").table.column("a").to_pylist() == ["one\n\ntwo", "three"]
    path.with_suffix(".mid").write_text('"one"\n"two"\n"three"\n')
    assert refused(path, "MIF").code == "count_mismatch"


def test_an_archive_says_what_of_it_was_not_read(
    read: Reader, write: Callable[..., Path], places: gpd.GeoDataFrame, tmp_path: Path
) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(write(places, "a.geojson", "GeoJSON"), "a.geojson")
        archive.write(write(places, "b.gpkg", "GPKG"), "b.gpkg")
        archive.writestr("readme.txt", "hello")
    got = read(path, "GeoJSON")
    assert got.table.num_rows == 100
    (warning,) = got.warnings
    assert warning.code == "archive_partly_read"
    assert "b.gpkg" in warning.message


def test_an_encoding_that_is_not_used(read: Reader, write: Callable[..., Path], places: gpd.GeoDataFrame) -> None:
    got = read(write(places, "a.gpkg", "GPKG"), "GPKG", encoding="cp1252")
    assert [warning.code for warning in got.warnings] == ["encoding_ignored"]
    assert got.table.column("text")[0].as_py() == "Zürich 0"


def test_a_geopackage_of_tiles(refused: Refuser, tmp_path: Path) -> None:
    path = tmp_path / "a.gpkg"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE gpkg_contents (table_name TEXT, data_type TEXT)")
    assert refused(path, "GPKG").code in {"unreadable", "damaged", "no_layers"}


def test_tables_of_mapinfo_without_geometry(
    read: Reader, refused: Refuser, write: Callable[..., Path], places: gpd.GeoDataFrame
) -> None:
    path = write(places[["text", "geometry"]], "a.tab", "MapInfo File")
    for part in (".map", ".id"):
        path.with_suffix(part).unlink()
    assert refused(path, "TAB").code == "missing_sidecar"
    got = read(path, "TAB", type="tabular")
    assert (got.layer.has_geometry, got.table.num_rows) == (False, 100)


def test_a_file_declared_as_a_table_that_has_geometry(
    refused: Refuser, write: Callable[..., Path], places: gpd.GeoDataFrame
) -> None:
    assert refused(write(places, "a.gpkg", "GPKG"), "GPKG", type="tabular").code == "type_mismatch"
