"""GeoJSON that is not written as RFC 7946 has it, and means the same."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from libs.models import Problem

pytestmark = pytest.mark.integration

Reader = Callable[..., Any]
Refuser = Callable[..., Problem]
NAMES = ["Zürich", "Genf"]
FEATURES = [
    {"type": "Feature", "properties": {"name": name}, "geometry": {"type": "Point", "coordinates": [number, 46]}}
    for number, name in enumerate(NAMES)
]


def text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


COLLECTION = text({"type": "FeatureCollection", "features": FEATURES})
LINES = "\n".join(map(text, FEATURES))


@pytest.mark.parametrize(
    ("content", "kind", "encoding", "code"),
    [
        (COLLECTION.encode("utf-16"), "GeoJSON", None, "not_utf8"),
        (COLLECTION.encode("utf-16-be"), "GeoJSON", None, "not_utf8"),
        (LINES.encode("utf-16"), "GeoJSONSeq", None, "not_utf8"),
        (COLLECTION.encode("latin-1"), "GeoJSON", "latin-1", "not_utf8"),
        (LINES.encode("cp1252"), "GeoJSONSeq", "cp1252", "not_utf8"),
        (COLLECTION.encode(), "GeoJSON", "cp1252", "encoding_ignored"),
        (COLLECTION.encode(), "GeoJSON", "UTF-8", None),
        (b"\x1e" + COLLECTION.encode() + b"\n", "GeoJSON", None, "geojson_spelling"),
        (text(FEATURES).encode(), "GeoJSON", None, "geojson_spelling"),
        (b"\xef\xbb\xbf \n" + text(FEATURES).encode(), "GeoJSON", None, "geojson_spelling"),
    ],
)
def test_they_are_read_with_a_warning(
    read: Reader, tmp_path: Path, content: bytes, kind: str, encoding: str | None, code: str | None
) -> None:
    path = tmp_path / "a.geojson"
    path.write_bytes(content)
    got = read(path, kind, encoding=encoding)
    assert got.table.column("name").to_pylist() == NAMES
    assert [shape.x for shape in got.geometries] == [0, 1]
    assert [warning.code for warning in got.warnings] == ([] if code is None else [code])


@pytest.mark.parametrize(("kind", "content"), [("GeoJSON", COLLECTION), ("GeoJSONSeq", LINES)])
def test_without_an_encoding_the_remedy_names_it(read: Reader, refused: Refuser, tmp_path: Path, kind: str, content: str) -> None:
    path = tmp_path / "a.geojson"
    path.write_bytes(content.encode("cp1252"))
    problem = refused(path, kind)
    assert (problem.code, '"encoding": "cp1252"' in problem.remedy) == ("wrong_encoding", True)
    assert '"on_bad_text": "set_aside"' in problem.remedy
    assert read(path, kind, on_bad_text="fix").table.column("name").to_pylist() == ["Z\ufffdrich", "Genf"]


@pytest.mark.parametrize("kind", ["EsriJSON", "TopoJSON", "JSON-FG"])
def test_other_json_in_another_encoding(read: Reader, tmp_path: Path, kind: str) -> None:
    point = {"type": "Point", "properties": {"name": NAMES[0]}, "coordinates": [1, 2]}
    document = {
        "EsriJSON": {"geometryType": "esriGeometryPoint", "spatialReference": {"wkid": 4326},
                     "features": [{"attributes": {"name": NAMES[0]}, "geometry": {"x": 1, "y": 2}}]},
        "TopoJSON": {"type": "Topology", "arcs": [], "objects": {"a": {"type": "GeometryCollection", "geometries": [point]}}},
        "JSON-FG": {"conformsTo": ["http://www.opengis.net/spec/json-fg-1/0.2/conf/core"], "type": "FeatureCollection",
                    "features": FEATURES[:1]},
    }[kind]  # fmt: skip
    path = tmp_path / "a.json"
    for codec, encoding in (("utf-16", None), ("cp1252", "cp1252")):
        path.write_bytes(text(document).encode(codec))
        got = read(path, kind, encoding=encoding)
        assert got.table.column("name").to_pylist() == NAMES[:1]
        assert [warning.code for warning in got.warnings] == ["not_utf8"]


@pytest.mark.parametrize("content", ["[1, 2]", "[]", '[{"a": "Feature"}]', '[{"type": "Feature", "geometry": null'])
def test_a_list_of_something_else(refused: Refuser, tmp_path: Path, content: str) -> None:
    path = tmp_path / "a.geojson"
    path.write_text(content)
    assert refused(path, "GeoJSON").code in {"format_mismatch", "damaged"}
