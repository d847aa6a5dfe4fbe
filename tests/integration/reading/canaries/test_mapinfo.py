"""MapInfo MIF."""

from datetime import date
from pathlib import Path

import pytest

from tests.integration.reading.canaries.plain import still_lost, table

pytestmark = pytest.mark.integration

GUARD = "formats/mapinfo/checks.py"
HEAD = 'Version 300\nCharset "WindowsLatin1"\nDelimiter ","\nCoordSys Earth Projection 1, 104\n'
COLUMNS = "Columns 2\n  n Integer\n  d Date\nData\n\n"


def mif(path: Path, shapes: int, *records: str) -> Path:
    path.write_text(HEAD + COLUMNS + "Point 1 2\n" * shapes)
    path.with_suffix(".mid").write_text("".join(f"{record}\n" for record in records))
    return path


def test_records_without_a_shape_are_left_out(tmp_path: Path) -> None:
    got = table(mif(tmp_path / "a.mif", 1, "1,20240101", "2,20240102")).num_rows
    still_lost(got == 1, GUARD, got)


def test_a_day_that_does_not_exist_becomes_another(tmp_path: Path) -> None:
    got = table(mif(tmp_path / "a.mif", 1, "1,20240230")).column("d").to_pylist()
    still_lost(got == [date(2024, 3, 1)], GUARD, got)


def test_an_empty_number_becomes_0(tmp_path: Path) -> None:
    got = table(mif(tmp_path / "a.mif", 2, "1,20240101", ",20240101")).column("n").to_pylist()
    still_lost(got[1] == 0, GUARD, got)
