"""Reprojection to longitudes and latitudes cuts at the antimeridian and closes over poles (RFC 7946, 3.1.9), on every engine."""

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

pytestmark = pytest.mark.integration

WORLD = shapely.box(-180, -90, 180, 90)
HALF = 20037508.342789244
"""Of the equator in Web Mercator."""
PLACES: dict[str, list[tuple[float, float, float, float]]] = {
    "EPSG:3460": [(179, -17, 3, 3)],
    "EPSG:2193": [(180, -45, 4, 12)],
    "EPSG:3832": [(180, 10, 5, 50)],
    "EPSG:3857": [(180, -30, 5, 50)],
    "EPSG:4269": [(180, 0, 5, 30)],
    "EPSG:4167": [(180, -45, 5, 20)],
    "EPSG:3338": [(180, 55, 8, 10)],
    "EPSG:3035": [(180, 70, 8, 12)],
    "EPSG:32660": [(180, 40, 3, 40), (177, 90, 180, 6)],
    "EPSG:32701": [(180, -40, 3, 40), (-177, -90, 180, 6)],
    "EPSG:3413": [(0, 90, 180, 20)],
    "EPSG:3995": [(0, 90, 180, 20)],
    "EPSG:3571": [(0, 90, 180, 20)],
    "EPSG:3031": [(0, -90, 180, 20)],
    "EPSG:3574": [(0, 90, 180, 20)],
}
"""For each CRS the places of features: longitude, latitude, and how far from there they may be."""


@st.composite
def features(draw: st.DrawFn, crs: str) -> shapely.Geometry:
    """A star with or without a hole, a pair of them, or a line, near the antimeridian or a pole."""
    east, north, width, height = draw(st.sampled_from(PLACES[crs]))
    part = st.floats(-1, 1, allow_subnormal=False)
    latitude = north + height * draw(part)
    latitude = 2 * north - latitude if abs(latitude) > 90 else latitude
    longitude = east + width * draw(part)
    if crs not in {"EPSG:4269", "EPSG:4167"}:
        x, y = pyproj.Transformer.from_crs(4326, crs, always_xy=True).transform(longitude, latitude)
        x += 2 * HALF * (crs == "EPSG:3857" and x < 0)
        size = draw(st.floats(1e3, 2e6 if abs(north) == 90 else 4e5))
    else:
        x, y = longitude, latitude
        size = min(draw(st.floats(0.01, 4)), 89.9 - abs(latitude))
    corners = draw(st.integers(3, 9))
    turned = draw(st.floats(0, 6.28))
    angles = turned + np.arange(corners) * 2 * math.pi / corners
    radii = np.array([size * draw(st.floats(0.4, 1)) for _ in angles])
    star = np.column_stack([x + radii * np.cos(angles), y + radii * np.sin(angles)])
    if draw(st.booleans()):
        star = star[::-1]
    kind = draw(st.sampled_from(["polygon", "polygon", "hole", "line", "heights"]))
    if kind == "line":
        return shapely.LineString(star)
    if kind == "heights":
        return shapely.Polygon(np.column_stack([star, np.arange(corners)]))
    if kind == "hole":
        return shapely.Polygon(star, [(x, y) + (star - (x, y)) * 0.2 + size * 0.05])
    return shapely.Polygon(star)


@st.composite
def batches(draw: st.DrawFn) -> tuple[str, list[shapely.Geometry]]:
    crs = draw(st.sampled_from(sorted(PLACES)))
    return crs, draw(st.lists(features(crs), min_size=1, max_size=20))


def unwrapped(ring: Any, crs: str) -> np.ndarray:
    x, y = pyproj.Transformer.from_crs(crs, 4326, always_xy=True).transform(*shapely.get_coordinates(ring).T)
    return np.column_stack([np.unwrap(x, period=360), y])


def folded(shape: shapely.Geometry) -> shapely.Geometry:
    """A shape in a shifted frame of longitudes, cut and brought back."""
    pieces = []
    for turn in range(-3, 4):
        piece = shapely.intersection(shape, shapely.box(turn * 360 - 180, -90, turn * 360 + 180, 90))
        pieces.append(shapely.transform(piece, lambda xy, turn=turn: xy - (360 * turn, 0)))
    return shapely.union_all(pieces)


def expected(shape: shapely.Geometry, crs: str) -> shapely.Geometry:
    if shape.geom_type == "LineString":
        path = shapely.LineString(unwrapped(shape, crs))
        pieces = [
            shapely.transform(shapely.intersection(path, shapely.box(t * 360 - 180, -91, t * 360 + 180, 91)), lambda xy, t=t: xy - (360 * t, 0))
            for t in range(-3, 4)
        ]
        return shapely.GeometryCollection(pieces)
    areas = []
    for ring in [shape.exterior, *shape.interiors]:
        path = unwrapped(ring, crs)
        if abs(path[-1, 0] - path[0, 0]) > 1:
            pole = math.copysign(90, path[0, 1])
            path = np.concatenate([path, [(path[-1, 0], pole), (path[0, 0], pole)]])
        areas.append(folded(shapely.make_valid(shapely.Polygon(path))))
    return areas[0].difference(areas[1]) if len(areas) > 1 else areas[0]


def same(one: shapely.Geometry, other: shapely.Geometry) -> bool:
    if shapely.get_dimensions(one) == 1:
        return shapely.hausdorff_distance(one, other, densify=0.1) < 1e-9 and abs(one.length - other.length) < 1e-8
    return shapely.symmetric_difference(one, other).buffer(-1e-9).is_empty


def into(source: Callable[..., Any], shapes: list[shapely.Geometry], crs: str) -> Any:
    geometry = pa.array([shapely.to_wkb(shape, byte_order=1, flavor="iso") for shape in shapes], pa.binary())
    return source(pa.table({"n": range(len(shapes)), "geom": geometry}), crs=crs)


def shapes_of(result: Any) -> list[shapely.Geometry]:
    found = dict(zip(result.rows["n"].to_pylist(), result.rows["geom"].to_pylist(), strict=True))
    return [shapely.from_wkb(found[n]) for n in sorted(found)]


TO_DEGREES = Recipe(name="to_degrees", description="Mine.", steps=({"op": "reproject", "crs": "EPSG:4326"},))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(batch=batches())
def test_what_comes_out_is_valid_within_the_world_and_right(through: Callable, source: Callable, batch: Any) -> None:
    crs, shapes = batch
    given_ = [shape for shape in shapes if shape.is_valid]
    result = through(into(source, given_, crs), by=TO_DEGREES)
    for before, after in zip(given_, shapes_of(result), strict=True):
        right = expected(before, crs)
        assert after.is_valid
        assert shapely.covers(WORLD, after)
        assert same(after, right), (crs, before.wkt, after.wkt)
        assert after.has_z == before.has_z
    again = through(into(source, given_, crs), by=TO_DEGREES)
    assert again.rows == result.rows
    assert not result.changes.repaired
