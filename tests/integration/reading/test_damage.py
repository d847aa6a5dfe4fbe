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
from tests.integration.reading.shapefiles import POINT, point, write_shapes, write_table
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


@pytest.mark.parametrize("kept", [0, 3])
def test_records_of_dbase_behind_those_that_are_counted(refused: Refuser, read: Reader, tmp_path: Path, kept: int) -> None:
    path, rows = tmp_path / "a.dbf", [[b"some"], [b"text"], [b""], [b"and"], [b"more"]]
    write_table(path, [("C", 8, 0)], rows)
    whole = path.read_bytes()
    path.write_bytes(whole[:4] + struct.pack("<I", kept) + whole[8:])
    problem = refused(path, "dBASE", type="tabular")
    assert problem.code == "damaged"
    assert f"{kept} records" in problem.message
    for behind in (b"", b"\x1a\x1a", b"\x1a" + b" rubbish" * 50, bytes(500), b" " * 500, b" rubbish", b"*deleted "):
        path.write_bytes(whole[:-1] + behind)
        assert read(path, "dBASE", type="tabular").table.num_rows == len(rows)


@pytest.mark.parametrize("kept", [0, 2])
def test_shapes_behind_those_that_are_counted(refused: Refuser, read: Reader, tmp_path: Path, kept: int) -> None:
    path, points = tmp_path / "a.shp", [point(row, 1) for row in range(4)]
    write_shapes(path, POINT, points)
    whole, index = path.read_bytes(), path.with_suffix(".shx").read_bytes()
    write_table(path, [("C", 8, 0)], [[b""]] * kept)
    path.with_suffix(".shx").write_bytes(index[:24] + struct.pack(">I", 50 + kept * 4) + index[28:])
    problem = refused(path, "ESRI Shapefile", crs="EPSG:2056")
    assert problem.code == "damaged"
    assert f"{kept} shapes" in problem.message
    for behind in (b"", b"rubbish" * 9, bytes(200)):
        path.write_bytes(whole[:24] + struct.pack(">I", 50 + kept * 14) + whole[28 : 100 + 28 * kept] + behind)
        assert read(path, "ESRI Shapefile", crs="EPSG:2056").table.num_rows == kept


@pytest.mark.parametrize("place", [78, 50, 70, 2, -4, 0])
def test_an_index_that_leads_elsewhere(refused: Refuser, read: Reader, tmp_path: Path, place: int) -> None:
    """One shape is lost, and another one read twice, or nothing, or whatever stands there."""
    path = tmp_path / "a.shp"
    write_shapes(path, POINT, [point(row, 1) for row in range(4)])
    write_table(path, [("C", 8, 0)], [[b""]] * 4)
    index = path.with_suffix(".shx").read_bytes()
    path.with_suffix(".shx").write_bytes(index[:108] + struct.pack(">i", place) + index[112:])
    assert refused(path, "ESRI Shapefile", crs="EPSG:2056").code == "damaged"
    path.with_suffix(".shx").write_bytes(index[:100] + b"".join(index[at : at + 8] for at in (124, 116, 108, 100)))
    assert [shape.x for shape in read(path, "ESRI Shapefile", crs="EPSG:2056").geometries] == [3, 2, 1, 0]


@pytest.mark.parametrize("width", [7, 9])
def test_fields_of_dbase_that_do_not_fill_a_record(refused: Refuser, tmp_path: Path, width: int) -> None:
    path = tmp_path / "a.dbf"
    write_table(path, [("C", 8, 0)], [[b"some"], [b"text"]])
    content = path.read_bytes()
    path.write_bytes(content[:48] + bytes([width]) + content[49:])
    assert refused(path, "dBASE", type="tabular").code == "damaged"


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
    for full_scan in (True, False):
        assert read(path, "GeoJSONSeq", full_scan=full_scan).table["n"].to_pylist() == [0, 1, 2, 3, 4]


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
    (b"version https://git-lfs.github.com/spec/v1\n", "GPKG", "format_mismatch"), (b'{"foo":1}', "GeoJSON", "format_mismatch"),
    (b"fgb\3fgb\0", "FlatGeobuf", "damaged"), (b"PAR1", "GeoParquet", "damaged"), (b"\0" * 1000, "GeoJSON", "format_mismatch"),
])  # fmt: skip
def test_a_file_that_is_not_what_it_says(refused: Refuser, tmp_path: Path, content: bytes, kind: str, code: str) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(content)
    assert refused(path, kind).code == code


