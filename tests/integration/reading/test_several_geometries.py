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
