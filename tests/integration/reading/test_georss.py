"""GeoRSS: RSS and Atom feeds with places in all three encodings."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import geopandas as gpd
import pytest
import shapely

from libs.models import Problem
from libs.pipeline.format_choice import format_of

pytestmark = pytest.mark.integration

Reader = Callable[..., Any]
Refuser = Callable[..., Problem]

SPACES = (
    'xmlns:georss="http://www.georss.org/georss" xmlns:gml="http://www.opengis.net/gml" '
    'xmlns:geo="http://www.w3.org/2003/01/geo/wgs84_pos#" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:eq="urn:quakes"'
)
NEAR = "<georss:point>46.5 8.25</georss:point>"


def rss(folder: Path, *items: str, channel: str = "") -> Path:
    path = folder / "news.xml"
    inside = "".join(f"<item>{item}</item>" for item in items)
    path.write_text(f'<rss version="2.0" {SPACES}><channel><title>News</title>{channel}{inside}</channel></rss>')
    return path


def atom(folder: Path, *entries: str, more: str = "") -> Path:
    path = folder / "news.atom"
    inside = "".join(f"<entry>{entry}</entry>" for entry in entries)
    path.write_text(f'<?xml version="1.0"?><feed xmlns="http://www.w3.org/2005/Atom" {SPACES}>{more}{inside}</feed>')
    return path


@pytest.mark.filterwarnings("ignore")  # pyogrio does not know the driver
@pytest.mark.parametrize("encoding", ["SIMPLE", "W3C_GEO"])  # in GML it writes longitude first, against the standard
@pytest.mark.parametrize("kind", ["RSS", "ATOM"])
def test_what_gdal_writes_comes_back(read: Reader, tmp_path: Path, encoding: str, kind: str) -> None:
    shapes = [shapely.Point(8.25, 46.5), shapely.LineString([(8, 46), (9, 47)]), shapely.box(8, 46, 9, 47)]
    shapes = shapes[:1] if encoding == "W3C_GEO" else shapes
    frame = gpd.GeoDataFrame({"title": ["a", "b & c", "d"][: len(shapes)]}, geometry=shapes, crs="EPSG:4326")
    path = tmp_path / "a.xml"
    frame.to_file(path, driver="GeoRSS", engine="pyogrio", FORMAT=kind, GEOM_DIALECT=encoding)
    assert format_of(path).name == "GeoRSS"
    got = read(path, "GeoRSS")
    assert (got.layer.name, got.layer.crs.name, got.layer.crs_source) == ("a", "EPSG:4326", "format")
    assert got.table.column("title").to_pylist() == list(frame["title"])
    assert all(one.equals(other) for one, other in zip(got.geometries, shapes, strict=True))


def test_all_of_an_item_is_in_columns(read: Reader, tmp_path: Path) -> None:
    path = rss(
        tmp_path,
        f"<title>A</title><link>http://x/1</link><category>c1</category><category domain='d'>c2</category>{NEAR}"
        "<guid isPermaLink='false'>001</guid><pubDate>Sat, 07 Sep 2024 09:42:31 +0200</pubDate><dc:creator>Zoë</dc:creator>"
        "<eq:depth>7</eq:depth><eq:time>2024-05-01T10:00:00Z</eq:time>",
        "<title>2024</title><description>&lt;b&gt;x&lt;/b&gt;</description><pubDate>7 Sep 2024 09:42 GMT</pubDate>"
        "<eq:depth>7.5</eq:depth><eq:net><eq:name>n</eq:name></eq:net>",
    )
    got = read(path, "GeoRSS")
    table = got.table
    assert table.num_rows == 2
    assert [None if shape is None else shape.wkt for shape in got.geometries] == ["POINT (8.25 46.5)", None]
    assert table.column("title").to_pylist() == ["A", "2024"]
    assert table.column("category").to_pylist() == ["c1", None]
    assert table.column("category2").to_pylist() == ["c2", None]
    assert table.column("category2_domain").to_pylist() == ["d", None]
    assert table.column("guid").to_pylist() == ["001", None]
    assert table.column("guid_isPermaLink").to_pylist() == ["false", None]
    assert table.column("pubDate").to_pylist() == [
        datetime(2024, 9, 7, 7, 42, 31, tzinfo=UTC), datetime(2024, 9, 7, 9, 42, tzinfo=UTC),
    ]  # fmt: skip
    assert table.column("dc_creator").to_pylist() == ["Zoë", None]
    assert table.column("eq_depth").to_pylist() == [7.0, 7.5]
    assert table.column("eq_time").to_pylist() == [datetime(2024, 5, 1, 10, tzinfo=UTC), None]
    assert table.column("eq_net_eq_name").to_pylist() == [None, "n"]
    assert table.column("description").to_pylist() == [None, "<b>x</b>"]
    assert "georss_point" not in table.schema.names


def test_an_atom_entry(read: Reader, tmp_path: Path) -> None:
    path = atom(
        tmp_path,
        "<id>urn:1</id><title type='text'>A</title><updated>2024-05-01T10:00:00Z</updated><author><name>B</name></author>"
        "<link rel='alternate' href='http://x'/><link rel='enclosure' href='http://y'/>"
        "<content type='xhtml'><div xmlns='http://www.w3.org/1999/xhtml'>a <b>c</b></div></content>"
        "<georss:polygon featuretypetag='city'>45 8 45 9 46 9 45 8</georss:polygon>",
    )
    (row,) = read(path, "GeoRSS").table.drop_columns("geom").to_pylist()
    assert row == {
        "id": "urn:1", "title": "A", "title_type": "text", "updated": datetime(2024, 5, 1, 10, tzinfo=UTC), "author_name": "B",
        "link_rel": "alternate", "link_href": "http://x", "link2_rel": "enclosure", "link2_href": "http://y",
        "content_type": "xhtml", "content": "<div>a <b>c</b></div>", "georss_polygon_featuretypetag": "city",
    }  # fmt: skip


def where(inside: str) -> str:
    return f"<georss:where>{inside}</georss:where>"


def pos(text: str, srs: str = "") -> str:
    return where(f"<gml:Point {f'srsName={srs!r}' if srs else ''}><gml:pos>{text}</gml:pos></gml:Point>")


def ring(text: str) -> str:
    return f"<gml:LinearRing><gml:posList>{text}</gml:posList></gml:LinearRing>"


@pytest.mark.parametrize(
    ("place", "wkt"),
    [
        ("<georss:point> 46.5\n8.25 </georss:point>", "POINT (8.25 46.5)"),
        ("<georss:point>46.5, 8.25</georss:point>", "POINT (8.25 46.5)"),
        ("<georss:line>46 8 47 9</georss:line>", "LINESTRING (8 46, 9 47)"),
        ("<georss:polygon>45 8 45 9 46 9 45 8</georss:polygon>", "POLYGON ((8 45, 9 45, 9 46, 8 45))"),
        ("<georss:box>45 8 46 9</georss:box>", "POLYGON ((8 45, 9 45, 9 46, 8 46, 8 45))"),
        (
            "<georss:box>-10 170 10 -170</georss:box>",
            "MULTIPOLYGON (((170 -10, 180 -10, 180 10, 170 10, 170 -10)), ((-180 -10, -170 -10, -170 10, -180 10, -180 -10)))",
        ),
        ("<geo:lat>46.5</geo:lat><geo:long>8.25</geo:long>", "POINT (8.25 46.5)"),
        ("<geo:Point><geo:lat>46.5</geo:lat><geo:long>8.25</geo:long></geo:Point>", "POINT (8.25 46.5)"),
        ("<geo:lat>46.5</geo:lat><geo:lon>8.25</geo:lon>", "POINT (8.25 46.5)"),
        (f"<eq:location>{NEAR}</eq:location>", "POINT (8.25 46.5)"),
        (NEAR + "<georss:point>1 2</georss:point>", "MULTIPOINT (8.25 46.5, 2 1)"),
        (pos("46.5 8.25"), "POINT (8.25 46.5)"),
        (pos("46.5 8.25", "EPSG:4326"), "POINT (8.25 46.5)"),
        (pos("8.25 46.5", "urn:ogc:def:crs:OGC:1.3:CRS84"), "POINT (8.25 46.5)"),
        (pos("46.5 8.25 400"), "POINT Z (8.25 46.5 400)"),
        (
            where('<gml:LineString srsDimension="3"><gml:posList>46 8 1 47 9 2</gml:posList></gml:LineString>'),
            "LINESTRING Z (8 46 1, 9 47 2)",
        ),
        (where("<gml:LineString><gml:coordinates>46,8 47,9</gml:coordinates></gml:LineString>"), "LINESTRING (8 46, 9 47)"),
        (
            where(
                f"<gml:Polygon><gml:exterior>{ring('0 0 0 9 9 9 0 0')}</gml:exterior>"
                f"<gml:interior>{ring('1 2 1 3 2 3 1 2')}</gml:interior></gml:Polygon>"
            ),
            "POLYGON ((0 0, 9 0, 9 9, 0 0), (2 1, 3 1, 3 2, 2 1))",
        ),
        (where("<gml:Envelope><gml:lowerCorner>45 8</gml:lowerCorner><gml:upperCorner>46 9</gml:upperCorner></gml:Envelope>"),
         "POLYGON ((8 45, 9 45, 9 46, 8 46, 8 45))"),
        (
            where(
                "<gml:MultiPoint><gml:pointMember><gml:Point><gml:pos>1 2</gml:pos></gml:Point></gml:pointMember>"
                "<gml:pointMember><gml:Point><gml:pos>3 4</gml:pos></gml:Point></gml:pointMember></gml:MultiPoint>"
            ),
            "MULTIPOINT (2 1, 4 3)",
        ),
    ],
)  # fmt: skip
def test_a_place_has_its_longitude_first(read: Reader, tmp_path: Path, place: str, wkt: str) -> None:
    got = read(rss(tmp_path, place + "<title>A</title>"), "GeoRSS")
    assert got.geometries == [shapely.from_wkt(wkt)]
    assert got.warnings == []
    assert got.table.schema.names == ["title", "geom"]


def test_a_circle_keeps_its_radius(read: Reader, tmp_path: Path) -> None:
    got = read(rss(tmp_path, "<georss:circle>46.5 8.25 500</georss:circle>", NEAR), "GeoRSS")
    assert got.geometries == [shapely.Point(8.25, 46.5)] * 2
    assert got.table.column("georss_circle_radius").to_pylist() == [500, None]
    assert [warning.code for warning in got.warnings] == ["circles_to_points"]


def test_an_open_ring_is_closed_and_told(read: Reader, tmp_path: Path) -> None:
    got = read(rss(tmp_path, "<georss:polygon>45 8 45 9 46 9</georss:polygon>"), "GeoRSS")
    assert got.geometries[0].wkt == "POLYGON ((8 45, 9 45, 9 46, 8 45))"
    assert [warning.code for warning in got.warnings] == ["rings_closed"]


def test_several_places_are_attributes_and_one_may_be_chosen(read: Reader, refused: Refuser, tmp_path: Path) -> None:
    path = rss(tmp_path, NEAR + "<georss:box>45 8 46 9</georss:box>", NEAR)
    got = read(path, "GeoRSS")
    assert [shape.geom_type for shape in got.geometries] == ["Point", "Point"]
    assert got.table.column("georss_box").to_pylist() == ["45 8 46 9", None]
    assert [warning.code for warning in got.warnings] == ["second_geometry"]
    got = read(path, "GeoRSS", geometry="georss:box")
    assert [shape and shape.geom_type for shape in got.geometries] == ["Polygon", None]
    assert got.table.column("georss_point").to_pylist() == ["46.5 8.25"] * 2
    assert refused(path, "GeoRSS", geometry="x").code == "unknown_geometry"


def test_a_place_that_is_said_twice_is_one(read: Reader, tmp_path: Path) -> None:
    got = read(rss(tmp_path, NEAR + "<geo:lat>46.5</geo:lat><geo:long>8.25</geo:long>"), "GeoRSS")
    assert got.geometries == [shapely.Point(8.25, 46.5)]
    assert got.warnings == []


def test_places_in_other_crss(read: Reader, tmp_path: Path) -> None:
    utm = pos("500000 5500000", "urn:ogc:def:crs:EPSG::25832")
    gauss = pos("5500000 4500000", "http://www.opengis.net/def/crs/EPSG/0/31468")
    got = read(rss(tmp_path, utm), "GeoRSS")
    assert (got.layer.crs.name, got.geometries) == ("EPSG:25832", [shapely.Point(500_000, 5_500_000)])
    got = read(rss(tmp_path, utm, gauss, "<title>x</title>"), "GeoRSS")
    assert {name: table.num_rows for name, table in got.tables.items()} == {"news (EPSG:25832)": 2, "news (EPSG:31468)": 1}
    (shape,) = got.tables["news (EPSG:31468)"].column("geom").to_pylist()
    assert shapely.from_wkb(shape) == shapely.Point(4_500_000, 5_500_000)


@pytest.mark.parametrize(
    ("place", "code"),
    [
        ("<georss:point>46.5</georss:point>", "bad_coordinate"),
        ("<georss:point>46,5 8,25</georss:point>", "bad_coordinate"),
        ("<georss:point>north 8</georss:point>", "bad_coordinate"),
        ("<georss:point>NaN 8</georss:point>", "bad_coordinate"),
        ("<georss:line>46 8</georss:line>", "bad_coordinate"),
        ("<georss:line>46 8 47</georss:line>", "bad_coordinate"),
        ("<georss:box>46 9 45 8</georss:box>", "bad_coordinate"),
        ("<georss:circle>46 9</georss:circle>", "bad_coordinate"),
        ("<geo:lat>46.5</geo:lat>", "bad_coordinate"),
        (where("<gml:Arc><gml:posList>0 0 1 1 2 0</gml:posList></gml:Arc>"), "bad_coordinate"),
        (where("<gml:Polygon></gml:Polygon>"), "bad_coordinate"),
        (pos("4500000 5500000", "EPSG:31468"), "unknown_crs"),
        (pos("1 2", "somewhere"), "unknown_crs"),
    ],
)
def test_a_place_that_cannot_be_read_is_refused(refused: Refuser, tmp_path: Path, place: str, code: str) -> None:
    problem = refused(rss(tmp_path, NEAR, place), "GeoRSS")
    assert problem.code == code
    assert problem.where.startswith("files[0]: item 2, line 1")


def test_prefixes_need_not_be_declared(read: Reader, tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    path.write_text(f"<feed xmlns='http://www.w3.org/2005/Atom'><entry>{NEAR}</entry></feed>")
    assert format_of(path).name == "GeoRSS"
    assert read(path, "GeoRSS").geometries == [shapely.Point(8.25, 46.5)]


def test_a_feed_that_has_more(read: Reader, tmp_path: Path) -> None:
    search = '<s:totalResults xmlns:s="http://a9.com/-/spec/opensearch/1.1/">40</s:totalResults>'
    got = read(atom(tmp_path, NEAR, more=f"{search}<link rel='next' href='x'/>"), "GeoRSS")
    assert [(warning.code, "1 of 40" in warning.message) for warning in got.warnings] == [("one_page_of_many", True)]


def test_a_place_of_the_feed_itself_is_told(read: Reader, tmp_path: Path) -> None:
    got = read(rss(tmp_path, NEAR, channel=NEAR), "GeoRSS")
    assert got.table.num_rows == 1
    assert [warning.code for warning in got.warnings] == ["elements_not_read"]


def test_rss_1_0_and_a_single_entry(read: Reader, tmp_path: Path) -> None:
    path = tmp_path / "a.rss"
    path.write_text(
        f'<r:RDF xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/" {SPACES}>'
        f"<channel><title>x</title></channel><item r:about='1'><title>A</title>{NEAR}</item></r:RDF>"
    )
    assert format_of(path).name == "GeoRSS"
    assert read(path, "GeoRSS").table.drop_columns("geom").to_pylist() == [{"r_about": 1, "title": "A"}]
    path.write_text(f'<entry xmlns="http://www.w3.org/2005/Atom" {SPACES}><title>A</title>{NEAR}</entry>')
    assert read(path, "GeoRSS").table.column("title").to_pylist() == ["A"]


def test_a_feed_without_places_and_other_xml(read: Reader, refused: Refuser, tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    path.write_text("<rss><channel><item><title>A</title></item></channel></rss>")
    assert read(path, "GeoRSS", type="tabular").table.to_pylist() == [{"title": "A"}]
    path.write_text("<gml/>")
    assert refused(path, "GeoRSS").code == "format_mismatch"
    assert refused(rss(tmp_path, "<title>A</b>"), "GeoRSS").code == "damaged"
    assert 'Write "format": "GeoRSS"' in refused(rss(tmp_path, NEAR), "KML").remedy