# --- what GDAL passes over


GML_HEAD = '<g:FeatureCollection xmlns:g="http://www.opengis.net/gml">\n'
XSD_HEAD = '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:gml="http://www.opengis.net/gml" targetNamespace="t">'


def features(path: Path, *properties: str, schema: str = "", crs: str = "EPSG:25832") -> Path:
    """A GML of features, each of its own properties; ``@`` is a point. The schema beside it lists features ``f`` with ``n``."""
    point = f'<g:Point srsName="{crs}"><g:pos>8 50</g:pos></g:Point>'
    members = "".join(f"<g:featureMember>{text.replace('@', point)}</g:featureMember>\n" for text in properties)
    path.write_text(f"{GML_HEAD}{members}</g:FeatureCollection>")
    if schema:
        geometry = '<xs:element name="{}" type="gml:PointPropertyType" minOccurs="0"/>'
        listed = '<xs:element name="n" type="xs:int"/>' + "".join(geometry.format(name) for name in schema.split())
        path.with_suffix(".xsd").write_text(
            f'{XSD_HEAD}<xs:element name="f" type="fType" substitutionGroup="gml:_Feature"/><xs:complexType name="fType">'
            f'<xs:complexContent><xs:extension base="gml:AbstractFeatureType"><xs:sequence>{listed}</xs:sequence></xs:extension>'
            "</xs:complexContent></xs:complexType></xs:schema>"
        )
    return path


@pytest.mark.parametrize(
    ("properties", "schema", "code", "where"),
    [
        (["<f><n>1</n><a>@</a></f>", "<f><n>1</n><a>@</a><b>@</b></f>"], "", None, ""),
        (["<f><n>1</n><a>@</a><a>@</a></f>"], "", "geometry_lost", "line 2"),
        (["<f><n>1</n><a>@</a><part><q><a>@</a></q></part></f>"], "", None, ""),
        (["<f><n>1</n><a>@</a><b>@</b></f>"], "a", "geometry_lost", "line 2"),
        (["<f><n>1</n><a>@</a><b>@</b></f>"], "a b", None, ""),
        (["<f><n>1</n><a>@</a><Point>x</Point></f>"], "a", None, ""),
        (["<f><n>1</n><a>@</a></f>", "<f><n>1</n><b>@</b></f>"], "", None, ""),
        (["<f><n>1</n><a>@</a></f>", "<q><n>1</n><a>@</a></q>"], "a", "features_lost", ""),
        (["<q><n>1</n><a>@</a></q>"], "a", "features_lost", ""),
        (["<f><n>1</n><a>@</a></f>", "<q><n>1</n><a>@</a></q>"], "", None, ""),
    ],
)
def test_what_gdal_would_leave_out_of_a_gml(
    read: Reader, refused: Refuser, tmp_path: Path, properties: list[str], schema: str, code: str | None, where: str
) -> None:
    path = features(tmp_path / "a.gml", *properties, schema=schema)
    if code is None:
        assert sum(table.num_rows for table in read(path, "GML").tables.values()) == len(properties)
        return
    problem = refused(path, "GML", crs="EPSG:25832")
    assert (problem.code, problem.where) == (code, f"files[0]: {where}" if where else "files[0]")


@pytest.mark.parametrize("schema", ["", "a"])
def test_properties_of_a_gml_that_its_schema_does_not_list(read: Reader, tmp_path: Path, schema: str) -> None:
    path = features(tmp_path / "a.gml", "<f><n>1</n><a>@</a><x>y</x></f>", schema=schema)
    got = read(path, "GML")
    assert ("x" in got.table.column_names) == (not schema)
    assert [warning.code for warning in got.warnings] == (["values_not_read"] if schema else [])
    assert not schema or ": x." in got.warnings[0].message


