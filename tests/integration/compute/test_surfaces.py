"""Surfaces in space on both engines: they stay as they are; what is only a plain shape with a fault is repaired."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyproj
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from libs.models import Changes, Rejected
from libs.transformations import Recipe
from tests.sampling import examples

pytestmark = pytest.mark.integration
PROPERTY = settings(max_examples=examples(40), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
PROJECT = pyproj.Transformer.from_crs(25832, 4326, always_xy=True).transform
UTM = "EPSG:25832"
METRES = "EPSG:3857"
"""A CRS in which shapes near 0, 0 lie in its area of use."""

WALL = "POLYGON Z ((0 0 0, 10 0 0, 10 0 8, 0 0 8, 0 0 0))"
WINDOW = "POLYGON Z ((0 0 0, 10 5 0, 10 5 8, 0 0 8, 0 0 0), (4 2 2, 4 2 4, 6 3 4, 6 3 2, 4 2 2))"
HOUSE = (
    "MULTIPOLYGON Z (((0 0 0, 0 10 0, 10 10 0, 10 0 0, 0 0 0)), ((0 0 8, 10 0 8, 10 10 8, 0 10 8, 0 0 8)), "
    "((0 0 0, 10 0 0, 10 0 8, 0 0 8, 0 0 0)), ((10 0 0, 10 10 0, 10 10 8, 10 0 8, 10 0 0)), "
    "((10 10 0, 0 10 0, 0 10 8, 10 10 8, 10 10 0)), ((0 10 0, 0 0 0, 0 0 8, 0 10 8, 0 10 0)))"
)
TIN = "MULTIPOLYGON Z (((0 0 0, 1 0 0, 1 1 3, 0 0 0)), ((0 0 0, 1 1 3, 0 1 0, 0 0 0)))"
KEPT = {
    "wall": WALL,
    "wall with a window": WINDOW,
    "wall that leans by a rounding": ("POLYGON Z ((0 0 0, 3 0.001 0, 10 0 0, 10 0 8, 7 0.001 8, 3 -0.001 8, 0 0 8, 0 0 0))"),
    "wall whose ring crosses itself": "POLYGON Z ((0 0 0, 10 0 8, 10 0 0, 0 0 8, 0 0 0))",
    "house": HOUSE,
    "floors": "MULTIPOLYGON Z (((0 0 0, 9 0 0, 9 9 0, 0 9 0, 0 0 0)), ((1 1 3, 9 1 3, 9 9 3, 1 9 3, 1 1 3)))",
    "tin": TIN,
    "flat tin": "MULTIPOLYGON Z (((0 0 5, 1 0 5, 1 1 5, 0 0 5)), ((0 0 5, 1 1 5, 0 1 5, 0 0 5)))",
    "tin with a degenerate triangle": f"{TIN[:-1]}, ((0 0 0, 1 1 3, 1 1 3, 0 0 0)))",
    "line straight up": "LINESTRING Z (3 4 -20, 3 4 5)",
    "line up and down": "LINESTRING Z (3 4 0, 3 4 9, 3 4 2)",
    "pipes": "MULTILINESTRING Z ((0 0 1, 0 0 5), (0 0 5, 3 3 5))",
    "collection": "GEOMETRYCOLLECTION Z (POLYGON Z ((0 0 0, 10 0 0, 10 0 8, 0 0 8, 0 0 0)), POINT Z (1 1 1))",
}
REPAIRED = {
    "bow-tie": "POLYGON ((0 0, 4 4, 4 0, 0 4, 0 0))",
    "bow-tie at a height": "POLYGON Z ((0 0 7, 4 4 7, 4 0 7, 0 4 7, 0 0 7))",
    "bow-tie in terrain": "POLYGON Z ((0 0 1, 4 4 3, 4 0 2, 0 4 9, 0 0 1))",
    "narrow bow-tie in terrain": "POLYGON Z ((0 0 1, 100 1 3, 100 0 2.9, 0 1 1.1, 0 0 1))",
    "overlap at one height": "MULTIPOLYGON Z (((0 0 0, 4 0 0, 4 4 0, 0 0 0)), ((1 0 0, 5 0 0, 5 4 0, 1 0 0)))",
    "neighbours at one height": "MULTIPOLYGON Z (((0 0 0, 1 0 0, 1 1 0, 0 1 0, 0 0 0)), ((1 0 0, 2 0 0, 2 1 0, 1 1 0, 1 0 0)))",
    "overlap without heights": "MULTIPOLYGON (((0 0, 4 0, 4 4, 0 0)), ((1 0, 5 0, 5 4, 1 0)))",
    "bow-tie beside an area": "MULTIPOLYGON Z (((0 0 1, 4 4 3, 4 0 2, 0 4 9, 0 0 1)), ((6 6 6, 9 6 6, 9 9 7, 6 6 6)))",
    "spike beside an area": "MULTIPOLYGON Z (((0 0 1, 4 0 2, 4 4 3, 0 0 1)), ((6 6 6, 8 6 8, 8 6 8, 6 6 6)))",
}
COLLAPSED = {
    "POLYGON ((0 0, 1 0, 2 0, 0 0))": 1,
    "POLYGON ((0 0, 3 3, 3 3, 0 0))": 1,
    "POLYGON Z ((0 0 1, 1 0 2, 2 0 3, 0 0 1))": 1,
    "POLYGON ((1 1, 1 1, 1 1, 1 1))": 0,
    "MULTIPOLYGON (((0 0, 1 0, 2 0, 0 0)))": 1,
    "LINESTRING (5 5, 5 5)": 0,
    "LINESTRING Z (5 5 1, 5 5 1)": 0,
}
AFTER = {"simplify": {"tolerance": {"value": 1, "unit": "m"}}, "set_precision": {"grid": {"value": 3, "unit": "m"}}}
NOT = {"simplify": "not_simplified", "set_precision": "not_rounded"}


def table(shapes: list[Any]) -> pa.Table:
    geometry = [shapely.to_wkb(shape, byte_order=1, flavor="iso", output_dimension=4) for shape in shapes]
    return pa.table({"n": range(len(shapes)), "geom": pa.array(geometry, pa.binary())})


def placed(shape: Any, x: float = 500_000, y: float = 5_500_000) -> Any:
    return shapely.transform(shape, lambda at: at + [x, y, 0][: at.shape[1]], include_z=shape.has_z)


def moved(shape: Any) -> Any:
    """Reprojected as the default recipe does."""
    return shapely.transform(shape, lambda at: np.column_stack([*PROJECT(at[:, 0], at[:, 1]), at[:, 2]]), include_z=True)


def by_number(rows: pa.Table) -> list[Any]:
    """Shapes in source order: the file's is another."""
    return [shapely.from_wkb(wkb) for wkb in rows.sort_by("n")["geom"].to_pylist()]


