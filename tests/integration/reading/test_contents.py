"""What a file holds beside features, or in their place: nothing of it may end as a success without a word."""

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from libs.models import Problem

pytestmark = pytest.mark.integration
Reader = Callable[..., Any]
Refuser = Callable[..., Problem]
CASES = Path(__file__).parents[2] / "data" / "cases"
POINT = {"type": "Point", "coordinates": [7, 50]}
KML = '<kml xmlns="http://www.opengis.net/kml/2.2"><Document>{}</Document></kml>'
LINK = "<NetworkLink><name>live</name><Link><href>http://example.org/x.kml</href></Link></NetworkLink>"
PLACEMARK = "<Placemark><Point><coordinates>7,50</coordinates></Point></Placemark>"
DXF = "  0\nSECTION\n  2\nENTITIES\n{}  0\nENDSEC\n  0\nEOF\n"


def feature(**members: Any) -> dict[str, Any]:
    return {"type": "Feature", "properties": {"a": 1}, "geometry": POINT} | members


def collection(*features: Any, **members: Any) -> dict[str, Any]:
    return {"type": "FeatureCollection", "features": [*features]} | members


def written(folder: Path, document: Any, name: str = "a.geojson") -> Path:
    path = folder / name
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return path


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"type": "Foo"}, "no type 'Foo'"),
        ({"name": "bare", "version": 1}, "has no 'type'"),
        ([1, 2], "no JSON object"),
        ({"type": "CircularString", "coordinates": [[0, 0], [1, 1], [2, 0]]}, "no type 'CircularString'"),
        ({"features": [feature()]}, "has no 'type'"),
        ({"type": "FeatureCollection"}, "without a list of 'features'"),
    ],
)
def test_json_that_is_no_geojson(refused: Refuser, tmp_path: Path, document: Any, said: str) -> None:
    problem = refused(written(tmp_path, document), "GeoJSON")
    assert problem.code == "format_mismatch"
    assert said in problem.message


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"geometry": None, "place": {"type": "Polyhedron", "coordinates": []}}, "geometry_lost"),
        ({"geometry": {"type": "Prism", "base": POINT}}, "unknown_geometry_type"),
        ({"geometry": "POINT (7 50)"}, "unknown_geometry_type"),
        ({"geometry": {"coordinates": [7, 50]}}, "unknown_geometry_type"),
        ({"geometry": {"type": "GeometryCollection", "geometries": [POINT, {"type": "Foo"}]}}, "unknown_geometry_type"),
    ],
)
def test_a_geometry_that_geojson_does_not_know(refused: Refuser, tmp_path: Path, members: dict[str, Any], code: str) -> None:
    problem = refused(written(tmp_path, collection(feature(), feature(**members))), "GeoJSON")
    assert (problem.code, problem.where) == (code, "files[0]: feature 2")


def test_a_curve_of_a_feature_is_read(read: Reader, tmp_path: Path) -> None:
    curve = {"type": "CircularString", "coordinates": [[0, 0], [1, 1], [2, 0]]}
    got = read(written(tmp_path, collection(feature(geometry=curve))), "GeoJSON")
    assert got.table.num_rows == 1
    assert got.counts == {"a": {"linearized": 1}}


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"numberMatched": 5000, "numberReturned": 1}, "1 of 5,000 features"),
        ({"totalFeatures": 20, "numberReturned": 1}, "1 of 20 features"),
        ({"links": [{"rel": "self"}, {"rel": "next", "href": "?page=2"}]}, "the features of one page"),
        ({"exceededTransferLimit": True}, "the features of one page"),
        ({"properties": {"exceededTransferLimit": True}}, "the features of one page"),
        ({"numberMatched": 1, "numberReturned": 1, "links": [{"rel": "prev"}]}, None),
        ({"totalFeatures": "unknown", "numberReturned": 1}, None),
    ],
)
def test_a_page_of_geojson(read: Reader, tmp_path: Path, members: dict[str, Any], said: str | None) -> None:
    got = read(written(tmp_path, collection(feature(), **members)), "GeoJSON")
    assert [warning.code for warning in got.warnings] == ([] if said is None else ["one_page_of_many"])
    assert said is None or said in got.warnings[0].message


