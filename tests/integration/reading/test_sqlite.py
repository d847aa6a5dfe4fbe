"""SQLite and SpatiaLite: written by GDAL or by hand; what is in them is counted by Python's own SQLite."""

import sqlite3
import struct
import time
from collections.abc import Callable
from contextlib import closing
from datetime import date, datetime
from pathlib import Path
from typing import Any

import geopandas as gpd
import pytest
import shapely

from libs.models import Problem, Rejected
from libs.spatial_utils.reading import ReadLimits

pytestmark = pytest.mark.integration

Reader = Callable[..., Any]
Refuser = Callable[..., Problem]

_SPATIALITE = """
CREATE TABLE spatial_ref_sys (srid INTEGER PRIMARY KEY, auth_name TEXT, auth_srid INTEGER, ref_sys_name TEXT, proj4text TEXT,
 srtext TEXT);
CREATE TABLE geometry_columns (f_table_name TEXT, f_geometry_column TEXT, geometry_type INTEGER, coord_dimension INTEGER,
 srid INTEGER, spatial_index_enabled INTEGER);
INSERT INTO spatial_ref_sys VALUES (25832, 'epsg', 25832, 'ETRS89 / UTM zone 32N', '', '');
INSERT INTO geometry_columns VALUES ('a', 'geom', 1, 2, 25832, 0);
CREATE TABLE a (parcel_id INTEGER PRIMARY KEY, n INTEGER, geom POINT);
CREATE TABLE owners (owner_id INTEGER PRIMARY KEY, name TEXT, born DATE, picture BLOB);
INSERT INTO owners VALUES (5, 'Zoë', '1999-12-31', x'00ff'), (6, NULL, NULL, NULL);
"""


def point(x: float, y: float, srid: int = 25832) -> bytes:
    """A point as SpatiaLite stores it: with its CRS and its extent."""
    return struct.pack("<BBi4dBI2dB", 0, 1, srid, x, y, x, y, 0x7C, 1, x, y, 0xFE)


def database(path: Path, script: str, *rows: tuple[int, int, bytes | None]) -> Path:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(script)
        for row in rows:
            connection.execute("INSERT INTO a VALUES (?, ?, ?)", row)
    return path


def counts(path: Path, *tables: str) -> list[int]:
    with closing(sqlite3.connect(path)) as connection:
        return [connection.execute(f'SELECT count(*) FROM "{table}"').fetchone()[0] for table in tables]


def test_tables_with_and_without_geometry(read: Reader, tmp_path: Path) -> None:
    path = database(tmp_path / "a.sqlite", _SPATIALITE, (7, 1, point(500000, 5e6)), (9, 2, None))
    got = read(path, "SpatiaLite")
    assert sorted(got.tables) == ["a", "owners"]
    assert [got.tables[name].num_rows for name in ("a", "owners")] == counts(path, "a", "owners")
    assert got.tables["a"].select(["parcel_id", "n"]).to_pylist() == [{"parcel_id": 7, "n": 1}, {"parcel_id": 9, "n": 2}]
    assert [each and shapely.from_wkb(each).wkt for each in got.tables["a"]["geom"].to_pylist()] == [
        "POINT (500000 5000000)", None,
    ]  # fmt: skip
    assert got.layers["a"].crs.name == "EPSG:25832"
    assert got.tables["owners"].to_pylist() == [
        {"owner_id": 5, "name": "Zoë", "born": date(1999, 12, 31), "picture": b"\0\xff"},
        {"owner_id": 6, "name": None, "born": None, "picture": None},
    ]


@pytest.mark.parametrize("spatialite", ["YES", "NO"])
def test_what_gdal_writes(read: Reader, tmp_path: Path, places: gpd.GeoDataFrame, spatialite: str) -> None:
    """With SpatiaLite's own tables, views, triggers and index, none of which is data."""
    path = tmp_path / "a.sqlite"
    places.to_file(path, layer="a", driver="SQLite", engine="pyogrio", dataset_options={"SPATIALITE": spatialite})
    got = read(path, "SQLite")
    assert [*got.tables] == ["a"]
    assert got.layer.crs.name == "EPSG:4326"
    assert shapely.equals(got.geometries, places.geometry.to_numpy()).all()
    assert got.table["large"].to_pylist() == places["large"].to_list()
    assert got.table["text"].to_pylist() == [None if each != each else each for each in places["text"]]  # noqa: PLR0124 - NaN
    assert not got.warnings


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        ("INTEGER", "'abc'"), ("INTEGER", "1.5"), ("TEXT", "x'00ff'"), ("TEXT", "'a' || char(0) || 'b'"), ("REAL", "'x'"),
        ("DATE", "'2023-02-31'"), ("DATE", "20230131"), ("DATE", "'31.01.2023'"), ("DATETIME", "'soon'"),
        ("DATETIME", "1700000000"),
        ("DATETIME", "'2023-02-31T10:00:00'"), ("DATETIME", "'2023-01-31 25:00:00'"), ("TIME", "'noon'"), ("BLOB", "'text'"),
    ],
)  # fmt: skip
def test_a_value_that_a_column_cannot_hold(refused: Refuser, tmp_path: Path, type_: str, value: str) -> None:
    path = database(tmp_path / "a.db", f"CREATE TABLE t (n {type_}); INSERT INTO t VALUES (NULL), ({value})")
    problem = refused(path, "SQLite", type="tabular")
    assert problem.code == "value_lost"
    assert "'n'" in problem.message or "t.n " in problem.message


