"""Policies for coordinates and times of KML."""

import geopandas
import pytest

from tests.integration.pipeline.conftest import Platform
from tests.integration.pipeline.policies.rows import CASES, data, only_problem, rejects

pytestmark = pytest.mark.integration


def test_an_empty_position_of_a_track_is_left_out(platform: Platform) -> None:
    entry = platform.entry(platform.put("in/track_empty_coord.kml", CASES / "track_empty_coord.kml"))
    problem = only_problem(platform.ingest("a", entry))
    assert (problem.code, '"on_bad_geometry": "fix"' in problem.remedy) == ("bad_coordinate", True)
    assert platform.ingest("b", entry, on_bad_geometry="fix").status == "success"
    asset = platform.asset("track_empty_coord")
    assert (asset.features, asset.changes.counts["vertices_dropped"]) == (1, 1)
    (shape,) = geopandas.GeoSeries.from_wkb(data(platform, asset)["geom"])
    assert [position[:2] for position in shape.coords] == [(7.2, 46.2), (7.3, 46.3)]


def kml(*placemarks: str) -> str:
    """Folders of placemarks without a name of their own, each with its number as the description."""
    marks = [
        f"<Placemark>{content}<description>{number}</description></Placemark>\n" for number, content in enumerate(placemarks)
    ]
    folders = f"<Folder><name>x</name>{marks[0]}</Folder><Folder><name>y</name>{''.join(marks[1:])}</Folder>"
    spaces = 'xmlns="http://www.opengis.net/kml/2.2" xmlns:gx="http://www.google.com/kml/ext/2.2"'
    return f"<kml {spaces}><Document>\n{folders}</Document></kml>"


PLACED = "<name>a</name><Point><coordinates>7.1,46.1</coordinates></Point>"


@pytest.mark.parametrize(
    ("bad", "code", "name"),
    [
        ("<name>b</name><Point><coordinates>7.2;46.2</coordinates></Point>", "bad_coordinate", "b"),
        ("<name/><Point><coordinates>east, north</coordinates></Point>", "bad_coordinate", ""),
        ("<name>b</name><Point><coordinates>7,5 46,5</coordinates></Point>", "bad_coordinate", "b"),
        ("<LineString><coordinates>7,46 8,x\n</coordinates></LineString>", "bad_coordinate", None),
        ("<name><![CDATA[<b>b</b>]]></name><MultiGeometry><Point><coordinates>7</coordinates></Point></MultiGeometry>",
         "bad_coordinate", "<b>b</b>"),
        ("<gx:Track><when>2024-05-01</when><gx:coord>7 46</gx:coord><gx:coord/></gx:Track>", "bad_coordinate", None),
        ("<name>b</name><Model><Location><longitude>7</longitude></Location></Model>", "geometry_lost", "b"),
        ("<LinearRing><coordinates>7,46 8,46 8,47 7,x</coordinates></LinearRing>", "geometry_lost", None),
    ],
)  # fmt: skip
def test_coordinates_of_kml_that_cannot_be_read(platform: Platform, bad: str, code: str, name: str | None) -> None:
    entry = platform.entry(platform.put("in/a.kml", kml(PLACED, PLACED, bad, PLACED)), dataset_id="a")
    problem = only_problem(platform.ingest("a", entry))
    assert (problem.code, problem.where, '"on_bad_geometry": "set_aside"' in problem.remedy) == (code, "files[0]: line 4", True)
    report = platform.ingest("b", entry, on_bad_geometry="set_aside", max_set_aside=1)
    assert report.status == "success", report.problems
    asset = platform.asset("a")
    kept = data(platform, asset)
    assert (sorted(kept["description"]), asset.changes.counts["set_aside"]) == (["0", "1", "3"], 1)
    assert kept["Name"].tolist() == ["a"] * 3
    aside = rejects(platform, asset)
    assert aside[["reject_code", "description"]].to_numpy().tolist() == [[code, "2"]]
    assert aside["Name"].fillna("").tolist() == [name or ""]
    assert platform.ingest("c", entry, on_bad_geometry="null").status == "success"
    asset = platform.asset("a")
    assert (asset.features, asset.changes.counts) == (4, {"bad_geometry_to_null": 1})
    kept = data(platform, asset).set_index("description")
    assert kept["geom"].isna().to_dict() == {"0": False, "1": False, "2": True, "3": False}
    assert kept["Name"].fillna("null")["2"] == ("null" if name is None else name)


def test_a_time_of_kml_that_cannot_be_read(platform: Platform) -> None:
    times = ["<begin>2024-05-01 10:00:00Z</begin>", "<begin>2024-05-32</begin><end>2024-05-02T10:00:00Z</end>", ""]
    marks = [f"{PLACED}<TimeSpan>{time}</TimeSpan>" for time in times]
    entry = platform.entry(platform.put("in/a.kml", kml(PLACED, *marks)), layer="y")
    problem = only_problem(platform.ingest("a", entry))
    assert (problem.code, '"on_bad_value": "set_aside"' in problem.remedy) == ("value_lost", True)
    report = platform.ingest("b", entry, on_bad_value="set_aside", max_set_aside=1)
    assert report.status == "success", report.problems
    asset = platform.asset("a.y")
    assert (sorted(data(platform, asset)["description"]), asset.changes.counts["set_aside"]) == (["1", "3"], 1)
    aside = rejects(platform, asset)
    assert aside[["description", "begin", "Name"]].to_numpy().tolist() == [["2", "2024-05-32", "a"]]
    assert platform.ingest("c", entry, on_bad_value="null").status == "success"
    asset = platform.asset("a.y")
    assert asset.changes.counts == {"bad_value_to_null": 1}
    kept = data(platform, asset).set_index("description")
    assert kept["begin"]["1"].hour == 10  # written with a blank in the place of the T
    assert (kept["begin"].notna().tolist(), kept["end"].notna()["2"]) == ([True, False, False], True)
