"""Binary DXF: drawings in text, written again in binary by the test, must read the same."""

import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from libs.models import Problem

pytestmark = pytest.mark.integration

Reader = Callable[..., Any]
Refuser = Callable[..., Problem]
CASES = Path(__file__).parents[2] / "data" / "cases"
CORPUS = os.environ.get("SPATIAL_ETL_CORPUS", "")
CRS = "EPSG:25832"
SENTINEL = b"AutoCAD Binary DXF\r\n\x1a\0"
_DOUBLES = ((10, 59), (110, 149), (210, 239), (460, 469), (1010, 1059))
_SHORTS = ((60, 79), (170, 179), (270, 289), (370, 389), (400, 409), (1060, 1070))
_LONGS = ((90, 99), (420, 429), (440, 459), (1071, 1071))
_CHUNKS = ((310, 319), (1004, 1004))


def among(code: int, ranges: tuple[tuple[int, int], ...]) -> bool:
    return any(first <= code <= last for first, last in ranges)


def in_binary(text: bytes, path: Path, *, short_codes: bool = False) -> Path:
    """A drawing in text, in binary: with codes of two bytes, or of one as release 12 has them."""
    lines = text.split(b"\n")
    out = bytearray(SENTINEL)
    for code, value in ((int(code), value.rstrip(b"\r")) for code, value in zip(lines[::2], lines[1::2], strict=False)):
        if code == 999:
            continue  # comments are for text only
        out += struct.pack("<H", code) if not short_codes else bytes([code]) if code < 255 else b"\xff" + struct.pack("<H", code)
        if among(code, _DOUBLES):
            out += struct.pack("<d", float(value))
        elif among(code, _SHORTS):
            out += struct.pack("<h", int(value))
        elif among(code, _LONGS):
            out += struct.pack("<i", int(value))
        elif 290 <= code <= 299:
            out += bytes([int(value)])
        elif 160 <= code <= 169:
            out += struct.pack("<q", int(value))
        elif among(code, _CHUNKS):
            chunk = bytes.fromhex(value.decode().strip())
            out += bytes([len(chunk)]) + chunk
        else:
            out += value + b"\0"
    path.write_bytes(bytes(out))
    return path


def drawing(text: bytes, version: str, page: str = "ANSI_1251") -> bytes:
    variables = "9 $EXTMIN 10 0.5 20 0.5 30 0 9 $ATTMODE 70 1"
    head = f"0 SECTION 2 HEADER 9 $ACADVER 1 {version} {variables} 9 $DWGCODEPAGE 3 {page} 0 ENDSEC"
    body = "0 SECTION 2 ENTITIES 0 LINE 8 walls 62 3 10 1.25 20 2 11 3 21 4.5 0 TEXT 8 names 10 1 20 2 40 2.5 1"
    lines = [*head.split(), *body.split()]
    return "\n".join(lines).encode() + b"\n" + text + b"\n0\nENDSEC\n0\nEOF\n"


def rows(got: Any) -> list[Any]:
    return got.table.to_pylist()  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("version", "codec", "short_codes"), [("AC1027", "utf-8", False), ("AC1015", "cp1251", False), ("AC1009", "cp1251", True)]
)
def test_the_same_as_in_text(read: Reader, tmp_path: Path, version: str, codec: str, short_codes: bool) -> None:
    text = drawing("Дорога".encode(codec), version)
    (tmp_path / "a.dxf").write_bytes(text)
    expected = rows(read(tmp_path / "a.dxf", "DXF", crs=CRS))
    got = rows(read(in_binary(text, tmp_path / "b.dxf", short_codes=short_codes), "DXF", crs=CRS))
    assert len(expected) == 2
    assert expected[1]["Text"] == "Дорога"
    assert got == expected


@pytest.mark.parametrize("path", sorted((CASES / "18-dxf").glob("*.dxf")), ids=lambda path: path.stem)
def test_real_drawings(read: Reader, tmp_path: Path, path: Path) -> None:
    got = rows(read(in_binary(path.read_bytes(), tmp_path / "b.dxf"), "DXF", crs=CRS))
    assert got == rows(read(path, "DXF", crs=CRS))


def test_a_truncated_drawing(refused: Refuser, tmp_path: Path) -> None:
    whole = in_binary(drawing(b"x", "AC1015"), tmp_path / "a.dxf").read_bytes()
    for cut in (30, 60, 100, len(whole) - 12, len(whole) - 60):
        (tmp_path / "b.dxf").write_bytes(whole[:cut])
        refused(tmp_path / "b.dxf", "DXF", crs=CRS)
