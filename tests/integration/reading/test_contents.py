"""What a file holds beside features, or in their place: nothing of it may end as a success without a word."""

import json
import shutil
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
        ({"type": "Foo"}, "its type is 'Foo'"),
        ({"name": "bare", "version": 1}, "members 'name', 'version', and no type"),
        ({}, "it is empty"),
        ([1, 2], "it is a list"),
        ({"type": "CircularString", "coordinates": [[0, 0], [1, 1], [2, 0]]}, "JSON-FG"),
        ({"conformsTo": [], "place": None}, "JSON-FG"),
        ({"features": [feature()]}, "members 'features', and no type"),
        ({"type": "FeatureCollection"}, "without a list 'features'"),
        ({"type": "FeatureCollection", "features": feature()}, "without a list 'features'"),
        ({"type": "CityJSON", "version": "2.0"}, "CityJSON"),
        ({"type": "Catalog", "stac_version": "1.0.0"}, "STAC"),
        ({"x": "y" * 100_000, "type": "Topology"}, "TopoJSON"),
        ({"x": "y" * 100_000, "fieldAliases": {}, "features": []}, "Esri JSON"),
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
        ({"geometry": None, "place": {"type": "Prism", "base": POINT}}, "geometry_lost"),
        ({"geometry": {"type": "Prism", "base": POINT}}, "unknown_geometry_type"),
        ({"geometry": "POINT (7 50)"}, "unknown_geometry_type"),
        ({"geometry": {"coordinates": [7, 50]}}, "unknown_geometry_type"),
        ({"geometry": {"type": "GeometryCollection", "geometries": [POINT, {"type": "Foo"}]}}, "unknown_geometry_type"),
    ],
)
def test_a_geometry_that_geojson_does_not_know(refused: Refuser, tmp_path: Path, members: dict[str, Any], code: str) -> None:
    problem = refused(written(tmp_path, collection(feature(), feature(**members))), "GeoJSON")
    assert (problem.code, problem.where) == (code, "files[0]: feature 2")


@pytest.mark.parametrize("members", [{"geometry": None, "place": {"type": "city"}}, {"geometry": None, "place": "Hamburg"}])
def test_a_place_that_is_no_geometry_is_a_member_like_others(read: Reader, tmp_path: Path, members: dict[str, Any]) -> None:
    got = read(written(tmp_path, collection(feature(), feature(**members))), "GeoJSON")
    assert (got.table.num_rows, got.geometries[1]) == (2, None)
    assert [warning.code for warning in got.warnings] == ["members_not_read"]


def test_an_empty_geometry_says_as_much_as_null(read: Reader, tmp_path: Path) -> None:
    got = read(written(tmp_path, collection(feature(), feature(geometry={}))), "GeoJSON")
    assert (got.table.num_rows, got.geometries[1]) == (2, None)


@pytest.mark.parametrize("wrong", [{"geometry": {"type": "Polyhedron", "coordinates": []}}, {"geometry": None, "place": POINT}])
def test_a_geometry_that_is_lost_is_found_far_into_a_large_file(refused: Refuser, tmp_path: Path, wrong: dict[str, Any]) -> None:
    features = [feature()] * 120_000
    features[75_001] = feature(**wrong)
    path = written(tmp_path, collection(*features))
    assert path.stat().st_size > 8 * 1024 * 1024
    assert refused(path, "GeoJSON").where == "files[0]: feature 75002"


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
        ({"links": [{"rel": "self"}, {"rel": "next", "href": "?page=2"}]}, "1 features, and not all"),
        ({"exceededTransferLimit": True}, "1 features, and not all"),
        ({"properties": {"exceededTransferLimit": True}}, "1 features, and not all"),
        ({"numberMatched": 20}, "1 of 20 features"),
        ({"totalFeatures": 20}, "1 of 20 features"),
        ({"numberMatched": 1, "numberReturned": 1, "links": [{"rel": "prev"}]}, None),
        ({"numberMatched": 1, "links": [{"rel": "next", "href": "x"}]}, None),
        ({"exceededTransferLimit": False, "links": "x", "numberMatched": True}, None),
        ({"totalFeatures": "unknown", "numberReturned": 1}, None),
    ],
)
def test_a_page_of_geojson(read: Reader, tmp_path: Path, members: dict[str, Any], said: str | None) -> None:
    got = read(written(tmp_path, collection(feature(), **members)), "GeoJSON")
    assert [warning.code for warning in got.warnings] == ([] if said is None else ["one_page_of_many"])
    assert said is None or said in got.warnings[0].message


