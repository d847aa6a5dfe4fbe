"""Delimited text."""

from pathlib import Path

import pytest

from tests.integration.reading.canaries.plain import still_lost, table

pytestmark = pytest.mark.integration


def test_a_value_behind_the_first_megabyte_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("n,t\n" + f"1,{'x' * 100}\n" * 20_000 + "last,x\n")
    got = table(path, AUTODETECT_TYPE="YES").column("n").to_pylist()[-1]
    still_lost(got != "last", "formats/csv/reader.py", got)
