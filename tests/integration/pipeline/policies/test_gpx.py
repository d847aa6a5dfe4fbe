"""Policies for places and times of GPX."""

import pytest

from tests.integration.pipeline.conftest import Platform
from tests.integration.pipeline.policies.rows import data, only_problem, rejects

pytestmark = pytest.mark.integration


def gpx(points: str, more: str = "") -> str:
    return f'<gpx version="1.1" xmlns="http://www.topografix.com/GPX/1/1">\n{points}{more}</gpx>'


@pytest.mark.parametrize("place", ['lat="1,5" lon="7"', "lat='abc' lon='7'", 'lon="7"', 'lat="" lon="7"'])
def test_a_place_of_gpx_that_cannot_be_read(platform: Platform, place: str) -> None:
    points = [
        f"<wpt {at}><name>{number}</name></wpt>\n" for number, at in enumerate(['lat="1" lon="2"', place, 'lat="3" lon="4"'])
    ]
    entry = platform.entry(platform.put("in/a.gpx", gpx("".join(points))), format="GPX", dataset_id="a")
    problem = only_problem(platform.ingest("a", entry))
    assert (problem.code, problem.where) == ("bad_coordinate", "files[0]: line 3")
    assert '"on_bad_geometry": "set_aside" in the manifest' in problem.remedy
    assert platform.ingest("b", entry, on_bad_geometry="set_aside").status == "success"
    asset = platform.asset("a")
    assert (sorted(data(platform, asset)["name"]), asset.changes.counts) == (["0", "2"], {"set_aside": 1})
    aside = rejects(platform, asset)
    assert aside[["reject_feature", "reject_code", "name"]].to_numpy().tolist() == [[2, "bad_coordinate", "1"]]
    assert platform.ingest("c", entry, on_bad_geometry="null").status == "success"
    asset = platform.asset("a")
    assert (asset.features, asset.changes.counts) == (3, {"bad_geometry_to_null": 1})


def test_a_track_with_a_bad_point_is_set_aside_as_the_point_is(platform: Platform) -> None:
    good, bad = '<trkpt lat="1" lon="2"/><trkpt lat="2" lon="2"/>', '<trkpt lat="1" lon="2"/><trkpt lat="1,5" lon="2"></trkpt>'
    tracks = "".join(f"<trk><name>{name}</name><trkseg>{track}</trkseg></trk>\n" for name, track in {"x": good, "y": bad}.items())
    entry = platform.entry(platform.put("in/a.gpx", gpx("", tracks)), format="GPX")
    assert platform.ingest("b", entry, on_bad_geometry="set_aside").status == "success"
    for layer, features, number in (("tracks", 1, 2), ("track_points", 3, 4)):
        asset = platform.asset(f"a.{layer}")
        assert (asset.features, asset.changes.counts) == (features, {"set_aside": 1})
        assert rejects(platform, asset)["reject_feature"].tolist() == [number]


@pytest.mark.parametrize("time", ["2024-02-30T10:00:00Z", "2024-05-01T25:00:00Z", "yesterday", "01.05.2024 10:00"])
def test_a_time_of_gpx_that_cannot_be_read(platform: Platform, time: str) -> None:
    points = [
        f'<wpt lat="{number}" lon="2"><time>{said}</time><name>{number}</name></wpt>\n'
        for number, said in enumerate(["2024-05-01T10:00:00Z", time, "2024-05-03T10:00:00Z"])
    ]
    entry = platform.entry(platform.put("in/a.gpx", gpx("".join(points))), format="GPX", dataset_id="a")
    problem = only_problem(platform.ingest("a", entry))
    assert (problem.code, problem.where, '"on_bad_value": "set_aside"' in problem.remedy) == (
        "value_lost",
        "files[0]: line 3",
        True,
    )
    assert platform.ingest("b", entry, on_bad_value="set_aside").status == "success"
    asset = platform.asset("a")
    assert (sorted(data(platform, asset)["name"]), asset.changes.counts) == (["0", "2"], {"set_aside": 1})
    aside = rejects(platform, asset)
    assert aside[["reject_feature", "reject_code", "name", "time"]].to_numpy().tolist() == [[2, "value_lost", "1", time]]
    assert aside.geometry.notna().all()
    assert platform.ingest("c", entry, on_bad_value="null").status == "success"
    asset = platform.asset("a")
    assert (asset.features, asset.changes.counts) == (3, {"bad_value_to_null": 1})
    times = data(platform, asset).sort_values("name")["time"]
    assert (times.isna().tolist(), str(times.dtype)) == ([False, True, False], "datetime64[ms, UTC]")


def test_a_blank_in_the_place_of_the_t_of_a_time(platform: Platform) -> None:
    points = "".join(
        f'<wpt lat="1" lon="2"><time>{time}</time></wpt>' for time in (" 2024-05-01 10:00:00Z", "2024-05-02T10:00:00Z")
    )
    head = "<metadata><time>whenever</time></metadata>"
    entry = platform.entry(platform.put("in/a.gpx", gpx(head + points)), format="GPX", dataset_id="a")
    report = platform.ingest("a", entry)
    assert report.status == "success", report.problems
    assert "times_without_t" in [warning.code for warning in report.warnings]
    days = data(platform, platform.asset("a"))["time"].dt.strftime("%d %H")
    assert sorted(days) == ["01 10", "02 10"]
