import zipfile
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from libs.models import Manifest
from libs.models.base import ID_PATTERN
from libs.pipeline import delivery
from libs.pipeline.format_choice import format_of
from libs.pipeline.upload import DeliveryError
from libs.spatial_utils.formats import find_format


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")


@pytest.mark.parametrize(
    ("name", "content", "format_"),
    [
        ("a.geojson", b"", "GeoJSON"),
        ("A.GPKG", b"", "GPKG"),
        ("a.shp", b"", "ESRI Shapefile"),
        ("a.kmz", b"PK\3\4", "KMZ"),
        ("a.json", b'{"type": "FeatureCollection"}', "GeoJSON"),
        ("a.json", b'\x1e{"type": "Feature"}\n', "GeoJSONSeq"),
        ("a.tab", b"!table\n!version 300\n", "MapInfo TAB"),
        ("a.tab", b"id\tname\n1\tx\n", "CSV"),
        ("a.txt", b"id\tname\n1\tx\n", "CSV"),
        ("a.txt", b'{"type": "FeatureCollection"}', "GeoJSON"),
        ("a.seq", b'{"type": "Feature"}\n{"type": "Feature"}\n', "GeoJSONSeq"),
        ("a.geojson", b'{"type": "Feature"}\n\n {"type": "Feature"}\n', "GeoJSONSeq"),
        ("a.geojson", b'{"type":\n{"a": 1}}', "GeoJSON"),
        ("download", b"fgb\3fgb\0", "FlatGeobuf"),
        ("a.db", b"SQLite format 3\0".ljust(68, b"\1") + b"GPKG", "GPKG"),
        ("a.db", b"SQLite format 3\0".ljust(72, b"\1"), "SQLite"),
    ],
)
def test_the_format_is_proposed_by_extension_and_by_content_where_that_serves_several(tmp_path, name, content, format_):
    (tmp_path / name).write_bytes(content)
    assert format_of(tmp_path / name).name == format_


@pytest.mark.parametrize(
    ("members", "format_"),
    [
        (["readme.txt", "delivery/roads.shp", "delivery/roads.dbf"], "ESRI Shapefile"),
        (["town.gpkg", "notes.csv"], "GPKG"),
        (["town.gdb/a00000001.gdbtable"], "FileGDB"),
    ],
)
def test_an_archive_is_what_it_holds(tmp_path, members, format_):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for member in members:
            archive.writestr(member, b"")
    assert format_of(tmp_path / "a.zip").name == format_


GEOJSON = b'{"type": "FeatureCollection", "features": []}'
README = b"This is the survey of 2024, by the office.\nAsk us, if you have questions.\n"
METADATA = b'<?xml version="1.0"?><gmd:MD_Metadata xmlns:gmd="http://www.isotc211.org/2005/gmd"/>'


@pytest.mark.parametrize(
    ("members", "format_"),
    [
        (
            {"readme.txt": README, "metadata.xml": METADATA, "package.json": b'{"name": "x"}', "a.gpkg": b"SQLite format 3\0"},
            "GPKG",
        ),
        ({"readme.txt": README, "plan.dxf": b"  0\nSECTION\n"}, "DXF"),
        ({"metadata.xml": METADATA, "stops.csv": b"x,y\n1,2\n"}, "CSV"),
        ({"readme.txt": README, "stops.txt": b"x\ty\n1\t2\n"}, "CSV"),
        ({"a.tab": b"!table\n!version 300\n", "a.dat": b"", "a.map": b"", "a.id": b""}, "MapInfo TAB"),
        ({"styles.xml": b"<StyledLayerDescriptor/>", "data.xml": b"<wfs:FeatureCollection/>"}, "GML"),
        ({"metadata.json": b'{"title": "x"}', "data.json": GEOJSON}, "GeoJSON"),
        ({"__MACOSX/._a.csv": b"a,b\n1,2\n", "a.parquet": b"PAR1"}, "GeoParquet"),
        ({"list.csv": b"one column\n"}, "CSV"),
    ],
)
def test_documents_beside_the_data_do_not_make_its_format(tmp_path, members, format_):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    assert format_of(tmp_path / "a.zip").name == format_


