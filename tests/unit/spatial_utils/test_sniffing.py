from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.spatial_utils.sniffing import Kind, kind_of, kind_of_bytes


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"", Kind.EMPTY),
        (b" \r\n", Kind.EMPTY),
        (b"\xef\xbb\xbf", Kind.EMPTY),
        (b"PK\x03\x04...", Kind.ZIP),
        (b"PK\x05\x06" + b"\0" * 18, Kind.ZIP),
        (b"\x1f\x8b\x08", Kind.GZIP),
        (b"SQLite format 3\0...", Kind.SQLITE),
        (b"\0\0\x27\x0a" + b"\0" * 96, Kind.SHAPEFILE),
        (b"fgb\x03fgb\x00", Kind.FLATGEOBUF),
        (b"PAR1...", Kind.PARQUET),
        (b"PMTiles\x03...", Kind.PMTILES),
        (b'{"type": "FeatureCollection"}', Kind.JSON),
        (b'\xef\xbb\xbf {"type":"Feature"}', Kind.JSON),
        (b"[1]", Kind.JSON),
        (b'\x1e{"type":"Feature"}\n', Kind.JSON_SEQUENCE),
        (b'{"type":"Topology"}', Kind.TOPOJSON),
        (b'{"geometryType":"esriGeometryPoint"}', Kind.ESRI_JSON),
        (b'{"objectIdFieldName":"FID","fields":[]}', Kind.ESRI_JSON),
        (b'{"features":[{"geometry":{"x":1,"y":2},"attributes":{}}]}', Kind.ESRI_JSON),
        (b'{"features":[{"attributes":{"a":1}}]}', Kind.ESRI_JSON),
        (b'{"type":"FeatureCollection","spatialReference":{}}', Kind.JSON),
        (b'{"features":[{"type":"Feature"}]}', Kind.JSON),
        (b"\x89PNG\r\n\x1a\n", Kind.PNG),
        (b"\xff\xd8\xff\xe0", Kind.JPEG),
        (b"CDF\x01", Kind.NETCDF),
        (b"\x89HDF\r\n\x1a\n", Kind.NETCDF),
        (b"LASF", Kind.POINT_CLOUD),
        (b"\0\x01\0\0Standard Jet DB\0", Kind.ACCESS),
        (b"<!DOCTYPE html><html>", Kind.HTML),
        (b"<html>", Kind.HTML),
        (b'<rss version="2.0" xmlns:georss="http://www.georss.org/georss">', Kind.GEORSS),
        (b'<feed xmlns="http://www.w3.org/2005/Atom" xmlns:g="http://www.w3.org/2003/01/geo/wgs84_pos#">', Kind.GEORSS),
        (b"<rss><channel><item><georss:point>1 2</georss:point>", Kind.GEORSS),
        (b"<rss><channel>", Kind.XML),
        (b'<gml:X xmlns:georss="http://www.georss.org/georss">', Kind.XML),
        (b'{"type":"FeatureCollection","coordRefSys":"[EPSG:25832]"}', Kind.JSON_FG),
        (b'{"type":"Feature","conformsTo":["[ogc-json-fg-1-0.1:core]"]}', Kind.JSON_FG),
        (b'{"type":"FeatureCollection","conformsTo":["http://x/ogcapi-features-1/1.0/conf/geojson"]}', Kind.JSON),
        (b'<?xml version="1.0"?>\n<!-- c --><kml xmlns="x">', Kind.KML),
        (b"<kml:kml>", Kind.KML),
        (b"<gpx>", Kind.GPX),
        (b"<gml:FeatureCollection>", Kind.XML),
        (b"<OGRVRTDataSource>", Kind.VRT),
        (b"<osm>", Kind.OSM_XML),
        (b"<sl-bag-extract:bagStand>", Kind.LV_BAG),
        (b"<ows:ExceptionReport>", Kind.XML_ERROR),
        (b"!table\n!version 300", Kind.MAPINFO_TAB),
        (b"!TABLE\r\n", Kind.MAPINFO_TAB),
        (b'Version 300\nCharset "x"\nColumns 1\n', Kind.MAPINFO_MIF),
        (b"  0\nSECTION\n  2\nHEADER\n", Kind.DXF),
        (b"999\ncomment\n  0\r\nSECTION\n", Kind.DXF),
        (b"AutoCAD Binary DXF\r\n", Kind.DXF_BINARY),
        (b"AC1027", Kind.DWG),
        (b"a,b\n1,2\n", Kind.TEXT),
        (b"version,x\n1,2\n", Kind.TEXT),
        (b"\xff\xfea\0,\0", Kind.TEXT_UTF16),
        ("a,é\r\n1,東\r\n".encode("utf-16-le"), Kind.TEXT_UTF16),
        ('{"type": "Topology"}'.encode("utf-16"), Kind.TOPOJSON),
        ('[{"type": "Feature"}]'.encode("utf-16-be"), Kind.JSON),
        (b'\x1e{"type": "FeatureCollection", "name": "a"', Kind.JSON),
        (b'\x1e{"features": [{"type": "Feature"}', Kind.JSON),
        (b'\x1e{"type": "Feature"}', Kind.JSON_SEQUENCE),
        ("a,é\n".encode("utf-16-be")[:-1], Kind.TEXT_UTF16),
        (b"abc\0def", Kind.BINARY),
        (b"\1\0\2\0\5\0", Kind.BINARY),
        (b"\0\0\0\x0e\n\x09OSMHeader", Kind.PBF),
        (b"II*\0", Kind.TIFF),
        (b"MM\0+", Kind.TIFF),
        (b"ncols 4\nnrows 3\nxllcorner 0\n", Kind.ASCII_GRID),
        (b"version https://git-lfs.github.com", Kind.LFS_POINTER),
        (bytes([3, 95, 7, 26, 1, 0, 0, 0, 65, 0, 11, 0]) + b"\0" * 20 + b"N" * 32 + b"\r", Kind.DBASE),
    ],
)
def test_kinds(head: bytes, kind: Kind) -> None:
    assert kind_of_bytes(head) is kind


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        ('{"type": "FeatureCollection"}', Kind.HTML_GEOJSON),
        (r'"{\"type\":\"Feature\"}"', Kind.HTML_GEOJSON),
        ("{'type':'Point'}", Kind.HTML_GEOJSON),
        ('{type: "FeatureCollection", features: [{', Kind.HTML_GEOJSON),
        ('{type:"FeatureCollection",features:t}', Kind.HTML),
        ('{"type": "button"}', Kind.HTML),
    ],
)
def test_a_web_page_with_geojson_wherever_it_stands(tmp_path: Path, data: str, kind: Kind) -> None:
    (tmp_path / "a").write_text(f"<html>{' ' * (1024 * 1024 - 14)}{data}</html>")
    assert kind_of(tmp_path / "a") is kind


def test_a_folder(tmp_path: Path) -> None:
    assert kind_of(tmp_path) is Kind.FOLDER


@given(st.binary(max_size=300))
def test_anything_has_a_kind(head: bytes) -> None:
    assert isinstance(kind_of_bytes(head), Kind)
