"""Steps that make something of each geometry, on every engine, held against Shapely and PROJ."""

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest
import shapely
from pyproj import Geod, Transformer

from libs.compute.engine import Source
from libs.models import Rejected
from libs.transformations import Recipe

pytestmark = pytest.mark.integration
CRS = "EPSG:25832"
SHAPES = [
    shapely.Point(500_000, 5_500_000),
    shapely.LineString([(500_000, 5_500_000), (501_000, 5_500_000), (501_000, 5_502_000)]),
    shapely.box(500_000, 5_500_000, 500_300, 5_500_200).difference(shapely.box(500_100, 5_500_050, 500_150, 5_500_100)),
    shapely.MultiPolygon([shapely.box(5e5, 5.5e6, 500_010, 5_500_010), shapely.box(500_020, 5.5e6, 500_050, 5_500_010)]),
    shapely.from_wkt(
        "GEOMETRYCOLLECTION (POINT (500000 5500000), POLYGON ((500000 5500000, 500004 5500000, 500004 5500003, 500000 5500000)))"
    ),
    shapely.from_wkt("LINESTRING Z (500000 5500000 0, 500000 5500003 4000)"),
    shapely.from_wkt("POLYGON EMPTY"),
    None,
]  # fmt: skip
Through = Callable[..., Any]


def made_by(
    through: Through, *steps: dict[str, Any], shapes: list[Any] = SHAPES, crs: str | None = CRS
) -> tuple[Any, dict[int, Any]]:
    wkb = pa.array([None if each is None else shapely.to_wkb(each, byte_order=1, flavor="iso") for each in shapes], pa.binary())
    table = pa.table({"n": pa.array(range(len(shapes)), pa.int64()), "geom": wkb})
    recipe = Recipe.model_validate({"name": "mine", "description": "Mine.", "steps": [{"op": "repair"}, *steps]})
    result = through(Source(table.schema, crs, table.to_batches(max_chunksize=3), "files[0]: layer a"), recipe)
    return result, {row["n"]: row for row in result.rows.to_pylist()}


def test_measures_on_the_plane(through: Through) -> None:
    step = {
        "op": "measure",
        "area": "area",
        "length": "length",
        "perimeter": "around",
        "on": "plane",
        "area_unit": "ha",
        "length_unit": "km",
    }
    _, rows = made_by(through, step)
    for number, shape in enumerate(SHAPES):
        if shape is None:
            assert [rows[number][name] for name in ("area", "length", "around")] == [None, None, None]
            continue
        flat = shapely.force_2d(shape)
        lines = sum(part.length for part in shapely.get_parts(flat) if part.geom_type == "LineString")
        rings = sum(part.length for part in shapely.get_parts(flat) if part.geom_type == "Polygon")
        assert rows[number]["area"] == pytest.approx(flat.area / 1e4, rel=1e-12)
        assert rows[number]["length"] == pytest.approx(lines / 1e3, rel=1e-12)
        assert rows[number]["around"] == pytest.approx(rings / 1e3, rel=1e-12)


def test_measures_on_the_ellipsoid(through: Through) -> None:
    result, rows = made_by(through, {"op": "measure", "area": "area", "length": "length", "perimeter": "around"})
    assert [str(result.rows.schema.field(name).type) for name in ("area", "length", "around")] == ["double"] * 3
    to_degrees, geod = Transformer.from_crs(CRS, "EPSG:4326", always_xy=True).transform, Geod(ellps="WGS84")
    for number in (1, 2, 3, 5):
        shape = shapely.transform(shapely.force_2d(SHAPES[number]), to_degrees, interleaved=False)
        area = abs(geod.geometry_area_perimeter(shapely.orient_polygons(shape))[0])
        around = geod.geometry_length(shape.boundary) if shape.area else 0
        if shape.area:
            assert (rows[number]["area"], rows[number]["around"]) == (
                pytest.approx(area, rel=1e-6),
                pytest.approx(around, rel=1e-9),
            )
            assert rows[number]["length"] == 0
        else:
            assert rows[number]["length"] == pytest.approx(geod.geometry_length(shape), rel=1e-9)
            assert (rows[number]["area"], rows[number]["around"]) == (0, 0)
    assert [rows[7][name] for name in ("area", "length", "around")] == [None, None, None]


@pytest.mark.parametrize(
    ("step", "made", "count"),
    [
        ({"op": "centroid"}, lambda shape: shape.centroid, "to_points"),
        ({"op": "hull"}, lambda shape: shape.convex_hull, "to_hulls"),
        (
            {"op": "buffer", "distance": {"value": 5, "unit": "m"}, "quarter": 4},
            lambda shape: shape.buffer(5, quad_segs=4),
            "buffered",
        ),
    ],
)
def test_each_geometry_becomes_another(through: Through, step: dict[str, Any], made: Callable[[Any], Any], count: str) -> None:
    result, rows = made_by(through, step)
    changed = 0
    for number, shape in enumerate(SHAPES):
        found = rows[number]["geom"] and shapely.from_wkb(rows[number]["geom"])
        if shape is None or shape.is_empty:
            assert found is None or found.is_empty
            continue
        expected = made(shapely.force_2d(shape))
        assert found.distance(expected) == 0
        assert found.hausdorff_distance(expected) < 1e-6
        assert (found.geom_type, found.has_z) == (expected.geom_type, False)
        changed += not expected.equals_exact(shape) or shape.has_z
    assert result.changes.counts == {count: changed}


def test_units_that_do_not_fit_are_refused(through: Through) -> None:
    for step in (
        {"op": "buffer", "distance": {"value": 5, "unit": "m"}},
        {"op": "measure", "area": "a", "on": "plane"},
        {"op": "measure", "area": "a", "area_unit": "crs"},
    ):
        with pytest.raises(Rejected) as refused:
            made_by(through, step, shapes=[shapely.Point(9, 48)], crs="EPSG:4326")
        assert [problem.code for problem in refused.value.problems] == ["wrong_unit"]
    with pytest.raises(Rejected) as refused:
        made_by(through, {"op": "measure", "area": "n"})
    assert [problem.code for problem in refused.value.problems] == ["column_name_taken"]
