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
    assert (problem.code, '"on_bad_geometry": "set_aside"' in problem.remedy) == ("damaged_geometry", True)
    assert platform.ingest("b", entry, on_bad_geometry="set_aside", max_set_aside=1).status == "success"
    (asset,) = platform.stack.ledger.assets()
    assert rejects(platform, asset)[["reject_feature", "reject_code", "n"]].to_numpy().tolist() == [[2, "damaged_geometry", "2"]]
    assert sorted(data(platform, asset)["n"]) == [1, 3]
    report = platform.ingest("c", entry | {"dataset_id": "nulls"}, on_bad_geometry="null")
    assert (report.status, data(platform, platform.asset("nulls"))["geom"].notna().sum()) == ("success", 2)


@pytest.mark.parametrize("format_", ["EsriJSON", "JSON-FG"])
@pytest.mark.parametrize(("others", "bad"), [([1, 2], 2**64 + 1), ([0.1, 1], 2**60 + 1)])
def test_an_integer_that_no_column_holds(platform: Platform, format_: str, others: list[float], bad: int) -> None:
    numbers = [others[0], bad, others[1]]
    if format_ == "EsriJSON":
        features = [f'{{"attributes": {{"n": {number}}}, "geometry": {{"x": 7, "y": 46}}}}' for number in numbers]
        text = (
            f'{{"geometryType": "esriGeometryPoint", "spatialReference": {{"wkid": 4326}}, "features": [{", ".join(features)}]}}'
        )
    else:
        features = [PARSED_FEATURE.replace("%d", str(number)) % "[7, 46]" for number in numbers]
        text = f'{{"conformsTo": [], "type": "FeatureCollection", "features": [{", ".join(features)}]}}'
    entry = platform.entry(platform.put("in/a.json", text), format=format_, dataset_id="a")
    problem = only_problem(platform.ingest("a", entry))
    assert (problem.code, '"on_bad_value": "set_aside"' in problem.remedy) == ("integer_lost", True)
    report = platform.ingest("b", entry, on_bad_value="set_aside")
    assert report.status == "success", report.problems
    assert sorted(data(platform, platform.asset("a"))["n"]) == others
    aside = rejects(platform, platform.asset("a"))
    assert aside[["reject_feature", "reject_code", "n"]].to_numpy().tolist() == [[2, "integer_lost", str(bad)]]
    assert platform.ingest("c", entry, on_bad_value="null").status == "success"
    assert platform.asset("a").changes.counts == {"bad_value_to_null": 1}
