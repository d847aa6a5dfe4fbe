"""Datasets that grow: features are added, replaced and deleted by key. Each delivery makes a new version and counts its rows."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from libs.models import Asset, Rejected, Report, Status
from libs.pipeline.replay import replay
from libs.pipeline.reprocess import reprocess
from tests.integration.pipeline.conftest import Platform
from tests.sampling import examples

pytestmark = pytest.mark.integration

Row = Mapping[str, Any]


def rows(*ids: int, name: str = "a", **more: Any) -> list[Row]:
    return [{"id": number, "name": name, **more} for number in ids]


def layer(content: Sequence[Row]) -> str:
    """Points whose places go with their ids."""
    features = [
        {
            "type": "Feature",
            "properties": dict(row),
            "geometry": {"type": "Point", "coordinates": [int(row["id"] or 0) % 170, int(row["id"] or 0) % 80]},
        }
        for row in content
    ]
    return json.dumps({"type": "FeatureCollection", "features": features})


class Dataset:
    """A dataset, and deliveries to it."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self._deliveries = 0

    def deliver(self, content: Sequence[Row] | str, name: str = "x.geojson", **more: Any) -> Report:
        self._deliveries += 1
        batch = f"delivery-{self._deliveries}"
        path = self.platform.put(f"{batch}/{name}", content if isinstance(content, str) else layer(content))
        kind = {"type": "tabular"} if name.endswith(".csv") else {}
        return self.platform.ingest(batch, self.platform.entry(path, dataset_id="trees", **kind), **more)

    def rows(self, version: int | None = None) -> list[Row]:
        """By id, without what the platform adds."""
        found = self.platform.read("trees", version).drop_columns(["geom", "bbox"]).to_pylist()
        return sorted(found, key=lambda row: (row["id"], row["name"] or ""))

    @property
    def asset(self) -> Asset:
        return self.platform.asset("trees")


@pytest.fixture
def trees(platform: Platform) -> Dataset:
    dataset = Dataset(platform)
    report = dataset.deliver(rows(1, 2, 3))
    assert report.status is Status.SUCCESS, report.problems
    return dataset


def test_both_engines_write_the_same_bytes(
    trees: Dataset, open_platform: Callable[..., Platform], postgis: Any, tmp_path: Path
) -> None:
    reached = {name.lower(): value for name, value in postgis.environment.items()}
    other = Dataset(open_platform(spatial_etl_home=tmp_path / "other", spatial_etl_engine="postgis", **reached))
    other.deliver(rows(1, 2, 3))
    for dataset in (trees, other):
        assert grown(dataset.deliver(rows(3, 4, name="b"), mode="upsert", key="id")) == {"added": 1, "updated": 1}
    assert other.asset.files[0].sha256 == trees.asset.files[0].sha256


def grown(report: Report) -> dict[str, int]:
    """What a report counts."""
    assert report.status is Status.SUCCESS, report.problems
    growth = report.datasets[0].growth
    assert growth is not None
    return {what: number for what in ("added", "updated", "unchanged", "deleted") if (number := getattr(growth, what))}


def refused(report: Report) -> tuple[str, str]:
    assert report.status is Status.REJECTED
    (problem,) = report.problems
    return problem.code, problem.message


def test_append_adds_features_to_a_new_version_and_leaves_the_old_one(trees: Dataset) -> None:
    report = trees.deliver(rows(3, 4, name="b"), mode="append")
    assert grown(report) == {"added": 2}
    assert trees.rows() == sorted(rows(1, 2, 3) + rows(3, 4, name="b"), key=lambda row: (row["id"], row["name"]))
    assert trees.rows(1) == rows(1, 2, 3)
    assert (trees.asset.version, trees.asset.features, trees.asset.bbox) == (2, 5, (1, 1, 4, 4))


def test_upsert_replaces_features_of_the_same_key_and_adds_the_others(trees: Dataset) -> None:
    report = trees.deliver([*rows(2), *rows(3, 4, name="b")], mode="upsert", key="id")
    assert grown(report) == {"added": 1, "updated": 1, "unchanged": 1}
    assert trees.rows() == rows(1, 2) + rows(3, 4, name="b")


