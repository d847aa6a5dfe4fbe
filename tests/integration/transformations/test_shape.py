"""Steps that change geometries, on a real DuckDB, against Shapely and pyproj."""

import struct
from typing import Any

import duckdb
import numpy as np
import pyproj
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from libs.models import Changes, Rejected
from libs.transformations import DuckDb, Registry
from tests.sampling import examples

pytestmark = pytest.mark.integration

Transform = Any
REPAIR = {"op": "repair"}
coordinates = st.tuples(st.integers(400_000, 600_000), st.integers(0, 9_000_000))


def damaged(kind: str, vertices: list[tuple[float, float]]) -> bytes:
    """A geometry with coordinates that are not finite, as WKB: Shapely warns of making one."""
    head = struct.pack("<BI", 1, 2) if kind == "LineString" else struct.pack("<BII", 1, 3, 1)
    return head + struct.pack("<I", len(vertices)) + b"".join(struct.pack("<dd", *vertex) for vertex in vertices)


@st.composite
def geometries(draw: st.DrawFn) -> shapely.Geometry | None:
    """Geometries of every kind in UTM coordinates, valid or not, some empty, some with heights, some missing."""
    kind = draw(st.sampled_from(["missing", "empty", "point", "line", "polygon", "bowtie", "hole outside", "collection"]))
    x, y = draw(coordinates)
    size = draw(st.integers(1, 5000))
    match kind:
        case "missing":
            return None
        case "empty":
            return shapely.from_wkt(draw(st.sampled_from(["POINT EMPTY", "POLYGON EMPTY", "MULTILINESTRING EMPTY"])))
        case "point":
            shape = shapely.Point(x, y)
        case "line":
            shape = shapely.LineString([(x, y), (x + size, y), (x, y + size)])
        case "polygon":
            shape = shapely.box(x, y, x + size, y + size)
        case "bowtie":
            shape = shapely.Polygon([(x, y), (x + size, y + size), (x + size, y), (x, y + size)])
        case "hole outside":
            shape = shapely.Polygon(
                shapely.box(x, y, x + size, y + size).exterior, [shapely.box(x - 3, y - 3, x - 1, y - 1).exterior]
            )
        case _:
            shape = shapely.GeometryCollection([shapely.Point(x, y), shapely.box(x, y, x + size, y + size)])
    return shapely.force_3d(shape, draw(st.integers(-10, 9000))) if draw(st.booleans()) else shape


@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(shapes=st.lists(geometries(), min_size=1, max_size=12))
def test_the_default_recipe_repairs_what_is_invalid_and_nothing_else(
    transform: Transform, shapes: list[shapely.Geometry | None]
) -> None:
    rows = [{"id": number, "geom": shape} for number, shape in enumerate(shapes)]
    result = transform(Registry().recipes["default"], rows)
    assert result["id"] == list(range(len(shapes)))
    assert result.relation.crs == "EPSG:4326"
    project = pyproj.Transformer.from_crs(32632, 4326, always_xy=True).transform
    repaired = 0
    for before, after in zip(shapes, result.shapes, strict=True):
        if before is None:
            assert after is None
            continue
        expected = shapely.transform(before, lambda xy: np.column_stack(project(*xy.T)))
        assert after.is_valid
        assert after.has_z == before.has_z
        if before.is_valid:
            assert after.geom_type == before.geom_type
            assert shapely.equals_exact(after, expected, 1e-9)
            assert shapely.get_coordinates(after, include_z=True)[:, 2].tolist() == pytest.approx(
                shapely.get_coordinates(before, include_z=True)[:, 2].tolist(), nan_ok=True
            )
        else:
            repaired += 1
            assert after.area == pytest.approx(shapely.make_valid(expected).area, rel=1e-6)
    assert result.changes == Changes(repaired=repaired)


def test_keeping_everything_keeps_every_bit(transform: Transform) -> None:
    bowtie = shapely.Polygon([(0, 0), (1 / 3, 1), (1, 0), (0, 1)])
    infinite = damaged("LineString", [(0, 0), (float("inf"), 1), (float("nan"), -0.0)])
    shapes = [bowtie, infinite, shapely.from_wkt("POLYGON Z EMPTY"), shapely.from_wkt("POINT EMPTY"), None]
    result = transform(Registry().recipes["raw"], [{"id": 1, "geom": shape} for shape in shapes], crs="EPSG:4326")
    assert result["geom"] == [
        shape if isinstance(shape, bytes) else shapely.to_wkb(shape, output_dimension=4, flavor="iso") for shape in shapes
    ]
    assert result.changes == Changes()


def test_what_cannot_be_projected_is_named(transform: Transform) -> None:
    line = shapely.LineString([(500_000, 0), (9e8, 1)])
    with pytest.raises(Rejected) as caught:
        transform(Registry().recipes["default"], [{"id": 1, "geom": shapely.Point(500_000, 0)}] + [{"id": 2, "geom": line}] * 3)
    (problem,) = caught.value.problems
    assert (problem.code, problem.where) == ("unprojectable", "feature 2")
    assert "from EPSG:32632 to EPSG:4326 (and 2 more)" in problem.message


