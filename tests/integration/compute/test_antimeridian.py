"""Reprojection to longitudes and latitudes cuts at the antimeridian and closes over poles (RFC 7946, 3.1.9), on every engine."""

import math
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyproj
import pytest
import shapely
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from libs.compute.engine import Source
from libs.models import Changes, FileSpec, Rejected
from libs.spatial_utils.reading import ReadLimits, open_source
from libs.transformations import Recipe
from tests.sampling import examples

pytestmark = pytest.mark.integration

CASES = Path(__file__).parents[2] / "data/cases/03-antimeridian-polar"
WORLD = shapely.box(-180, -90, 180, 90)
HALF = 20037508.342789244
"""Of the equator in Web Mercator."""
PLACES: dict[str, list[tuple[float, float, float, float]]] = {
    "EPSG:3460": [(179, -17, 3, 3)],
    "EPSG:2193": [(180, -45, 4, 12)],
    "EPSG:3832": [(180, 10, 5, 50)],
    "EPSG:3857": [(180, -30, 5, 50)],
    "EPSG:4269": [(180, 22, 5, 6)],
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
            shapely.transform(
                shapely.intersection(path, shapely.box(t * 360 - 180, -91, t * 360 + 180, 91)), lambda xy, t=t: xy - (360 * t, 0)
            )
            for t in range(-3, 4)
        ]
        return shapely.GeometryCollection(pieces)
    areas = []
    for ring in [shape.exterior, *shape.interiors]:
        path = unwrapped(ring, crs)
        way = path[-1, 0] - path[0, 0]
        if abs(way) > 1:
            areas.append(round_a_pole(path, way))
        else:
            areas.append(folded(shapely.make_valid(shapely.Polygon(path))))
    return areas[0].difference(areas[1]) if len(areas) > 1 else areas[0]


def round_a_pole(path: np.ndarray, way: float) -> shapely.Geometry:
    """What a ring round a pole surrounds: it is repeated beyond both ends of the world and closed there.

    A path may turn back where the ring begins, so that it must not be closed there.
    """
    long = np.concatenate([path[:-1] + np.array([way * turn, 0]) for turn in range(-3, 4)])
    pole = math.copysign(90, path[0, 1])
    return shapely.make_valid(shapely.Polygon([*long, (long[-1, 0], pole), (long[0, 0], pole)])).intersection(WORLD)


def crossed(shape: shapely.Geometry, crs: str) -> shapely.Geometry | None:
    """The plain reprojection of a polygon that lies in one piece on the map, if its straight edges cross each other there.

    Near a pole, the vertices of a hole can lie within the reprojected shell although an edge of it does not.
    """
    if shape.geom_type != "Polygon":
        return None
    paths = [unwrapped(ring, crs) for ring in (shape.exterior, *shape.interiors)]
    if any(np.abs(path[:, 0]).max() > 180 or abs(path[-1, 0] - path[0, 0]) > 1 for path in paths):
        return None
    plain = shapely.Polygon(paths[0], paths[1:])
    return None if plain.is_valid else plain


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


def one(through: Callable, source: Callable, shape: shapely.Geometry, crs: str, by: Any = "default") -> tuple[Any, Changes]:
    """What becomes of one feature."""
    result = through(into(source, [shape], crs), by=by)
    (after,) = shapes_of(result)
    box = result.rows["bbox"][0].as_py()
    assert (box["xmin"], box["ymin"], box["xmax"], box["ymax"]) == result.bbox == after.bounds
    return after, result.changes


SPLIT = Changes(counts={"split_at_antimeridian": 1})
CLOSED = Changes(counts={"closed_over_pole": 1})


def sector(*angles: float, radius: float = 3e6) -> shapely.Polygon:
    """Of a circle round a pole."""
    around = [(radius * math.sin(math.radians(angle)), radius * math.cos(math.radians(angle))) for angle in angles]
    return shapely.Polygon([(0, 0), *around])


