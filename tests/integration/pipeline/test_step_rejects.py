"""What recipes' steps set aside, from the manifest to the file beside the data."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely

from libs.models import FileRole, Status
from libs.pipeline.step_rejects import LoadedLayer, as_text

pytestmark = pytest.mark.integration

CSV = {"crs": "EPSG:4326", "options": {"x": "lon", "y": "lat"}}
ROWS = ["1,7.5,46.5", "2,x,46.5", "3,7.6,460.5", "4,7.7,46.6", "5,7.8,inf", "6,7.9,-91", "7,8,46"]
BAD = f"id,lon,lat\n{chr(10).join(row for row in ROWS if 'inf' not in row)}\n"


def rejects(platform: Any, dataset: str) -> list[dict[str, Any]]:
    (file,) = [file for file in platform.asset(dataset).files if file.role == FileRole.REJECTS]
    return pq.read_table(platform.stack.lake.store.root / file.key).to_pylist()


def data(platform: Any, dataset: str) -> list[dict[str, Any]]:
    (file,) = [file for file in platform.asset(dataset).files if file.role == FileRole.DATA]
    return pq.read_table(platform.stack.lake.store.root / file.key).to_pylist()


def test_what_the_reader_and_the_steps_find(platform: Any) -> None:
    entry = platform.entry(platform.put("in/a.csv", BAD), **CSV, dataset_id="a")
    refused = platform.ingest("b1", entry)
    assert refused.status == Status.REJECTED
    report = platform.ingest("b2", entry, on_bad_geometry="set_aside", max_set_aside=3)
    assert (report.status, report.problems) == (Status.SUCCESS, ())
    assert sorted(row["id"] for row in data(platform, "a")) == [1, 4, 7]
    found = rejects(platform, "a")
    assert [(row["reject_feature"], row["reject_code"], row["id"], row["lat"]) for row in found] == [
        (2, found[0]["reject_code"], "2", "46.5"),
        (3, "coordinates_impossible", "3", "460.5"),
        (5, "coordinates_impossible", "6", "-91"),
    ]
    assert shapely.from_wkb(found[1]["geom"]).equals(shapely.Point(7.6, 460.5))
    assert report.datasets[0].features == 3
    assert report.datasets[0].changes.counts["set_aside"] == 3
    assert "set_aside" in [warning.code for warning in report.warnings]


def test_a_problem_names_the_feature_although_others_were_set_aside(platform: Any) -> None:
    path = platform.put("in/a.csv", "id,lon,lat,n\n1,7.5,x,1\n2,7.5,46.5,two\n3,7.5,46.5,3\n")
    cast = {"columns": {"n": "int32"}}
    report = platform.ingest(
        "b1", platform.entry(path, **CSV), intent="cast", parameters=cast, on_bad_geometry="set_aside", max_set_aside=9
    )
    assert [(problem.code, problem.where) for problem in report.problems] == [
        ("cannot_cast_value", "files[0]: layer a, feature 2")
    ]
    assert '"on_bad_value": "set_aside"' in report.problems[0].remedy


def test_too_many(platform: Any) -> None:
    entry = platform.entry(platform.put("in/a.csv", BAD), **CSV, dataset_id="a")
    report = platform.ingest("b1", entry, on_bad_geometry="set_aside")
    assert [problem.code for problem in report.problems] == ["too_many_set_aside"]
    assert "coordinates_impossible" in report.problems[0].message
    assert platform.transient() == []


def test_appended_files_count_each_for_itself(platform: Any) -> None:
    good, bad = "id,lon,lat\n1,7.5,46.5\n2,7.5,99\n", "id,lon,lat\n3,7.5,99\n4,7.5,46.5\n"
    entries = [
        platform.entry(platform.put(f"in/{name}.csv", text), **CSV, dataset_id="a") for name, text in (("a", good), ("b", bad))
    ]
    assert platform.ingest("b1", *entries, on_bad_geometry="set_aside", max_set_aside=2).status == Status.SUCCESS
    places = [
        (row["reject_file"].rpartition("/")[2], row["reject_layer"], row["reject_feature"]) for row in rejects(platform, "a")
    ]
    assert places == [("a.csv", "a", 2), ("b.csv", "b", 1)]
    allowing = entries[0] | {"on_bad_geometry": "set_aside"}
    report = platform.ingest("b2", allowing, entries[1], max_set_aside=2)
    assert report.status == Status.REJECTED, "what only one of them says does not hold for the other"


def test_values_become_null(platform: Any) -> None:
    path = platform.put("in/a.csv", "id,lon,lat\n1,7.5,46.5\n2,7.5,99\n")
    report = platform.ingest("b1", platform.entry(path, **CSV, dataset_id="a"), on_bad_geometry="null")
    assert (report.status, report.datasets[0].features) == (Status.SUCCESS, 2)
    assert report.datasets[0].changes.counts == {"bad_geometry_to_null": 1}
    assert [row["id"] for row in data(platform, "a") if row["geom"] is None] == [2]


@pytest.mark.parametrize(
    ("values", "type_", "text"),
    [
        ([1, None], pa.int8(), "1"),
        ([0.1], pa.float64(), "0.1"),
        ([True], pa.bool_(), "true"),
        ([Decimal("1.50")], pa.decimal128(9, 2), "1.50"),
        ([date(2020, 2, 29)], pa.date32(), "2020-02-29"),
        ([datetime(2020, 2, 29, 1, 2, 3)], pa.timestamp("s"), "2020-02-29 01:02:03"),  # noqa: DTZ001 - of no zone
        ([datetime(2020, 2, 29, 1, 2, 3, tzinfo=UTC)], pa.timestamp("us", "Europe/Berlin"), "2020-02-29 01:02:03.000000Z"),
        ([b"\x00\xff"], pa.binary(), "00ff"),
        ([["ä", None]], pa.list_(pa.string()), json.dumps(["ä", None], ensure_ascii=False)),
        (["x"], pa.string(), "x"),
    ],
)
def test_values_as_text(values: list, type_: pa.DataType, text: str) -> None:
    assert as_text(pa.array(values, type_)) == [text, *[None] * (len(values) - 1)]


def test_numbers_of_features() -> None:
    layer = LoadedLayer(0, "a", "a", None)
    layer.pass_over(pa.array([0, 3]))
    layer.pass_over(pa.array([4, 7]))
    assert [layer.feature(row) for row in range(5)] == [1, 2, 5, 6, 8]