def same(one: Any, other: Any, tolerance: float) -> bool:
    heights = (shapely.get_coordinates(each, include_z=True)[:, 2] for each in (one, other))
    return one.geom_type == other.geom_type and shapely.equals_exact(one, other, tolerance) and np.array_equal(*heights)


@pytest.mark.parametrize("wkt", KEPT.values(), ids=KEPT)
def test_a_surface_stays_as_it_is(through: Callable, source: Callable, wkt: str) -> None:
    shape = placed(shapely.from_wkt(wkt))
    kept = through(source(table([shape, shape]), UTM), "keep_crs")
    assert kept.rows["geom"].to_pylist() == [shapely.to_wkb(shape, byte_order=1, flavor="iso")] * 2
    assert (kept.changes, kept.warnings) == (Changes(counts={"kept_as_3d": 2}), ())
    projected = through(source(table([shape]), UTM), "default")
    assert same(by_number(projected.rows)[0], moved(shape), 1e-9)
    assert projected.changes.repaired == 0


@pytest.mark.parametrize("wkt", REPAIRED.values(), ids=REPAIRED)
def test_a_plain_shape_with_a_fault_is_repaired(through: Callable, source: Callable, wkt: str) -> None:
    shape = placed(shapely.from_wkt(wkt))
    for recipe in ("keep_crs", "default"):
        result = through(source(table([shape]), UTM), recipe)
        (repaired,) = by_number(result.rows)
        assert repaired.is_valid
        assert repaired.area > 0
        assert (result.changes, result.warnings) == (Changes(repaired=1), ())


@pytest.mark.parametrize(("wkt", "dimension"), COLLAPSED.items())
def test_a_collapse_is_not_called_a_repair(through: Callable, source: Callable, wkt: str, dimension: int) -> None:
    shape = placed(shapely.from_wkt(wkt))
    result = through(source(table([placed(shapely.Point(1, 1)), shape, shape]), UTM), "keep_crs")
    _, made, _ = by_number(result.rows)
    assert (made.is_valid, shapely.get_dimensions(made)) == (True, dimension)
    positions = {tuple(each) for each in shapely.get_coordinates(shape, include_z=shape.has_z)}
    assert {tuple(each) for each in shapely.get_coordinates(made, include_z=shape.has_z)} == positions, "no vertex is lost"
    assert result.changes == Changes(counts={"collapsed": 2})
    (warning,) = result.warnings
    assert (warning.code, warning.where) == ("collapsed", "files[0]: layer a, feature 2")
    assert "(and 1 more)" in warning.message