@pytest.mark.parametrize("name", ["EPSG:4326", "urn:ogc:def:crs:EPSG::4326", "http://www.opengis.net/def/crs/EPSG/0/4326"])
def test_the_crs_that_the_features_of_a_gml_name(read: Reader, refused: Refuser, tmp_path: Path, name: str) -> None:
    """GDAL knows none of a layer that has a schema, nor of one that is in several: then the manifest decided."""
    path = features(tmp_path / "a.gml", "<f><n>1</n><a>@</a></f>", schema="a", crs=name)
    assert read(path, "GML").layer.crs.name == "EPSG:4326"
    assert [shape.x for shape in read(path, "GML", crs="EPSG:4326").geometries] == [8 if name.startswith("EPSG") else 50]
    assert refused(path, "GML", crs="EPSG:25832").code == "crs_mismatch"
    other = '<g:Point srsName="EPSG:25832"><g:pos>500000 5500000</g:pos></g:Point>'
    for schema in ("", "a"):
        path = features(tmp_path / "b.gml", "<f><n>1</n><a>@</a></f>", f"<f><n>1</n><a>{other}</a></f>", schema=schema, crs=name)
        for crs in (None, "EPSG:25832"):
            problem = refused(path, "GML", crs=crs)
            assert problem.code == "crs_mixed"
            assert "EPSG:25832, EPSG:4326" in problem.message


KML = '<kml xmlns:gx="http://www.google.com/kml/ext/2.2"><Document>\n<Placemark>{}</Placemark></Document></kml>'
KML_LINE = KML.format("<LineString>{}</LineString>")
GPX = '<gpx version="1.1" creator="x" xmlns="http://www.topografix.com/GPX/1/1">\n<wpt {}/></gpx>'
GML_LINE = GML_POINT.replace("Point", "LineString").replace("<g:pos>8 {}</g:pos>", "{}")


@pytest.mark.parametrize(
    ("kind", "text", "right", "wrong"),
    [
        *(
            ("KML", KML_LINE.format("<coordinates>{}</coordinates>"), "1,2 3,4", wrong)
            for wrong in ("8,x 3,4", "1 2 3 4", "1,2;3,4", "1,2,3,4 5,6,7,8", "1--2,3 4,5", "1,,2 3,4", "1.5.6,2 3,4", "1,2 3")
        ),
        ("KML", KML_LINE, "<coordinates >1,2 3,4</coordinates>", "<coordinates >1,x 3,4</coordinates>"),
        ("KML", KML_LINE, '<coordinates id="c">1,2 3,4</coordinates>', '<coordinates id="c">1,x 3,4</coordinates>'),
        ("KML", KML_LINE, "<coordinates><![CDATA[1,2 3,4]]></coordinates>", "<coordinates><![CDATA[1,x 3,4]]></coordinates>"),
        ("KML", KML_LINE, "<coordinates><!-- x --> 1,2 3,4</coordinates>", "<coordinates><!-- 1 --> 1,x 3,4</coordinates>"),
        *(
            (
                "KML",
                KML.format(f"<gx:Track>{'<when>2024-05-01</when>' * 2}<gx:coord>1 2 3</gx:coord>{{}}</gx:Track>"),
                right,
                wrong,
            )
            for right, wrong in (
                ("<gx:coord> 4 5\n6 </gx:coord>", "<gx:coord></gx:coord>"),
                ("<gx:coord>4 5</gx:coord>", "<gx:coord/>"),
                ("<gx:coord>4 5 6</gx:coord>", "<gx:coord>4,5,6</gx:coord>"),
            )
        ),
        *(
            ("GPX", GPX, 'lat="47" lon=" +8.5 "', f'lat="{wrong}" lon="8"')
            for wrong in ("1,5", "1.5N", "1e", "1.2.3", "1°", "x", "")
        ),
        ("GPX", GPX, "lon='8' lat='47'", 'lat="47" lon="8,5"'),
        ("GPX", GPX, 'lon="8" lat="47"', 'lon="8"'),
        ("GML", GML_POINT, "47", "x"),
        ("GML", GML_POINT.replace("<f>", "<f><pos>near 5</pos><g:coordinates>N 5</g:coordinates>"), "47", "x"),
        ("GML", GML_LINE, "<g:pos>1 2</g:pos><g:pos>3 4</g:pos>", "<g:pos>1,5 2</g:pos><g:pos>3 4</g:pos>"),
        ("GML", GML_LINE, "<g:coordinates>1,2 3,4</g:coordinates>", "<g:coordinates>1,x 3,4</g:coordinates>"),
        (
            "GML",
            GML_LINE,
            '<g:coordinates decimal="," cs=";" ts=" ">1,5;2 3;4</g:coordinates>',
            '<g:coordinates decimal="." cs="," ts=" ">1,2;2,3</g:coordinates>',
        ),
        (
            "GML",
            GML_LINE,
            "<g:coord><g:X>1</g:X><g:Y>2</g:Y></g:coord>" * 2,
            "<g:coord><g:X>1</g:X><g:Y>2</g:Y></g:coord><g:coord><g:X>1</g:X><g:Y>y2</g:Y></g:coord>",
        ),
    ],
)
def test_coordinates_that_are_none(
    refused: Refuser, read: Reader, tmp_path: Path, kind: str, text: str, right: str, wrong: str
) -> None:
    """GDAL reads 0, other positions, or none at all."""
    path = tmp_path / f"a.{kind.lower()}"
    path.write_text(text.format(right), encoding="utf-8")
    got = read(path, kind)
    assert (got.table.num_rows, got.warnings) == (1, [])
    assert not got.geometries[0].is_empty
    path.write_text(text.format(wrong), encoding="utf-8")
    problem = refused(path, kind)
    assert problem.code == "bad_coordinate"
    assert problem.where.startswith("files[0]: line 2" if wrong != "<gx:coord/>" else "files[0]: line ")