@pytest.mark.parametrize(
    ("type_", "value", "expected"),
    [
        ("BIGINT", "9007199254740993", 9007199254740993), ("VARCHAR(3)", "'longer'", "longer"),
        ("DATE", "'2024-02-29'", date(2024, 2, 29)),
        ("DATETIME", "'2024-02-29 10:11:12'", datetime.fromisoformat("2024-02-29T10:11:12")), ("REAL", "12.25", 12.25),
    ],
)  # fmt: skip
def test_a_value_that_fits(read: Reader, tmp_path: Path, type_: str, value: str, expected: object) -> None:
    path = database(tmp_path / "a.db", f"CREATE TABLE t (n {type_}); INSERT INTO t VALUES (NULL), ({value})")
    assert read(path, "SQLite", type="tabular").table["n"].to_pylist() == [None, expected]


def test_a_column_of_a_type_that_gdal_does_not_know(refused: Refuser, tmp_path: Path) -> None:
    """GDAL takes the type of the first value: an integer, as SQLite stores 1.0."""
    path = database(tmp_path / "a.db", "CREATE TABLE t (n DECIMAL(10,2)); INSERT INTO t VALUES (1.0), (2.5)")
    problem = refused(path, "SQLite", type="tabular")
    assert problem.code == "value_lost"
    assert "2.5" in problem.message
    assert "REAL" in problem.remedy


def test_a_large_number_in_a_column_of_integers(read: Reader, refused: Refuser, tmp_path: Path) -> None:
    """GDAL reads 32 bits of it. What the remedy says works."""
    path = database(tmp_path / "a.db", "CREATE TABLE t (n INTEGER); INSERT INTO t VALUES (1), (99999999999)")
    problem = refused(path, "SQLite", type="tabular")
    assert problem.code == "value_lost"
    assert "BIGINT" in problem.remedy
    database(path, "CREATE TABLE u (n BIGINT); INSERT INTO u SELECT n FROM t; DROP TABLE t")
    assert read(path, "SQLite", type="tabular").table["n"].to_pylist() == [1, 99999999999]


def test_what_is_no_geometry(refused: Refuser, tmp_path: Path) -> None:
    path = database(tmp_path / "a.sqlite", _SPATIALITE, (1, 1, point(1, 2)), (2, 2, b"junk"), (3, 3, None))
    problem = refused(path, "SQLite")
    assert problem.code == "damaged_geometry"


def test_another_format_on_top_of_sqlite(refused: Refuser, write: Callable[..., Path], places: gpd.GeoDataFrame) -> None:
    problem = refused(write(places, "a.gpkg", "GPKG"), "SQLite")
    assert problem.code == "format_mismatch"
    assert "GPKG" in problem.remedy


def test_views_and_virtual_tables_are_not_run(read: Reader, tmp_path: Path) -> None:
    path = database(tmp_path / "a.sqlite", _SPATIALITE, (1, 1, point(1, 2)))
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "CREATE VIEW endless AS WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x FROM c"
        )
        connection.execute("CREATE VIEW few AS SELECT name FROM owners")
        connection.execute("PRAGMA writable_schema = 1")
        statement = "CREATE VIRTUAL TABLE v USING VirtualOGR('/etc/passwd')"
        connection.execute("INSERT INTO sqlite_master VALUES ('table', 'v', 'v', 0, ?)", (statement,))
    got = read(path, "SQLite", limits=ReadLimits(seconds=20))
    assert sorted(got.tables) == ["a", "owners"]
    assert sorted((each.code, each.where) for each in got.warnings if each.code.endswith("_not_read")) == [
        ("view_not_read", "files[0]: layer endless"), ("view_not_read", "files[0]: layer few"),
        ("virtual_table_not_read", "files[0]: layer v"),
    ]  # fmt: skip
    assert read(path, "SQLite", type="tabular", layer="few").table["name"].to_pylist() == ["Zoë", None]
    began = time.monotonic()
    with pytest.raises(Rejected):
        read(path, "SQLite", type="tabular", layer="endless", limits=ReadLimits(seconds=2))
    assert time.monotonic() - began < 8
    with pytest.raises(Rejected):
        read(path, "SQLite", type="tabular", layer="v")


def test_an_index_of_a_table_is_no_layer(read: Reader, tmp_path: Path) -> None:
    path = database(tmp_path / "a.sqlite", _SPATIALITE + "CREATE VIRTUAL TABLE idx_a_geom USING rtree(id, x0, x1, y0, y1);")
    got = read(path, "SQLite", layer="owners", type="tabular")
    assert got.table.num_rows == 2
    assert sorted(read(path, "SQLite").tables) == ["a", "owners"]