def test_delete_leaves_out_the_features_with_the_keys_of_a_table(trees: Dataset) -> None:
    report = trees.deliver("id\n1\n7\n", "gone.csv", mode="delete", key="id")
    assert grown(report) == {"deleted": 1}
    assert [warning.code for warning in report.warnings] == ["key_unknown"]
    assert trees.rows() == rows(2, 3)


def test_an_upsert_of_what_is_there_gives_the_same_bytes(trees: Dataset) -> None:
    before = trees.asset.files[0].sha256
    report = trees.deliver(rows(3, 1, 2), mode="upsert", key=["id"])
    assert grown(report) == {"unchanged": 3}
    assert trees.asset.files[0].sha256 == before


def test_the_base_is_pinned_in_the_lineage_and_replay_uses_it(trees: Dataset) -> None:
    base = trees.asset
    trees.deliver(rows(3, 4, name="b"), mode="upsert", key="id")
    middle = trees.asset
    trees.deliver(rows(5), mode="append")
    ledger = trees.platform.stack.ledger
    lineage = ledger.lineage("trees", 2)
    assert lineage is not None
    assert [(pinned.id, pinned.sha256) for pinned in lineage.datasets] == [("trees@1", (base.files[0].sha256,))]
    assert replay(trees.platform.stack, middle, lineage).identical


def test_the_same_manifest_again_adds_nothing(trees: Dataset) -> None:
    path = trees.platform.put("june/x.geojson", layer(rows(9)))
    june = trees.platform.entry(path, dataset_id="trees")
    assert grown(trees.platform.ingest("june", june, mode="append")) == {"added": 1}
    again = trees.platform.ingest("june", june, mode="append")
    assert again.unchanged_since == "june#1"
    assert "another 'batch_id'" in again.warnings[0].remedy
    with pytest.raises(Rejected, match="grow once more"):
        reprocess(trees.platform.stack, "june")
    assert trees.rows() == rows(1, 2, 3, 9)


@pytest.mark.parametrize("mode", ["append", "upsert"])
def test_what_there_is_not_yet_begins_with_what_is_delivered(platform: Platform, mode: str) -> None:
    dataset = Dataset(platform)
    report = dataset.deliver(rows(1, 2), mode=mode, key="id")
    assert grown(report) == {"added": 2}
    assert [warning.code for warning in report.warnings] == ["no_version"]
    assert refused(Dataset(platform).platform.ingest(
        "none", platform.entry(platform.put("none/x.geojson", layer(rows(1))), dataset_id="bushes"), mode="delete", key="id"
    ))[0] == "no_version"  # fmt: skip


