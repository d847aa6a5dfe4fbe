"""Well-Known Text, as columns of tables have it."""

from pathlib import Path

import pytest

from tests.integration.reading.canaries.plain import shapes, still_lost, table

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("text", ["POINT (1.2.3 4)", "POINT (1x 4)", "LINESTRING (1 2 3,4 5)"])
def test_text_that_is_not_a_geometry_is_read_as_one(tmp_path: Path, text: str) -> None:
    """OSGeo/gdal#10496 asks for errors of some such texts."""
    path = tmp_path / "a.csv"
    path.write_text(f'n,WKT\n1,"{text}"\n')
    got = shapes(table(path))
    still_lost(got[0] is not None, "values/coordinates.py", got)