def test_a_house_with_a_face_that_crosses_itself_is_kept_and_told(through: Callable, source: Callable) -> None:
    shape = placed(shapely.from_wkt(f"{HOUSE[:-1]}, ((0 0 9, 9 9 9, 9 0 9, 0 9 9, 0 0 9)))"))
    result = through(source(table([shape]), UTM), "keep_crs")
    assert by_number(result.rows) == [shape]
    assert result.changes == Changes(counts={"kept_as_3d": 1})
    assert [warning.code for warning in result.warnings] == ["broken_surface"]


def test_walls_at_odd_angles_and_with_many_corners(through: Callable, source: Callable) -> None:
    """A reprojection bends what was straight, so that the corners of a wall are on one line no longer."""
    walls = []
    for angle in np.linspace(0, math.pi, 40):
        for length in (0.5, 10, 100, 2000):
            foot = [(length * along * math.cos(angle), length * along * math.sin(angle)) for along in (0, 0.3, 0.6, 1)]
            head = [(length * along * math.cos(angle), length * along * math.sin(angle)) for along in (1, 0.8, 0.45, 0)]
            walls.append(shapely.Polygon([*((*at, 100.0) for at in foot), *((*at, 108.0) for at in head)]))
    walls = [placed(wall) for wall in walls]
    result = through(source(table(walls), UTM), "default")
    assert all(same(made, moved(wall), 1e-9) for made, wall in zip(by_number(result.rows), walls, strict=True))
    assert result.changes.counts["kept_as_3d"] > 20
    assert result.changes.repaired == 0


@st.composite
def prisms(draw: st.DrawFn) -> Any:
    """A building: a floor of some corners, a roof, and walls; all of it, or some faces."""
    corners, turn, size = draw(st.integers(3, 7)), draw(st.floats(0, 6)), draw(st.floats(0.2, 500))
    angles = [turn + 2 * math.pi * number / corners for number in range(corners)]
    foot = [(size * math.cos(angle), size * math.sin(angle)) for angle in angles]
    low = draw(st.floats(-100, 4000))
    tops = [low + draw(st.floats(0.5, 100))] * corners
    if draw(st.booleans()):  # a roof of one slope
        tops = [top + number * 0.01 for number, top in enumerate(tops)]
    x, y = draw(st.floats(300_000, 700_000)), draw(st.floats(4_500_000, 9_000_000))
    foot = [(x + a, y + b) for a, b in foot]
    pairs = [(number, (number + 1) % corners) for number in range(corners)]
    faces = [shapely.Polygon([(*foot[a], low), (*foot[b], low), (*foot[b], tops[b]), (*foot[a], tops[a])]) for a, b in pairs]
    faces += [shapely.Polygon([(*at, top) for at, top in zip(foot, tops, strict=True)])]
    faces += [shapely.Polygon([(*at, low) for at in reversed(foot)])]
    chosen = draw(st.lists(st.sampled_from(range(len(faces))), min_size=1, unique=True))
    picked = [faces[number] for number in chosen]
    return picked[0] if len(picked) == 1 else shapely.MultiPolygon(picked)


@PROPERTY
@given(shapes=st.lists(prisms(), min_size=1, max_size=6))
def test_random_buildings_keep_every_face_and_height(through: Callable, source: Callable, shapes: list[Any]) -> None:
    result = through(source(table(shapes), UTM), "default")
    assert all(same(made, moved(shape), 1e-9) for made, shape in zip(by_number(result.rows), shapes, strict=True))
    assert (result.changes.repaired, result.warnings) == (0, ())


@st.composite
def bowties(draw: st.DrawFn) -> Any:
    x, y = draw(st.floats(300_000, 700_000)), draw(st.floats(4_500_000, 9_000_000))
    width, depth = draw(st.floats(1, 5000)), draw(st.floats(1, 5000))
    heights = draw(st.lists(st.floats(0, 50), min_size=4, max_size=4)) if draw(st.booleans()) else [draw(st.floats(0, 99))] * 4
    if not 0.05 < width / depth < 20:
        depth = width
    corners = [(0, 0), (1, 1), (1, 0), (0, 1)]
    return shapely.Polygon([(x + a * width, y + b * depth, z) for (a, b), z in zip(corners, heights, strict=True)])


@PROPERTY
@given(shapes=st.lists(bowties(), min_size=1, max_size=6))
def test_random_bowties_with_heights_are_repaired(through: Callable, source: Callable, shapes: list[Any]) -> None:
    result = through(source(table(shapes), UTM), "default")
    assert all(made.is_valid and made.geom_type == "MultiPolygon" and made.has_z for made in by_number(result.rows))
    assert result.changes == Changes(repaired=len(shapes))


