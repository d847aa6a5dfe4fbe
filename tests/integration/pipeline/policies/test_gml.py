"""Policies for positions and times of GML."""

import pytest

from tests.integration.pipeline.conftest import Platform
from tests.integration.pipeline.policies.rows import data, ids, only_problem, rejects

pytestmark = pytest.mark.integration


def gml(*geometries: str) -> str:
    features = "".join(
        f"<gml:featureMember><a:road><a:id>{number}</a:id><a:geom>{geometry}</a:geom></a:road></gml:featureMember>\n"
        for number, geometry in enumerate(geometries)
    )
    head = '<gml:FeatureCollection xmlns:gml="http://www.opengis.net/gml" xmlns:a="http://a">\n'
    return f"{head}{features}</gml:FeatureCollection>"


def gml_point(content: str, attributes: str = 'srsName="EPSG:25832"') -> str:
    return f"<gml:Point {attributes}>{content}</gml:Point>"


def gml_line(content: str) -> str:
    return f'<gml:LineString srsName="EPSG:25832">{content}</gml:LineString>'


GOOD_POINT = gml_point("<gml:pos>500000 5500000</gml:pos>")
GOOD_LINE = gml_line("<gml:posList>500000 5500000 500010 5500010</gml:posList>")


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (gml_point("<gml:pos>500000,5 5500000,5</gml:pos>"), "bad_coordinate"),
        (gml_point("<gml:pos>null null</gml:pos>"), "bad_coordinate"),
        (gml_point("<gml:coord><gml:X>abc</gml:X><gml:Y>5500000</gml:Y></gml:coord>"), "bad_coordinate"),
        (gml_point("<gml:pos>500000</gml:pos>"), "damaged_geometry"),
        (gml_point(""), "damaged_geometry"),
        (gml_line("<gml:posList>500000 5500000 500010</gml:posList>"), "damaged_geometry"),
        (gml_line("<gml:coordinates>500000,5500000 500010</gml:coordinates>"), "damaged_geometry"),
    ],
)
def test_positions_of_gml_that_cannot_be_read(platform: Platform, bad: str, code: str) -> None:
    good = GOOD_POINT if "Point" in bad else GOOD_LINE
    entry = platform.entry(platform.put("in/a.gml", gml(good, bad, good)), dataset_id="a")
    problem = only_problem(platform.ingest("a", entry))
    assert problem.code == code
    assert '"on_bad_geometry": "set_aside"' in problem.remedy
    assert platform.ingest("b", entry, on_bad_geometry="set_aside").status == "success"
    asset = platform.asset("a")
    assert (ids(data(platform, asset)), asset.changes.counts) == ([0, 2], {"set_aside": 1})
    aside = rejects(platform, asset)
    assert aside[["reject_feature", "reject_code", "id"]].to_numpy().tolist() == [[2, code, "1"]]
    assert platform.ingest("c", entry, on_bad_geometry="null").status == "success"
    asset = platform.asset("a")
    assert (asset.features, asset.changes.counts) == (3, {"bad_geometry_to_null": 1})
    assert asset.geometry_types == (("Point",) if "Point" in bad else ("LineString",))


def test_positions_of_gml_whose_dimension_the_collection_says_are_not_set_aside(platform: Platform) -> None:
    box = "<gml:lowerCorner>0 0 0</gml:lowerCorner><gml:upperCorner>9 9 9</gml:upperCorner>"
    bounds = f'<gml:boundedBy><gml:Envelope srsName="EPSG:25832" srsDimension="3">{box}</gml:Envelope></gml:boundedBy>'
    line = "<gml:LineString><gml:posList>1 1 1 2 2 2 3 3 3</gml:posList></gml:LineString>"
    text = gml(line, gml_line("<gml:posList>1 x</gml:posList>"), line).replace('"http://a">', f'"http://a">{bounds}', 1)
    entry = platform.entry(platform.put("in/a.gml", text), dataset_id="a", crs="EPSG:25832")
    report = platform.ingest("b", entry, on_bad_geometry="set_aside", intent="raw")
    assert report.status == "success", report.problems
    assert ids(data(platform, platform.asset("a"))) == [0, 2]


