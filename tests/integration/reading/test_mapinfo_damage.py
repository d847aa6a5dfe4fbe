"""MapInfo files whose parts are damaged, or hold what GDAL makes something else of."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas as gpd
import pytest

from libs.models import Problem

pytestmark = pytest.mark.integration

Reader = Callable[..., Any]
Refuser = Callable[..., Problem]


@pytest.mark.parametrize("part", [".dat", ".map", ".id"])
def test_a_mapinfo_table_with_a_truncated_part(
    refused: Refuser, write: Callable[..., Path], places: gpd.GeoDataFrame, part: str
) -> None:
    path = write(places, "a.tab", "MapInfo File")
    content = path.with_suffix(part).read_bytes()
    path.with_suffix(part).write_bytes(content[: len(content) // 2])
    assert refused(path, "TAB").code in {"damaged", "truncated", "count_mismatch"}


def test_records_of_a_mif_that_span_lines(read: Reader, refused: Refuser, tmp_path: Path) -> None:
    path = tmp_path / "a.mif"
    head = (
        'Version 300\nCharset "WindowsLatin1"\nDelimiter ","\nCoordSys Earth Projection 1, 104\nColumns 1\n  a Char(20)\nData\n\n'
    )
    path.write_text(head + "Point 1 2\nPoint 3 4\n")
    path.with_suffix(".mid").write_text('"one\n\ntwo"\n"three"\n')
    assert read(path, "MIF").table.column("a").to_pylist() == ["one\n\ntwo", "three"]
    path.with_suffix(".mid").write_text('"one"\n"two"\n"three"\n')
    assert refused(path, "MIF").code == "count_mismatch"


@pytest.mark.parametrize(
    ("record", "code"),
    [
        ('"a,b",1,20240229', None),
        ('"a ""b"", c", 1,2024/02/29', None),
        (",1,", None),
        ('"x",,20240229', "empty_numbers"),
        ('"x",1,20240230', "value_lost"),
        ('"x",1,"20241301"', "value_lost"),
        ("x,1,00000000", "value_lost"),
    ],
)
def test_values_of_a_mif_that_gdal_makes_others_of(
    read: Reader, refused: Refuser, tmp_path: Path, record: str, code: str | None
) -> None:
    """The first of January 1970, or the second of March."""
    path = tmp_path / "a.mif"
    head = 'Version 300\nCharset "WindowsLatin1"\nDelimiter ","\nCoordSys Earth Projection 1, 104\n'
    path.write_text(f"{head}Columns 3\n  c Char(20)\n  n Integer\n  d Date\nData\n\nPoint 1 2\nPoint 3 4\n")
    path.with_suffix(".mid").write_text(f'"y",2,20240101\n{record}\n')
    if code == "value_lost":
        problem = refused(path, "MIF")
        assert (problem.code, problem.where) == ("value_lost", "files[0]: a.mid")
        assert "'d'" in problem.message
        return
    assert [warning.code for warning in read(path, "MIF").warnings] == ([] if code is None else [code])


def test_tables_of_mapinfo_without_geometry(
    read: Reader, refused: Refuser, write: Callable[..., Path], places: gpd.GeoDataFrame
) -> None:
    path = write(places[["text", "geometry"]], "a.tab", "MapInfo File")
    path.with_suffix(".map").unlink()
    assert refused(path, "TAB").code == "missing_sidecar"
    path.with_suffix(".id").unlink()
    for kind, told in (("tabular", []), ("vector", ["read_as_table"])):
        got = read(path, "TAB", type=kind)
        assert (got.layer.has_geometry, got.table.num_rows) == (False, 100)
        assert [warning.code for warning in got.warnings] == told