@pytest.mark.parametrize(
    ("crs", "shape", "changes", "area"),
    [
        ("EPSG:3413", shapely.Point(0, 0).buffer(1.5e6), CLOSED, None),
        ("EPSG:3031", shapely.Point(0, 0).buffer(3e6, 90), CLOSED, None),
        ("EPSG:3031", shapely.Point(0, 0).buffer(3e6).reverse(), CLOSED, None),
        # A ring round the pole has no pole.
        ("EPSG:3031", shapely.Point(0, 0).buffer(3e6) - shapely.Point(0, 0).buffer(1e6), SPLIT, None),
        ("EPSG:32660", shapely.Point(500_000, 9_997_964).buffer(2e5, 4), CLOSED, None),
        # What is all the world stays so, wherever its map is cut; also if that is written with few digits.
        ("EPSG:3857", shapely.box(-HALF, -2e7, HALF, 2e7), Changes(), 61215.823063),
        ("EPSG:3857", shapely.box(-20037508.35, -2e7, 20037508.35, 2e7), SPLIT, 61215.823063),
        ("EPSG:3832", shapely.box(-HALF, -1e7, HALF, 1e7), SPLIT, 47942.316623),
        ("ESRI:54030", shapely.box(-1.5e7, -5e6, 1.5e7, 5e6), Changes(), 33584.293503),
        ("EPSG:9000", shapely.box(-180, -90, 180, -70), Changes(), 7200),
        ("EPSG:4269", shapely.box(0, -80, 360, 80), SPLIT, 57600),
        # More than half the world, and an edge of it has no vertex between.
        ("EPSG:3832", shapely.box(-HALF / 180 * 50, -1e7, HALF / 180 * 150, 1e7), SPLIT, 26634.620346),
        ("EPSG:4269", shapely.box(100, -80, 290, 80), SPLIT, 30400),
        ("EPSG:3571", shapely.Point(0, 0).buffer(1.27e7), CLOSED, 61463.747447),
        ("EPSG:3035", shapely.Point(4_321_000, 3_210_000).buffer(1.26e7), CLOSED, 63280.778916),
        # A corner at a pole has every longitude.
        ("EPSG:3031", sector(*range(160, 211, 5)), CLOSED, None),
        ("EPSG:3031", sector(*range(45, 316, 5)), CLOSED, None),
        ("EPSG:3031", sector(*range(90, 131, 5)), CLOSED, None),
        # Beyond the edge of the map; up to it.
        ("EPSG:3857", shapely.box(HALF - 1e5, 0, HALF + 1e5, 1e5), SPLIT, 1.613875),
        ("EPSG:3460", shapely.box(2_000_000, 3_900_000, 2_100_000, 4_000_000), Changes(), None),
        ("EPSG:3857", shapely.Polygon([(HALF, 0), (HALF - 1e6, 0), (HALF, 1e6)]), Changes(), None),
        # Not valid: both lobes stay.
        ("EPSG:3857", shapely.Polygon([(HALF - 2e5, 0), (HALF + 2e5, 1e5), (HALF + 2e5, 0), (HALF - 2e5, 1e5)]), SPLIT, 1.613875),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_the_right_area(
    through: Callable, source: Callable, crs: str, shape: shapely.Geometry, changes: Changes, area: float | None
) -> None:
    after, made = one(through, source, shape, crs)
    assert made == changes
    assert after.is_valid
    assert shapely.covers(WORLD, after)
    if area is None and not (changes == CLOSED and shape.exterior.coords[0] == (0, 0)):
        assert same(after, expected(shape, crs))
    elif area is None:
        degrees = len(shape.exterior.coords) - 3
        longitudes = 5 * degrees
        assert after.area == pytest.approx(longitudes * (90 - 62.88616964956), rel=1e-6)
    else:
        assert after.area == pytest.approx(area, rel=1e-5)


@pytest.mark.parametrize(
    ("name", "crs", "bounds", "area", "changes"),
    [
        ("fiji_3460", "EPSG:3460", (-180, -17, 180, -16.5), 0.5, SPLIT),
        ("ice_circle_3413", "EPSG:3413", (-180, 76.217241, 180, 90), 4961.793, CLOSED),
    ],
)
def test_files(through: Callable, tmp_path: Path, name: str, crs: str, bounds: Any, area: float, changes: Changes) -> None:
    path = tmp_path / f"{name}.gpkg"
    path.write_bytes((CASES / path.name).read_bytes())
    spec = FileSpec(path=f"s3://landing-zone/{path.name}", type="vector", format="GPKG")
    with open_source(path, spec, "files[0]", ReadLimits()) as opened:
        streams = opened.streams()
        stream = next(streams)
        source = Source(stream.schema, stream.layer.crs.name, list(stream), "files[0]")
        assert source.crs == crs
        result = through(source, by="default")
    (after,) = [shapely.from_wkb(wkb) for wkb in result.rows["geom"].to_pylist()]
    assert after.bounds == result.bbox == pytest.approx(bounds)
    assert (after.bounds[0], after.bounds[2]) == (-180, 180)
    assert after.area == pytest.approx(area, rel=1e-6)
    assert after.is_valid
    assert after.geom_type == ("MultiPolygon" if changes == SPLIT else "Polygon")
    assert result.changes == changes


def test_lines_are_cut_with_their_heights_and_measures(through: Callable, source: Callable) -> None:
    line = shapely.from_wkt("LINESTRING ZM (170 0 1 5, 190 10 3 7, 170 20 5 9)")
    after, changes = one(through, source, line, "EPSG:4269")
    assert changes == SPLIT
    assert after == shapely.from_wkt(
        "MULTILINESTRING ZM ((170 0 1 5, 180 5 2 6), (-180 5 2 6, -170 10 3 7, -180 15 4 8), (180 15 4 8, 170 20 5 9))"
    )


def test_parts_and_collections_are_cut_one_by_one(through: Callable, source: Callable) -> None:
    here, across = shapely.box(10, 0, 11, 1), shapely.box(179, 0, 181, 1)
    after, changes = one(through, source, shapely.MultiPolygon([here, across]), "EPSG:4269")
    assert (len(after.geoms), after.area, changes) == (3, 3, SPLIT)
    mixed = shapely.GeometryCollection([shapely.Point(190, 1), here, shapely.LineString([(179, 0), (181, 1)]), across])
    after, changes = one(through, source, mixed, "EPSG:4269")
    assert [part.geom_type for part in after.geoms] == ["Point", "Polygon", "MultiLineString", "MultiPolygon"]
    assert (after.geoms[0], after.area, changes) == (shapely.Point(-170, 1), 3, SPLIT)


def test_measures_of_a_part_do_not_keep_it_from_being_cut(through: Callable, source: Callable) -> None:
    near, far = (shapely.from_wkt(f"POLYGON M (({x} 0 1, {x + 2} 0 1, {x + 2} 1 1, {x} 0 1))") for x in (179, 10))
    after, changes = one(through, source, shapely.MultiPolygon([near, far]), "EPSG:4269")
    assert (len(after.geoms), after.area, changes) == (3, 2, SPLIT)


def test_a_hole_on_the_antimeridian(through: Callable, source: Callable) -> None:
    shape = shapely.box(170, 0, 190, 20) - shapely.box(179, 5, 182, 10)
    after, changes = one(through, source, shape, "EPSG:4269")
    assert (after.geom_type, after.area, changes) == ("MultiPolygon", 385, SPLIT)
    assert not any(part.interiors for part in after.geoms)


def test_what_cannot_be_cut_is_a_problem(through: Callable, source: Callable) -> None:
    angles = np.linspace(0, 4 * math.pi, 40)
    twice = shapely.Polygon(np.column_stack([(1e6 + 1e3 * angles) * np.cos(angles), (1e6 + 1e3 * angles) * np.sin(angles)]))
    near = shapely.box(1e6, 1e6, 2e6, 2e6)
    with pytest.raises(Rejected) as caught:
        through(into(source, [near, twice], "EPSG:3413"), by="default")
    (problem,) = caught.value.problems
    assert (problem.code, problem.where) == ("unprojectable", "files[0]: layer a, feature 2")


def test_beside_what_cannot_be_projected_the_rest_is_cut(through: Callable, source: Callable) -> None:
    """PostGIS fails as a whole, and goes over it again."""
    shapes = [shapely.Point(500_000, 9_997_964).buffer(2e5), shapely.LineString([(500_000, 0), (9e8, 9e8)])]
    with pytest.raises(Rejected) as caught:
        through(into(source, shapes, "EPSG:32660"), by="default")
    assert [(problem.code, problem.where) for problem in caught.value.problems] == [
        ("unprojectable", "files[0]: layer a, feature 2")
    ]


def test_a_height_may_be_anything(through: Callable, source: Callable, kind: str) -> None:
    vertices = [(179, 0, math.nan), (181, 0, 1), (181, 1, 2), (179, 1, 3), (179, 0, math.nan)]
    wkb = struct.pack("<BIII", 1, 1003, 1, 5) + b"".join(struct.pack("<ddd", *vertex) for vertex in vertices)
    table = source(pa.table({"n": [1], "geom": pa.array([wkb], pa.binary())}), crs="EPSG:4269")
    if kind == "postgis":  # GEOS 3.11 cannot cut it
        with pytest.raises(Rejected, match="unprojectable"):
            through(table, by="default")
        return
    result = through(table, by="default")
    (after,) = shapes_of(result)
    assert (len(after.geoms), after.area, result.changes) == (2, 2, SPLIT)


@pytest.mark.parametrize("place", [1e9, 1e15, 1e300])
def test_what_lies_nowhere_ends_soon(through: Callable, source: Callable, place: float) -> None:
    for crs in ("EPSG:3857", "EPSG:4269", "EPSG:3035"):
        shape = shapely.LineString([(-place, 0), (place, 1), (0, 2)])
        outcome: Any = None
        try:
            outcome = shapely.covers(WORLD, shapes_of(through(into(source, [shape], crs), by="default"))[0])
        except Rejected as error:
            outcome = [problem.code for problem in error.problems]
        assert outcome in (True, ["unprojectable"], ["coordinates_impossible"])


@pytest.mark.parametrize("number", [math.inf, -math.inf, math.nan])
@pytest.mark.parametrize("place", range(3))
def test_coordinates_that_are_no_numbers(through: Callable, source: Callable, number: float, place: int) -> None:
    vertices = [(1e6, 1e6), (2e6, 1e6), (2e6, 2e6), (1e6, 1e6)]
    vertices[place] = (number, vertices[place][1])
    line = struct.pack("<BII", 1, 2, 4) + b"".join(struct.pack("<dd", *vertex) for vertex in vertices)
    table = pa.table({"n": [1], "geom": pa.array([line], pa.binary())})
    with pytest.raises(Rejected) as caught:
        through(source(table, crs="EPSG:3857"), by="default")
    (problem,) = caught.value.problems
    assert problem.code == ("irreparable" if math.isnan(number) else "coordinates_impossible")
    assert problem.where == "files[0]: layer a, feature 1"


TO_DEGREES = Recipe(name="to_degrees", description="Mine.", steps=({"op": "reproject", "crs": "EPSG:4326"},))


@pytest.mark.parametrize(("crs", "shape"), [("EPSG:3460", (2e6, 4e6, 2.4e6, 4.1e6)), ("EPSG:3832", (3e6, 1e6, 4e6, 2e6))])
def test_a_map_that_ends_at_180_degrees_has_two_pieces(
    through: Callable, source: Callable, recipe: Callable, crs: str, shape: tuple[float, float, float, float]
) -> None:
    after, changes = one(through, source, shapely.box(*shape), crs, by=recipe("reproject", crs="EPSG:3857"))
    assert changes == SPLIT
    west, east = sorted(after.geoms, key=lambda piece: piece.bounds[0])
    assert (west.bounds[0], east.bounds[2]) == pytest.approx((-HALF, HALF))
    degrees, _ = one(through, source, shapely.box(*shape), crs)
    to_map = pyproj.Transformer.from_crs(4326, 3857, always_xy=True).transform
    assert same(after, shapely.transform(degrees, lambda xy: np.column_stack(to_map(*xy.T))))


def test_a_map_that_does_not_end_there_is_not_cut(through: Callable, source: Callable, recipe: Callable) -> None:
    after, changes = one(
        through, source, shapely.box(2e6, 4e6, 2.4e6, 4.1e6), "EPSG:3460", by=recipe("reproject", crs="EPSG:3832")
    )
    assert (after.geom_type, changes) == ("Polygon", Changes())


def at_home(crs: str) -> shapely.Geometry:
    """A point in the middle of a CRS's area of use: where all features lie outside of it, they are refused."""
    area = pyproj.CRS(crs).area_of_use
    east = area.east + 360 * (area.east < area.west)
    middle = (((area.west + east) / 2 + 180) % 360 - 180, (area.south + area.north) / 2)
    return shapely.Point(pyproj.Transformer.from_crs(4326, crs, always_xy=True).transform(*middle))


ROUND_THE_POLE = shapely.Polygon([(1000, 0), (-500, 866.025), (-500, -866.025)])
HOLE_ACROSS_THE_SHELL = shapely.Polygon(
    [(1233310, 398827), (-896461, 213824), (-150257, 2022977)], [[(313332, 870971), (-112622, 833970), (36618, 1195801)]]
)
"""Its edges are straight between the reprojected vertices, and so cross each other."""
TURNS_BACK = shapely.Polygon([
    (-541531, 1615978), (-206708, 2606946), (861323, 2621574), (1512222, 1935510), (1377423, 1166729), (1269573, 578014),
    (861649, -642900), (-380044, -401067), (-292234, 886030),
])  # fmt: skip
"""Its first edge goes back over the longitudes of its last one."""


@settings(
    max_examples=examples(25), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(batch=batches())
@example(batch=("EPSG:3031", [ROUND_THE_POLE, HOLE_ACROSS_THE_SHELL]))
@example(batch=("EPSG:3413", [TURNS_BACK]))
def test_what_comes_out_is_valid_within_the_world_and_right(through: Callable, source: Callable, batch: Any) -> None:
    """Reprojection alone leaves edges that cross each other far from the antimeridian to the repair of the default recipe."""
    crs, shapes = batch
    given_ = [shape for shape in shapes if shape.is_valid]
    result = through(into(source, [at_home(crs), *given_], crs), by=TO_DEGREES)
    to_repair = 0
    for before, after in zip(given_, shapes_of(result)[1:], strict=True):
        assert shapely.covers(WORLD, after.envelope)
        assert after.has_z == before.has_z
        if not after.is_valid and (plain := crossed(before, crs)) is not None:
            to_repair += 1
            assert shapely.equals_exact(shapely.force_2d(after), plain, 1e-9)
            continue
        assert after.is_valid
        assert same(after, expected(before, crs)), (crs, before.wkt, after.wkt)
    if to_repair:
        repaired = through(into(source, [at_home(crs), *given_], crs), by="default")
        assert all(shape.is_valid for shape in shapes_of(repaired))
        assert repaired.changes.repaired == to_repair
    again = through(into(source, [at_home(crs), *given_], crs), by=TO_DEGREES)
    assert again.rows == result.rows
    assert not result.changes.repaired