def test_an_archive_of_nothing_but_documents_holds_no_data(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("readme.txt", README)
        archive.writestr("LICENCE.txt", b"file,licence\nphoto.jpg,CC0\n")
        archive.writestr("metadata.xml", METADATA)
    with pytest.raises(DeliveryError, match="holds no data"):
        format_of(tmp_path / "a.zip")


def test_what_no_extension_explains_is_a_usage_error_that_helps(tmp_path):
    touch(tmp_path, "data.bin")
    with pytest.raises(DeliveryError, match=r"Known: .*\.gpkg"):
        format_of(tmp_path / "data.bin")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("photo.bmp", b"")
    with pytest.raises(DeliveryError, match=r"photo\.bmp"):
        format_of(tmp_path / "a.zip")
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.writestr("in/roads.zip", b"")
    with pytest.raises(DeliveryError, match=r"another archive, in/roads\.zip"):
        format_of(tmp_path / "b.zip")
    (tmp_path / "broken.zip").write_bytes(b"PK\3\4")
    with pytest.raises(DeliveryError, match="cannot be opened"):
        format_of(tmp_path / "broken.zip")


def test_a_file_that_is_named_like_a_filegdb_folder_is_none(tmp_path):
    touch(tmp_path, "a.gdb")
    with pytest.raises(DeliveryError):
        format_of(tmp_path / "a.gdb")


def test_files_of_one_name_do_not_overwrite_each_other(tmp_path):
    touch(tmp_path, "east/roads.shp", "west/Roads.shp", "south/roads.gpkg")
    found = delivery.local_files([tmp_path / "east/roads.shp", tmp_path / "west/Roads.shp", tmp_path / "south/roads.gpkg"])
    assert [upload.key for upload in found] == ["roads.shp", "2/Roads.shp", "roads.gpkg"]


def test_a_format_by_name_is_forgiving_about_its_spelling_only(tmp_path):
    touch(tmp_path, "data.bin")
    assert delivery.local_files([tmp_path / "data.bin"], find_format("geo package", "format"))[0].format.name == "GPKG"


def test_a_parquet_file_without_geometry_is_a_table(tmp_path):
    numbers = {f"c{index}": range(1000) for index in range(100)}
    pq.write_table(pa.table({"geometry": [b"x"], **{name: [1] for name in numbers}}), tmp_path / "plain.parquet")
    pq.write_table(pa.table(numbers), tmp_path / "large.parquet", row_group_size=10)
    pq.write_table(pa.table({"g": [b"x"]}).replace_schema_metadata({"geo": "{}"}), tmp_path / "geo.parquet")
    with duckdb.connect() as connection:
        connection.execute(f"COPY (SELECT 'POINT (1 2)'::GEOMETRY AS g) TO '{tmp_path}/type.parquet' (GEOPARQUET_VERSION 'NONE')")
    assert b"geo" not in (tmp_path / "type.parquet").read_bytes()
    (tmp_path / "short.parquet").write_bytes(b"PAR1")
    types = {name: delivery.local_files([tmp_path / f"{name}.parquet"])[0].entry({}, {})["type"]
             for name in ("plain", "large", "geo", "type", "short")}  # fmt: skip
    assert types == {"plain": "tabular", "large": "tabular", "geo": "vector", "type": "vector", "short": "vector"}


def test_only_a_csv_with_coordinates_is_vector(tmp_path):
    touch(tmp_path, "t.csv", "a.geojson")
    table, geojson = delivery.local_files([tmp_path / "t.csv", tmp_path / "a.geojson"])
    assert table.entry({"delimiter": ";"}, {}) == {"type": "tabular", "format": "CSV", "options": {"delimiter": ";"}}
    assert table.entry({"x": "lon", "y": "lat"}, {}) == {"type": "vector", "format": "CSV", "options": {"x": "lon", "y": "lat"}}
    assert table.entry({}, {}) == {"type": "tabular", "format": "CSV"}
    for header, kind in (("id,lon,lat", "vector"), ("id,geom", "vector"), ("id,name", "tabular")):
        (tmp_path / "t.csv").write_text(f"{header}\n")
        assert table.entry({}, {"crs": "EPSG:4326"})["type"] == kind
        assert table.entry({}, {})["type"] == "tabular"
    assert geojson.entry({"x": "lon", "y": "lat"}, {}) == {"type": "vector", "format": "GeoJSON"}


@pytest.mark.parametrize(
    ("header", "options", "columns"),
    [
        ("id,Lon,Lat\n", {}, ("Lon", "Lat")),
        ('"id";"Easting";"Northing"\r\n', {}, ("Easting", "Northing")),
        ("\ufeffx\ty\n", {}, ("x", "y")),
        ("id,lat\n", {}, None),
        ("", {}, None),
        ("A title\n\nid,lon,lat\n1,7.5,46.5\n", {}, ("lon", "lat")),
        ("lon,lat\nE,N\n", {"header": 2}, ("E", "N")),
        ("a title\nx,y\n", {"skip_rows": 1}, ("x", "y")),
        ("x,y\n", {"header": "none"}, None),
    ],
)
def test_columns_that_look_like_coordinates_are_noticed(tmp_path, header, options, columns):
    path = tmp_path / "t.csv"
    path.write_text(header, encoding="utf-8", newline="")
    assert delivery.coordinate_columns(path, options) == columns


def test_a_folder_is_a_filegdb_or_a_mistake(tmp_path):
    (tmp_path / "shapes").mkdir()
    with pytest.raises(DeliveryError, match="is a folder"):
        format_of(tmp_path / "shapes")


@pytest.mark.parametrize("name", ["roads.gpkg", "Straßen & Wege.geojson", "..gpkg", "日本.csv", "x" * 200 + ".shp", "_x.kml"])
def test_a_batch_id_can_be_made_of_any_file_name(tmp_path, name):
    import re

    identifier = delivery.new_batch_id(tmp_path / name)
    assert re.match(ID_PATTERN, identifier)
    assert identifier != delivery.new_batch_id(tmp_path / name)


def manifest(*paths):
    files = [{"path": f"s3://landing-zone/{path}", "type": "vector", "format": "GPKG"} for path in paths]
    return Manifest.model_validate({"batch_id": "b", "uploader": "me", "intent": "ingest_vector", "files": files})


def test_files_go_where_the_manifest_says(tmp_path):
    touch(tmp_path, "a.gpkg", "b.gpkg")
    content = manifest("team/march/a.gpkg", "b.gpkg")
    found = delivery.places([tmp_path / "b.gpkg", tmp_path / "a.gpkg"], content, "landing-zone")
    assert [(each.path.name, each.format.name, each.folder, each.key, each.where) for each in found] == [
        ("b.gpkg", "GPKG", "", "b.gpkg", "files[1].path"),
        ("a.gpkg", "GPKG", "team/march", "team/march/a.gpkg", "files[0].path"),
    ]


def test_a_file_that_the_manifest_does_not_name_once_is_a_usage_error(tmp_path):
    touch(tmp_path, "a.gpkg", "b.gpkg")
    with pytest.raises(DeliveryError, match=r"a\.gpkg: the manifest names other files: b\.gpkg"):
        delivery.places([tmp_path / "a.gpkg"], manifest("in/b.gpkg"), "landing-zone")
    with pytest.raises(DeliveryError, match=r"a\.gpkg: the manifest names 2 files of this name"):
        delivery.places([tmp_path / "a.gpkg"], manifest("in/a.gpkg", "other/a.gpkg"), "landing-zone")


@pytest.mark.parametrize(
    ("name", "head", "advice"),
    [
        ("a.jp2", b"\0\0\0\x0cjP  ", "Write it as GeoTIFF"),
        ("a.nc", b"CDF\x01", "Write it as GeoTIFF"),
        ("a.las", b"LASF", "Point clouds are not read"),
        ("a.mdb", b"\0\x01\0\0Standard Jet DB\0", "Export its tables"),
        ("a.7z", b"7z\xbc\xaf\x27\x1c", "Unpack it"),
        ("a.rar", b"Rar!\x1a\x07", "Unpack it"),
        ("a.pdf", b"%PDF-1.7", "holds no features"),
        ("a.bin", b"version https://git-lfs.github.com/spec/v1", "git lfs pull"),
        ("a.html", b"<!doctype html><html>", "login"),
    ],
)
def test_what_is_no_data_says_what_it_looks_like_and_what_to_do(tmp_path: Path, name: str, head: bytes, advice: str) -> None:
    (tmp_path / name).write_bytes(head)
    with pytest.raises(DeliveryError, match="looks like") as caught:
        format_of(tmp_path / name)
    assert advice in str(caught.value)