@pytest.mark.parametrize(
    ("geometry", "named"),
    [
        ("<MultiGeometry><Point><coordinates>1,2</coordinates></Point><Model><Link/></Model></MultiGeometry>", "<Model>"),
        ("<LinearRing><coordinates>0,0 4,0 4,4 0,0</coordinates></LinearRing>", "<LinearRing>"),
    ],
)
def test_geometries_of_kml_that_cannot_be_read_are_named(refused: Refuser, tmp_path: Path, geometry: str, named: str) -> None:
    """Of the first, GDAL 3.12.4 dies."""
    path = tmp_path / "a.kml"
    path.write_text(KML.format(geometry))
    problem = refused(path, "KML")
    assert (problem.code, problem.where) == ("geometry_lost", "files[0]: line 2")
    assert named in problem.message


@pytest.mark.parametrize("encoding", ["utf-8", "iso-8859-1"])
@pytest.mark.parametrize(("written", "code"), [("1,2 3,4", None), ("1,2&#32;3,4", None), ("1,2\n3,4\n5,x 6,7", "bad_coordinate")])
def test_coordinates_of_kml_in_several_lines(
    refused: Refuser, read: Reader, tmp_path: Path, encoding: str, written: str, code: str | None
) -> None:
    path = tmp_path / "a.kml"
    text = KML_LINE.format(f"<!-- Zürich -->\n<coordinates>{written}</coordinates>")
    path.write_text(f'<?xml version="1.0" encoding="{encoding}"?>\n{text}', encoding=encoding)
    if code is None:
        assert read(path, "KML").table.num_rows == 1
        return
    problem = refused(path, "KML")
    assert (problem.code, problem.where) == (code, "files[0]: line 6")
    assert "'5,x 6,7'" in problem.message


def test_coordinates_of_a_gml_in_an_encoding_of_windows(refused: Refuser, read: Reader, tmp_path: Path) -> None:
    path = tmp_path / "a.gml"
    text = '<?xml version="1.0" encoding="windows-1252"?>\n<!-- Zürich -->' + GML_POINT
    path.write_text(text.format("47"), encoding="windows-1252")
    assert read(path, "GML").table.num_rows == 1
    path.write_text(text.format("x"), encoding="windows-1252")
    assert refused(path, "GML").code == "bad_coordinate"


