"""Seamless tables of MapInfo: real tables, and an index whose metadata say what it is."""

import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas as gpd
import pytest
import shapely

from libs.models import Problem
from tests.integration.reading.writing import seamless

pytestmark = pytest.mark.integration

Reader = Callable[..., Any]
Refuser = Callable[..., Problem]
NAMES = [f"north{n}" for n in range(3)] + [f"south{n}" for n in range(4)]


def packed(folder: Path, top: str = "") -> Path:
    path = folder.parent / "all.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.write(file, top + str(file.relative_to(folder)))
    return path


@pytest.mark.parametrize(
    "names",
    [("Data/north.tab", "Data/south.tab"), ("DATA\\NORTH.TAB", "data\\South.tab"), (".\\Data\\north.tab", "Data\\south.TAB")],
)
def test_the_tables_are_one_layer(read: Reader, tmp_path: Path, names: tuple[str, str]) -> None:
    index = seamless(tmp_path / "in", *names)
    for source in (index, packed(index.parent), packed(index.parent, "delivery/maps/")):
        got = read(source, "MapInfo TAB")
        assert list(got.layers) == ["all"]
        assert got.table["name"].to_pylist() == NAMES
        assert [shape.y for shape in got.geometries] == [0] * 3 + [1] * 4
        assert got.layer.crs.name == "EPSG:4326"
        assert not got.warnings


def test_in_the_encoding_that_the_manifest_gives(read: Reader, tmp_path: Path) -> None:
    index = seamless(tmp_path / "in", "Data\\north.tab", "Data\\south.tab")
    for table in (index.parent / "Data").glob("*.tab"):
        table.write_bytes(table.read_bytes().replace(b"Neutral", b"WindowsLatin1"))
    for table in (index.parent / "Data").glob("*.dat"):
        table.write_bytes(table.read_bytes().replace(b"north0", "ñörth0".encode("cp1250", "replace")[:6]))
    got = read(index, "MapInfo TAB", encoding="cp1250")
    assert len(got.table) == 7
    assert got.table["name"][0].as_py() == "?örth0"


def test_a_table_that_is_missing_is_named(refused: Refuser, tmp_path: Path) -> None:
    index = seamless(tmp_path / "in", "Data\\north.tab", "Data\\West.tab")
    for source in (index, packed(index.parent)):
        problem = refused(source, "MapInfo TAB")
        assert problem.code == "missing_sidecar"
        assert "'Data/West.tab'" in problem.message


def test_a_file_of_a_table_that_is_missing_is_named(refused: Refuser, tmp_path: Path) -> None:
    index = seamless(tmp_path / "in", "Data\\north.tab", "Data\\south.tab")
    (index.parent / "Data" / "south.map").unlink()
    for source in (index, packed(index.parent)):
        problem = refused(source, "MapInfo TAB")
        assert problem.code == "missing_sidecar"
        assert "south.map" in problem.message
        assert problem.where == "files[0]: Data/south.tab"


@pytest.mark.parametrize(
    "outside", ["..\\south.tab", "C:\\GIS\\south.tab", "\\\\server\\gis\\south.tab", "/etc/south.tab", "Data\\..\\..\\south.tab"]
)
def test_a_table_outside_is_refused(refused: Refuser, tmp_path: Path, outside: str) -> None:
    index = seamless(tmp_path / "in", "Data\\north.tab", outside)
    for file in (index.parent / "Data").glob("south.*"):
        shutil.copy(file, tmp_path)
    for source in (index, packed(index.parent)):
        problem = refused(source, "MapInfo TAB")
        assert problem.code == "component_outside"
        assert outside.replace("\\", "/") in problem.message


def test_tables_that_differ_are_refused(refused: Refuser, tmp_path: Path) -> None:
    """GDAL would take the columns of the first table for those of the others."""
    index = seamless(tmp_path / "in", "Data\\north.tab", "Data\\other.tab")
    frame = gpd.GeoDataFrame({"v": [1], "name": ["x"]}, geometry=[shapely.Point(1, 1)], crs="EPSG:4326")
    frame.to_file(index.parent / "Data" / "other.tab", driver="MapInfo File", engine="pyogrio")
    problem = refused(index, "MapInfo TAB")
    assert problem.code == "schema_mismatch"
    assert "'other.tab' has v, name" in problem.message
    for file in (index.parent / "Data").glob("other.*"):
        file.unlink()
    frame[["name", "v", "geometry"]].to_crs("EPSG:25832").to_file(
        index.parent / "Data" / "other.tab", driver="MapInfo File", engine="pyogrio"
    )
    assert refused(index, "MapInfo TAB").code == "crs_mixed"


def test_a_seamless_table_in_another_is_refused(refused: Refuser, tmp_path: Path) -> None:
    index = seamless(tmp_path / "in", "Data\\north.tab", "inner\\all.tab")
    seamless(index.parent / "inner", "Data\\north.tab")
    problem = refused(index, "MapInfo TAB")
    assert problem.code == "unreadable"
    assert "'inner/all.tab'" in problem.message


@pytest.mark.parametrize("kept", [0, 20, 40, 100, 200])
def test_a_damaged_index_is_refused(refused: Refuser, tmp_path: Path, kept: int) -> None:
    index = seamless(tmp_path / "in", "Data\\north.tab", "Data\\south.tab")
    records = index.with_suffix(".dat")
    records.write_bytes(records.read_bytes()[:kept])
    assert refused(index, "MapInfo TAB").code in {"unreadable", "damaged", "count_mismatch"}


def test_deleted_records_of_a_table_are_not_missed(read: Reader, tmp_path: Path) -> None:
    index = seamless(tmp_path / "in", "Data\\north.tab", "Data\\south.tab")
    records = index.parent / "Data" / "south.dat"
    data = bytearray(records.read_bytes())
    data[int.from_bytes(data[8:10], "little")] = ord("*")
    records.write_bytes(data)
    shapes = records.with_suffix(".id")
    shapes.write_bytes(bytes(4) + shapes.read_bytes()[4:])
    assert read(index, "MapInfo TAB").table["name"].to_pylist() == [name for name in NAMES if name != "south0"]
