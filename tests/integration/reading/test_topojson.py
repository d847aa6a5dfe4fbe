"""TopoJSON: every object a layer, arcs joined, positions as GDAL has them."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyogrio
import pytest
import shapely

from libs.models import Problem
from libs.pipeline.format_choice import format_of

pytestmark = pytest.mark.integration

CORPUS = os.environ.get("SPATIAL_ETL_CORPUS", "")
TRANSFORM = {"scale": [0.5, 0.25], "translate": [7, 46]}
ARCS = [[[0, 0], [2, 0], [0, 2]], [[2, 2], [-2, 0], [0, -2]]]  # of a square: two sides each, quantised
SQUARE = {"type": "Polygon", "arcs": [[0, 1]]}


def topology(path: Path, transform: Any = TRANSFORM, arcs: Any = ARCS, more: Any = None, **objects: Any) -> Path:
    document = {"type": "Topology", "arcs": arcs, "objects": objects, **(more or {})}
    if transform:
        document["transform"] = transform
    path.write_text(json.dumps(document))
    return path


def test_objects_are_layers(read: Callable[..., Any], tmp_path: Path) -> None:
    members = [
        {**SQUARE, "id": "a", "properties": {"n": 1, "day": "2024-05-01"}},
        {"type": None, "id": "b", "properties": {"n": None, "more": [1, 2]}},
        {"type": "MultiLineString", "arcs": [[0], [-1]], "id": "c"},
        {"type": "MultiPolygon", "arcs": [[[0, 1]]], "id": "d"},
    ]
    points = {"type": "MultiPoint", "coordinates": [[0, 0], [2, 2]], "properties": {"s": "ü"}}
    path = topology(tmp_path / "a.json", areas={"type": "GeometryCollection", "geometries": members}, points=points)
    assert format_of(path).name == "TopoJSON"
    got = read(path, "TopoJSON")
    assert list(got.tables) == ["areas", "points"]
    assert all(layer.crs.name == "EPSG:4326" and layer.crs_source == "format" for layer in got.layers.values())
    areas, ring = got.tables["areas"], [(7, 46), (8, 46), (8, 46.5), (7, 46.5), (7, 46)]
    assert [str(type_) for type_ in areas.schema.types] == ["string", "int32", "date32[day]", "string", "binary"]
    assert areas.column("id").to_pylist() == ["a", "b", "c", "d"]
    assert areas.column("more").to_pylist() == [None, "[1, 2]", None, None]
    shapes = [None if wkb is None else shapely.from_wkb(wkb) for wkb in areas.column("geom").to_pylist()]
    line = ring[:3]
    wanted = [shapely.Polygon(ring), None, shapely.MultiLineString([line, line[::-1]]), shapely.MultiPolygon([[ring]])]
    assert [shape and shape.wkt for shape in shapes] == [shape and shape.wkt for shape in wanted]
    assert shapely.from_wkb(got.tables["points"].column("geom")[0].as_py()).wkt == "MULTIPOINT ((7 46), (8 46.5))"


def test_without_a_transform_positions_stand_as_they_are_with_heights(read: Callable[..., Any], tmp_path: Path) -> None:
    arcs = [[[7, 46, 400], [8, 46, 500]], [[8, 46, 500], [8, 47, 600]]]
    path = topology(tmp_path / "a.topojson", None, arcs, way={"type": "LineString", "arcs": [0, 1]})
    assert read(path, "TopoJSON").geometries[0].wkt == "LINESTRING Z (7 46 400, 8 46 500, 8 47 600)"


def test_open_rings_are_closed_and_told(read: Callable[..., Any], tmp_path: Path) -> None:
    got = read(topology(tmp_path / "a.topojson", a={"type": "Polygon", "arcs": [[0]]}, b=SQUARE), "TopoJSON")
    assert shapely.from_wkb(got.tables["a"].column("geom")[0].as_py()).wkt == "POLYGON ((7 46, 8 46, 8 46.5, 7 46))"
    assert [(warning.code, warning.where) for warning in got.warnings] == [("rings_closed", "files[0]: layer a")]


def test_a_crs_that_is_named(read: Callable[..., Any], tmp_path: Path) -> None:
    crs = {"crs": {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::25832"}}}
    path = topology(tmp_path / "a.topojson", None, [], crs, p={"type": "Point", "coordinates": [500_000, 5_500_000]})
    assert read(path, "TopoJSON").layer.crs.name == "EPSG:25832"


@pytest.mark.parametrize(
    ("made", "code"),
    [
        ({"type": "LineString", "arcs": [2]}, "damaged_geometry"),
        ({"type": "LineString", "arcs": ["0"]}, "damaged_geometry"),
        ({"type": "Polygon", "arcs": [[]]}, "damaged_geometry"),
        ({"type": "Point", "coordinates": ["0", 1]}, "damaged_geometry"),
        ({"type": "Arc", "arcs": [0]}, "unknown_geometry_type"),
        ({"type": "GeometryCollection", "geometries": [1]}, "damaged"),
        ({**SQUARE, "properties": {"n": 12345678901234567891}}, "integer_lost"),
        ({**SQUARE, "properties": {"n": "a\0"}}, "nul_character"),
    ],
    ids=str,
)
def test_what_would_be_read_wrongly_is_refused(
    refused: Callable[..., Problem], tmp_path: Path, made: dict[str, Any], code: str
) -> None:
    assert refused(topology(tmp_path / "a.topojson", a=made), "TopoJSON").code == code


def test_damage(refused: Callable[..., Problem], tmp_path: Path) -> None:
    assert refused(topology(tmp_path / "a.json", {"scale": [1]}, a=SQUARE), "TopoJSON").code == "damaged"
    assert refused(topology(tmp_path / "a.json", arcs=[[1, 2]], a=SQUARE), "TopoJSON").code == "damaged"
    (tmp_path / "b.json").write_text('{"type": "Topology"}')
    assert refused(tmp_path / "b.json", "TopoJSON").code == "format_mismatch"
    path = topology(tmp_path / "a.json", a=SQUARE)
    assert refused(path, "TopoJSON", type="tabular").code == "type_mismatch"
    assert 'Write "format": "TopoJSON"' in refused(path, "GeoJSON").remedy


@pytest.mark.skipif(not CORPUS, reason="SPATIAL_ETL_CORPUS is not set: real files are not tried")
def test_a_real_topology_is_as_gdal_has_it(read: Callable[..., Any]) -> None:
    path = Path(CORPUS) / "real" / "topojson" / "us-10m.topojson"
    got, objects = read(path, "TopoJSON"), json.loads(path.read_text())["objects"]
    assert list(got.tables) == list(objects)
    for name, made in objects.items():
        assert got.tables[name].num_rows == len(made.get("geometries", [made]))
    for name, *_ in pyogrio.list_layers(path):
        if name in got.tables:
            wanted = pyogrio.raw.read(path, layer=name)[2]
            came = got.tables[name].column("geom").to_pylist()
            areas = zip(shapely.area(shapely.from_wkb(wanted)), shapely.area(shapely.from_wkb(came)), strict=True)
            assert all(one == pytest.approx(other, abs=1e-9) for one, other in areas)  # it drops rings without an area
