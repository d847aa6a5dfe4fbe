"""Shapefiles without an index or a table, where the manifest allows that."""

import shutil
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas as gpd
import pytest
import shapely

from libs.models import Problem

pytestmark = pytest.mark.integration


@pytest.fixture
def path(write: Callable[..., Path], places: gpd.GeoDataFrame) -> Path:
    lines = [shapely.LineString([(0, 0), (1, i), (i, 2)][: 2 + i % 2]) if i % 7 else None for i in range(len(places))]
    return write(places[["text", "geometry"]].set_geometry(lines, crs="EPSG:4326"), "a.shp", "ESRI Shapefile")


@pytest.mark.parametrize("missing", [(".shx",), (".dbf",), (".shx", ".dbf")])
@pytest.mark.parametrize("zipped", [False, True])
def test_what_is_left_is_read(
    read: Callable[..., Any], refused: Callable[..., Problem], path: Path, missing: tuple[str, ...], zipped: bool
) -> None:
    whole = read(path, "ESRI Shapefile")
    for suffix in missing:
        path.with_suffix(suffix).unlink()
    source = path
    if zipped:
        source = path.with_name("a.zip")
        with zipfile.ZipFile(source, "w") as archive:
            for file in path.parent.glob("a.*"):
                if file != source:
                    archive.write(file, f"in/{file.name}")
    before = sorted(file.name for file in path.parent.iterdir())
    assert '"missing_sidecars": "allow"' in refused(source, "ESRI Shapefile").remedy
    got = read(source, "ESRI Shapefile", missing_sidecars="allow")
    assert got.layer.crs.name == "EPSG:4326"
    assert got.geometries == whole.geometries
    if ".dbf" in missing:
        assert got.layer.columns == (("row", "int32"),)
        assert got.table.column("row").to_pylist() == list(range(1, 101))
    else:
        assert got.table.column("text").to_pylist() == whole.table.column("text").to_pylist()
    assert [warning.code for warning in got.warnings if warning not in whole.warnings] == ["sidecars_made"]
    assert sorted(file.name for file in path.parent.iterdir()) == before


def test_a_table_of_another_length_is_refused(refused: Callable[..., Problem], path: Path) -> None:
    path.with_suffix(".shx").unlink()
    table = bytearray(path.with_suffix(".dbf").read_bytes())
    (length, record) = struct.unpack("<HH", table[8:12])
    table[4:8] = struct.pack("<I", 90)
    path.with_suffix(".dbf").write_bytes(table[: length + 90 * record])
    assert refused(path, "ESRI Shapefile", missing_sidecars="allow").code in {"count_mismatch", "damaged"}


@pytest.mark.parametrize("cut", [50, 101, 400, -1])
def test_cut_shapes_are_refused(refused: Callable[..., Problem], path: Path, cut: int) -> None:
    path.with_suffix(".shx").unlink()
    path.write_bytes(path.read_bytes()[:cut])
    assert refused(path, "ESRI Shapefile", missing_sidecars="allow").code == "damaged"


def test_an_endless_record_is_refused(refused: Callable[..., Problem], path: Path) -> None:
    path.with_suffix(".shx").unlink()
    data = bytearray(path.read_bytes())
    data[104:108] = struct.pack(">i", -4)
    path.write_bytes(data)
    assert refused(path, "ESRI Shapefile", missing_sidecars="allow").code == "damaged"


def test_whole_files_are_read_as_ever(read: Callable[..., Any], path: Path) -> None:
    shutil.copy(path, path.with_name("copy.bak"))
    one, other = read(path, "ESRI Shapefile"), read(path, "ESRI Shapefile", missing_sidecars="allow")
    assert one.table == other.table
    assert one.warnings == other.warnings


_MIF = """Version 300
Charset "WindowsLatin1"
Delimiter ","
CoordSys Earth Projection 1, 104
Columns 2
  name Char(20)
  v Integer
Data

Point 1 2
    Symbol (35,0,12)
NONE
Text
    "Point of view"
    1 2 3 4
    Font ("Arial",0,0,0)
Collection 2
  Region 1
    4
0 0
0 1
1 1
0 0
    Pen (1,2,0)
  Pline 2
5 5
6 6
Line 1 1 2 2
    Pen (1,2,0)
"""


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("encoding", [None, "cp1252"])
def test_a_mif_without_its_table(
    read: Callable[..., Any], refused: Callable[..., Problem], tmp_path: Path, zipped: bool, encoding: str | None
) -> None:
    source = tmp_path / "a.mif"
    source.write_text(_MIF)
    if zipped:
        source = tmp_path / "a.zip"
        with zipfile.ZipFile(source, "w") as archive:
            archive.writestr("in/a.mif", _MIF)
    assert '"missing_sidecars": "allow"' in refused(source, "MapInfo MIF").remedy
    got = read(source, "MapInfo MIF", missing_sidecars="allow", encoding=encoding)
    assert got.layer.columns == (("row", "int32"),)
    assert got.table["row"].to_pylist() == [1, 2, 3, 4, 5]
    assert [shape and shape.geom_type for shape in got.geometries] == ["Point", None, "Point", "GeometryCollection", "LineString"]
    assert [warning.code for warning in got.warnings] == ["sidecars_made"]
    assert (tmp_path / "a.mif").exists() is False or (tmp_path / "a.mif").read_text() == _MIF
