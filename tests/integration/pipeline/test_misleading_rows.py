"""Files that do not say what their columns are, and whose rows mislead where one looks: what was made by them is made again."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import shapely

from libs.models import Status
from libs.spatial_utils.worker.protocol import BATCH_ROWS

pytestmark = pytest.mark.integration

ROWS = BATCH_ROWS + 100


@pytest.fixture
def city(tmp_path: Path) -> Path:
    """A GeoPackage of a layer with times of whole seconds."""
    times = pd.Series([pd.Timestamp("2024-05-01T10:00:00")] * ROWS)
    points = shapely.points(np.arange(ROWS) / 1000, 1)
    frame = geopandas.GeoDataFrame({"n": np.arange(ROWS), "seen": times}, geometry=points, crs="EPSG:4326")
    frame.to_file(tmp_path / "city.gpkg", SPATIAL_INDEX="NO")
    return tmp_path / "city.gpkg"


def change_last(path: Path, column: str, value: str) -> None:
    with sqlite3.connect(path) as database:
        database.execute(f"UPDATE city SET {column} = ? WHERE fid = {ROWS}", (value,))


@pytest.mark.parametrize(
    ("value", "kind", "warnings"),
    [
        ("2024-05-01T10:00:00.123456", pa.timestamp("us"), []),
        ("2024-05-01T10:00:00+02:00", pa.string(), ["mixed_time_zones"]),
        ("2024-05-01", pa.string(), ["mixed_time_zones"]),
        ("2024-05-01T11:00:00", pa.timestamp("ms"), []),  # does not mislead
    ],
)
def test_the_last_row_decides(platform: Any, city: Path, value: str, kind: pa.DataType, warnings: list[str]) -> None:
    change_last(city, "seen", value)
    report = platform.ingest("b1", platform.entry(platform.put("in/city.gpkg", city)))
    assert (report.status, [warning.code for warning in report.warnings]) == (Status.SUCCESS, warnings)
    rows = platform.read("city").sort_by("n")
    assert (rows.num_rows, rows.schema.field("seen").type) == (ROWS, kind)
    last = rows.column("seen")[ROWS - 1]
    assert last.as_py() == (value if kind == pa.string() else pd.Timestamp(value))
    assert platform.lies_in("lake") == ["city/v1/data.parquet"]
    assert platform.transient() == []


def test_a_property_that_one_feature_has(platform: Any, tmp_path: Path) -> None:
    features = [
        {"type": "Feature", "properties": {"n": n, "pad": "x" * 9000}, "geometry": {"type": "Point", "coordinates": [1, 1]}}
        for n in range(2_000)
    ]
    features[965]["properties"]["late"] = 2**40
    path = tmp_path / "city.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    report = platform.ingest("b1", platform.entry(platform.put("in/city.geojson", path)))
    assert (report.status, report.problems, report.warnings) == (Status.SUCCESS, (), ())
    rows = platform.read("city").sort_by("n")
    assert rows.column("late").to_pylist() == [2**40 if n == 965 else None for n in range(2_000)]
    assert platform.lies_in("lake") == ["city/v1/data.parquet"]
    assert platform.transient() == []


def test_layers_that_were_finished_before_are_made_again(platform: Any, city: Path) -> None:
    places = geopandas.GeoDataFrame({"n": [1]}, geometry=[shapely.Point(1, 1)], crs="EPSG:4326")
    both = city.with_name("all.gpkg")
    places.to_file(both, layer="a_first")
    geopandas.read_file(city).to_file(both, layer="city", SPATIAL_INDEX="NO")
    change_last(both, "seen", "2024-05-01T10:00:00.123456")
    report = platform.ingest("b1", platform.entry(platform.put("in/all.gpkg", both)))
    assert report.problems == ()
    assert {each.dataset_id: each.features for each in report.datasets} == {"all.a_first": 1, "all.city": ROWS}
    assert platform.read("all.city").schema.field("seen").type == pa.timestamp("us")
    assert len(platform.lies_in("lake")) == 2


def test_rows_of_another_file_stay(platform: Any, city: Path) -> None:
    change_last(city, "seen", "2024-05-01T10:00:00.123456")
    files = (platform.entry(platform.put(f"in/{name}.gpkg", city.read_bytes()), dataset_id="both") for name in ("one", "other"))
    report = platform.ingest("b1", *files)
    assert report.problems == ()
    assert [each.features for each in report.datasets] == [2 * ROWS]
    assert platform.read("both").schema.field("seen").type == pa.timestamp("us")


def test_what_is_wrong_otherwise_is_told(platform: Any, city: Path) -> None:
    change_last(city, "n", "many")
    report = platform.ingest("b1", platform.entry(platform.put("in/city.gpkg", city)))
    assert (report.status, [problem.code for problem in report.problems]) == (Status.REJECTED, ["value_lost"])
    assert platform.lies_in("lake") == []


def test_a_recipe_that_fits_what_is_true_alone(platform: Any, city: Path) -> None:
    change_last(city, "seen", "2024-05-01T10:00:00+02:00")
    on_text = {"column": "seen", "op": "ends_with", "value": "+02:00"}
    entry = platform.entry(platform.put("in/city.gpkg", city))
    report = platform.ingest("b1", entry, intent="filter", parameters={"condition": on_text})
    assert (report.status, report.problems) == (Status.SUCCESS, ())
    assert platform.read("city").select(["n", "seen"]).to_pylist() == [{"n": ROWS - 1, "seen": "2024-05-01T10:00:00+02:00"}]


def test_a_recipe_that_fits_neither(platform: Any, city: Path) -> None:
    on_text = {"column": "seen", "op": "ends_with", "value": "+02:00"}
    entry = platform.entry(platform.put("in/city.gpkg", city))
    report = platform.ingest("b1", entry, intent="filter", parameters={"condition": on_text})
    assert report.status is Status.REJECTED
    assert len(report.problems) == 1
