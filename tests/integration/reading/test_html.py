"""GeoJSON in web pages, as programs export maps."""

import json
import zipfile
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any

import pytest
import shapely

from libs.models import Problem
from libs.pipeline.format_choice import format_of
from libs.pipeline.upload import DeliveryError

pytestmark = pytest.mark.integration

Reader = Callable[..., Any]
Refuser = Callable[..., Problem]

POINT = {"type": "Point", "coordinates": [8.25, 46.5]}
FEATURE = {"type": "Feature", "properties": {"name": "Zürich"}, "geometry": POINT}
LIBRARY = (
    '<script>function f(t){return{type:"FeatureCollection",features:t,type:"Feature"}}/*!x*/var u="http://x/*.png";</script>'
)


def collection(*features: Any, **more: Any) -> dict[str, Any]:
    return {"type": "FeatureCollection", "features": [*features], **more}


TWO = json.dumps(collection(FEATURE, FEATURE | {"properties": {"name": 'it\'s "B" \\ \n'}}))


def page(folder: Path, *scripts: str, tag: str = "<script>", head: str = "") -> Path:
    path = folder / "map.html"
    inside = "".join(f"{tag}{script}</script>\n" for script in scripts)
    path.write_text(f"<!DOCTYPE html>\n<html><head>{head}{LIBRARY}</head><body><div id=map></div>\n{inside}</body></html>")
    return path


@pytest.mark.parametrize(
    ("script", "name"),
    [
        (f"var places = {TWO};\nL.geoJson(places).addTo(map);", "places"),
        (f"const a=1,\n  b = L.geoJSON({TWO}, {{style: function(f) {{ return {{}}; }}}});", "geojson_1"),
        (f"window.app.data={TWO}", "data"),
        (f'map.addSource("x", {{type: "geojson", data: {TWO}}});', "data"),
        (f"geo_json_1f.addTo(map); geo_json_1f_add({TWO});", "geo_json_1f"),
        (f"geo_json_1f_add({json.dumps(json.loads(TWO), sort_keys=True)});", "geo_json_1f"),
        (f"var s = JSON.parse({json.dumps(TWO)});", "s"),
        ("var s = JSON.parse('" + TWO.replace("\\", "\\\\").replace("'", "\\'") + "');", "s"),
        ("var s = `" + TWO.replace("\\", "\\\\") + "`;", "s"),
        (f"var list = {json.dumps(json.loads(TWO)['features'])};", "list"),
        (json.dumps({"x": {"calls": [{"method": "addGeoJSON", "args": [TWO, None]}]}}), "geojson_1"),
        (json.dumps({"x": {"calls": [{"method": "addGeoJSON", "args": [json.loads(TWO)]}]}}), "geojson_1"),
        (json.dumps({"layers": {"rivers": json.loads(TWO)}}), "rivers"),
        ("var places =\n" + json.dumps(json.loads(TWO), indent=2) + "\n;", "places"),
    ],
)
def test_a_collection_is_a_layer(read: Reader, tmp_path: Path, script: str, name: str) -> None:
    path = page(tmp_path, script)
    assert format_of(path).name == "HTML"
    got = read(path, "HTML")
    assert list(got.tables) == [name]
    assert got.table.column("name").to_pylist() == ["Zürich", 'it\'s "B" \\ \n']
    assert got.geometries == [shapely.Point(8.25, 46.5)] * 2
    assert (got.layer.crs.name, got.layer.crs_source) == ("EPSG:4326", "format")
    assert got.warnings == []


