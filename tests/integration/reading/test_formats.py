"""Every format that is read, written by GDAL and read back: all features, attributes with their types, geometry, CRS."""

import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas as gpd
import pyarrow as pa
import pytest
import shapely

from libs.models import Problem

pytestmark = pytest.mark.integration

TEXTS = [None if i == 5 else f"Zürich {i}" for i in range(100)]
FORMATS = [
    # format, driver, file, exact types of: number, large, real, text, day
    ("GeoJSON", "GeoJSON", "a.geojson", ("int32", "int64", "double", "string", "date32[day]")),
    ("GeoJSONSeq", "GeoJSONSeq", "a.geojsonl", ("int32", "int64", "double", "string", "date32[day]")),
    ("GPKG", "GPKG", "a.gpkg", ("int32", "int64", "double", "string", "date32[day]")),
    ("FlatGeobuf", "FlatGeobuf", "a.fgb", ("int32", "int64", "double", "string", "timestamp[ms]")),
    ("ESRI Shapefile", "ESRI Shapefile", "a.shp", ("int32", "int64", "double", "string", "date32[day]")),
    ("GML", "GML", "a.gml", ("int32", "int64", "double", "string", "date32[day]")),
    ("MapInfo TAB", "MapInfo File", "a.tab", ("int32", "int64", "double", "string", "date32[day]")),
    ("MapInfo MIF", "MapInfo File", "a.mif", ("int32", "int64", "double", "string", "date32[day]")),
]


@pytest.mark.parametrize(("kind", "driver", "name", "types"), FORMATS)
def test_every_feature_and_attribute_arrives(
    read: Callable[..., Any],
    write: Callable[..., Path],
    places: gpd.GeoDataFrame,
    kind: str,
    driver: str,
    name: str,
    types: tuple[str, ...],
) -> None:
    options = {"SPATIAL_INDEX": "NO"} if driver == "FlatGeobuf" else {}  # the index sorts the features
    got = read(write(places, name, driver, **options), kind)

    assert got.layer.crs is not None
    assert got.layer.crs.name == "EPSG:4326"
    columns = [column for column in got.layer.columns if column[0] != "gml_id"]
    assert columns == list(zip(("number", "large", "real", "text", "day"), types, strict=True))
    assert got.table.schema.field("geom").type == pa.binary()
    assert got.table.schema.metadata is None
    table = got.table
    assert table.column("large").to_pylist() == list(places["large"])
    if driver != "MapInfo File":  # which has no nulls
        assert table.column("number").to_pylist() == [None if i == 3 else i for i in range(100)]
        assert table.column("text").to_pylist() == TEXTS
    assert [str(value)[:10] for value in table.column("day").to_pylist()] == [str(day) for day in places["day"]]
    digits = 6 if driver in {"GeoJSON", "GeoJSONSeq", "MapInfo File"} else 12
    for wrote, came in zip(places.geometry, got.geometries, strict=True):
        assert shapely.equals_exact(wrote, came, tolerance=10**-digits)


def test_file_geodatabase_folder_and_zip(read: Callable[..., Any], write: Callable[..., Path], places: gpd.GeoDataFrame) -> None:
    frame = places[["real", "text", "geometry"]]  # other types need a newer edition of the format
    path = write(frame, "a.gdb", "OpenFileGDB")
    zipped = path.with_name("a.gdb.zip")
    with zipfile.ZipFile(zipped, "w") as archive:
        for file in path.iterdir():
            archive.write(file, f"a.gdb/{file.name}")
    for source in (path, zipped):
        got = read(source, "FileGDB")
        assert got.table.num_rows == 100
        assert got.layer.name == "a"
        assert got.layer.crs.name == "EPSG:4326"
        assert got.table.column("text").to_pylist() == TEXTS


def test_kml_and_kmz(read: Callable[..., Any], write: Callable[..., Path], places: gpd.GeoDataFrame) -> None:
    path = write(places[["text", "geometry"]], "a.kml", "KML")
    zipped = path.with_name("a.kmz")
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(path, "doc.kml")
    for source, kind in ((path, "KML"), (zipped, "KMZ"), (zipped, "KML")):
        got = read(source, kind)
        assert got.table.num_rows == 100
        assert got.layer.crs.name == "EPSG:4326"


