"""Files that are damaged, and what GDAL passes over in silence: a problem that says where, or a warning."""

import json
import shutil
import sqlite3
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas as gpd
import pytest

from libs.models import Problem
from tests.integration.reading.writing import collection

pytestmark = pytest.mark.integration

Reader = Callable[..., Any]
Refuser = Callable[..., Problem]

GML_POINT = (
    '<g:FeatureCollection xmlns:g="http://www.opengis.net/gml">\n<g:featureMember><f>'
    '<g:Point srsName="EPSG:4326"><g:pos>8 {}</g:pos></g:Point></f></g:featureMember></g:FeatureCollection>'
)


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


@pytest.mark.parametrize(
    "member", ["null", "7", '{"a": 5}', '{"type": "Point", "coordinates": [1, 2]}', '{"type": "feature", "geom\\u0065try": null}']
)
def test_so_is_any_other_value(refused: Refuser, tmp_path: Path, member: str) -> None:
    path = collection(tmp_path / "a.geojson", {"properties": {"a": 1}})
    path.write_text(path.read_text().replace('"features": [', f'"features": [{member}, '))
    problem = refused(path, "GeoJSON")
    assert (problem.code, problem.where) == ("damaged", "files[0]: feature 1")


def test_what_follows_the_end_of_a_document(refused: Refuser, tmp_path: Path) -> None:
    path = tmp_path / "a.geojson"
    for document in (
        json.dumps({"type": "Feature", "properties": {"n": 1}, "geometry": None}),
        '{"type": "Point", "coordinates": [1, 2]}',
    ):
        path.write_text(f"{document} {document}")
        assert (refused(path, "GeoJSON").code, refused(path, "GeoJSON").where) == ("damaged", "files[0]: line 1")


def test_properties_that_are_none(refused: Refuser, tmp_path: Path) -> None:
    for properties in ([1, 2], "text"):
        problem = refused(collection(tmp_path / "a.geojson", {"properties": properties}), "GeoJSON")
        assert (problem.code, problem.where) == ("damaged", "files[0]: feature 1")


@pytest.mark.parametrize(
    ("before", "between"),
    [("", ""), ("", " "), ("", "\r"), ("", "\n   \n"), ("\ufeff", "\n"), ("", "\n\n"), ("\x1e", "\x1e"), ("", "\r\n")],
)
@pytest.mark.parametrize("padding", [0, 2_000_000])
def test_whatever_stands_between_the_features_of_a_sequence(
    read: Reader, tmp_path: Path, before: str, between: str, padding: int
) -> None:
    """GDAL reads one feature a line and no more, or nothing at all."""
    features = [{"type": "Feature", "properties": {"n": n, "text": "ü" * padding}, "geometry": None} for n in range(5)]
    path = tmp_path / "a.geojsonl"
    path.write_text(before + between.join(map(json.dumps, features)) + between, encoding="utf-8", newline="")
    for certain in (True, False):
        assert read(path, "GeoJSONSeq", certain=certain).table["n"].to_pylist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("text", ["b\0c", "\\\0", "\\u0000 is written so, and \0 is it", "\0" * 2])
def test_a_text_with_nul_would_be_cut(refused: Refuser, tmp_path: Path, text: str) -> None:
    assert refused(collection(tmp_path / "a.geojson", {"properties": {"a": text}}), "GeoJSON").code == "nul_character"


def test_the_spelling_of_nul_is_a_text_like_any_other(read: Reader, tmp_path: Path) -> None:
    path = collection(tmp_path / "a.geojson", {"properties": {"a": r"\u0000"}}, {"properties": {"a": r"\\u0000"}})
    assert read(path, "GeoJSON").table["a"].to_pylist() == [r"\u0000", r"\\u0000"]


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
