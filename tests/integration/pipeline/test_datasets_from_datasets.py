"""Datasets that are made from datasets of the lake: pinned, recorded in both directions, replayed, and made again when stale."""

from collections.abc import Callable
from typing import Any

import pytest

from libs.ledger import outdated
from libs.models import Rejected, Report, Status
from libs.pipeline.refresh import refresh
from libs.pipeline.replay import replay
from libs.pipeline.verify import verify
from tests.integration.pipeline.conftest import Platform

pytestmark = pytest.mark.integration

OUTLINE: dict[str, Any] = {
    "inputs": [{"dataset": "points", "dataset_id": "plain"}],
    "intent": "reproject",
    "parameters": {"crs": "EPSG:3857"},
}


@pytest.fixture
def points(platform: Platform, geojson: Callable[..., str]) -> Platform:
    deliver(platform, "first", geojson(3))
    return platform


def deliver(platform: Platform, batch: str, content: str) -> None:
    path = platform.put(f"{batch}/points.geojson", content)
    assert platform.ingest(batch, platform.entry(path, dataset_id="points")).status is Status.SUCCESS


def derived(platform: Platform, batch: str = "derived", **more: Any) -> Report:
    """What comes of a manifest that reads no file."""
    return platform.ingest(batch, **OUTLINE | more)


def test_a_dataset_is_made_from_another_by_a_recipe(points: Platform) -> None:
    report = derived(points)
    assert report.status is Status.SUCCESS, report.problems
    assert [(each.dataset_id, each.crs, each.features) for each in report.datasets] == [("plain", "EPSG:3857", 3)]
    source, made = points.read("points"), points.read("plain")
    assert made.schema.names == source.schema.names
    assert sorted(made["n"].to_pylist()) == [0, 1, 2]
    assert points.asset("plain").title == "points"
    assert {each.finding for each in verify(points.stack)} == {"intact"}


def test_what_was_read_is_pinned_and_found_in_both_directions(points: Platform, geojson: Callable[..., str]) -> None:
    derived(points)
    deliver(points, "second", geojson(5))
    ledger, read = points.stack.ledger, points.asset("points", 1)
    lineage = ledger.lineage("plain", 1)
    assert lineage is not None
    assert [(each.id, each.sha256) for each in lineage.datasets] == [("points@1", (read.files[0].sha256,))]
    assert (ledger.uses_of("points", 1), ledger.uses_of("points", 2), ledger.uses_of("plain", 1)) == (["plain@1"], [], [])
    assert replay(points.stack, points.asset("plain"), lineage).identical


def test_a_stale_dataset_is_refreshed_and_one_of_a_certain_version_is_not(points: Platform, geojson: Callable[..., str]) -> None:
    derived(points)
    derived(points, "certain", inputs=[{"dataset": "points@1", "dataset_id": "certain"}])
    assert refresh(points.stack, points.asset("plain")) is None
    deliver(points, "second", geojson(5))
    ledger = points.stack.ledger
    assert outdated(ledger, ledger.all_lineage()) == {"plain@1": ["points@2"]}
    report = refresh(points.stack, points.asset("plain"))
    assert report is not None
    assert [(each.dataset_id, each.version, each.features) for each in report.datasets] == [("plain", 2, 5)]
    assert refresh(points.stack, points.asset("plain")) is None
    assert refresh(points.stack, points.asset("certain")) is None
    with pytest.raises(Rejected, match="made from files alone"):
        refresh(points.stack, points.asset("points"))


def test_the_same_manifest_again_makes_a_version_if_its_input_has_a_newer_one(
    points: Platform, geojson: Callable[..., str]
) -> None:
    derived(points)
    assert derived(points).unchanged_since == "derived#1"
    deliver(points, "second", geojson(5))
    assert [each.features for each in derived(points).datasets] == [5]


def test_files_and_datasets_are_appended_into_one(points: Platform, geojson: Callable[..., str]) -> None:
    file = points.entry(points.put("both/more.geojson", geojson(2)), dataset_id="both")
    report = points.ingest("both", file, inputs=[{"dataset": "points", "dataset_id": "both"}], raw="keep")
    assert report.status is Status.SUCCESS, report.problems
    assert sorted(points.read("both")["n"].to_pylist()) == [0, 0, 1, 1, 2]
    lineage = points.stack.ledger.lineage("both", 1)
    assert lineage is not None
    points.stack.landing.store.delete("both/more.geojson")
    assert replay(points.stack, points.asset("both"), lineage).identical


@pytest.mark.parametrize(
    ("dataset", "code", "said"),
    [
        ("roads", "unknown_dataset", "'roads' does not exist"), ("points@7", "unknown_dataset", "'points@7' does not exist"),
        ("plain", "input_is_output", "made from itself"), ("points@x", "bad_identifier", "cannot be used"),
    ],
)  # fmt: skip
def test_an_input_that_cannot_be_read_is_refused(points: Platform, dataset: str, code: str, said: str) -> None:
    report = derived(points, inputs=[{"dataset": dataset, "dataset_id": "plain"}])
    assert [(problem.code, problem.where) for problem in report.problems] == [(code, "inputs[0].dataset")]
    assert said in report.problems[0].message


def test_a_manifest_without_files_and_datasets_is_refused(platform: Platform) -> None:
    assert [problem.code for problem in platform.ingest("none").problems] == ["empty"]


def test_an_input_that_was_changed_is_not_read(points: Platform) -> None:
    path = points.stack.lake.store.root / points.asset("points").files[0].key
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    assert [problem.code for problem in derived(points).problems] == ["lake_file_damaged"]


def test_tables_and_local_coordinates_can_be_read(platform: Platform) -> None:
    files = [
        platform.entry(platform.put("b/site.csv", "a,x,y\n1,2,3\n"), dataset_id="site", crs="none", options={"x": "x", "y": "y"}),
        platform.entry(platform.put("b/t.csv", "id,name\n1,x\n"), dataset_id="table", type="tabular"),
    ]
    assert platform.ingest("b", *files, intent="keep_crs").status is Status.SUCCESS
    inputs = [{"dataset": name, "dataset_id": f"{name}2"} for name in ("site", "table")]
    report = platform.ingest("again", inputs=inputs, intent="keep_crs")
    assert report.status is Status.SUCCESS, report.problems
    for name in ("site", "table"):
        assert platform.asset(name).files[0].sha256 == platform.asset(f"{name}2").files[0].sha256


def test_a_dataset_can_grow_by_another_and_needs_a_key_for_it(points: Platform, geojson: Callable[..., str]) -> None:
    more = {"inputs": [{"dataset": "points", "dataset_id": "all"}], "intent": "ingest_vector", "parameters": {}}
    assert [problem.where for problem in derived(points, "no-key", **more, mode="upsert").problems] == ["inputs[0].key"]
    for batch in ("one", "two"):
        assert derived(points, batch, **more, mode="append").status is Status.SUCCESS
    assert points.asset("all").features == 6
    deliver(points, "second", geojson(5))
    with pytest.raises(Rejected, match="grow once more"):
        refresh(points.stack, points.asset("all"))
