"""Who says which CRS a layer is in: the file, the manifest, or only what its format assumes; and in which spelling."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas as gpd
import pyproj
import pytest
import shapely

from libs.models import Problem
from tests.integration.reading.writing import collection

pytestmark = pytest.mark.integration

Reader = Callable[..., Any]
Refuser = Callable[..., Problem]
POINT = {"geometry": {"type": "Point", "coordinates": [9, 48]}}
UTM = pyproj.CRS("EPSG:25832")


def named(name: Any) -> dict[str, Any]:
    return {"type": "name", "properties": {"name": name}}


@pytest.fixture
def undeclared(tmp_path: Path) -> Callable[[str], tuple[Path, str]]:
    """A file of a format that can do without saying its CRS."""

    def undeclared(kind: str) -> tuple[Path, str]:
        path = tmp_path / f"a.{kind.lower()}"
        point = gpd.GeoDataFrame({"name": ["a"]}, geometry=[shapely.Point(9, 48)], crs="EPSG:4326")
        if kind == "GPX":
            path.write_text(
                '<gpx version="1.1" creator="x" xmlns="http://www.topografix.com/GPX/1/1"><wpt lat="48" lon="9"/></gpx>', "utf-8"
            )
        elif kind == "GeoJSONSeq":
            path.write_text(json.dumps({"type": "Feature", "properties": {}, **POINT}) + "\n", encoding="utf-8")
        elif kind == "GeoJSON":
            collection(path, POINT)
        elif kind == "null":
            collection(path := tmp_path / "null.geojson", POINT, crs=None)
        elif kind == "KML":
            point.to_file(path, driver="KML")
        return path, "GeoJSON" if kind == "null" else kind

    return undeclared


@pytest.mark.parametrize(("wanted", "name"), [("EPSG:25832", "EPSG:25832"), ("none", None)])
def test_a_wrong_prj_gives_way_where_the_manifest_says_so(
    read: Reader, refused: Refuser, tmp_path: Path, wanted: str, name: str | None
) -> None:
    path = shapefile(tmp_path / "a.shp", b"EPSG:4326")
    problem = refused(path, "ESRI Shapefile", crs=wanted)
    assert problem.code == "crs_mismatch"
    assert '"replace_crs": true' in problem.remedy
    assert '"replace_crs": true' in problem.remedy
    got = read(path, "ESRI Shapefile", crs=wanted, replace_crs=True)
    assert (got.layer.crs and got.layer.crs.name, got.layer.crs_source) == (name, "manifest")
    (warning,) = got.warnings
    assert warning.code == "crs_replaced"
    assert "EPSG:4326" in warning.message
    assert read(path, "ESRI Shapefile", crs="EPSG:4326", replace_crs=True).warnings == []


@pytest.mark.parametrize("kind", ["GeoJSON", "null", "GeoJSONSeq", "KML", "GPX"])
def test_what_a_format_assumes_is_no_declaration(kind: str, read: Reader, undeclared: Any) -> None:
    path, format_ = undeclared(kind)
    layer = read(path, format_).layer
    assert (layer.crs.name, layer.crs_source, layer.crs_assumed) == ("EPSG:4326", "format", True)
    layer = read(path, format_, crs="EPSG:25832").layer
    assert (layer.crs.name, layer.crs_source, layer.crs_assumed) == ("EPSG:25832", "manifest", False)
    layer = read(path, format_, crs="EPSG:4326").layer
    assert (layer.crs.name, layer.crs_source, layer.crs_assumed) == ("EPSG:4326", "manifest", False)
    layer = read(path, format_, crs="none").layer
    assert (layer.has_geometry, layer.crs, layer.crs_source, layer.crs_assumed) == (True, None, "manifest", False)


def test_large_geojson_without_a_crs_is_no_declaration_either(read: Reader, tmp_path: Path) -> None:
    """It is parsed otherwise: as features that are all alike."""
    features = [{**POINT, "properties": {"text": "x" * 1000}}] * 9000
    result = read(collection(tmp_path / "a.geojson", *features), "GeoJSON", full_scan=False, crs="EPSG:25832")
    assert result.inferred
    assert result.layer.crs_source == "manifest"
    result = read(tmp_path / "a.geojson", "GeoJSON", full_scan=False)
    assert result.inferred
    assert result.layer.crs_assumed


@pytest.mark.parametrize(
    ("crs", "manifest"),
    [
        (named("EPSG:25832"), "EPSG:4326"),
        (named("urn:ogc:def:crs:OGC:1.3:CRS84"), "EPSG:25832"),
        (named("urn:ogc:def:crs:EPSG::25832"), "none"),
        ({"type": "EPSG", "properties": {"code": 25832}}, "none"),
    ],
)
def test_a_crs_of_geojson_is_a_declaration(crs: Any, manifest: str, refused: Refuser, read: Reader, tmp_path: Path) -> None:
    path = collection(tmp_path / "a.geojson", POINT, crs=crs)
    assert read(path, "GeoJSON").layer.crs_source == "file"
    problem = refused(path, "GeoJSON", crs=manifest)
    assert (problem.code, problem.where) == ("crs_mismatch", "files[0].crs")
    assert manifest in problem.message
    assert str(read(path, "GeoJSON").layer.crs) in problem.message


@pytest.mark.parametrize(
    "crs", [{}, "", named(None), named(""), {"type": "name", "properties": {}}, {"type": "EPSG", "properties": {}}]
)
def test_a_crs_of_geojson_that_says_nothing(crs: Any, refused: Refuser, read: Reader, tmp_path: Path) -> None:
    """GDAL makes EPSG:4326 of all of these."""
    path = collection(tmp_path / "a.geojson", POINT, crs=crs)
    problem = refused(path, "GeoJSON")
    assert problem.code == "unknown_crs"
    assert '"none"' in problem.remedy
    assert read(path, "GeoJSON", crs="EPSG:25832").layer.crs.name == "EPSG:25832"
    assert read(path, "GeoJSON", crs="NONE").layer.crs is None


@pytest.mark.parametrize("place", ["feature", "geometry", "member"])
def test_a_crs_inside_of_geojson_counts(place: str, read: Reader, refused: Refuser, tmp_path: Path) -> None:
    """GeoJSON 2008 lets every object have one, and PostGIS writes it into geometries; GDAL looks at the file's own alone."""

    def feature(crs: str) -> dict[str, Any]:
        geometry = {"type": "Point", "coordinates": [500_000, 5_500_000]}
        if place == "feature":
            return {"geometry": geometry, "crs": named(crs)}
        geometry["crs"] = named(crs)
        return {"geometry": geometry if place == "geometry" else {"type": "GeometryCollection", "geometries": [geometry]}}

    bare = {"geometry": None}
    result = read(collection(tmp_path / "a.geojson", feature("EPSG:25832"), bare), "GeoJSON")
    assert (result.layer.crs.name, result.layer.crs_source) == ("EPSG:25832", "file")
    assert "members_not_read" not in [warning.code for warning in result.warnings]
    mixed = collection(tmp_path / "b.geojson", feature("EPSG:25832"), feature("EPSG:25833"))
    assert refused(mixed, "GeoJSON").code == "crs_mixed"
    contradicted = collection(tmp_path / "c.geojson", feature("EPSG:25832"), crs=named("EPSG:25833"))
    assert refused(contradicted, "GeoJSON").code == "crs_mixed"
    agreed = collection(tmp_path / "d.geojson", feature("EPSG:25832"), crs=named("EPSG:25832"))
    assert read(agreed, "GeoJSON").layer.crs.name == "EPSG:25832"


