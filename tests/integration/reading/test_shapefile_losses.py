"""Cells, fields and shapes of which GDAL makes something else than they say."""

import struct
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from libs.models import Problem
from tests.integration.reading.shapefiles import write_shapes, write_table

pytestmark = pytest.mark.integration

Reader = Callable[..., Any]
Refuser = Callable[..., Problem]


@pytest.mark.parametrize(
    ("kind", "shapes", "dropped"),
    [
        (11, [(1, 2, 3), (1, 2, 3, 4)], 2),  # its measure may be left out
        (11, [(1, 2, 3, -1e39), (1, 2, 3, 4)], 2),  # ... or say that there is none
        (11, [(1, 2, 3, 4), (1, 2, 3)], 2),
        (11, [(1, 2, 3, -1e39), (1, 2, 3)], 0),
        (21, [(1, 2, -1e39), (1, 2, 4)], 2),
    ],
)
def test_measures_that_the_first_shape_has_not(
    read: Reader, tmp_path: Path, kind: int, shapes: list[tuple[float, ...]], dropped: int
) -> None:
    """GDAL drops them all by itself then."""
    path = tmp_path / "a.shp"
    write_shapes(path, kind, [struct.pack(f"<i{len(shape)}d", kind, *shape) for shape in shapes])
    write_table(path, [("C", 1, 0)], [[b""]] * len(shapes))
    got = read(path, "ESRI Shapefile", crs="EPSG:2056")
    assert got.counts["a"] == ({"m_dropped": dropped} if dropped else {})
    assert all(shape.has_z == (kind == 11) for shape in got.geometries)


@pytest.mark.parametrize("by", ["columns", "GDAL"])
@pytest.mark.parametrize(
    ("field", "cells"),
    [
        (("N", 10, 0), [b"1.5", b"1e3", b"12 3", b"1,000", b"abc", b"-", b"0x1F", b"*12", b"1\x002", b"."]),
        (("F", 18, 0), [b"1.5", b"1e3"]),
        (("N", 9, 0), [b"*12", b"1.5", b"abc"]),
        (("N", 20, 0), [b"18446744073709551615", b"-9223372036854775809"]),
        (("F", 24, 0), [b"123456789012345678901"]),
        (("N", 24, 8), [b"1e400", b"*1", b"1,5,2", b"1.5.5", b"-"]),
        (("D", 8, 0), [b"20231345", b"garbage!", b"20230231", b"2023013", b"2023 1 1", b"00001301", b"01/31/23"]),
        (("D", 10, 0), [b"2020-01-02", b"13/01/2020", b"2020010199"]),
        (("L", 1, 0), [b"1", b"J", b"x"]),
    ],
    ids=lambda value: "".join(map(str, value)) if isinstance(value, tuple) else "",
)
def test_a_cell_that_a_field_of_dbase_cannot_hold(
    refused: Refuser, tmp_path: Path, field: tuple[str, int, int], cells: list[bytes], by: str
) -> None:
    """GDAL reads what it begins with, or 0, or a day in 1970."""
    path = tmp_path / "a.dbf"
    for cell in cells:
        write_table(path, [("C", 1, 0), field], [[b"", b""], [b"", b""], [b"", cell]], deleted=[1] if by == "GDAL" else [])
        problem = refused(path, "dBASE", type="tabular", encoding="cp1252")
        assert (problem.code, problem.where) == ("value_lost", "files[0]: layer a, feature 3"), cell
        assert "'f1'" in problem.message


@pytest.mark.parametrize("by", ["columns", "GDAL"])
@pytest.mark.parametrize(
    ("field", "cells"),
    [
        (("N", 10, 0), {b"*" * 10: None, b"": None, b"\0" * 10: None, b"1.00": 1, b"5.": 5, b"+5": 5, b"12\0 \0": 12}),
        (("N", 25, 0), {b"590295810358705700000": 590295810358705700000.0, b"*" * 25: None}),  # as doubles are printed
        (
            ("N", 24, 8),
            {
                b"nan": float("nan"),
                b"-inf": float("-inf"),
                b"1.#INF": float("inf"),
                b"0.12345678901234567890": 0.12345678901234568,
            },
        ),
        (("D", 8, 0), {b"20240229": date(2024, 2, 29), b"00000000": None, b"0": None, b"\0" * 8: None, b"": None}),
        (("D", 10, 0), {b"01/31/2020": date(2020, 1, 31), b"20200131": date(2020, 1, 31)}),
        (("L", 1, 0), {b"T": True, b"y": True, b"N": False, b"f": False, b"?": None, b"": None, b"\0": None}),
        (("C", 9, 0), {b"a\0 \0": "a", b"\0" * 9: None, b"\xe9\0": "é"}),
        (("M", 10, 0), {b"": None}),
    ],
    ids=lambda value: "".join(map(str, value)) if isinstance(value, tuple) else "",
)
def test_cells_of_dbase_that_say_nothing_else(
    read: Reader, tmp_path: Path, field: tuple[str, int, int], cells: dict[bytes, Any], by: str
) -> None:
    path, deleted = tmp_path / "a.dbf", [0, len(cells) + 1] if by == "GDAL" else []
    rows = [[cell] for cell in cells]
    write_table(path, [field], [[b"x"], *rows, [b"x"]] if deleted else rows, deleted=deleted)
    values = read(path, "dBASE", type="tabular", encoding="cp1252").table["f0"].to_pylist()
    assert [*map(repr, values)] == [*map(repr, cells.values())]  # in words, as a NaN is not like itself


