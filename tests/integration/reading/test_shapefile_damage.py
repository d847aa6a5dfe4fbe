"""Shapefiles and dBASE tables whose parts are damaged, or belong to others."""

import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas as gpd
import pytest

from libs.models import Problem
from tests.integration.reading.shapefiles import POINT, point, write_shapes, write_table

pytestmark = pytest.mark.integration

Reader = Callable[..., Any]
Refuser = Callable[..., Problem]


@pytest.mark.parametrize("part", [".shp", ".shx", ".dbf"])
@pytest.mark.parametrize("fraction", [0.0, 0.1, 0.5, 0.99])
def test_a_shapefile_with_a_truncated_part(
    refused: Refuser, write: Callable[..., Path], places: gpd.GeoDataFrame, part: str, fraction: float
) -> None:
    path = write(places, "a.shp", "ESRI Shapefile")
    content = path.with_suffix(part).read_bytes()
    path.with_suffix(part).write_bytes(content[: int(len(content) * fraction)])
    assert refused(path, "ESRI Shapefile").code in {"truncated", "empty_file", "format_mismatch"}


def test_parts_of_two_shapefiles(refused: Refuser, write: Callable[..., Path], places: gpd.GeoDataFrame) -> None:
    path = write(places, "a.shp", "ESRI Shapefile")
    other = write(places[:50], "b.shp", "ESRI Shapefile")
    shutil.copy(other.with_suffix(".dbf"), path.with_suffix(".dbf"))
    assert refused(path, "ESRI Shapefile").code == "count_mismatch"


def test_deleted_records_of_a_shapefile_are_no_damage(read: Reader, write: Callable[..., Path], places: gpd.GeoDataFrame) -> None:
    path = write(places, "a.shp", "ESRI Shapefile")
    table = bytearray(path.with_suffix(".dbf").read_bytes())
    header, record = struct.unpack("<8xHH", table[:12])
    table[header + 7 * record] = ord("*")
    path.with_suffix(".dbf").write_bytes(table)
    got = read(path, "ESRI Shapefile")
    assert got.table.column("text").to_pylist() == [None if i == 5 else f"Zürich {i}" for i in range(100) if i != 7]


@pytest.mark.parametrize("kept", [0, 3])
def test_records_of_dbase_behind_those_that_are_counted(refused: Refuser, read: Reader, tmp_path: Path, kept: int) -> None:
    path, rows = tmp_path / "a.dbf", [[b"some"], [b"text"], [b""], [b"and"], [b"more"]]
    write_table(path, [("C", 8, 0)], rows)
    whole = path.read_bytes()
    path.write_bytes(whole[:4] + struct.pack("<I", kept) + whole[8:])
    problem = refused(path, "dBASE", type="tabular")
    assert problem.code == "damaged"
    assert f"{kept} records" in problem.message
    for behind in (b"", b"\x1a\x1a", b"\x1a" + b" rubbish" * 50, bytes(500), b" " * 500, b" rubbish", b"*deleted "):
        path.write_bytes(whole[:-1] + behind)
        assert read(path, "dBASE", type="tabular").table.num_rows == len(rows)


@pytest.mark.parametrize("kept", [0, 2])
def test_shapes_behind_those_that_are_counted(refused: Refuser, read: Reader, tmp_path: Path, kept: int) -> None:
    path, points = tmp_path / "a.shp", [point(row, 1) for row in range(4)]
    write_shapes(path, POINT, points)
    whole, index = path.read_bytes(), path.with_suffix(".shx").read_bytes()
    write_table(path, [("C", 8, 0)], [[b""]] * kept)
    path.with_suffix(".shx").write_bytes(index[:24] + struct.pack(">I", 50 + kept * 4) + index[28:])
    problem = refused(path, "ESRI Shapefile", crs="EPSG:2056")
    assert problem.code == "damaged"
    assert f"{kept} shapes" in problem.message
    for behind in (b"", b"rubbish" * 9, bytes(200)):
        path.write_bytes(whole[:24] + struct.pack(">I", 50 + kept * 14) + whole[28 : 100 + 28 * kept] + behind)
        assert read(path, "ESRI Shapefile", crs="EPSG:2056").table.num_rows == kept


@pytest.mark.parametrize("place", [78, 50, 70, 2, -4, 0])
def test_an_index_that_leads_elsewhere(refused: Refuser, read: Reader, tmp_path: Path, place: int) -> None:
    """One shape is lost, and another one read twice, or nothing, or whatever stands there."""
    path = tmp_path / "a.shp"
    write_shapes(path, POINT, [point(row, 1) for row in range(4)])
    write_table(path, [("C", 8, 0)], [[b""]] * 4)
    index = path.with_suffix(".shx").read_bytes()
    path.with_suffix(".shx").write_bytes(index[:108] + struct.pack(">i", place) + index[112:])
    assert refused(path, "ESRI Shapefile", crs="EPSG:2056").code == "damaged"
    path.with_suffix(".shx").write_bytes(index[:100] + b"".join(index[at : at + 8] for at in (124, 116, 108, 100)))
    assert [shape.x for shape in read(path, "ESRI Shapefile", crs="EPSG:2056").geometries] == [3, 2, 1, 0]


@pytest.mark.parametrize("width", [7, 9])
def test_fields_of_dbase_that_do_not_fill_a_record(refused: Refuser, tmp_path: Path, width: int) -> None:
    path = tmp_path / "a.dbf"
    write_table(path, [("C", 8, 0)], [[b"some"], [b"text"]])
    content = path.read_bytes()
    path.write_bytes(content[:48] + bytes([width]) + content[49:])
    assert refused(path, "dBASE", type="tabular").code == "damaged"