@pytest.mark.parametrize(
    ("name", "meant", "owner"),
    [
        ("EPSG:102100", "EPSG:3857", "ESRI"),
        ("urn:ogc:def:crs:EPSG::102100", "EPSG:3857", "ESRI"),
        ("EPSG:102113", "EPSG:3857", "ESRI"),
        ("EPSG:54030", "ESRI:54030", "ESRI"),
        ("EPSG:102003", "ESRI:102003", "ESRI"),
        ("EPSG:900913", "EPSG:3857", "Google"),
    ],
)
def test_codes_that_are_not_of_epsg(name: str, meant: str, owner: str, read: Reader, tmp_path: Path) -> None:
    said = [
        read(collection(tmp_path / "a.geojson", POINT, crs=named(name)), "GeoJSON"),
        read(collection(tmp_path / "b.geojson", POINT), "GeoJSON", crs=name),
        read(collection(tmp_path / "c.geojson", {**POINT, "crs": named(name)}), "GeoJSON"),
        read(shapefile(tmp_path / "d.shp", name.encode()), "ESRI Shapefile"),
    ]
    for result in said:
        assert result.layer.crs.name == meant
        (warning,) = result.warnings
        assert (warning.code, owner in warning.message) == ("crs_code_not_epsg", True)
    assert said[1].warnings[0].where == "files[0].crs"


def test_a_code_that_is_nobodys(refused: Refuser, tmp_path: Path) -> None:
    path = collection(tmp_path / "a.geojson", POINT)
    assert refused(path, "GeoJSON", crs="EPSG:199999").code == "unknown_crs"


def test_the_same_code_of_google_in_file_and_manifest_is_no_contradiction(read: Reader, tmp_path: Path) -> None:
    path = collection(tmp_path / "a.geojson", POINT, crs=named("EPSG:3785"))
    for crs in ("EPSG:3785", "EPSG:900913", "EPSG:102100", "ESRI:102113", "EPSG:3857"):
        assert read(path, "GeoJSON", crs=crs).layer.crs.name == "EPSG:3857"


def shapefile(path: Path, prj: bytes | None, *, qpj: bytes | None = None) -> Path:
    gpd.GeoDataFrame({"a": [1]}, geometry=[shapely.Point(500_000, 5_500_000)], crs=UTM).to_file(path)
    path.with_suffix(".prj").unlink()
    for suffix, content in ((".prj", prj), (".qpj", qpj)):
        if content is not None:
            path.with_suffix(suffix).write_bytes(content)
    return path


