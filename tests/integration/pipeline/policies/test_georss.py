"""Policies for places of GeoRSS."""

import pytest

from tests.integration.pipeline.conftest import Platform
from tests.integration.pipeline.policies.rows import data, only_problem, rejects

pytestmark = pytest.mark.integration


def test_a_place_of_georss_that_cannot_be_read(platform: Platform) -> None:
    items = "".join(
        f"<item><title>{n}</title><georss:point>{at}</georss:point></item>"
        for n, at in enumerate(["46.5 7.5", "46.5;7", "46.7 7.7"])
    )
    text = f'<rss version="2.0" xmlns:georss="http://www.georss.org/georss"><channel><title>a</title>{items}</channel></rss>'
    entry = platform.entry(platform.put("in/a.xml", text), format="GeoRSS")
    problem = only_problem(platform.ingest("a", entry))
    assert (problem.code, '"on_bad_geometry": "set_aside"' in problem.remedy) == ("bad_coordinate", True)
    assert platform.ingest("b", entry, on_bad_geometry="set_aside", max_set_aside=1).status == "success"
    assert rejects(platform, platform.asset("a"))[["reject_feature", "title"]].to_numpy().tolist() == [[2, "1"]]
    assert len(data(platform, platform.asset("a"))) == 2