def test_xml_that_ends_too_early(refused: Refuser, tmp_path: Path) -> None:
    """What comes first is said: the coordinate, then the missing end."""
    path = tmp_path / "a.kml"
    text = KML_LINE.format("<coordinates>{}</coordinates>").removesuffix("</kml>")
    path.write_text(text.format("1,x"))
    assert refused(path, "KML").code == "bad_coordinate"
    path.write_text(text.format("1,2"))
    assert refused(path, "KML").code in {"damaged", "unreadable"}


def test_what_looks_like_wrong_coordinates_in_a_large_kml_is_none(read: Reader, tmp_path: Path) -> None:
    """It is read by pieces, whose ends are no ends of coordinates or times; and comments and descriptions are no markup."""
    path = tmp_path / "a.kml"
    line = "<LineString><coordinates>" + "8.25,47.5,100 " * 40 + "</coordinates></LineString>"
    hull = "<outerBoundaryIs><LinearRing><coordinates>0,0 4,0 4,4 0,0</coordinates></LinearRing></outerBoundaryIs>"
    rest = "<description><![CDATA[<coordinates>x</coordinates>]]></description><!-- <Model> --><TimeStamp><when>2024-05-01</when>"
    many = f"{rest}</TimeStamp>{line}</Placemark>\n<Placemark>" * 12_000
    path.write_text(KML.format(f"{many}<Polygon>{hull}</Polygon>"))
    assert path.stat().st_size > 8 * 1024 * 1024
    assert read(path, "KML").table.num_rows == 12_001


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


@pytest.mark.parametrize(
    ("record", "code"),
    [
        ('"a,b",1,20240229', None),
        ('"a ""b"", c", 1,2024/02/29', None),
        (",1,", None),
        ('"x",,20240229', "empty_numbers"),
        ('"x",1,20240230', "value_lost"),
        ('"x",1,"20241301"', "value_lost"),
        ("x,1,00000000", "value_lost"),
    ],
)
def test_values_of_a_mif_that_gdal_makes_others_of(
    read: Reader, refused: Refuser, tmp_path: Path, record: str, code: str | None
) -> None:
    """The first of January 1970, or the second of March."""
    path = tmp_path / "a.mif"
    head = 'Version 300\nCharset "WindowsLatin1"\nDelimiter ","\nCoordSys Earth Projection 1, 104\n'
    path.write_text(f"{head}Columns 3\n  c Char(20)\n  n Integer\n  d Date\nData\n\nPoint 1 2\nPoint 3 4\n")
    path.with_suffix(".mid").write_text(f'"y",2,20240101\n{record}\n')
    if code == "value_lost":
        problem = refused(path, "MIF")
        assert (problem.code, problem.where) == ("value_lost", "files[0]: a.mid")
        assert "'d'" in problem.message
        return
    assert [warning.code for warning in read(path, "MIF").warnings] == ([] if code is None else [code])


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


def test_tables_of_mapinfo_without_geometry(
    read: Reader, refused: Refuser, write: Callable[..., Path], places: gpd.GeoDataFrame
) -> None:
    path = write(places[["text", "geometry"]], "a.tab", "MapInfo File")
    path.with_suffix(".map").unlink()
    assert refused(path, "TAB").code == "missing_sidecar"
    path.with_suffix(".id").unlink()
    for kind, told in (("tabular", []), ("vector", ["read_as_table"])):
        got = read(path, "TAB", type=kind)
        assert (got.layer.has_geometry, got.table.num_rows) == (False, 100)
        assert [warning.code for warning in got.warnings] == told


def test_a_file_declared_as_a_table_that_has_geometry(
    refused: Refuser, write: Callable[..., Path], places: gpd.GeoDataFrame
) -> None:
    assert refused(write(places, "a.gpkg", "GPKG"), "GPKG", type="tabular").code == "type_mismatch"
