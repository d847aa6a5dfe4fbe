"""Features with several geometries: which one is read, and ``geometry`` of the manifest."""

import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely

from libs.models import Problem

pytestmark = pytest.mark.integration

CASES = Path(__file__).parents[2] / "data" / "cases"
GEOPACKAGE = CASES / "21-gpkg-content" / "two_geoms.gpkg"
INSPIRE = CASES / "12-gml-axis" / "inspire_two_geoms.gml"
Reader = Callable[..., Any]
Refuser = Callable[..., Problem]


@pytest.fixture
def geopackage(tmp_path: Path) -> Path:
    return Path(shutil.copy(GEOPACKAGE, tmp_path / "a.gpkg"))


def kinds(table: pa.Table) -> set[str | None]:
    return {None if wkb is None else shapely.from_wkb(wkb).geom_type for wkb in table.column("geom").to_pylist()}


def test_a_table_of_a_geopackage_is_a_layer_for_each_geometry_column(read: Reader, geopackage: Path) -> None:
    got = read(geopackage, "GPKG")
    assert {name: kinds(table) for name, table in got.tables.items()} == {
        "objekte (geom)": {"Point"},
        "objekte (linie)": {"LineString"},
    }
    for table in got.tables.values():
        assert table.column_names == ["name", "n", "geom"]
        assert table.column("name").to_pylist() == ["a", "b", "c"]
    assert [warning.code for warning in got.warnings] == ["second_geometry"] * 2


@pytest.mark.parametrize("declared", ["BLOB", "LINESTRING"])
@pytest.mark.parametrize(("wanted", "kind"), [("geom", "Point"), ("LINIE", "LineString")])
def test_geometry_picks_one_of_a_geopackage(read: Reader, geopackage: Path, declared: str, wanted: str, kind: str) -> None:
    """GDAL leaves a second column out with a message where it is declared as a geometry, and keeps its bytes otherwise."""
    with sqlite3.connect(geopackage) as database:
        database.execute("PRAGMA writable_schema = ON")
        database.execute(f"UPDATE sqlite_master SET sql = replace(sql, 'linie BLOB', 'linie {declared}') WHERE name = 'objekte'")
    got = read(geopackage, "GPKG", geometry=wanted)
    assert kinds(got.table) == {kind}
    assert got.table.column_names == ["name", "n", "geom"]
    (warning,) = got.warnings
    assert warning.code == "second_geometry"
    assert "Leave 'geometry' out" in warning.remedy


def test_a_value_is_checked_in_the_table_of_the_layer(refused: Refuser, geopackage: Path) -> None:
    with sqlite3.connect(geopackage) as database:
        database.execute("UPDATE objekte SET n = 'seven' WHERE fid = 2")
    assert refused(geopackage, "GPKG").code == "value_lost"


def test_a_geometry_is_checked_in_its_own_column(refused: Refuser, geopackage: Path) -> None:
    with sqlite3.connect(geopackage) as database:
        database.execute("UPDATE objekte SET linie = 'nothing' WHERE fid = 2")
    problem = refused(geopackage, "GPKG")
    assert problem.code == "damaged_geometry"
    assert "'linie'" in problem.message


def test_a_geometry_that_there_is_not(refused: Refuser, geopackage: Path, tmp_path: Path) -> None:
    for path, format_ in ((geopackage, "GPKG"), (two_columns(tmp_path / "a.parquet"), "GeoParquet")):
        problem = refused(path, format_, geometry="nothing")
        assert problem.code == "unknown_geometry"
        assert "There are: '" in problem.message


def two_columns(path: Path) -> Path:
    points, lines = [shapely.Point(8, 47)] * 2, [shapely.LineString([(500_000, 0), (500_001, 1)]), None]
    table = pa.table({"n": [1, 2], "spot": shapely.to_wkb(points).tolist(), "way": shapely.to_wkb(lines).tolist()})
    about = {"spot": {"encoding": "WKB", "geometry_types": []}, "way": {"encoding": "WKB", "geometry_types": [], "crs": None}}
    geo = {"version": "1.1.0", "primary_column": "spot", "columns": about}
    pq.write_table(table.replace_schema_metadata({"geo": json.dumps(geo)}), path)
    return path


def test_geometry_picks_a_column_of_geoparquet(read: Reader, tmp_path: Path) -> None:
    path = two_columns(tmp_path / "a.parquet")
    first = read(path, "GeoParquet")
    assert kinds(first.table) == {"Point"}
    assert '"geometry": "way"' in first.warnings[0].remedy
    got = read(path, "GeoParquet", geometry="way", crs="EPSG:25832")
    assert kinds(got.table) == {"LineString", None}
    assert got.layer.crs.name == "EPSG:25832"
    assert [warning.code for warning in got.warnings] == ["second_geometry"]


def members(path: Path, *features: str) -> Path:
    """A collection in GML of features ``f``, as their properties."""
    listed = "".join(f"<g:member><f>{feature}</f></g:member>" for feature in features)
    path.write_text(f'<c xmlns:g="http://www.opengis.net/gml/3.2">{listed}</c>')
    return path


def at(x: float, y: float, crs: str = "urn:ogc:def:crs:EPSG::25832") -> str:
    return f'<g:Point srsName="{crs}"><g:pos>{x} {y}</g:pos></g:Point>'


