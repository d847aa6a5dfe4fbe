"""Policies for geometries of Esri JSON."""

import json
from typing import Any

import geopandas
import pytest

from tests.integration.pipeline.conftest import Platform
from tests.integration.pipeline.policies.rows import data, ids, only_problem, rejects

pytestmark = pytest.mark.integration

RING = [[7, 46], [7, 47], [8, 47], [8, 46]]


def feature_set(*rings: Any) -> str:
    features = [{"attributes": {"id": number}, "geometry": {"rings": each}} for number, each in enumerate(rings)]
    return json.dumps({"geometryType": "esriGeometryPolygon", "spatialReference": {"wkid": 4326}, "features": features})


@pytest.mark.parametrize(
    ("ring", "code", "fixed"),
    [([RING], "damaged_geometry", True), ([[[7, 46], ["east", 47], [8, 47], [7, 46]]], "bad_coordinate", False)],
)
def test_a_geometry_of_esri_json_that_cannot_be_read(platform: Platform, ring: Any, code: str, fixed: bool) -> None:
    closed = [[*RING, RING[0]]]
    entry = platform.entry(platform.put("in/a.json", feature_set(closed, ring, closed)), format="EsriJSON", dataset_id="a")
    problem = only_problem(platform.ingest("a", entry))
    assert (problem.code, '"on_bad_geometry": "set_aside"' in problem.remedy) == (code, True)
    assert ('"on_bad_geometry": "fix"' in problem.remedy) == fixed
    report = platform.ingest("b", entry, on_bad_geometry="set_aside")
    assert report.status == "success", report.problems
    asset = platform.asset("a")
    assert (ids(data(platform, asset)), asset.changes.counts) == ([0, 2], {"set_aside": 1})
    assert rejects(platform, asset)[["reject_feature", "reject_code", "id"]].to_numpy().tolist() == [[2, code, "1"]]
    assert platform.ingest("c", entry, on_bad_geometry="null").status == "success"
    asset = platform.asset("a")
    assert (asset.features, asset.changes.counts) == (3, {"bad_geometry_to_null": 1})
    report = platform.ingest("d", entry, on_bad_geometry="fix")
    assert (report.status == "success") == fixed
    if fixed:
        asset = platform.asset("a")
        assert asset.changes.counts["rings_closed"] == 1
        assert geopandas.GeoSeries.from_wkb(data(platform, asset)["geom"]).area.tolist() == [1, 1, 1]