ESRI_WKT, WKT2 = UTM.to_wkt("WKT1_ESRI"), UTM.to_wkt("WKT2_2019")


@pytest.mark.parametrize(
    "prj",
    [
        ESRI_WKT.encode(),
        b"\xef\xbb\xbf" + ESRI_WKT.encode(),
        ESRI_WKT.encode("utf-16"),
        UTM.to_wkt("WKT1_GDAL").encode(),
        WKT2.encode(),
        b"\xef\xbb\xbf" + UTM.to_wkt("WKT2_2019", pretty=True).encode(),
        UTM.to_wkt("WKT2_2015").encode(),
        UTM.to_json().encode(),
        b"EPSG:25832",
        b"\xef\xbb\xbfEPSG:25832\r\n",
        b"urn:ogc:def:crs:EPSG::25832",
        b"+init=epsg:25832",
    ],
    ids=lambda prj: prj[:24].decode("latin-1"),
)
def test_a_prj_of_any_spelling(prj: bytes, read: Reader, refused: Refuser, tmp_path: Path) -> None:
    path = shapefile(tmp_path / "a.shp", prj)
    result = read(path, "ESRI Shapefile")
    assert (result.layer.crs.name, result.layer.crs_source, result.warnings) == ("EPSG:25832", "file", [])
    assert refused(path, "ESRI Shapefile", crs="EPSG:25833").code == "crs_mismatch"


def test_a_prj_of_a_proj_string(read: Reader, tmp_path: Path) -> None:
    path = shapefile(tmp_path / "a.shp", b"+proj=utm +zone=32 +datum=WGS84 +units=m +no_defs\n")
    assert read(path, "ESRI Shapefile").layer.crs.name == "EPSG:32632"


@pytest.mark.parametrize("prj", [b"hello", b"+init=/etc/passwd:x", b'LOCAL_CS["site",UNIT["metre",1]]', b"\xff\xfe\xff", b"[1]"])
def test_a_prj_that_means_nothing_leaves_it_to_the_manifest(prj: bytes, read: Reader, refused: Refuser, tmp_path: Path) -> None:
    path = shapefile(tmp_path / "a.shp", prj)
    assert refused(path, "ESRI Shapefile").code == "unknown_crs"
    assert read(path, "ESRI Shapefile", crs="EPSG:25832").layer.crs.name == "EPSG:25832"
    assert read(path, "ESRI Shapefile", crs="none").layer.crs is None


@pytest.mark.parametrize("prj", [None, b"", b" \r\n"])
def test_without_a_prj_that_of_qgis_counts(prj: bytes | None, read: Reader, refused: Refuser, tmp_path: Path) -> None:
    problem = refused(shapefile(tmp_path / "a.shp", prj), "ESRI Shapefile")
    assert (problem.code, '"none"' in problem.remedy) == ("crs_missing", True)
    path = shapefile(tmp_path / "b.shp", prj, qpj=UTM.to_wkt("WKT1_GDAL").encode())
    assert read(path, "ESRI Shapefile").layer.crs.name == "EPSG:25832"


@pytest.mark.filterwarnings("ignore:'crs' was not provided")
def test_local_coordinates_of_formats_that_say_so(read: Reader, refused: Refuser, tmp_path: Path) -> None:
    """GeoPackage has two identifiers for an undefined CRS."""
    path = tmp_path / "a.gpkg"
    gpd.GeoDataFrame({"a": [1]}, geometry=[shapely.Point(5, 5)]).to_file(path, driver="GPKG")
    assert refused(path, "GPKG").code == "crs_missing"
    assert read(path, "GPKG", crs="none").layer.crs is None
    assert read(path, "GPKG", crs="EPSG:25832").layer.crs_source == "manifest"
    csv = tmp_path / "a.csv"
    csv.write_text("x,y\n1,2\n", encoding="utf-8")
    layer = read(csv, "CSV", crs="none", options={"x": "x", "y": "y"}).layer
    assert (layer.crs, layer.has_geometry) == (None, True)
    table = read(csv, "CSV", crs="none", type="tabular").layer
    assert (table.crs, table.crs_source) == (None, None)


def test_the_cases(read: Reader, tmp_path: Path) -> None:
    """Inputs of public reports."""
    cases = shutil.copytree(Path(__file__).parents[2] / "data" / "cases", tmp_path / "cases")
    assert read(cases / "wkt2_prj.shp", "ESRI Shapefile").layer.crs.name == "EPSG:25832"
    result = read(cases / "epsg102100.geojson", "GeoJSON")
    assert (result.layer.crs.name, [each.code for each in result.warnings]) == ("EPSG:3857", ["crs_code_not_epsg"])
    assert read(cases / "projected_undeclared.geojson", "GeoJSON").layer.crs_assumed
    assert read(cases / "projected_undeclared.geojson", "GeoJSON", crs="EPSG:25832").layer.crs.name == "EPSG:25832"
