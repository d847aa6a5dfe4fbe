"""Policies for geometries and values of GeoJSON."""

import json
from collections.abc import Callable
from typing import Any

import geopandas
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.integration.pipeline.conftest import Platform
from tests.integration.pipeline.policies.rows import data, ids, only_problem, rejects
from tests.sampling import examples

pytestmark = pytest.mark.integration


def collection(*geometries: Any) -> str:
    features = [
        {"type": "Feature", "properties": {"id": number}, "geometry": geometry} for number, geometry in enumerate(geometries)
    ]
    return json.dumps({"type": "FeatureCollection", "features": features})


POINT = {"type": "Point", "coordinates": [7.5, 46.5]}
NO_VERTEX = {"type": "LineString", "coordinates": [[7, 46], [None, None], None, [8, 47]]}
WORDS = {"type": "Point", "coordinates": ["east", "north"]}
UNKNOWN = {"type": "Prism", "base": POINT}
UNCLOSED = {"type": "Polygon", "coordinates": [[[7, 46], [8, 46], [8, 47], [7, 47]]]}


@pytest.mark.parametrize(
    ("geometry", "code"), [(NO_VERTEX, "damaged_geometry"), (WORDS, "damaged_geometry"), (UNKNOWN, "unknown_geometry_type")]
)
def test_a_geometry_of_geojson_that_cannot_be_read(platform: Platform, geometry: Any, code: str) -> None:
    entry = platform.entry(platform.put("in/a.geojson", collection(POINT, geometry, None, POINT)))
    problem = only_problem(platform.ingest("a", entry))
    assert (problem.code, '"on_bad_geometry": "set_aside"' in problem.remedy) == (code, True)
    assert platform.ingest("b", entry, on_bad_geometry="set_aside").status == "success"
    asset = platform.asset("a")
    assert (ids(data(platform, asset)), asset.changes.counts["set_aside"]) == ([0, 2, 3], 1)
    aside = rejects(platform, asset)
    assert aside[["reject_feature", "reject_code", "id"]].to_numpy().tolist() == [[2, code, "1"]]
    assert platform.ingest("c", entry, on_bad_geometry="null").status == "success"
    asset = platform.asset("a")
    assert asset.changes.counts["bad_geometry_to_null"] == 1
    assert data(platform, asset)["geom"].isna().sum() == 2


def test_an_empty_vertex_is_dropped(platform: Platform) -> None:
    entry = platform.entry(platform.put("in/a.geojson", collection(POINT, NO_VERTEX)))
    assert platform.ingest("a", entry, on_bad_geometry="fix").status == "success"
    asset = platform.asset("a")
    assert (asset.features, asset.changes.counts["vertices_dropped"]) == (2, 2)
    assert "LINESTRING (7 46, 8 47)" in {shape.wkt for shape in geopandas.GeoSeries.from_wkb(data(platform, asset)["geom"])}


def test_what_has_no_standard_fix_is_still_a_problem(platform: Platform) -> None:
    entry = platform.entry(platform.put("in/a.geojson", collection(POINT, WORDS)))
    problem = only_problem(platform.ingest("a", entry, on_bad_geometry="fix"))
    assert (problem.code, '"on_bad_geometry": "set_aside"' in problem.remedy) == ("damaged_geometry", True)


WKT = 'id,wkt\n1,"POLYGON ((7 46, 8 46, 8 47, 7 47))"\n2,"POLYGON ((7 46, 8 46, 8 47, 7 46))"\n'


@pytest.mark.parametrize(("name", "text"), [("a.geojson", collection(UNCLOSED, POINT)), ("a.csv", WKT)])
def test_a_ring_is_closed(platform: Platform, name: str, text: str) -> None:
    more = {"crs": "EPSG:4326", "options": {"wkt": "wkt"}} if name.endswith("csv") else {}
    entry = platform.entry(platform.put(f"in/{name}", text), **more)
    report = platform.ingest("b", entry, on_bad_geometry="fix")
    assert report.status == "success"
    asset = platform.asset("a")
    assert (asset.features, asset.changes.counts["rings_closed"]) == (2, 1)
    shapes = geopandas.GeoSeries.from_wkb(data(platform, asset)["geom"])
    assert max(shape.area for shape in shapes) == 1


GEOMETRIES = st.sampled_from([POINT, NO_VERTEX, WORDS, UNKNOWN, UNCLOSED, None, {"type": "Polygon", "coordinates": [None]}])


