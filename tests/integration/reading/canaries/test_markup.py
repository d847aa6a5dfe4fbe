"""KML, GPX and GML."""

from pathlib import Path

import pytest

from tests.integration.reading.canaries.plain import shapes, still_lost, table

pytestmark = pytest.mark.integration

KML = "<kml><Document><Placemark>{}<LineString><coordinates>{}</coordinates></LineString></Placemark></Document></kml>"
GPX = '<gpx version="1.1" creator="x" xmlns="http://www.topografix.com/GPX/1/1"><wpt lat="{}" lon="8">{}</wpt></gpx>'
GML = '<g:FeatureCollection xmlns:g="http://www.opengis.net/gml">{}</g:FeatureCollection>'
POINT = '<g:Point srsName="EPSG:25832"><g:pos>{}</g:pos></g:Point>'
MARKUP = "formats/markup.py"


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("coordinates", ["8,x 3,4", "1,2,3,4 5,6,7,8", "1.5.6,2 3,4"])
def test_coordinates_of_kml_are_read_as_others(tmp_path: Path, coordinates: str) -> None:
    """libkml/libkml#140. No issue of GDAL is known (3.12.4)."""
    got = shapes(table(written(tmp_path / "a.kml", KML.format("", coordinates))))
    still_lost(len(got) == 1 and got[0] is not None, MARKUP, got)


def test_coordinates_of_gpx_are_read_as_others(tmp_path: Path) -> None:
    got = shapes(table(written(tmp_path / "a.gpx", GPX.format("47,5", "")), layer="waypoints"))
    still_lost(len(got) == 1 and got[0].y == 47, MARKUP, got)


def test_a_time_of_gpx_is_lost(tmp_path: Path) -> None:
    got = table(written(tmp_path / "a.gpx", GPX.format("47", "<time>2024-02-30T10:00:00Z</time>")), layer="waypoints")
    still_lost(str(got.column("time")[0].as_py())[:10] != "2024-02-30", MARKUP, got.column("time").to_pylist())


def test_a_time_of_kml_without_t_is_cut_to_its_day(tmp_path: Path) -> None:
    time = "<TimeStamp><when>2024-02-28 10:00:00Z</when></TimeStamp>"
    got = table(written(tmp_path / "a.kml", KML.format(time, "1,2 3,4"))).column("timestamp").to_pylist()
    still_lost(got[0].hour == 0, MARKUP, got)


def test_of_several_positions_of_a_point_of_kml_the_first_is_read(tmp_path: Path) -> None:
    text = KML.replace("LineString", "Point").format("", "7,5 46,5")
    got = shapes(table(written(tmp_path / "a.kml", text)))
    still_lost(got[0].coords[0][:2] == (7, 5), "formats/kml/guard.py", got)


def test_coordinates_of_gml_are_read_as_others(tmp_path: Path) -> None:
    member = f"<g:featureMember><f><a>{POINT.format('8 x')}</a></f></g:featureMember>"
    got = shapes(table(written(tmp_path / "a.gml", GML.format(member))))
    still_lost(got[0] is None or got[0].y == 0, MARKUP, got)


def test_of_two_geometries_of_a_gml_one_is_lost(tmp_path: Path) -> None:
    point = POINT.format("8 47")
    member = f"<g:featureMember><f><n>1</n><a>{point}</a><b>{point}</b></f></g:featureMember>"
    got = table(written(tmp_path / "a.gml", GML.format(member)))
    kept = sum(field.metadata is not None and b"geo" in field.metadata.get(b"ARROW:extension:name", b"") for field in got.schema)
    still_lost(kept == 1 and got.num_rows == 1, "formats/gml/checks.py", got.schema)


def test_a_link_to_other_features_is_left_out(tmp_path: Path) -> None:
    link = "<kml><Document><Folder><NetworkLink><Link><href>other.kml</href></Link></NetworkLink></Folder></Document></kml>"
    got = table(written(tmp_path / "a.kml", link)).num_rows
    still_lost(got == 0, "formats/kml/links.py", got)