SCHEMA = (
    '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:gml="http://www.opengis.net/gml" xmlns:a="http://a" '
    'targetNamespace="http://a"><xs:element name="road" type="a:roadType" substitutionGroup="gml:_Feature"/>'
    '<xs:complexType name="roadType"><xs:complexContent><xs:extension base="gml:AbstractFeatureType"><xs:sequence>'
    '<xs:element name="id" type="xs:string"/><xs:element name="day" type="xs:date" minOccurs="0"/>'
    '<xs:element name="geom" type="gml:PointPropertyType"/>'
    "</xs:sequence></xs:extension></xs:complexContent></xs:complexType></xs:schema>"
)
LISTED = (
    "<GMLFeatureClassList><GMLFeatureClass><Name>road</Name><ElementPath>road</ElementPath><GeomPropertyDefn><Name>geom</Name>"
    "<ElementPath>geom</ElementPath></GeomPropertyDefn><PropertyDefn><Name>id</Name><ElementPath>id</ElementPath>"
    "<Type>String</Type></PropertyDefn></GMLFeatureClass></GMLFeatureClassList>"
)


@pytest.mark.parametrize(("suffix", "schema"), [("xsd", SCHEMA), ("gfs", LISTED)])
def test_a_schema_beside_a_gml_holds_where_a_feature_is_set_aside(platform: Platform, suffix: str, schema: str) -> None:
    platform.put(f"in/a.{suffix}", schema)
    entry = platform.entry(platform.put("in/a.gml", gml(GOOD_POINT, gml_point("<gml:pos>a b</gml:pos>"))), dataset_id="a")
    problem = only_problem(platform.ingest("a", entry))
    assert (problem.code, '"on_bad_geometry": "set_aside"' in problem.remedy) == ("bad_coordinate", True)
    report = platform.ingest("b", entry, on_bad_geometry="set_aside")
    assert report.status == "success", report.problems
    kept = data(platform, platform.asset("a"))
    assert kept["id"].tolist() == ["0"]  # text, as only the schema says
    assert rejects(platform, platform.asset("a"))["id"].tolist() == ["1"]


@pytest.mark.parametrize("schema", ["", SCHEMA])
def test_a_day_of_gml_that_does_not_exist(platform: Platform, schema: str) -> None:
    if schema:
        platform.put("in/a.xsd", schema)
    text = gml(GOOD_POINT, GOOD_POINT, GOOD_POINT)
    for number, day in enumerate(["2024-02-29", "2023-02-29", "2024-03-01"]):
        text = text.replace(f"<a:id>{number}</a:id>", f"<a:id>{number}</a:id><a:day>{day}</a:day>")
    entry = platform.entry(platform.put("in/a.gml", text), dataset_id="a")
    problem = only_problem(platform.ingest("a", entry))
    assert (problem.code, problem.where, '"on_bad_value": "set_aside"' in problem.remedy) == (
        "value_lost",
        "files[0]: line 3",
        True,
    )
    report = platform.ingest("b", entry, on_bad_value="set_aside")
    assert report.status == "success", report.problems
    asset = platform.asset("a")
    assert ids(data(platform, asset)) == [0, 2]
    assert rejects(platform, asset)[["reject_feature", "id", "day"]].to_numpy().tolist() == [[2, "1", "2023-02-29"]]
    assert platform.ingest("c", entry, on_bad_value="null").status == "success"
    asset = platform.asset("a")
    assert (asset.features, asset.changes.counts) == (3, {"bad_value_to_null": 1})
    days = data(platform, asset).sort_values("id")["day"]
    assert [str(day) for day in days] == ["2024-02-29", "None", "2024-03-01"]


def test_a_day_in_features_without_geometry(platform: Platform) -> None:
    text = gml("", "", "").replace("<a:geom></a:geom>", "<a:day>2024-05-01</a:day>").replace("05-01", "02-30", 1)
    entry = platform.entry(platform.put("in/a.gml", text), dataset_id="a", type="tabular")
    assert only_problem(platform.ingest("a", entry)).code == "value_lost"
    report = platform.ingest("b", entry, on_bad_value="set_aside")
    assert report.status == "success", report.problems
    assert ids(data(platform, platform.asset("a"))) == [1, 2]
    assert rejects(platform, platform.asset("a"))["day"].tolist() == ["2024-02-30"]