@settings(
    max_examples=examples(25), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    geometries=st.lists(GEOMETRIES, min_size=1, max_size=20),
    policy=st.sampled_from(["set_aside", "null", "reject", "fix"]),
    lines=st.booleans(),
)
def test_every_feature_of_geojson_is_somewhere(
    open_platform: Callable[..., Platform], tmp_path_factory: Any, geometries: Any, policy: str, lines: bool
) -> None:
    """Features in the file = those in the data + those set aside, and the same bytes twice."""
    platform = open_platform(spatial_etl_home=tmp_path_factory.mktemp("home"))
    text = collection(*geometries)
    if lines:
        text = "\n".join(map(json.dumps, json.loads(text)["features"]))
    entry = platform.entry(platform.put(f"in/a.{'geojsonl' if lines else 'geojson'}", text))
    reports = [platform.ingest(name, entry, intent="raw", on_bad_geometry=policy, max_set_aside=1.0) for name in "bc"]
    bad = [geometry for geometry in geometries if geometry not in (POINT, None)]
    unfixable = [geometry for geometry in bad if geometry not in (NO_VERTEX, UNCLOSED)]
    refused = (policy == "reject" and bad) or (policy == "fix" and unfixable)
    assert [report.status for report in reports] == ["rejected" if refused else "success"] * 2
    if refused:
        return
    first, second = (platform.asset("a", version) for version in (1, 2))
    assert [file.sha256 for file in first.files] == [file.sha256 for file in second.files]
    aside = ids(rejects(platform, first)) if first.changes.counts.get("set_aside") else []
    kept = data(platform, first)
    assert sorted([*ids(kept), *aside]) == list(range(len(geometries)))
    assert len(aside) == first.changes.counts.get("set_aside", 0) == (len(bad) if policy == "set_aside" else 0)
    missing = geometries.count(None) + (len(bad) if policy == "null" else 0)
    assert ("geom" not in kept and missing == len(kept)) or kept["geom"].isna().sum() == missing


@pytest.mark.parametrize(("policy", "features", "count"), [("set_aside", 2, "set_aside"), ("null", 3, "bad_value_to_null")])
def test_times_with_and_without_a_zone(platform: Platform, policy: str, features: int, count: str) -> None:
    document = json.loads(collection(POINT, POINT, POINT))
    for feature, time in zip(document["features"], ["2024-03-01", "2024-07-01T10:00:00Z", "2024-03-02T11:00:00"], strict=True):
        feature["properties"]["t"] = time
    entry = platform.entry(platform.put("in/a.geojson", json.dumps(document)))
    (warning,) = platform.ingest("a", entry).warnings
    assert (warning.code, '"on_bad_value": "set_aside"' in warning.remedy) == ("mixed_time_zones", True)
    assert data(platform, platform.asset("a"))["t"].tolist() == ["2024-03-01", "2024-07-01T10:00:00Z", "2024-03-02T11:00:00"]
    assert platform.ingest("b", entry, on_bad_value=policy).status == "success"
    asset = platform.asset("a")
    assert (asset.features, asset.changes.counts[count]) == (features, 1)
    assert data(platform, asset)["t"].notna().sum() == 2
    if policy == "set_aside":
        aside = rejects(platform, asset)
        assert (aside["reject_feature"].tolist(), aside["reject_code"].tolist()) == ([2], ["mixed_time_zones"])
        assert aside["t"].tolist() == ["2024-07-01T10:00:00Z"]


@pytest.mark.parametrize(("others", "bad"), [([1, 2**63 - 1], 2**64 + 1), ([0.1, 1], 2**60 + 1), ([1, 2], 10**30 + 1)])
def test_an_integer_that_no_column_holds(platform: Platform, others: list[float], bad: int) -> None:
    document = json.loads(collection(POINT, POINT, POINT))
    for feature, number in zip(document["features"], [others[0], bad, others[1]], strict=True):
        feature["properties"]["n"] = number
    entry = platform.entry(platform.put("in/a.geojson", json.dumps(document)))
    problem = only_problem(platform.ingest("a", entry))
    assert (problem.code, '"on_bad_value": "set_aside"' in problem.remedy) == ("integer_lost", True)
    report = platform.ingest("b", entry, on_bad_value="set_aside")
    assert report.status == "success", report.problems
    asset = platform.asset("a")
    assert (sorted(data(platform, asset)["n"]), asset.changes.counts) == (others, {"set_aside": 1})
    aside = rejects(platform, asset)
    assert aside[["reject_feature", "reject_code", "id", "n"]].to_numpy().tolist() == [[2, "integer_lost", "1", str(bad)]]
    assert platform.ingest("c", entry, on_bad_value="null").status == "success"
    asset = platform.asset("a")
    assert (asset.changes.counts, platform.read("a").column("n").null_count) == ({"bad_value_to_null": 1}, 1)