def test_a_loss_beyond_the_first_records_and_deleted_ones(refused: Refuser, tmp_path: Path) -> None:
    path, rows = tmp_path / "a.dbf", [[b"%d" % row] for row in range(70_000)]
    rows[69_000] = [b"1e3"]
    write_table(path, [("N", 10, 0)], rows, deleted=[*range(30_000, 60_000), 65_000])
    assert refused(path, "dBASE", type="tabular").where == "files[0]: layer a, feature 69001"


@pytest.mark.parametrize("kind", [*"BIYT@+OVQW0X"])
def test_fields_that_later_programs_put_into_dbase(refused: Refuser, tmp_path: Path, kind: str) -> None:
    """GDAL takes their bytes for text."""
    path = tmp_path / "a.dbf"
    write_table(path, [("C", 4, 0), (kind, 8, 0)], [[b"a", b""], [b"b", b"1"]])
    problem = refused(path, "dBASE", type="tabular")
    assert problem.code == "unsupported_field"
    assert "'f1'" in problem.message
    assert f"'{kind}'" in problem.message


def test_text_wider_than_dbase_has_it(refused: Refuser, tmp_path: Path) -> None:
    """GDAL cuts it, and takes the rest for the columns behind it."""
    path = tmp_path / "a.dbf"
    write_table(path, [("C", 300, 0), ("C", 5, 0)], [[b"x" * 300, b"hello"]])
    problem = refused(path, "dBASE", type="tabular")
    assert problem.code == "unsupported_field"
    assert "'f0'" in problem.message


def test_text_behind_its_end(read: Reader, tmp_path: Path) -> None:
    """Old programs leave there what has been in memory before."""
    path = tmp_path / "a.dbf"
    write_table(path, [("C", 9, 0), ("C", 4, 0)], [[b"a\0 \0", b"x"], [b"a\0bcd", b"x"], [b"\0x", b"x"]])
    got = read(path, "dBASE", type="tabular", encoding="cp1252")
    assert got.table["f0"].to_pylist() == ["a", "a", None]
    assert [warning.code for warning in got.warnings] == ["text_behind_nul"]
    assert r"'a\x00bcd'" in got.warnings[0].message


@pytest.mark.parametrize("by", ["columns", "GDAL"])
def test_a_decimal_comma(read: Reader, tmp_path: Path, by: str) -> None:
    path = tmp_path / "a.dbf"
    cells = [b"1.25", b"", b"  -1,50", b",5", b"", b"2"]
    write_table(path, [("N", 10, 2)], [[cell] for cell in cells], deleted=[1] if by == "GDAL" else [])
    got = read(path, "dBASE", type="tabular")
    assert got.table["f0"].to_pylist() == [1.25, *([None] if by == "columns" else []), -1.5, 0.5, None, 2]
    assert [warning.code for warning in got.warnings] == ["decimal_comma"]


@pytest.mark.parametrize(("policy", "values"), [("null", [1.25, None, 2.5]), ("set_aside", [1.25, 2.5])])
def test_a_number_that_is_none_beside_a_decimal_comma(
    read: Reader, refused: Refuser, tmp_path: Path, policy: str, values: list[float | None]
) -> None:
    path = tmp_path / "a.dbf"
    write_table(path, [("N", 10, 2)], [[b"1,25"], [b"1,5x"], [b"2,5"]])
    assert '"on_bad_value": "set_aside"' in refused(path, "dBASE", type="tabular").remedy
    assert read(path, "dBASE", type="tabular", on_bad_value=policy).table["f0"].to_pylist() == values


def test_a_whole_number_with_a_point_behind_it(read: Reader, tmp_path: Path) -> None:
    path = tmp_path / "a.dbf"
    write_table(path, [("N", 9, 0)], [[b"1234."], [b"-5.00"]])
    assert read(path, "dBASE", type="tabular").table["f0"].to_pylist() == [1234, -5]


def test_a_table_of_foxpro_has_a_path_behind_its_fields(read: Reader, tmp_path: Path) -> None:
    path = tmp_path / "a.dbf"
    write_table(path, [("C", 8, 0), ("N", 6, 0)], [[b"abc", b"12"], [b"d", b"3"]])
    plain = path.read_bytes()
    begin = struct.unpack("<H", plain[8:10])[0]
    head = b"\x30" + plain[1:8] + struct.pack("<H", begin + 263) + plain[10:begin]
    path.write_bytes(head + bytes(263) + plain[begin:])
    assert read(path, "dBASE", type="tabular").table.to_pylist() == [{"f0": "abc", "f1": 12}, {"f0": "d", "f1": 3}]