@pytest.mark.parametrize("number", [float("inf"), float("-inf"), float("nan")])
@pytest.mark.parametrize("kind", ["LineString", "Polygon"])
def test_what_cannot_be_repaired_is_named(transform: Transform, number: float, kind: str) -> None:
    shape = damaged(kind, [(0, 0), (1, number), (1, 1), (0, 0)])
    with pytest.raises(Rejected) as caught:
        transform(Registry().recipes["keep_crs"], [{"id": 1, "geom": shape}])
    (problem,) = caught.value.problems
    code = "irreparable" if np.isnan(number) else "coordinates_impossible"  # an extent passes over what is not a number
    assert (problem.code, problem.where) == (code, "feature 1")


def test_simplifying_counts_what_loses_a_vertex(transform: Transform) -> None:
    wiggly = shapely.LineString([(0, 0), (5, 0.4), (10, 0), (10, 10)])
    straight = shapely.LineString([(0, 0), (10, 0)])
    rows = [
        {"id": 1, "geom": shape} for shape in (wiggly, straight, shapely.Point(1, 1), None, shapely.from_wkt("POLYGON EMPTY"))
    ]
    result = transform([REPAIR, {"op": "simplify", "tolerance": {"value": 50, "unit": "m"}}], rows)
    assert result.changes == Changes(counts={"simplified": 1})
    assert result.shapes[0] == shapely.LineString([(0, 0), (10, 10)])
    kept = transform([REPAIR, {"op": "simplify", "tolerance": {"value": 0.0005, "unit": "km"}}], rows)
    assert kept.shapes[0] == shapely.LineString([(0, 0), (10, 0), (10, 10)])
    assert kept.shapes[1:] == [row["geom"] for row in rows[1:]]


def test_simplifying_never_makes_a_polygon_vanish(transform: Transform) -> None:
    rows = [{"id": 1, "geom": shapely.Point(0, 0).buffer(radius)} for radius in (1, 10, 1000)]
    result = transform([REPAIR, {"op": "simplify", "tolerance": {"value": 1e6, "unit": "m"}}], rows)
    assert all(shape.is_valid and shape.area > 0 for shape in result.shapes)
    assert result.changes.counts == {"simplified": 3}


def test_a_grid_counts_what_it_moves_and_what_collapses(transform: Transform) -> None:
    on_grid, off_grid = shapely.box(0, 0, 10, 10), shapely.Point(0.4, 7.6)
    tiny = shapely.box(0.1, 0.1, 0.2, 0.2)
    rows = [{"id": 1, "geom": shape} for shape in (on_grid, off_grid, tiny, None)]
    result = transform([REPAIR, {"op": "set_precision", "grid": {"value": 1, "unit": "m"}}], rows)
    assert result.shapes[1] == shapely.Point(0, 8)
    assert result.shapes[2].is_empty
    assert result.shapes[3] is None
    assert shapely.equals(result.shapes[0], on_grid)
    assert result.changes.counts["collapsed"] == 1
    assert result.changes.counts["rounded"] >= 2


def test_leaving_out_heights_counts_those_that_had_them(transform: Transform) -> None:
    shapes = [shapely.Point(1, 2, 3), shapely.Point(1, 2), shapely.from_wkt("POLYGON Z EMPTY"), None]
    result = transform([{"op": "force_2d"}], [{"id": 1, "geom": shape} for shape in shapes])
    assert shapely.to_wkt(result.shapes).tolist() == ["POINT (1 2)", "POINT (1 2)", "POLYGON EMPTY", None]
    assert result.changes == Changes(counts={"forced_2d": 2})


def test_nothing_expensive_is_computed_twice(connection: duckdb.DuckDBPyConnection, transform: Transform) -> None:
    """The functions are replaced by ones that note when they are called: DuckDB must not merge the chained SELECTs."""
    calls: dict[str, int] = {"transform": 0, "is_valid": 0}

    def noting(name: str) -> Any:
        def note(wkb: bytes) -> bytes:
            calls[name] += 1
            return wkb

        return note

    class Noting(DuckDb):
        def transform(self, geometry: str, source: str, target: str) -> str:
            return super().transform(f"ST_GeomFromWKB(noted_transform(ST_AsWKB({geometry})))", source, target)

        def is_valid(self, geometry: str) -> str:
            return super().is_valid(f"ST_GeomFromWKB(noted_is_valid(ST_AsWKB({geometry})))")

    for name in calls:
        connection.create_function(f"noted_{name}", noting(name), ["BLOB"], "BLOB")
    rows = [{"id": number, "geom": shapely.box(500_000, number, 500_001, number + 1)} for number in range(5000)]
    steps = [{"op": "reproject", "crs": "EPSG:4326"}, REPAIR, {"op": "clip", "bbox": [0, 0, 90, 90]}, {"op": "force_2d"}]
    transform(steps, rows, dialect=Noting())
    assert calls == {"transform": 5000, "is_valid": 5000}
