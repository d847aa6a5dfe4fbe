"""GeoPackage: SQLite keeps anything in any column."""

from pathlib import Path

import pytest

from tests.integration.reading.canaries.plain import still_lost, table
from tests.integration.reading.writing import geopackage

pytestmark = pytest.mark.integration

GUARD = "formats/sqlite_values.py"


@pytest.mark.parametrize(
    ("type_", "value", "read"),
    [
        ("MEDIUMINT", "'abc'", 0),
        ("MEDIUMINT", "1.5", 1),
        ("TEXT", "'a' || char(0) || 'b'", "a"),
    ],
    ids=["text in a column of integers", "fraction", "NUL"],
)
def test_a_value_of_another_type_is_changed(tmp_path: Path, type_: str, value: str, read: object) -> None:
    """opengeospatial/geopackage#591: the format does not forbid such values. No issue of GDAL is known (3.12.4)."""
    got = table(geopackage(tmp_path / "a.gpkg", f"n {type_}", value)).column("n").to_pylist()
    still_lost(got == [read], GUARD, got)


def test_what_is_not_a_geometry_is_read_as_one_that_is_missing(tmp_path: Path) -> None:
    import sqlite3

    path = geopackage(tmp_path / "a.gpkg", "n INTEGER", "1")
    with sqlite3.connect(path) as database:
        database.execute("UPDATE a SET geom = 'POINT (1 2)'")
    database.close()
    got = table(path).column("geom").to_pylist()
    still_lost(got == [None], GUARD, got)
