"""Texts of dBASE tables that stand in a file beside them."""

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from libs.models import Problem
from tests.integration.reading.shapefiles import POINT, point, write_shapes, write_table

pytestmark = pytest.mark.integration

Reader = Callable[..., Any]
Refuser = Callable[..., Problem]
TEXTS = [b"short", b"Stra\xc3\x9fe\r\nwith lines, " + b"long " * 300]


def dbase_3(texts: list[bytes]) -> tuple[bytes, list[int]]:
    blocks, numbers = [bytes(512)], []
    for text in texts:
        numbers.append(len(b"".join(blocks)) // 512)
        blocks.append((text + b"\x1a\x1a").ljust(-(-(len(text) + 2) // 512) * 512, b"\0"))
    return b"".join(blocks), numbers


def dbase_4(texts: list[bytes]) -> tuple[bytes, list[int]]:
    content, numbers = struct.pack("<20xH", 1024).ljust(1024, b"\0"), []
    for text in texts:
        numbers.append(len(content) // 1024)
        block = b"\xff\xff\x08\x00" + struct.pack("<I", len(text) + 8) + text
        content += block.ljust(-(-len(block) // 1024) * 1024, b"\0")
    return content, numbers


def foxpro(texts: list[bytes]) -> tuple[bytes, list[int]]:
    content, numbers = struct.pack(">6xH", 64).ljust(512, b"\0"), []
    for text in texts:
        numbers.append(len(content) // 64)
        block = struct.pack(">II", 1, len(text)) + text
        content += block.ljust(-(-len(block) // 64) * 64, b"\0")
    return content, numbers


def table(path: Path, version: int, cells: list[bytes], kind: str = "M") -> Path:
    """A table with a text, these cells, and a number behind them."""
    rows = [[b"%d" % row, cell, b"%d" % row] for row, cell in enumerate(cells)]
    write_table(path, [("C", 3, 0), (kind, len(cells[0]), 0), ("N", 5, 0)], rows)
    content = path.read_bytes()
    path.write_bytes(bytes([version]) + content[1:])
    return path


@pytest.mark.parametrize(
    ("version", "suffix", "make"),
    [(0x83, ".dbt", dbase_3), (0x8B, ".DBT", dbase_4), (0xF5, ".fpt", foxpro), (0x30, ".fpt", foxpro)],
)
def test_texts_in_a_file_beside_the_table(
    read: Reader, tmp_path: Path, version: int, suffix: str, make: Callable[..., Any]
) -> None:
    memos, numbers = make(TEXTS)
    spelled = [struct.pack("<I", number) if version == 0x30 else b"%10d" % number for number in numbers]
    path = table(tmp_path / "a.dbf", version, [*spelled, bytes(4) if version == 0x30 else b" " * 10])
    path.with_suffix(suffix).write_bytes(memos)
    got = read(path, "dBASE", type="tabular")
    assert got.table.column("f1").to_pylist() == [*(text.decode() for text in TEXTS), None]
    assert got.table.column("f2").to_pylist() == [0, 1, 2]
    assert got.warnings == []


def test_without_that_file_the_column_is_empty(read: Reader, tmp_path: Path) -> None:
    path = table(tmp_path / "a.dbf", 0x83, [b"         1", b"         2"])
    write_shapes(path, POINT, [point(1, 2), point(3, 4)])
    got = read(path.with_suffix(".shp"), "ESRI Shapefile", crs="EPSG:4326")
    assert got.table.column("f1").to_pylist() == [None, None]
    (warning,) = got.warnings
    assert (warning.code, "'f1'" in warning.message, ".dbt" in warning.message) == ("memos_not_read", True, True)
    assert got.counts["a"] == {"memos_not_read": 2}


@pytest.mark.parametrize("kind", "GP")
def test_values_that_are_no_text(read: Reader, tmp_path: Path, kind: str) -> None:
    path = table(tmp_path / "a.dbf", 0xF5, [b"         8", b"          "], kind)
    path.with_suffix(".fpt").write_bytes(foxpro(TEXTS)[0])
    got = read(path, "dBASE", type="tabular")
    assert got.table.column("f1").null_count == 2
    assert [warning.code for warning in got.warnings] == ["memos_not_read"]


@pytest.mark.parametrize("cell", [b"     99999", b"       abc", b"         2"])
def test_a_number_that_leads_to_no_text(refused: Refuser, read: Reader, tmp_path: Path, cell: bytes) -> None:
    memos, _ = dbase_3([b"short"])
    path = table(tmp_path / "a.dbf", 0x83, [b"         1", cell])
    path.with_suffix(".dbt").write_bytes(memos + b"no end")
    problem = refused(path, "dBASE", type="tabular")
    assert (problem.code, problem.where) == ("value_lost", "files[0]: layer a, feature 2")
    assert '"on_bad_value": "set_aside"' in problem.remedy
    assert read(path, "dBASE", type="tabular", on_bad_value="null").table.column("f1").to_pylist() == ["short", None]
