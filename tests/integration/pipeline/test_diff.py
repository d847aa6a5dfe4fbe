"""Two versions of a dataset compared: from the lake, with files that are as recorded."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas
import pytest

from libs.models import Rejected
from libs.pipeline.diff import ChangedFeature, diff

pytestmark = pytest.mark.integration


@pytest.fixture
def two_versions(platform: Any) -> None:
    """Version 2 lacks feature 1, has moved 2, renamed 3, and a new one and a new column."""
    first = [(1, "a", 10.0), (2, "b", 20.0), (3, "c", 30.0), (4, "d", 40.0)]
    second = [(5, "e", 50.0), (4, "d", 40.0), (3, "C", 30.0), (2, "b", 21.0)]
    for number, (rows, more) in enumerate([(first, {}), (second, {"more": True})], start=1):
        features = [
            {
                "type": "Feature",
                "properties": {"id": key, "name": name, **more},
                "geometry": {"type": "Point", "coordinates": [x, 0]},
            }
            for key, name, x in rows
        ]
        uri = platform.put(f"in/{number}.geojson", json.dumps({"type": "FeatureCollection", "features": features}))
        report = platform.ingest(f"b{number}", platform.entry(uri, dataset_id="d"), metadata={"project": "p"})
        assert report.status == "success", report.problems


def test_by_key_each_feature_is_told_with_the_columns_that_changed(platform: Any, two_versions: None, tmp_path: Path) -> None:
    found = diff(platform.stack, platform.asset("d", 1), platform.asset("d", 2), key="id", target=tmp_path / "out.parquet")
    assert (found.added, found.removed, found.changed, found.unchanged) == (1, 1, 2, 1)
    assert found.features == (
        ChangedFeature(change="added", key="5", columns=()),
        ChangedFeature(change="changed", key="2", columns=("geom",)),
        ChangedFeature(change="changed", key="3", columns=("name",)),
        ChangedFeature(change="removed", key="1", columns=()),
    )
    assert found.changed_columns == {"name": 1, "geom": 1}
    assert found.new_columns == ("more",)
    written = geopandas.read_parquet(tmp_path / "out.parquet")
    assert written[["change", "id", "name"]].values.tolist() == [
        ["added", 5, "e"], ["changed", 2, "b"], ["changed", 3, "C"], ["removed", 1, "a"],
    ]  # fmt: skip
    assert written.geometry.x.tolist() == [50, 21, 30, 10]
    assert written.crs.to_epsg() == 4326
    assert platform.transient() == []


def test_whole_features_are_removed_and_added(platform: Any, two_versions: None) -> None:
    found = diff(platform.stack, platform.asset("d", 1), platform.asset("d", 2))
    assert (found.added, found.removed, found.changed, found.unchanged) == (3, 3, 0, 1)


def test_a_version_equals_itself(platform: Any, two_versions: None) -> None:
    found = diff(platform.stack, platform.asset("d", 2), platform.asset("d", 2), key="id")
    assert (found.added, found.removed, found.changed, found.unchanged) == (0, 0, 0, 4)


def test_the_file_must_be_geoparquet_and_is_not_replaced_unasked(platform: Any, two_versions: None, tmp_path: Path) -> None:
    compare: Callable[[Path], object] = lambda path: diff(  # noqa: E731
        platform.stack, platform.asset("d", 1), platform.asset("d", 2), target=path
    )
    with pytest.raises(Rejected, match="export_format_unknown"):
        compare(tmp_path / "out.gpkg")
    (tmp_path / "out.parquet").write_text("mine")
    with pytest.raises(Rejected, match="export_exists"):
        compare(tmp_path / "out.parquet")
    assert (tmp_path / "out.parquet").read_text() == "mine"