@pytest.mark.parametrize("name", AFTER)
def test_a_step_passes_surfaces_over_and_counts_them(through: Callable, source: Callable, recipe: Callable, name: str) -> None:
    shapes = [shapely.from_wkt(wkt) for wkt in (HOUSE, WALL)]
    result = through(
        source(table([*shapes, shapely.LineString([(0, 0), (4, 0.1), (10, 0)])]), METRES), recipe(name, **AFTER[name])
    )
    assert by_number(result.rows)[:2] == shapes
    assert by_number(result.rows)[2] != shapely.LineString([(0, 0), (4, 0.1), (10, 0)])
    assert (result.changes.counts["kept_as_3d"], result.changes.counts[NOT[name]], result.changes.repaired) == (2, 2, 0)


def test_clipping_cuts_no_surface(through: Callable, source: Callable, recipe: Callable) -> None:
    house = shapely.from_wkt(HOUSE)
    inside, across, outside = (placed(house, by, 0) for by in (0, 15, 50))
    flat = shapely.box(15, 0, 25, 10)
    by = recipe("clip", bbox=[-1, -1, 20, 20], area_crs=METRES, crs=METRES)
    result = through(source(table([inside, across, outside, flat]), METRES), by)
    assert by_number(result.rows)[:2] == [inside, across]
    assert shapely.equals(by_number(result.rows)[2], shapely.box(15, 0, 20, 10))
    assert result.changes == Changes(dropped={"clip": 1}, counts={"kept_as_3d": 3, "clipped": 1, "not_clipped": 1})


def test_dissolving_a_surface_is_refused_and_the_remedy_works(through: Callable, source: Callable) -> None:
    shapes = [shapely.from_wkt(HOUSE), shapely.from_wkt(HOUSE)]
    steps: list[dict[str, Any]] = [{"op": "repair"}, {"op": "dissolve"}]
    with pytest.raises(Rejected) as caught:
        through(source(table(shapes), METRES), Recipe.model_validate({"name": "a", "description": "A.", "steps": steps}))
    (problem,) = caught.value.problems
    assert (problem.code, problem.where) == ("surface_not_dissolved", "files[0]: layer a, feature 1")
    assert "step 'force_2d' before this one" in problem.remedy
    steps.insert(1, {"op": "force_2d"})
    result = through(source(table(shapes), METRES), Recipe.model_validate({"name": "a", "description": "A.", "steps": steps}))
    (made,) = by_number(result.rows.append_column("n", [[0]]))
    assert (made.is_valid, made.has_z, made.area) == (True, False, 100)


@pytest.mark.parametrize("last", [{"op": "dissolve", "by": ["n"]}, {"op": "simplify", **AFTER["simplify"]}], ids=str)
def test_a_surface_that_was_left_out_stands_in_no_steps_way(through: Callable, source: Callable, last: dict[str, Any]) -> None:
    steps = [{"op": "repair"}, {"op": "filter", "condition": {"column": "n", "op": "gt", "value": 0}}, last]
    shapes = [shapely.from_wkt(HOUSE), shapely.force_3d(shapely.box(0, 0, 3, 3), 1)]
    result = through(source(table(shapes), METRES), Recipe.model_validate({"name": "a", "description": "A.", "steps": steps}))
    assert len(by_number(result.rows)) == 1
    assert result.changes == Changes(dropped={"filter": 1}, counts={"kept_as_3d": 1})


def test_leaving_out_heights_leaves_no_surface(through: Callable, source: Callable, recipe: Callable) -> None:
    result = through(source(table([shapely.from_wkt(HOUSE), shapely.from_wkt(WALL)]), METRES), recipe("force_2d", crs=METRES))
    house, wall = by_number(result.rows)
    assert (house.is_valid, house.area, wall.geom_type) == (True, 100, "LineString")
    assert result.changes == Changes(repaired=1, counts={"forced_2d": 2, "collapsed": 1})


def test_a_surface_is_counted_once_however_often_there_is_a_repair(through: Callable, source: Callable) -> None:
    steps = [{"op": "repair"}, {"op": "reproject", "crs": "EPSG:4326"}, {"op": "repair"}, {"op": "explode"}]
    shape = placed(shapely.from_wkt(HOUSE))
    result = through(source(table([shape]), UTM), Recipe.model_validate({"name": "a", "description": "A.", "steps": steps}))
    assert result.changes == Changes(counts={"kept_as_3d": 1, "exploded": 5})
    assert sorted(str(each.geom_type) for each in by_number(result.rows)) == ["Polygon"] * 6
