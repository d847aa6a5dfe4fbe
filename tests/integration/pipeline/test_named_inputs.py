"""Named inputs of a batch: read beside its files, recorded, pinned, replayed, and no datasets of their own."""

import json
from pathlib import Path
from typing import Any

import pytest

from libs.ledger import outdated
from libs.models import Lineage, Report, Status
from libs.pipeline.refresh import refresh
from libs.pipeline.replay import replay
from libs.pipeline.verify import verify
from tests.integration.pipeline.conftest import Platform

pytestmark = pytest.mark.integration

TOWN = Path(__file__).parents[3] / "demo/data/town.gpkg"
JOIN: dict[str, Any] = {"intent": "join", "parameters": {"on": ["n"]}}


def points(*numbers: int) -> str:
    features = [
        {"type": "Feature", "properties": {"n": n}, "geometry": {"type": "Point", "coordinates": [n, n]}} for n in numbers
    ]
    return json.dumps({"type": "FeatureCollection", "features": features})


def main(platform: Platform, batch: str, *numbers: int) -> dict[str, Any]:
    return platform.entry(platform.put(f"{batch}/points.geojson", points(*numbers)))


def named(platform: Platform, batch: str, content: str, name: str = "other", **more: Any) -> dict[str, Any]:
    path = platform.put(f"{batch}/{more.pop('file', 'values.csv')}", content)
    return platform.entry(path, type="tabular", format="CSV", name=name, **more)


def lineage_of(platform: Platform, dataset_id: str, version: int = 1) -> Lineage:
    found = platform.stack.ledger.lineage(dataset_id, version)
    assert found is not None
    return found


def joined(platform: Platform) -> Report:
    return platform.ingest("b", main(platform, "b", 1, 2), named(platform, "b", "n,value\n2,two\n3,three\n"), **JOIN)


def test_a_file_is_looked_up_in_and_no_dataset_is_made_of_it(platform: Platform) -> None:
    report = joined(platform)
    assert report.status is Status.SUCCESS, report.problems
    assert [(each.dataset_id, each.features) for each in report.datasets] == [("points", 2)]
    rows = platform.read("points")
    assert dict(zip(rows["n"].to_pylist(), rows["value"].to_pylist(), strict=True)) == {1: None, 2: "two"}
    assert report.datasets[0].changes.counts == {"other_matched": 1, "other_unmatched": 1}
    lineage = lineage_of(platform, "points")
    assert [(layer.name, layer.layer, layer.features) for layer in lineage.inputs] == [
        (None, "points", 2), ("other", "values", 2),
    ]  # fmt: skip
    assert [layer.layer for layer in lineage.made_of] == ["points"]
    assert replay(platform.stack, platform.asset("points"), lineage).identical
    assert {each.finding for each in verify(platform.stack)} == {"intact"}


def test_a_changed_input_makes_a_new_version_and_an_unchanged_one_none(platform: Platform) -> None:
    joined(platform)
    assert joined(platform).unchanged_since == "b#1"
    report = platform.ingest("b", main(platform, "b", 1, 2), named(platform, "b", "n,value\n1,one\n"), **JOIN)
    assert report.status is Status.SUCCESS, report.problems
    assert [(each.version, each.changes.counts["other_matched"]) for each in report.datasets] == [(2, 1)]


def test_a_dataset_is_pinned_recorded_and_makes_the_result_stale(platform: Platform) -> None:
    def deliver(batch: str, content: str) -> None:
        file = platform.entry(platform.put(f"{batch}/t.csv", content), type="tabular", format="CSV", dataset_id="table")
        assert platform.ingest(batch, file).status is Status.SUCCESS

    deliver("t1", "n,value\n1,one\n")
    more = {"inputs": [{"dataset": "table", "name": "other"}], **JOIN}
    report = platform.ingest("b", main(platform, "b", 1, 2), **more)
    assert report.status is Status.SUCCESS, report.problems
    lineage, ledger = lineage_of(platform, "points"), platform.stack.ledger
    assert [each.id for each in lineage.datasets] == ["table@1"]
    assert ledger.uses_of("table", 1) == ["points@1"]
    deliver("t2", "n,value\n1,eins\n2,zwei\n")
    assert outdated(ledger, ledger.all_lineage()) == {"points@1": ["table@2"]}
    assert replay(platform.stack, platform.asset("points"), lineage).identical
    refreshed = refresh(platform.stack, platform.asset("points"))
    assert refreshed is not None
    assert sorted(platform.read("points", 2)["value"].to_pylist()) == ["eins", "zwei"]