@pytest.mark.parametrize("members", [{"numberReturned": 120_000}, {}])
def test_a_large_page_of_geojson(read: Reader, tmp_path: Path, members: dict[str, int]) -> None:
    path = written(tmp_path, collection(*[feature()] * 120_000, numberMatched=900_000, **members))
    (warning,) = read(path, "GeoJSON", full_scan=False).warnings
    assert warning.code == "one_page_of_many"
    assert "120,000 of 900,000" in warning.message


def test_a_whole_answer_that_is_large_is_read_the_fast_way(read: Reader, tmp_path: Path) -> None:
    path = written(tmp_path, collection(*[feature()] * 120_000, numberMatched=120_000, numberReturned=120_000))
    got = read(path, "GeoJSON", full_scan=False)
    assert (got.inferred, got.warnings) == (True, [])


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


def test_so_is_one_that_gdal_does_not_open(refused: Refuser, tmp_path: Path) -> None:
    problem = refused(written(tmp_path, f'<kml xmlns="http://www.opengis.net/kml/2.2">{LINK}</kml>', "a.kml"), "KML")
    assert problem.code == "no_features"
    assert "http://example.org/x.kml" in problem.message


def test_a_kml_of_nothing_but_pictures(refused: Refuser, tmp_path: Path) -> None:
    problem = refused(written(tmp_path, KML.format("<ScreenOverlay/><PhotoOverlay/>"), "a.kml"), "KML")
    assert problem.code == "no_features"
    assert "ScreenOverlay" in problem.message


def test_links_inside_a_kmz_need_not_be_followed(read: Reader, tmp_path: Path) -> None:
    link = LINK.replace("http://example.org/x.kml", "layers/x%20y.kml")
    with zipfile.ZipFile(tmp_path / "a.kmz", "w") as archive:
        archive.writestr("doc.kml", KML.format(f"<Style id='a'/>{link}"))
        archive.writestr("layers/x y.kml", KML.format(PLACEMARK))
    got = read(tmp_path / "a.kmz", "KMZ")
    assert sum(table.num_rows for table in got.tables.values()) == 1
    assert not {"link_not_followed", "no_features"} & {warning.code for warning in got.warnings}


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
        ("CSV", ("trees.txt", "a,b\n1,2\n"), ("README.txt", "file,what\ntrees.txt,trees\n"), {"type": "tabular"}),
        ("CSV", ("trees.tab", "a\tb\n1\t2\n"), ("metadata.txt", "a,b\n1,2\n"), {"type": "tabular"}),
        ("GeoJSON", ("data.json", json.dumps(collection(feature()))), ("t.json", '{"type":"Topology"}'), {}),
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


def test_tables_of_mapinfo_and_of_tabs_are_told_apart(read: Reader, tmp_path: Path) -> None:
    with zipfile.ZipFile(CASES / "tab_plain.zip") as case, zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name in case.namelist():
            archive.writestr(name, case.read(name))
        archive.writestr("list.tab", "a\tb\n1\t2\n")
    for kind, layer, other, more in (
        ("MapInfo TAB", "p25832", "list.tab", {}),
        ("CSV", "list", "p25832.tab", {"type": "tabular"}),
    ):
        got = read(tmp_path / "a.zip", kind, **more)
        assert list(got.tables) == [layer]
        assert any(other in warning.message for warning in got.warnings)


