"""PMTiles with vector tiles, written by GDAL, and by hand where GDAL does not write them so."""

import gzip
import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas as gpd
import pytest
import shapely

from libs.models import Problem
from libs.pipeline.format_choice import format_of
from tests.integration.reading.vector_tiles import require_features_of_zoom_2
from tests.integration.reading.writing import message, number, varint

pytestmark = pytest.mark.integration

Reader = Callable[..., Any]
Refuser = Callable[..., Problem]
TILE_TYPE, TILE_PACKING, DIRECTORY_PACKING, VERSION = 99, 98, 97, 7
"""Where the header has them."""


@pytest.fixture
def tiles(tmp_path: Path) -> Path:
    """A point in one tile of zoom 2, a line through four, an area in one."""
    path = tmp_path / "a.pmtiles"
    shapes = [shapely.Point(1, 2), shapely.LineString([(-50, -50), (50, 50)]), shapely.box(5, 5, 60, 60)]
    frame = gpd.GeoDataFrame({"n": [1, 2, 3]}, geometry=shapes, crs="EPSG:4326")
    frame.to_file(path, driver="PMTiles", engine="pyogrio", layer="a", dataset_options={"MINZOOM": 0, "MAXZOOM": 2})
    return path


def changed(path: Path, at: int, value: int) -> Path:
    data = bytearray(path.read_bytes())
    data[at] = value
    path.write_bytes(data)
    return path


def directory(*entries: tuple[int, int, int, int]) -> bytes:
    """Entries of number, run, size and offset; a run of 0 is another directory."""
    numbers = [entry[0] for entry in entries]
    distances = [one - before for one, before in zip(numbers, [0, *numbers], strict=False)]
    columns = (distances, [entry[1] for entry in entries], [entry[2] for entry in entries], [entry[3] + 1 for entry in entries])
    return gzip.compress(varint(len(entries)) + b"".join(varint(value) for column in columns for value in column))


def written(
    path: Path, root: bytes, leaves: bytes, data: bytes, zooms: tuple[int, int], layers: tuple[str, ...] = ("a",)
) -> Path:
    """A file of the parts given."""
    known = gzip.compress(json.dumps({"vector_layers": [{"id": layer, "fields": {}} for layer in layers]}).encode())
    at, places = 127, []
    for part in (root, known, leaves, data):
        places += [at, len(part)]
        at += len(part)
    world = struct.pack("<4i", -1_800_000_000, -850_000_000, 1_800_000_000, 850_000_000)
    header = b"PMTiles\3" + struct.pack("<11Q6B", *places, 0, 0, 0, 1, 2, 2, 1, *zooms) + world + b"\0" * 9
    path.write_bytes(header + root + known + leaves + data)
    return path


def tile(*points: tuple[int, int], layer: str = "a") -> bytes:
    features = b"".join(message(2, number(3, 1) + message(4, varint(9) + varint(x << 1) + varint(y << 1))) for x, y in points)
    return gzip.compress(message(3, message(1, layer.encode()) + features + number(5, 4096) + number(15, 2)))


def test_features_of_the_highest_zoom(read: Reader, tiles: Path) -> None:
    assert format_of(tiles).name == "PMTiles"
    require_features_of_zoom_2(read(tiles, "PMTiles"))


def test_runs_of_equal_tiles_and_further_directories(read: Reader, tmp_path: Path) -> None:
    """A run of two tiles in a directory below the first one."""
    data = tile((2048, 2048), (1024, 1024))
    leaf = directory((4, 1, len(data), 0), (5, 2, len(data), 0))
    path = written(tmp_path / "a.pmtiles", directory((4, 0, len(leaf), 0)), leaf, data, (1, 2))
    got = read(path, "PMTiles")
    assert len(got.geometries) == 4
    assert "zoom 2" in got.warnings[0].message
    tile_size = 20_037_508.34 / 2
    centres = {(round(shape.x / tile_size, 2), round(shape.y / tile_size, 2)) for shape in got.geometries}
    assert centres == {(-1.5, 1.5), (-1.75, 1.75), (-0.5, 1.5), (-0.75, 1.75)}  # 2/0/0 and 2/1/0, from the north-west


def test_a_damaged_tile(refused: Refuser, tmp_path: Path) -> None:
    """GDAL stops there, and says nothing. The message names zoom, column and row."""
    good, bad = tile((1, 1)), b"\x1f\x8b cut off"
    root = directory((5, 1, len(good), 0), (7, 1, len(bad), len(good)))
    problem = refused(written(tmp_path / "a.pmtiles", root, b"", good + bad, (2, 2)), "PMTiles")
    assert problem.code == "damaged"
    assert "2/1/1" in problem.message


def test_a_layer_that_the_metadata_do_not_list(refused: Refuser, tmp_path: Path) -> None:
    data = tile((1, 1), layer="b")
    problem = refused(written(tmp_path / "a.pmtiles", directory((0, 1, len(data), 0)), b"", data, (0, 0)), "PMTiles")
    assert problem.code == "count_mismatch"
    assert "vector_layers" in problem.remedy


@pytest.mark.parametrize("kept", [8, 100, 127, 140, 600, -1])
def test_a_file_that_is_cut_off(refused: Refuser, tiles: Path, kept: int) -> None:
    tiles.write_bytes(tiles.read_bytes()[:kept])
    assert refused(tiles, "PMTiles").code == "damaged"


@pytest.mark.parametrize(
    ("at", "value", "said"),
    [(TILE_TYPE, 2, "images (PNG)"), (TILE_TYPE, 4, "images (WebP)"), (TILE_TYPE, 6, "number 6"), (VERSION, 2, "version 2"),
     (TILE_PACKING, 4, "Zstandard"), (DIRECTORY_PACKING, 3, "Brotli")],
)  # fmt: skip
def test_what_is_not_read_is_named(refused: Refuser, tiles: Path, at: int, value: int, said: str) -> None:
    problem = refused(changed(tiles, at, value), "PMTiles")
    assert problem.code == "unreadable"
    assert said in problem.message


def test_directories_without_end_are_refused(refused: Refuser, tmp_path: Path) -> None:
    leaf = directory((0, 0, 29, 0))
    leaf = directory((0, 0, len(leaf), 0))
    assert refused(written(tmp_path / "a.pmtiles", leaf, leaf, b"", (0, 0)), "PMTiles").code == "damaged"
    bomb = gzip.compress(b"\0" * (80 * 1024 * 1024))
    assert refused(written(tmp_path / "b.pmtiles", bomb, b"", b"", (0, 0)), "PMTiles").code == "damaged"


def test_no_tiles(refused: Refuser, tmp_path: Path) -> None:
    assert refused(written(tmp_path / "a.pmtiles", directory(), b"", b"", (0, 0)), "PMTiles").code == "no_features"


def test_a_run_over_two_zooms(refused: Refuser, tmp_path: Path) -> None:
    """GDAL does not read it."""
    data = tile((1, 1))
    problem = refused(written(tmp_path / "a.pmtiles", directory((4, 3, len(data), 0)), b"", data, (1, 2)), "PMTiles")
    assert problem.code == "unreadable"
    assert "pmtiles extract" in problem.remedy