def test_a_page_of_gml(read: Reader, tmp_path: Path) -> None:
    path = Path(shutil.copy(CASES / "wfs_truncated_page.gml", tmp_path))
    (warning,) = read(path, "GML").warnings
    assert warning.code == "one_page_of_many"
    assert "1 of 5,000 features" in warning.message
    whole = written(tmp_path, path.read_text().replace("5000", "1"), "whole.gml")
    assert not read(whole, "GML").warnings


def test_a_kml_of_nothing_but_a_link(refused: Refuser, tmp_path: Path) -> None:
    problem = refused(Path(shutil.copy(CASES / "networklink.kml", tmp_path)), "KML")
    assert problem.code == "no_features"
    assert "http://example.org/x.kml" in problem.message


def test_a_kml_with_a_link_beside_its_features(read: Reader, tmp_path: Path) -> None:
    got = read(written(tmp_path, KML.format(PLACEMARK + LINK), "a.kml"), "KML")
    assert got.table.num_rows == 1
    assert [warning.code for warning in got.warnings] == ["link_not_followed"]


def test_a_drawing_of_nothing_that_can_be_read(refused: Refuser, read: Reader, tmp_path: Path) -> None:
    solid = "  0\n3DSOLID\n  8\n0\n"
    point = "  0\nPOINT\n  8\n0\n 10\n1.0\n 20\n2.0\n"
    problem = refused(written(tmp_path, DXF.format(solid), "a.dxf"), "DXF", crs="EPSG:25832")
    assert problem.code == "no_features"
    assert "3DSOLID" in problem.message
    got = read(written(tmp_path, DXF.format(solid + point), "b.dxf"), "DXF", crs="EPSG:25832")
    assert got.table.num_rows == 1
    assert [warning.code for warning in got.warnings] == ["entities_not_read"]


@pytest.mark.parametrize(
    ("name", "content", "kind", "more"),
    [
        ("a.geojson", '{"type": "FeatureCollection", "features": []}', "GeoJSON", {}),
        ("a.csv", "a,b\n", "CSV", {"type": "tabular"}),
        ("a.dxf", DXF.format(""), "DXF", {"crs": "EPSG:25832"}),
    ],
)
def test_what_is_empty_is_read_and_said(
    read: Reader, tmp_path: Path, name: str, content: str, kind: str, more: dict[str, str]
) -> None:
    got = read(written(tmp_path, content, name), kind, **more)
    assert got.table.num_rows == 0
    assert [warning.code for warning in got.warnings] == ["no_features"]


@pytest.mark.parametrize(
    ("case", "kind", "more", "documents"),
    [
        ("csv_plus_metadata_xml.zip", "CSV", {"type": "tabular"}, "metadata.xml"),
        ("dxf_plus_readme.zip", "DXF", {"crs": "EPSG:25832"}, "readme.txt"),
        ("gpkg_plus_json.zip", "GPKG", {}, "package.json"),
        ("tab_plain.zip", "MapInfo TAB", {}, None),
    ],
)
def test_documents_in_an_archive_are_named(
    read: Reader, tmp_path: Path, case: str, kind: str, more: dict[str, str], documents: str | None
) -> None:
    got = read(Path(shutil.copy(CASES / case, tmp_path)), kind, **more)
    assert sum(table.num_rows for table in got.tables.values()) > 0
    named = [warning.message for warning in got.warnings if warning.code == "documents_not_read"]
    assert [documents in message for message in named] == ([] if documents is None else [True])


@pytest.mark.parametrize(
    ("kind", "data", "document", "more"),
    [
        ("GeoJSON", ("data.json", json.dumps(collection(feature()))), ("metadata.json", '{"title": "x"}'), {}),
        ("CSV", ("stops.txt", "x\ty\n1\t2\n"), ("readme.txt", "Stops of 2024.\nAsk, if you must.\n"), {"type": "tabular"}),
        (
            "GML",
            ("data.xml", (CASES / "wfs_truncated_page.gml").read_text()),
            ("metadata.xml", '<gmd:MD_Metadata xmlns:gmd="http://www.isotc211.org/2005/gmd"/>'),
            {},
        ),
    ],
)
def test_a_document_with_an_extension_of_the_format(
    read: Reader, tmp_path: Path, kind: str, data: tuple[str, str], document: tuple[str, str], more: dict[str, str]
) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(*document)
        archive.writestr(*data)
    got = read(tmp_path / "a.zip", kind, **more)
    assert got.table.num_rows == 1
    assert document[0] in next(warning.message for warning in got.warnings if warning.code == "documents_not_read")
