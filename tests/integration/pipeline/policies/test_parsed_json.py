"""Policies for the kinds of JSON that are parsed without GDAL."""

import pytest

from tests.integration.pipeline.conftest import Platform
from tests.integration.pipeline.policies.rows import data, only_problem, rejects

pytestmark = pytest.mark.integration

PAGE = '<html><script>var a = {"type": "FeatureCollection", "features": [%s]};</script></html>'
TOPOLOGY = '{"type": "Topology", "arcs": [], "objects": {"a": {"type": "GeometryCollection", "geometries": [%s]}}}'
PARSED_FEATURE = '{"type": "Feature", "properties": {"n": %d}, "geometry": {"type": "Point", "coordinates": %s}}'
PARSED_POINT = '{"type": "Point", "properties": {"n": %d}, "coordinates": %s}'


@pytest.mark.parametrize(
    ("name", "format_", "whole", "one"),
    [
        ("a.html", "HTML", PAGE, PARSED_FEATURE),
        ("a.json", "TopoJSON", TOPOLOGY, PARSED_POINT),
        ("a.json", "JSON-FG", '{"conformsTo": [], "type": "FeatureCollection", "features": [%s]}', PARSED_FEATURE),
    ],
)
def test_a_damaged_geometry_of_what_is_parsed_without_gdal(
    platform: Platform, name: str, format_: str, whole: str, one: str
) -> None:
    text = whole % ", ".join(one % row for row in [(1, "[7.5, 46.5]"), (2, '["7", 46]'), (3, "[7.7, 46.7]")])
    entry = platform.entry(platform.put(f"in/{name}", text), format=format_)
    problem = only_problem(platform.ingest("a", entry))
    assert (problem.code, "--on-bad-geometry set_aside" in problem.remedy) == ("damaged_geometry", True)
    assert platform.ingest("b", entry, on_bad_geometry="set_aside", max_set_aside=1).status == "success"
    (asset,) = platform.stack.ledger.assets()
    assert rejects(platform, asset)[["reject_feature", "reject_code", "n"]].to_numpy().tolist() == [[2, "damaged_geometry", "2"]]
    assert sorted(data(platform, asset)["n"]) == [1, 3]
    report = platform.ingest("c", entry | {"dataset_id": "nulls"}, on_bad_geometry="null")
    assert (report.status, data(platform, platform.asset("nulls"))["geom"].notna().sum()) == ("success", 2)