def test_documents_beside_a_filegdb_are_named(read: Reader, tmp_path: Path) -> None:
    gpd.GeoDataFrame({"a": ["x"]}, geometry=gpd.points_from_xy([7], [50]), crs=4326).to_file(
        tmp_path / "x.gdb", driver="OpenFileGDB"
    )
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for file in (tmp_path / "x.gdb").iterdir():
            archive.write(file, f"x.gdb/{file.name}")
        archive.writestr("licence.txt", "CC0")
    (warning,) = read(tmp_path / "a.zip", "FileGDB").warnings
    assert (warning.code, warning.message.rpartition(": ")[2]) == ("documents_not_read", "licence.txt.")


@pytest.mark.parametrize(
    ("head", "advice"),
    [
        (b"II*\0", '"format": "GeoTIFF"'),
        (b"%PDF-1.7", "holds no features"),
        (b"AC1027", "Save it as DXF"),
        (b"version https://git-lfs.github.com/spec/v1", "git lfs pull"),
        (b"Rar!\x1a\x07\x01", "Unpack it"),
        (b"<html>", "login"),
    ],
)
def test_what_is_of_no_format_says_what_to_do(refused: Callable[..., Problem], tmp_path: Path, head: bytes, advice: str) -> None:
    path = tmp_path / "a.geojson"
    path.write_bytes(head)
    problem = refused(path, "GeoJSON")
    assert problem.code == "format_mismatch"
    assert advice in problem.remedy


RING = {2: "8,50 9,50 9,51 8,51", 3: "8,50,1 9,50,2 9,51,3 8,51,4"}


@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("several", [False, True])
def test_a_ring_that_is_not_closed(read: Reader, refused: Refuser, tmp_path: Path, dimensions: int, several: bool) -> None:
    """Engines take it for irreparable, or break down over it."""
    ring = f"<LinearRing><coordinates>{RING[dimensions]}</coordinates></LinearRing>"
    shape = f"<Polygon><outerBoundaryIs>{ring}</outerBoundaryIs></Polygon>"
    shape = f"<MultiGeometry>{shape * 2}</MultiGeometry>" if several else shape
    good = "<Placemark><Point><coordinates>8,50</coordinates></Point></Placemark>"
    path = tmp_path / "a.kml"
    path.write_text(KML.format(f"{good}<Placemark>{shape}</Placemark>"), encoding="utf-8")
    problem = refused(path, "KML")
    assert (problem.code, problem.where) == ("unclosed_ring", "files[0]: layer a, feature 2")
    assert '"on_bad_geometry": "fix"' in problem.remedy
    assert '"on_bad_geometry": "set_aside"' in problem.remedy
    got = read(path, "KML", on_bad_geometry="fix")
    assert (len(got.geometries), got.warnings) == (2, [])
    assert got.geometries[1].is_valid or several
    nulled = read(path, "KML", on_bad_geometry="null").geometries
    assert [shape and shape.geom_type for shape in nulled] == ["Point", None]


GPX = '<gpx version="1.1" creator="x" xmlns="http://www.topografix.com/GPX/1/1" xmlns:w="http://example.org/watch">{}</gpx>'


def test_an_extension_of_a_gpx_that_consists_of_an_element_with_a_number(read: Reader, tmp_path: Path) -> None:
    """As sports watches write them. GDAL takes the type of the outer element from the number within."""
    rates = [f"<w:hr>12{number}</w:hr>" for number in range(3)]
    points = [f'<wpt lat="50" lon="8"><extensions><w:Point>{rate}</w:Point></extensions></wpt>' for rate in rates]
    path = tmp_path / "a.gpx"
    path.write_text(GPX.format("".join(points)), encoding="utf-8")
    assert read(path, "GPX").table["w_Point"].to_pylist() == rates


def test_extensions_of_track_points_are_told_of(read: Reader, tmp_path: Path) -> None:
    point = '<trkpt lat="50" lon="8"><extensions><w:hr>120</w:hr></extensions></trkpt>'
    path = tmp_path / "a.gpx"
    path.write_text(GPX.format(f"<trk><trkseg>{point * 3}</trkseg></trk>"), encoding="utf-8")
    (warning,) = read(path, "GPX").warnings
    assert warning.code == "extensions_not_read"
    assert warning.message.startswith("3 points")