def test_each_of_several_datasets_of_a_batch_has_the_input_in_its_record(platform: Platform) -> None:
    second = platform.entry(platform.put("b/second.geojson", points(3, 1)), dataset_id="second")
    values = named(platform, "b", "n,value\n1,one\n2,two\n")
    report = platform.ingest("b", values, second, main(platform, "b", 1, 2), raw="keep", **JOIN)
    assert report.status is Status.SUCCESS, report.problems
    for key in ("b/values.csv", "b/second.geojson", "b/points.geojson"):
        platform.stack.landing.store.delete(key)
    for dataset_id in ("second", "points"):
        lineage = lineage_of(platform, dataset_id)
        assert len(lineage.inputs) == 2
        assert replay(platform.stack, platform.asset(dataset_id), lineage).identical


def test_files_of_one_name_are_appended(platform: Platform) -> None:
    more = named(platform, "b", "n,value\n1,one\n", file="more.csv")
    report = platform.ingest("b", main(platform, "b", 1, 2), named(platform, "b", "n,value\n2,two\n"), more, **JOIN)
    assert report.status is Status.SUCCESS, report.problems
    assert sorted(platform.read("points")["value"].to_pylist()) == ["one", "two"]
    assert replay(platform.stack, platform.asset("points"), lineage_of(platform, "points")).identical


def test_types_that_a_few_rows_seemed_to_have_are_read_again(platform: Platform) -> None:
    """Reading is begun with types from the first rows; where others do not agree, what was loaded is dropped."""
    values = "n,value\n" + "".join(f"{n},{n}\n" for n in range(100_000)) + "100000,no number\n"
    report = platform.ingest("b", main(platform, "b", 1, 60), named(platform, "b", values), **JOIN)
    assert report.status is Status.SUCCESS, report.problems
    assert sorted(platform.read("points")["value"].to_pylist()) == ["1", "60"]


@pytest.mark.parametrize(
    ("inputs", "changes", "code", "where"),
    [
        ({"name": "wrong"}, {}, "unknown_input", "files[1].name"),
        ({"name": "other"}, {"intent": "default", "parameters": {}}, "unknown_input", "files[1].name"),
        ({"name": "Other"}, {}, "bad_identifier", "files[1].name"),
        ({"name": "other", "dataset_id": "x"}, {}, "not_for_named_inputs", "files[1].dataset_id"),
        ({"name": "other", "mode": "append"}, {}, "not_for_named_inputs", "files[1].mode"),
        ({"name": "other", "rules": [{"rule": "not_null", "columns": ["n"]}]}, {}, "not_for_named_inputs", "files[1].rules"),
        ({"name": "other", "type": "raster"}, {}, "not_for_named_inputs", "files[1].type"),
        ({"name": "other"}, {"inputs": [{"dataset": "none", "name": "other"}]}, "unknown_dataset", "inputs[0].dataset"),
        ({"name": "other"}, {"inputs": [{"dataset": "none"}]}, "missing_key", "inputs[0].dataset_id"),
    ],
)
def test_what_does_not_fit_is_told_before_anything_is_read(
    platform: Platform, inputs: dict[str, Any], changes: dict[str, Any], code: str, where: str
) -> None:
    path = platform.put("b/values.csv", "n,value\n1,one\n")
    file = platform.entry(path, **{"type": "tabular", "format": "CSV", **inputs})
    report = platform.ingest("b", main(platform, "b", 1), file, **{**JOIN, **changes})
    assert report.status is Status.REJECTED
    assert (code, where) in [(problem.code, problem.where) for problem in report.problems]


def test_an_input_that_is_missing_unreadable_or_of_several_layers_is_refused(platform: Platform) -> None:
    assert [each.code for each in platform.ingest("a", main(platform, "a", 1), **JOIN).problems] == ["missing_input"]
    only = platform.ingest("o", named(platform, "o", "n\n1\n"), **JOIN)
    assert [each.code for each in only.problems] == ["empty"]
    bad = platform.ingest("b", main(platform, "b", 1), named(platform, "b", 'n,value\n1,"open\n'), **JOIN)
    assert [(each.where.partition(":")[0], bad.status) for each in bad.problems] == [("files[1]", Status.REJECTED)]
    town = platform.put("c/town.gpkg", TOWN)
    several = platform.ingest("c", main(platform, "c", 1), platform.entry(town, name="other"), **JOIN)
    assert [each.code for each in several.problems] == ["input_has_several_layers"]