def test_several_in_a_page(read: Reader, tmp_path: Path) -> None:
    one, area = json.dumps(FEATURE), json.dumps({"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 0]]]})
    path = page(
        tmp_path, f"var a = {TWO}; var drawn = {json.dumps(collection())};", f"a = {one}; L.geoJson({area}); L.geoJson({one})"
    )
    got = read(path, "HTML")
    assert {name: table.num_rows for name, table in got.tables.items()} == {"a": 2, "a_2": 1, "geojson_1": 1, "geojson_2": 1}
    assert list(read(path, "HTML", layer="geojson_*").tables) == ["geojson_1", "geojson_2"]


def test_a_page_within_a_page(read: Reader, refused: Refuser, tmp_path: Path) -> None:
    """As notebooks show maps. In other attributes, nothing is read."""
    inner = escape(page(tmp_path, f"var a = {TWO};").read_text())
    outer = page(tmp_path, "1", head=f'<iframe srcdoc="{inner}"></iframe>')
    assert {name: table.num_rows for name, table in read(outer, "HTML").tables.items()} == {"a": 2}
    outer = page(tmp_path, f"var a = {TWO};", head=f'<div data-places="{escape(TWO)}"></div>')
    assert refused(outer, "HTML").code == "unreadable"


def test_an_application_json_script_is_named_by_its_id(read: Reader, tmp_path: Path) -> None:
    got = read(page(tmp_path, TWO, tag='<script type="application/json" id="towns">'), "HTML")
    assert list(got.tables) == ["towns"]


def test_an_empty_collection_alone(read: Reader, tmp_path: Path) -> None:
    assert read(page(tmp_path, f"var a = {json.dumps(collection())}"), "HTML").table.num_rows == 0


def test_a_crs_ids_and_foreign_members(read: Reader, tmp_path: Path) -> None:
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::25832"}}
    made = FEATURE | {"geometry": {"type": "Point", "coordinates": [500_000, 5_500_000]}, "id": 7, "style": {}}
    got = read(page(tmp_path, f"var a = {json.dumps(collection(made, crs=crs))}"), "HTML")
    assert got.layer.crs.name == "EPSG:25832"
    assert got.table.column("id").to_pylist() == [7]
    assert [warning.code for warning in got.warnings] == ["members_not_read"]


@pytest.mark.parametrize("comment", [f"// var old = {TWO};", f"\n/* var old = {TWO}; */", f"f(); // old: {TWO}"])
def test_comments_are_not_read_and_told(read: Reader, tmp_path: Path, comment: str) -> None:
    got = read(page(tmp_path, f"var a = {TWO};\n{comment}\n"), "HTML")
    assert list(got.tables) == ["a"]
    assert [warning.code for warning in got.warnings] == ["commented_out"]


def test_a_script_in_a_comment_of_the_page_is_not_read(read: Reader, tmp_path: Path) -> None:
    path = page(tmp_path, f"var a = {TWO};", head=f"<!-- <script>var old = {TWO};</script> -->")
    assert list(read(path, "HTML").tables) == ["a"]


@pytest.mark.parametrize(
    "script",
    [
        'var a = {type: "FeatureCollection", features: [{type: "Feature", geometry: {type: "Point", coordinates: [1, 2]}}]};',
        "var a = {'type': 'FeatureCollection', 'features': [{'type': 'Feature', 'geometry': {'coordinates': [1, 2]}}]};",
        json.dumps(collection(FEATURE)).replace('"Z', 'x + "Z'),
        TWO[:-20],
        f"var a = {TWO}; var b = {TWO[:-1]}, }};",
        "var a = `" + TWO.replace('"name": "', '"name": "${prefix}', 1).replace("\\", "\\\\") + "`;",
    ],
)
def test_javascript_that_is_no_strict_json_is_refused(refused: Refuser, tmp_path: Path, script: str) -> None:
    """Of such a collection single features may be strict JSON: they would be too few."""
    path = page(tmp_path, f"\n{script}\n")
    assert format_of(path).name == "HTML"
    problem = refused(path, "HTML")
    assert problem.code == "unreadable"
    assert problem.where.startswith("files[0]: line ")
    assert "JSON.stringify" in problem.remedy


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"geometry": {"type": "Point", "coordinates": ["1", 2]}}, "damaged_geometry"),
        ({"geometry": {"type": "Circle", "coordinates": [1, 2]}}, "damaged_geometry"),
        ({"geometry": 7}, "damaged_geometry"),
        ({"properties": [1]}, "damaged"),
        ({"type": "feature"}, "damaged"),
        ({"properties": {"n": 12345678901234567891}}, "integer_lost"),
    ],
    ids=str,
)
def test_what_would_be_read_wrongly_is_refused(refused: Refuser, tmp_path: Path, changed: dict[str, Any], code: str) -> None:
    assert refused(page(tmp_path, f"var a = {json.dumps(collection(FEATURE, FEATURE | changed))};"), "HTML").code == code


def test_a_member_twice(refused: Refuser, tmp_path: Path) -> None:
    text = TWO.replace('"name":', '"name": "x", "name":', 1)
    assert refused(page(tmp_path, f"var a = {text};"), "HTML").code == "value_lost"


def test_a_page_in_another_character_set(read: Reader, refused: Refuser, tmp_path: Path) -> None:
    path = page(tmp_path, f"var a = {json.dumps(collection(FEATURE), ensure_ascii=False)}", head='<meta charset="iso-8859-1">')
    path.write_bytes(path.read_text().encode("latin-1"))
    assert read(path, "HTML").table.column("name").to_pylist() == ["Zürich"]
    path.write_bytes(path.read_bytes().replace(b"iso-8859-1", b"utf-8"))
    assert refused(path, "HTML").code == "wrong_encoding"


def test_pages_in_an_archive(read: Reader, tmp_path: Path) -> None:
    """A page beside data is a document, unless there is data in it."""
    data, zipped = json.dumps(collection(FEATURE)), tmp_path / "a.zip"
    for script, code in (("1", "documents_not_read"), (f"var a = {TWO}", "archive_partly_read")):
        with zipfile.ZipFile(zipped, "w") as archive:
            archive.writestr("data.geojson", data)
            archive.write(page(tmp_path, script), "index.html")
        assert format_of(zipped).name == "GeoJSON"
        got = read(zipped, "GeoJSON")
        assert (got.table.num_rows, [warning.code for warning in got.warnings]) == (1, [code])
    assert read(zipped, "HTML").table.num_rows == 2


def test_a_page_without_geojson_is_a_web_page(refused: Refuser, tmp_path: Path) -> None:
    path = page(tmp_path, 'var user = {"name": "x"};')
    with pytest.raises(
        DeliveryError, match=r"looks like a web page \(HTML\)\. It is a web page, perhaps one that asks for a login"
    ):
        format_of(path)
    assert "perhaps one that asks for a login" in refused(path, "HTML").remedy
    assert "perhaps one that asks for a login" in refused(path, "GeoJSON").remedy
    assert 'Write "format": "HTML"' in refused(page(tmp_path, f"var a = {TWO}"), "GeoJSON").remedy
