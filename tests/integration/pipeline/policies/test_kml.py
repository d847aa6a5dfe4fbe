"""Policies for coordinates and times of KML."""

import geopandas
import pytest

from tests.integration.pipeline.conftest import Platform
from tests.integration.pipeline.policies.rows import CASES, data, only_problem

pytestmark = pytest.mark.integration


def test_an_empty_position_of_a_track_is_left_out(platform: Platform) -> None:
    entry = platform.entry(platform.put("in/track_empty_coord.kml", CASES / "track_empty_coord.kml"))
    problem = only_problem(platform.ingest("a", entry))
    assert (problem.code, "--on-bad-geometry fix" in problem.remedy) == ("bad_coordinate", True)
    assert platform.ingest("b", entry, on_bad_geometry="fix").status == "success"
    asset = platform.asset("track_empty_coord")
    assert (asset.features, asset.changes.counts["vertices_dropped"]) == (1, 1)
    (shape,) = geopandas.GeoSeries.from_wkb(data(platform, asset)["geom"])
    assert [position[:2] for position in shape.coords] == [(7.2, 46.2), (7.3, 46.3)]
