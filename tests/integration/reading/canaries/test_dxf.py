"""DXF."""

from pathlib import Path

import pytest

from tests.integration.reading.canaries.plain import still_lost, table

pytestmark = pytest.mark.integration

GUARD = "formats/dxf/encoding.py"


def dxf(path: Path, text: bytes, version: str, *, kind: str = "TEXT") -> Path:
    head = ["0", "SECTION", "2", "HEADER", "9", "$ACADVER", "1", version, "9", "$DWGCODEPAGE", "3", "ANSI_1252", "0", "ENDSEC"]
    lines = [*head, "0", "SECTION", "2", "ENTITIES", "0", kind, "8", "layer", "10", "1", "20", "2", "40", "2.5", "1"]
    path.write_bytes("\n".join(lines).encode() + b"\n" + text + b"\n0\nENDSEC\n0\nEOF\n")
    return path


def test_text_in_utf8_is_decoded_by_the_code_page(tmp_path: Path) -> None:
    """OSGeo/gdal#3716. Since AutoCAD 2007 drawings are in UTF-8, whatever code page they name."""
    got = table(dxf(tmp_path / "a.dxf", "Straße".encode(), "AC1021")).column("Text").to_pylist()
    still_lost(got != ["Straße"], GUARD, got)


def test_escaped_characters_stay_escaped(tmp_path: Path) -> None:
    got = table(dxf(tmp_path / "a.dxf", b"\\U+9053", "AC1015")).column("Text").to_pylist()
    still_lost(got == ["\\U+9053"], GUARD, got)


def test_entities_that_are_not_read_are_left_out(tmp_path: Path) -> None:
    path = dxf(tmp_path / "a.dxf", b"x", "AC1015", kind="TOLERANCE")
    got = table(path).num_rows
    still_lost(got == 0, "ogr/messages.py", got)