LINE = '<g:LineString srsName="urn:ogc:def:crs:EPSG::25832"><g:posList>0 0 1 1</g:posList></g:LineString>'


def test_a_parcel_of_inspire_has_its_area_as_geometry_and_the_point_beside(read: Reader) -> None:
    got = read(INSPIRE, "GML")
    assert got.layer.crs.name == "EPSG:25832"
    assert got.table.num_rows == 1
    assert got.geometries[0].equals(shapely.box(500_000, 5_500_000, 500_100, 5_500_100))
    assert shapely.from_wkb(got.table.column("referencePoint")[0].as_py()) == shapely.Point(500_050, 5_500_050)
    assert "pos" not in got.table.column_names
    assert got.table.column("localId").to_pylist() == ["p.1"]
    (warning,) = [warning for warning in got.warnings if warning.code == "second_geometry"]
    assert "'referencePoint'" in warning.message
    assert '"geometry": "referencePoint"' in warning.remedy


def test_geometry_picks_a_property_of_gml(read: Reader, refused: Refuser) -> None:
    got = read(INSPIRE, "GML", geometry="referencePoint")
    assert got.geometries == [shapely.Point(500_050, 5_500_050)]
    assert shapely.from_wkb(got.table.column("geometry")[0].as_py()).area == 10_000
    problem = refused(INSPIRE, "GML", geometry="pos")
    assert problem.code == "unknown_geometry"
    assert "'geometry', 'referencePoint'" in problem.message


@pytest.mark.parametrize(("wanted", "count"), [(None, 2), ("way", 2), ("deep", 1)])
def test_every_geometry_of_every_feature_has_its_place(read: Reader, tmp_path: Path, wanted: str | None, count: int) -> None:
    path = members(
        tmp_path / "a.gml",
        f"<n>1</n><spot>{at(1, 2)}</spot><way>{LINE}</way><deep><in>{at(3, 4)}</in></deep>",
        f"<n>2</n><way>{LINE}</way>",
        f"<n>3</n><spot>{at(5, 6)}</spot>",
        "<n>4</n>",
    )
    got = read(path, "GML", geometry=wanted)
    assert got.table.column("n").to_pylist() == [1, 2, 3, 4]
    columns = {name: got.table.column(name).to_pylist() for name in {"spot", "way", "deep"} - {wanted or "spot"}}
    columns[wanted or "spot"] = got.table.column("geom").to_pylist()
    shapes = {name: [value and shapely.from_wkb(value).wkt for value in values] for name, values in columns.items()}
    assert shapes == {
        "spot": ["POINT (1 2)", None, "POINT (5 6)", None],
        "way": ["LINESTRING (0 0, 1 1)", "LINESTRING (0 0, 1 1)", None, None],
        "deep": ["POINT (3 4)", None, None, None],
    }
    assert sum(geometry is not None for geometry in got.geometries) == count


def test_positions_of_both_are_x_and_y(read: Reader, tmp_path: Path) -> None:
    crs = "urn:ogc:def:crs:EPSG::4326"
    path = members(tmp_path / "a.gml", f"<a>{at(47, 8, crs)}</a><b>{at(46, 7, crs)}</b>")
    got = read(path, "GML")
    assert got.geometries == [shapely.Point(8, 47)]
    assert shapely.from_wkb(got.table.column("b")[0].as_py()) == shapely.Point(7, 46)


def test_two_geometries_in_one_place_are_refused_as_before(refused: Refuser, tmp_path: Path) -> None:
    assert refused(members(tmp_path / "a.gml", f"<a>{at(1, 2)}</a><a>{at(3, 4)}</a>"), "GML").code == "geometry_lost"


def test_geometries_of_one_name_at_two_depths_are_told_apart(read: Reader, tmp_path: Path) -> None:
    path = members(
        tmp_path / "a.gml",
        f"<a>{at(1, 2)}</a><part><q><a>{at(3, 4)}</a></q></part>",
        f"<part><q><a>{at(5, 6)}</a></q></part>",
    )
    got = read(path, "GML")
    assert [geometry and geometry.wkt for geometry in got.geometries] == ["POINT (1 2)", None]
    assert [shapely.from_wkb(value).wkt for value in got.table.column("part").to_pylist()] == ["POINT (3 4)", "POINT (5 6)"]


def test_a_list_of_properties_that_gdal_has_left_beside_a_gml_hides_no_geometry(read: Reader, tmp_path: Path) -> None:
    """GDAL writes it wherever it opens a file, with the first geometry only."""
    path = Path(shutil.copy(INSPIRE, tmp_path / "a.gml"))
    whole = read(path, "GML")
    path.with_suffix(".gfs").write_text(
        "<GMLFeatureClassList><GMLFeatureClass><Name>CadastralParcel</Name><ElementPath>CadastralParcel</ElementPath>"
        "<GeometryName>geometry</GeometryName><GeometryElementPath>geometry</GeometryElementPath>"
        "<PropertyDefn><Name>label</Name><ElementPath>label</ElementPath><Type>String</Type></PropertyDefn>"
        "</GMLFeatureClass></GMLFeatureClassList>"
    )
    got = read(path, "GML")
    assert got.table == whole.table
    assert [warning.code for warning in got.warnings] == [warning.code for warning in whole.warnings]
    assert kinds(read(path, "GML", geometry="referencePoint").table) == {"Point"}
