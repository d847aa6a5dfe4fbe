"""MBTiles with vector tiles, written by GDAL; damaged by hand."""

import gzip
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import geopandas as gpd
import pytest
import shapely

from libs.models import Problem
from tests.integration.reading.vector_tiles import require_features_of_zoom_2

pytestmark = pytest.mark.integration

Reader = Callable[..., Any]
Refuser = Callable[..., Problem]


@pytest.fixture
def tiles(tmp_path: Path) -> Path:
    """A point in one tile of zoom 2, a line through four, an area in one."""
    path = tmp_path / "a.mbtiles"
    shapes = [shapely.Point(1, 2), shapely.LineString([(-50, -50), (50, 50)]), shapely.box(5, 5, 60, 60)]
    frame = gpd.GeoDataFrame({"n": [1, 2, 3]}, geometry=shapes, crs="EPSG:4326")
    frame.to_file(path, driver="MBTiles", engine="pyogrio", layer="a", dataset_options={"MINZOOM": 0, "MAXZOOM": 2})
    return path


def change(path: Path, sql: str, *values: object) -> Path:
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(sql, values)
    return path


def test_features_of_the_highest_zoom(read: Reader, tiles: Path) -> None:
    require_features_of_zoom_2(read(tiles, "MBTiles"))


def test_metadata_with_a_lower_zoom(read: Reader, tiles: Path) -> None:
    change(tiles, "UPDATE metadata SET value = '1' WHERE name = 'maxzoom'")
    assert "zoom 2" in read(tiles, "MBTiles").warnings[0].message


@pytest.mark.parametrize("data", ["substr(tile_data, 1, length(tile_data) / 2)", "x'00ff00ff'", "NULL", "'text'"])
def test_a_damaged_tile(refused: Refuser, tiles: Path, data: str) -> None:
    """GDAL stops there, and says nothing."""
    change(tiles, f"UPDATE tiles SET tile_data = {data} WHERE zoom_level = 2 AND tile_column = 2 AND tile_row = 2")
    problem = refused(tiles, "MBTiles")
    assert problem.code == "damaged"
    assert "2/2/2" in problem.message


def test_a_tile_that_grows_beyond_measure(refused: Refuser, tiles: Path) -> None:
    bomb = gzip.compress(b"\0" * (80 * 1024 * 1024))
    change(tiles, "UPDATE tiles SET tile_data = ? WHERE zoom_level = 2", bomb)
    assert refused(tiles, "MBTiles").code == "damaged"


def test_a_layer_that_the_metadata_do_not_list(refused: Refuser, tiles: Path) -> None:
    change(tiles, """UPDATE metadata SET value = replace(value, '"id":"a"', '"id":"b"') WHERE name = 'json'""")
    problem = refused(tiles, "MBTiles")
    assert problem.code == "count_mismatch"
    assert "vector_layers" in problem.remedy


def test_tiles_of_images(refused: Refuser, tiles: Path) -> None:
    change(tiles, "UPDATE metadata SET value = 'png' WHERE name = 'format'")
    assert "images (png)" in refused(tiles, "MBTiles").message


def test_not_as_a_plain_database(refused: Refuser, tiles: Path) -> None:
    problem = refused(tiles, "SQLite")
    assert problem.code == "format_mismatch"
    assert "MBTiles" in problem.remedy
