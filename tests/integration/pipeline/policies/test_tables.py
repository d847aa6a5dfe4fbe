"""Policies for damaged geometries of databases and GeoParquet, and for cells of spreadsheets."""

import sqlite3
from contextlib import closing
from pathlib import Path

import geopandas
import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.integration.pipeline.conftest import Platform
from tests.integration.pipeline.policies.rows import XY, data, ids, only_problem, rejects

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("native", [False, True])
def test_a_damaged_geometry_of_geoparquet(platform: Platform, tmp_path: Path, native: bool) -> None:
    points = geopandas.points_from_xy([7.0, 8.0, 9.0, 10.0], [46.0] * 4)
    frame = geopandas.GeoDataFrame({"id": [0, 1, 2, 3]}, geometry=points, crs=4326)
    frame.to_parquet(tmp_path / "a.parquet", geometry_encoding="geoarrow" if native else "WKB")
    table = pq.read_table(tmp_path / "a.parquet")
    values = table.column("geometry").to_pylist()
    for row in (1, 2):
        values[row] = {"x": None, "y": 46.0} if native else values[row][:11]
    if native:
        coordinate = pa.struct([("x", pa.float64()), ("y", pa.float64())])
        geometry = pa.array(values, coordinate)
    else:
        geometry = pa.array(values, pa.binary())
    at = table.schema.get_field_index("geometry")
    metadata = table.schema.metadata
    table = table.set_column(at, "geometry", geometry).replace_schema_metadata(metadata)
    pq.write_table(table, tmp_path / "b.parquet")
    entry = platform.entry(platform.put("in/b.parquet", tmp_path / "b.parquet"))
    problem = only_problem(platform.ingest("a", entry))
    assert (problem.code, '"on_bad_geometry": "set_aside"' in problem.remedy) == ("damaged_geometry", True)
    assert platform.ingest("b", entry, on_bad_geometry="set_aside", max_set_aside=2).status == "success"
    asset = platform.asset("b")
    assert (ids(data(platform, asset)), ids(rejects(platform, asset))) == ([0, 3], [1, 2])
    assert platform.ingest("c", entry, on_bad_geometry="null").status == "success"
    asset = platform.asset("b")
    assert (asset.features, asset.changes.counts["bad_geometry_to_null"]) == (4, 2)


def test_a_damaged_geometry_of_a_geopackage(platform: Platform, tmp_path: Path) -> None:
    path = tmp_path / "a.gpkg"
    points = geopandas.points_from_xy([7.0, 8.0, 9.0, 10.0], [46.0] * 4)
    geopandas.GeoDataFrame({"id": [0, 1, 2, 3]}, geometry=points, crs=4326).to_file(path)
    with closing(sqlite3.connect(path)) as database:
        for (trigger,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            database.execute(f'DROP TRIGGER "{trigger}"')
        for row in (2, 3):
            ((blob,),) = database.execute("SELECT geom FROM a WHERE fid = ?", [row]).fetchall()
            database.execute("UPDATE a SET geom = ? WHERE fid = ?", [blob[:-8], row])
        database.commit()
    entry = platform.entry(platform.put("in/a.gpkg", path))
    problem = only_problem(platform.ingest("a", entry))
    assert (problem.code, '"on_bad_geometry": "set_aside"' in problem.remedy) == ("damaged_geometry", True)
    assert platform.ingest("b", entry, on_bad_geometry="set_aside", max_set_aside=2).status == "success"
    asset = platform.asset("a")
    assert (ids(data(platform, asset)), ids(rejects(platform, asset))) == ([0, 3], [1, 2])
    assert platform.ingest("c", entry, on_bad_geometry="null").status == "success"
    asset = platform.asset("a")
    assert (asset.features, asset.changes.counts["bad_geometry_to_null"]) == (4, 2)


def test_a_cell_of_a_spreadsheet_with_an_error(platform: Platform, tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    for row in (["id", "x", "y", "n"], [1, 7.5, 46.5, 1], [2, 7.6, 46.6, "#DIV/0!"], [3, "#N/A", 46.7, 3]):
        book.active.append(row)
    book.save(tmp_path / "a.xlsx")
    path = platform.put("in/a.xlsx", tmp_path / "a.xlsx")
    entry = platform.entry(path, format="XLSX", crs="EPSG:4326", options=XY, dataset_id="a")
    problem = only_problem(platform.ingest("a", entry))
    assert (problem.code, '"on_bad_value": "set_aside"' in problem.remedy) == ("sheet_error_cell", True)
    report = platform.ingest("b", entry, on_bad_value="set_aside", max_set_aside=2)
    assert report.status == "success", report.problems
    asset = platform.asset("a")
    assert (ids(data(platform, asset)), asset.changes.counts) == ([1], {"set_aside": 2})
    assert {field.name: field.type for field in asset.table_schema}["n"] == "int64"
    aside = rejects(platform, asset)
    assert aside[["reject_feature", "reject_code", "id", "x", "n"]].to_numpy().tolist() == [
        [2, "sheet_error_cell", "2", "7.6", "#DIV/0!"],
        [3, "sheet_error_cell", "3", "#N/A", "3"],
    ]
    assert platform.ingest("c", entry, on_bad_value="null", on_bad_geometry="null").status == "success"
    asset = platform.asset("a")
    assert (asset.features, asset.changes.counts) == (3, {"bad_value_to_null": 2, "bad_geometry_to_null": 1})
