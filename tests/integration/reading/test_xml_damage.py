"""GML, KML and GPX: what GDAL would leave out, and coordinates that are none."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from libs.models import Problem

pytestmark = pytest.mark.integration

Reader = Callable[..., Any]
Refuser = Callable[..., Problem]
GML_POINT = (
    '<g:FeatureCollection xmlns:g="http://www.opengis.net/gml">\n<g:featureMember><f>'
    '<g:Point srsName="EPSG:4326"><g:pos>8 {}</g:pos></g:Point></f></g:featureMember></g:FeatureCollection>'
)


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
