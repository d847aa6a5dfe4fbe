"""Files that are damaged or not what they say, and what GDAL passes over in silence: a problem that says where, or a warning."""

import sqlite3
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas as gpd
import pytest

from libs.models import Problem

pytestmark = pytest.mark.integration

Reader = Callable[..., Any]
Refuser = Callable[..., Problem]


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


@pytest.mark.parametrize(("content", "kind", "code"), [
    (b"", "GeoJSON", "empty_file"), (b"  \n", "GeoJSON", "empty_file"),
    (b"<!DOCTYPE html><html></html>", "GeoJSON", "format_mismatch"),
    (b'{"type":"Topology","objects":{}}', "GeoJSON", "format_mismatch"), (b"a,b\n1,2\n", "GPKG", "format_mismatch"),
    (b"PK\x03\x04broken", "ESRI Shapefile", "archive_damaged"), (b"SQLite format 3\0", "GPKG", "unreadable"),
    (b"version https://git-lfs.github.com/spec/v1\n", "GPKG", "format_mismatch"), (b'{"foo":1}', "GeoJSON", "format_mismatch"),
    (b"fgb\3fgb\0", "FlatGeobuf", "damaged"), (b"PAR1", "GeoParquet", "damaged"), (b"\0" * 1000, "GeoJSON", "format_mismatch"),
])  # fmt: skip
def test_a_file_that_is_not_what_it_says(refused: Refuser, tmp_path: Path, content: bytes, kind: str, code: str) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(content)
    assert refused(path, kind).code == code


KML = '<kml xmlns:gx="http://www.google.com/kml/ext/2.2"><Document>\n<Placemark>{}</Placemark></Document></kml>'


def test_entities_of_a_drawing_that_have_no_counterpart(read: Reader, tmp_path: Path) -> None:
    path = tmp_path / "a.dxf"
    line = "  0\nLINE\n  8\nL\n 10\n0\n 20\n0\n 11\n1\n 21\n1\n"
    path.write_text(f"  0\nSECTION\n  2\nENTITIES\n{line}  0\nTOLERANCE\n  8\nL\n  0\nENDSEC\n  0\nEOF\n")
    got = read(path, "DXF", crs="EPSG:2056")
    assert got.table.num_rows == 1
    (warning,) = got.warnings
    assert warning.code == "entities_not_read"
    assert "TOLERANCE" in warning.message


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
    data, documents = got.warnings
    assert (data.code, documents.code) == ("archive_partly_read", "documents_not_read")
    assert "b.gpkg" in data.message
    assert "readme.txt" in documents.message


@pytest.mark.parametrize("names", [("a.csv", "b.tsv", "c.txt"), ("a.csv", "sub/B.TXT")])
def test_an_archive_says_what_may_be_of_its_format_and_was_not_read(read: Reader, tmp_path: Path, names: tuple[str, ...]) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, "n,x\n1,2\n")
        archive.writestr("other.tab", "!table\n")
    got = read(path, "CSV", type="tabular")
    assert list(got.tables) == ["a"]
    assert [warning.code for warning in got.warnings] == ["archive_partly_read"] * 2
    assert all(name in got.warnings[1].message for name in names[1:])
    assert "other.tab" in got.warnings[0].message


def test_an_encoding_that_is_not_used(read: Reader, write: Callable[..., Path], places: gpd.GeoDataFrame) -> None:
    got = read(write(places, "a.gpkg", "GPKG"), "GPKG", encoding="cp1252")
    assert [warning.code for warning in got.warnings] == ["encoding_ignored"]
    assert got.table.column("text")[0].as_py() == "Zürich 0"


def test_options_of_a_csv_that_are_not_used(read: Reader, write: Callable[..., Path], places: gpd.GeoDataFrame) -> None:
    got = read(write(places, "a.gpkg", "GPKG"), "GPKG", options={"delimiter": ";"})
    assert [(warning.code, warning.where) for warning in got.warnings] == [("options_ignored", "files[0].options")]


def test_a_geopackage_of_tiles(refused: Refuser, tmp_path: Path) -> None:
    path = tmp_path / "a.gpkg"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE gpkg_contents (table_name TEXT, data_type TEXT)")
    assert refused(path, "GPKG").code in {"unreadable", "damaged", "no_layers"}


def test_a_file_declared_as_a_table_that_has_geometry(
    refused: Refuser, write: Callable[..., Path], places: gpd.GeoDataFrame
) -> None:
    assert refused(write(places, "a.gpkg", "GPKG"), "GPKG", type="tabular").code == "type_mismatch"