def test_gpx_gives_only_the_layers_that_have_features(read: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "a.gpx"
    path.write_text(
        '<gpx version="1.1" creator="t" xmlns="http://www.topografix.com/GPX/1/1">'
        '<wpt lat="46.5" lon="8.25"><ele>417.5</ele><time>2024-05-01T10:00:00Z</time><name>A</name></wpt></gpx>'
    )
    got = read(path, "GPX")
    assert list(got.tables) == ["waypoints"]
    assert ("time", "timestamp[ms, tz=UTC]") in got.layer.columns
    assert got.geometries == [shapely.Point(8.25, 46.5)]
    assert got.table.column("ele").to_pylist() == [417.5]


def test_dxf_needs_a_crs_and_gets_it_from_the_manifest(
    read: Callable[..., Any], refused: Callable[..., Problem], write: Callable[..., Path], places: gpd.GeoDataFrame
) -> None:
    path = write(places[["geometry"]], "a.dxf", "DXF")
    assert refused(path, "DXF").code == "crs_missing"
    got = read(path, "DXF", crs="EPSG:2056")
    assert got.table.num_rows == 100
    assert got.layer.crs.name == "EPSG:2056"


@pytest.mark.parametrize("crs", [None, "EPSG:25832"])
def test_a_crs_as_older_web_feature_services_name_it(read: Callable[..., Any], tmp_path: Path, crs: str | None) -> None:
    """GDAL complains that it may not fetch it, which it need not."""
    path = tmp_path / "a.gml"
    point = '<g:Point srsName="http://www.opengis.net/gml/srs/epsg.xml#25832"><g:pos>500000 5500000</g:pos></g:Point>'
    member = f"<g:featureMember><f>{point}</f></g:featureMember>"
    path.write_text(f'<g:FeatureCollection xmlns:g="http://www.opengis.net/gml">{member}</g:FeatureCollection>')
    got = read(path, "GML", crs=crs)
    assert got.layer.crs.name == "EPSG:25832"
    assert got.warnings == []


def test_shapefiles_in_an_archive(read: Callable[..., Any], write: Callable[..., Path], places: gpd.GeoDataFrame) -> None:
    """In a sub-folder, in two folders under one name, with extensions in capitals, beside what operating systems leave behind."""
    path = write(places, "roads.shp", "ESRI Shapefile")
    zipped = path.with_name("all.zip")
    with zipfile.ZipFile(zipped, "w") as archive:
        for file in path.parent.glob("roads.*"):
            archive.write(file, f"north/{file.name.upper()}")
            archive.write(file, f"south\\{file.name}")
            archive.write(file, f"rivers{file.suffix}")
        archive.writestr("__MACOSX/north/._roads.shp", b"junk")
        archive.writestr("readme.txt", b"hello")
    got = read(zipped, "ESRI Shapefile")
    assert sorted(got.tables) == ["ROADS", "rivers", "roads"]
    assert [table.num_rows for table in got.tables.values()] == [100, 100, 100]
    assert not zipped.with_name("all.zip.unpacked").exists()


def test_layers_of_several_files_in_an_archive(
    read: Callable[..., Any], write: Callable[..., Path], places: gpd.GeoDataFrame
) -> None:
    path = write(places, "one.gpkg", "GPKG", layer="roads")
    zipped = path.with_name("all.zip")
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.write(path, "one.gpkg")
        archive.write(write(places[:7], "two.gpkg", "GPKG", layer="roads"), "two.gpkg")
    got = read(zipped, "GPKG")
    assert {name: table.num_rows for name, table in got.tables.items()} == {"one/roads": 100, "two/roads": 7}


def test_a_geodatabase_whose_files_lie_bare_in_the_archive(
    read: Callable[..., Any], write: Callable[..., Path], places: gpd.GeoDataFrame
) -> None:
    path = write(places[["text", "geometry"]], "a.gdb", "OpenFileGDB")
    zipped = path.with_name("bare.zip")
    with zipfile.ZipFile(zipped, "w") as archive:
        for file in path.iterdir():
            archive.write(file, file.name)
    assert read(zipped, "FileGDB").table.num_rows == 100


def test_one_layer_of_several(
    read: Callable[..., Any], refused: Callable[..., Problem], write: Callable[..., Path], places: gpd.GeoDataFrame
) -> None:
    path = write(places, "a.gpkg", "GPKG", layer="one")
    places[:7].to_file(path, layer="two", driver="GPKG", engine="pyogrio")
    assert {name: table.num_rows for name, table in read(path, "GPKG").tables.items()} == {"one": 100, "two": 7}
    assert {name: table.num_rows for name, table in read(path, "GPKG", layer="two").tables.items()} == {"two": 7}
    problem = refused(path, "GPKG", layer="three")
    assert problem.code == "unknown_layer"
    assert "'one'" in problem.message
    assert "'two'" in problem.message


@pytest.mark.parametrize("spelling", ["GeoPackage", "gpkg", "GEO PACKAGE"])
def test_spellings_of_a_format(
    read: Callable[..., Any], write: Callable[..., Path], places: gpd.GeoDataFrame, spelling: str
) -> None:
    assert read(write(places, "a.gpkg", "GPKG"), spelling).table.num_rows == 100


def test_a_table_without_geometry(read: Callable[..., Any], write: Callable[..., Path], places: gpd.GeoDataFrame) -> None:
    path = write(places, "a.shp", "ESRI Shapefile")
    got = read(path.with_suffix(".dbf"), "dBASE", type="tabular")
    assert not got.layer.has_geometry
    assert got.layer.crs is None
    assert got.table.column_names == ["number", "large", "real", "text", "day"]


def test_a_geopackage_with_its_log(
    read: Callable[..., Any], write: Callable[..., Path], places: gpd.GeoDataFrame, tmp_path: Path
) -> None:
    """Rows that are still in the write-ahead log are part of the file."""
    import sqlite3

    path = write(places[["text", "geometry"]], "a.gpkg", "GPKG")
    open_elsewhere = sqlite3.connect(path)
    open_elsewhere.execute("PRAGMA journal_mode=WAL")
    open_elsewhere.execute("PRAGMA wal_autocheckpoint=0")
    open_elsewhere.execute("CREATE TABLE notes (id INTEGER PRIMARY KEY, note TEXT)")
    open_elsewhere.execute("INSERT INTO notes VALUES (1, 'in the log')")
    open_elsewhere.execute(
        "INSERT INTO gpkg_contents (table_name, data_type, identifier) VALUES ('notes', 'attributes', 'notes')"
    )
    open_elsewhere.commit()
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    for name in ("a.gpkg", "a.gpkg-wal"):
        shutil.copy(tmp_path / name, scratch / name)
    open_elsewhere.close()
    got = read(scratch / "a.gpkg", "GPKG")
    assert got.tables["notes"].column("note").to_pylist() == ["in the log"]
