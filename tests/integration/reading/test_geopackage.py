"""GeoPackages in which SQLite keeps what their columns' types do not allow, and geometries that are none or odd."""

import math
import sqlite3
import struct
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import geopandas as gpd
import pytest
import shapely

from libs.models import Problem
from tests.integration.reading.writing import geopackage

pytestmark = pytest.mark.integration

Reader = Callable[..., Any]
Refuser = Callable[..., Problem]


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        ("MEDIUMINT", "'abc'"), ("MEDIUMINT", "1.5"), ("MEDIUMINT", "99999999999"), ("SMALLINT", "40000"), ("BOOLEAN", "5"),
        ("FLOAT", "1e300"), ("TEXT", "x'00ff'"), ("TEXT", "'a' || char(0) || 'b'"), ("DATE", "'2023-02-31'"),
        ("DATE", "'2023-02-03T10:00:00Z'"),
    ],
)  # fmt: skip
def test_a_value_that_a_column_cannot_hold(refused: Refuser, tmp_path: Path, type_: str, value: str) -> None:
    """SQLite keeps anything anywhere; GDAL reads 0, another day, a part of the text or the largest number."""
    problem = refused(geopackage(tmp_path / "a.gpkg", f"n {type_}", "NULL", value), "GPKG")
    assert problem.code == "value_lost"
    assert "'n'" in problem.message


@pytest.mark.parametrize(
    ("type_", "value", "expected"),
    [
        ("SMALLINT", "-32768", -32768), ("BOOLEAN", "1", True), ("FLOAT", "9e999", math.inf), ("TEXT", "'a\u00e9'", "a\u00e9"),
        ("DATE", "'2024-02-29'", date(2024, 2, 29)), ("DATE", "'2023-12-31'", date(2023, 12, 31)),
    ],
)  # fmt: skip
def test_a_value_that_only_just_fits(read: Reader, tmp_path: Path, type_: str, value: str, expected: object) -> None:
    assert read(geopackage(tmp_path / "a.gpkg", f"n {type_}", "NULL", value), "GPKG").table["n"].to_pylist() == [None, expected]


@pytest.mark.parametrize("column", ["n VARCHAR(10)", "n DECIMAL(10,2)", "n BIGINT", "other POINT"])
def test_a_column_that_gdal_does_not_read(refused: Refuser, tmp_path: Path, column: str) -> None:
    problem = refused(geopackage(tmp_path / "a.gpkg", column, "1"), "GPKG")
    assert problem.code == "column_not_read"
    assert f"'{column.split(maxsplit=1)[0]}'" in problem.message


@pytest.mark.parametrize("value", ["'POINT (1 2)'", "17"])
def test_what_is_no_geometry_in_a_geometry_column(refused: Refuser, tmp_path: Path, value: str) -> None:
    path = geopackage(tmp_path / "a.gpkg", "n INTEGER", "1", "2", "3")
    with sqlite3.connect(path) as database:
        database.execute("UPDATE a SET geom = NULL WHERE fid = 1")
        database.execute(f"UPDATE a SET geom = {value} WHERE fid = 2")
    problem = refused(path, "GPKG")
    assert problem.code == "damaged_geometry"
    assert "in 1 row" in problem.message


def test_a_stale_count_is_no_damage(read: Reader, write: Callable[..., Path], places: gpd.GeoDataFrame) -> None:
    path = write(places, "a.gpkg", "GPKG")
    with sqlite3.connect(path) as database:
        database.execute("UPDATE gpkg_ogr_contents SET feature_count = 777")
    assert read(path, "GPKG").table.num_rows == 100


def test_a_damaged_geometry(refused: Refuser, write: Callable[..., Path]) -> None:
    """A line of a hundred positions that has none: GDAL hands its bytes on as they are."""
    path = write(
        gpd.GeoDataFrame({"n": [1, 2]}, geometry=[shapely.Point(1, 1)] * 2, crs="EPSG:4326"), "a.gpkg", "GPKG", SPATIAL_INDEX="NO"
    )
    with sqlite3.connect(path) as database:
        header = b"GP\0\1" + struct.pack("<I", 4326)
        database.execute("UPDATE a SET geom = ? WHERE fid = 2", (header + struct.pack("<BII", 1, 2, 100),))
    problem = refused(path, "GPKG")
    assert problem.code == "damaged_geometry"
    assert problem.where == "files[0]: layer a, feature 2"


def test_bytes_behind_a_geometry(refused: Refuser, tmp_path: Path) -> None:
    path = geopackage(tmp_path / "a.gpkg", "n INTEGER", "1", "2")
    with sqlite3.connect(path) as database:
        database.execute("UPDATE a SET geom = CAST(geom || x'00' AS BLOB) WHERE fid = 2")
    assert refused(path, "GPKG").code == "damaged_geometry"


def _of_one_part(path: Path, code: int, part: bytes) -> Path:
    """A multi-geometry that keeps its promise of two dimensions and straight lines only from outside."""
    path = geopackage(path, "n INTEGER", "1")
    with sqlite3.connect(path) as database:
        database.execute("UPDATE a SET geom = ?", (b"GP\0\1" + struct.pack("<IBII", 4326, 1, code, 1) + part,))
    return path


def test_a_point_with_a_measure_in_a_multipoint_without(read: Reader, tmp_path: Path) -> None:
    got = read(_of_one_part(tmp_path / "a.gpkg", 4, struct.pack("<BI3d", 1, 2001, 1, 2, 3)), "GPKG")
    assert [geometry.wkt for geometry in got.geometries] == ["MULTIPOINT ((1 2))"]
    assert got.counts["a"]["m_dropped"] == 1


def test_a_curve_in_a_multilinestring(refused: Refuser, tmp_path: Path) -> None:
    """GDAL takes it for none, and so did the engine, with an error of its own."""
    curve = struct.pack("<BII6d", 1, 8, 3, 0, 0, 1, 1, 2, 0)
    assert refused(_of_one_part(tmp_path / "a.gpkg", 5, curve), "GPKG").code == "damaged_geometry"


def test_a_primary_key_of_the_data(read: Reader, tmp_path: Path) -> None:
    """Other tables may refer to it."""
    path = geopackage(tmp_path / "a.gpkg", "n DATETIME", "'2024-05-01T10:00:00Z'", "NULL")
    with sqlite3.connect(path) as database:
        database.execute("ALTER TABLE a RENAME COLUMN fid TO parcel_id")
        database.execute("UPDATE a SET parcel_id = 900001 WHERE parcel_id = 2")
    got = read(path, "GPKG")
    assert got.table.column_names == ["parcel_id", "n", "geom"]
    assert got.table["parcel_id"].to_pylist() == [1, 900001]
    assert got.table["n"].to_pylist() == [datetime(2024, 5, 1, 10, tzinfo=UTC), None]
    assert got.geometries == [shapely.Point(1, 1)] * 2
