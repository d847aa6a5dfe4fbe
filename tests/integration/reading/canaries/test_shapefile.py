"""Shapefiles and dBASE."""

from datetime import date
from pathlib import Path

import pyogrio
import pytest
from pyproj import CRS

from tests.integration.reading.canaries.plain import shapes, still_lost, table
from tests.integration.reading.shapefiles import POINT, Field, multipatch, point, write_shapes, write_table

pytestmark = pytest.mark.integration

CELLS = "formats/shapefile/cells.py"


@pytest.mark.parametrize(
    ("field", "cell", "read"),
    [
        (("N", 9, 0), b"1.5", 1),
        (("N", 9, 0), b"abc", 0),
        (("N", 24, 8), b"1,5", 1.0),
        (("D", 8, 0), b"20230231", date(2023, 3, 3)),
        (("L", 1, 0), b"J", False),
    ],
    ids=lambda value: value.decode() if isinstance(value, bytes) else "",
)
def test_a_cell_is_read_as_something_else(tmp_path: Path, field: Field, cell: bytes, read: object) -> None:
    path = tmp_path / "a.dbf"
    write_table(path, [("C", 1, 0), field], [[b"x", cell]])
    got = table(path, read_geometry=False).column("f1").to_pylist()
    still_lost(got == [read], CELLS, got)


def test_integers_of_19_digits_are_rounded(tmp_path: Path) -> None:
    path = tmp_path / "a.dbf"
    write_table(path, [("N", 20, 0)], [[b"9223372036854775807"]])
    got = table(path, read_geometry=False).column("f0").to_pylist()
    still_lost(got != [9223372036854775807] or isinstance(got[0], float), "formats/shapefile/parts.py", got)


def test_shapes_of_a_truncated_file_are_null(tmp_path: Path) -> None:
    path = tmp_path / "a.shp"
    write_shapes(path, POINT, [point(1, 2), point(3, 4)])
    write_table(path, [("C", 1, 0)], [[b"a"], [b"b"]])
    path.write_bytes(path.read_bytes()[:-20])
    got = shapes(table(path))
    still_lost(len(got) == 2 and got[1] is None, "formats/shapefile/parts.py", got)


def test_records_behind_those_that_are_counted_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "a.dbf"
    write_table(path, [("C", 1, 0)], [[b"a"], [b"b"]])
    content = bytearray(path.read_bytes())
    content[4] = 1
    path.write_bytes(content)
    got = table(path, read_geometry=False).num_rows
    still_lost(got == 1, "formats/shapefile/layout.py", got)


def test_plain_rings_of_a_multipatch_become_holes(tmp_path: Path) -> None:
    path = tmp_path / "a.shp"
    outer = [(0, 0, 0), (0, 9, 0), (9, 9, 0), (9, 0, 0), (0, 0, 0)]
    other = [(x + 20, y, z) for x, y, z in outer]
    write_shapes(path, 31, [multipatch((5, outer), (5, other))])
    write_table(path, [("C", 1, 0)], [[b"a"]])
    got = shapes(table(path))
    faces = sum(len(getattr(part, "interiors", ())) for part in getattr(got[0], "geoms", [got[0]]))
    still_lost(faces == 1, "formats/shapefile/patches.py", got)


def test_a_prj_in_wkt_2_is_not_understood(tmp_path: Path) -> None:
    path = tmp_path / "a.shp"
    write_shapes(path, POINT, [point(1, 2)])
    write_table(path, [("C", 1, 0)], [[b"a"]])
    path.with_suffix(".prj").write_text(CRS(25832).to_wkt("WKT2_2019"))
    got = pyogrio.read_info(path)["crs"]
    still_lost(got is None, "formats/shapefile/parts.py", got)


def test_text_that_is_not_utf8_is_handed_on_as_if_it_were(tmp_path: Path) -> None:
    path, text = tmp_path / "a.dbf", "Дорога".encode("cp1251")
    write_table(path, [("C", 9, 0)], [[text]])
    got = table(path, read_geometry=False).column("f0").cast("binary").to_pylist()
    still_lost(got == [text], "values/text.py", got)


def test_the_number_of_a_memo_is_taken_for_its_text(tmp_path: Path) -> None:
    path = tmp_path / "a.dbf"
    write_table(path, [("C", 1, 0), ("M", 10, 0)], [[b"x", b"1"]])
    path.with_suffix(".dbt").write_bytes(bytes(512) + b"text\x1a\x1a".ljust(512, b"\0"))
    got = table(path, read_geometry=False).column("f1").to_pylist()
    still_lost([text.strip() for text in got] == ["1"], "formats/shapefile/memos.py", got)