REFUSED: dict[str, tuple[Sequence[Row] | str, dict[str, Any], str, str]] = {
    "null": ([*rows(4), {"id": None, "name": "a"}], {"mode": "upsert", "key": "id"}, "key_null", "1 feature of the delivery has"),
    "twice": (rows(4, 4, 5, 5, 5), {"mode": "upsert", "key": "id"}, "key_not_unique", "4 (2 times), 5 (3 times)"),
    "base": (rows(4), {"mode": "upsert", "key": "name"}, "key_not_unique", "'name' is not unique in trees@1: 'a' (3 times)"),
    "taken": (rows(3, 4), {"mode": "append", "key": "id"}, "key_taken", "trees@1 has features with these keys 'id' already: 3"),
    "no column": (rows(4), {"mode": "upsert", "key": "ID"}, "key_missing", "The key 'ID' is no column of the delivery"),
    "text": ([{"id": "4", "name": "a"}], {"mode": "upsert", "key": "id"}, "key_type", "string in the delivery, int32 in trees@1"),
    "more": (rows(4, height=1), {"mode": "append"}, "schema_differs", "height (int32) is in the delivery only"),
    "fewer": ([{"id": 4}], {"mode": "append"}, "schema_differs", "name (string) is in trees@1 only"),
    "larger": (rows(2**40), {"mode": "append"}, "schema_differs", "id is int64 in the delivery, int32 in trees@1"),
    "other": ([{"id": 4, "name": 4}], {"mode": "append", "schema": "widen"}, "schema_differs", "name is int32 in the delivery"),
    "fewer, upserted": ([{"id": 1}], {"mode": "upsert", "key": "id", "schema": "widen"}, "schema_differs", "name (string)"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_fit_is_refused_and_nothing_is_reserved(trees: Dataset, case: str) -> None:
    content, more, code, said = REFUSED[case]
    found = [problem for problem in trees.deliver(content, **more).problems if said in problem.message]
    assert [problem.code for problem in found] == [code]
    assert trees.platform.stack.ledger.next_versions(["trees"]) == {"trees": 2}


def test_a_table_and_another_crs_are_refused(trees: Dataset) -> None:
    assert refused(trees.deliver("id,name\n4,a\n", "x.csv", mode="append")) == (
        "schema_differs", "The delivery is a table, and trees@1 is a layer.",
    )  # fmt: skip
    other = trees.deliver(rows(4), mode="append", intent="reproject", parameters={"crs": "EPSG:3857"})
    assert refused(other) == ("schema_differs", "The delivery has the CRS EPSG:3857, and trees@1 has EPSG:4326.")


def test_a_schema_is_widened_where_that_is_allowed(trees: Dataset) -> None:
    report = trees.deliver(rows(2**40, height=7), mode="append", schema="widen", on_change="allow")
    assert grown(report) == {"added": 1}
    assert [warning.code for warning in report.warnings] == ["schema_widened"]
    assert trees.rows() == rows(1, 2, 3, height=None) + rows(2**40, height=7)
    fewer = trees.deliver(rows(5), mode="append", schema="widen")
    assert [warning.code for warning in fewer.warnings] == ["schema_widened"]
    assert trees.rows()[3] == {"id": 5, "name": "a", "height": None}


def test_a_damaged_base_does_not_grow(trees: Dataset) -> None:
    path = trees.platform.stack.lake.store.root / trees.asset.files[0].key
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    assert refused(trees.deliver(rows(4), mode="append"))[0] == "lake_file_damaged"


def test_what_somebody_went_back_to_grows(trees: Dataset) -> None:
    trees.deliver(rows(8, 9))
    trees.platform.stack.ledger.make_current(trees.platform.asset("trees", 1), "somebody")
    trees.deliver(rows(4), mode="append")
    assert trees.rows() == rows(1, 2, 3, 4)


IDS = st.lists(st.integers(0, 12), unique=True, max_size=8)


@settings(max_examples=examples(8), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=st.lists(st.integers(0, 12), unique=True, min_size=1), steps=st.lists(
    st.tuples(st.sampled_from(["append", "upsert", "delete"]), st.lists(st.integers(0, 12), unique=True, min_size=1, max_size=8),
              st.sampled_from("ab")), min_size=1, max_size=3))  # fmt: skip
def test_every_mode_does_what_a_model_in_memory_does(
    open_platform: Callable[..., Platform], tmp_path_factory: pytest.TempPathFactory, first: list[int],
    steps: list[tuple[str, list[int], str]],
) -> None:  # fmt: skip
    dataset = Dataset(open_platform(spatial_etl_home=tmp_path_factory.mktemp("home")))
    dataset.deliver(rows(*first))
    model = dict.fromkeys(first, "a")
    for mode, ids, name in steps:
        before = dict(model)
        report = dataset.deliver(rows(*ids, name=name), mode=mode, key="id")
        there = [number for number in ids if number in before]
        if mode == "append" and there:
            assert refused(report)[0] == "key_taken"
            continue
        for number in ids:
            if mode == "delete":
                model.pop(number, None)
            else:
                model[number] = name
        new = 0 if mode == "delete" else len(ids) - len(there)
        updated = sum(before[number] != name for number in there) if mode == "upsert" else 0
        expected = {
            "added": new, "updated": updated, "unchanged": len(there) - updated if mode == "upsert" else 0,
            "deleted": len(there) if mode == "delete" else 0,
        }  # fmt: skip
        assert grown(report) == {what: number for what, number in expected.items() if number}
        assert dataset.asset.features == len(before) + expected["added"] - expected["deleted"] == len(model)
        assert {row["id"]: row["name"] for row in dataset.rows()} == model
