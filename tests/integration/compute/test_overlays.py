"""Steps that look at where features of a named input lie, on every engine, held against a model in Shapely."""

import random
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest
import shapely
from pyproj import Transformer

from libs.compute.engine import Source
from libs.models import Rejected
from libs.transformations import Recipe

pytestmark = pytest.mark.integration
CRS = "EPSG:25832"
Through = Callable[..., Any]


def made_by(*steps: dict[str, Any], name: str = "zones") -> Recipe:
    inputs = [{"name": name, "description": "Zones."}]
    own = [{"op": "repair"}, *({"input": name, **step} for step in steps)]
    return Recipe.model_validate({"name": "mine", "description": "Mine.", "inputs": inputs, "steps": own})


def read(shapes: list[Any], crs: str | None = CRS, size: int = 50, **columns: Any) -> Source:
    wkb = pa.array([None if each is None else shapely.to_wkb(each, byte_order=1, flavor="iso") for each in shapes], pa.binary())
    table = pa.table({"n": pa.array(range(len(shapes)), pa.int64()), **columns, "geom": wkb})
    return Source(table.schema, crs, table.to_batches(max_chunksize=size), "files[0]: layer a")


def by_number(result: Any) -> dict[int, list[dict[str, Any]]]:
    rows: dict[int, list[dict[str, Any]]] = {}
    for row in result.rows.to_pylist():
        rows.setdefault(row["n"], []).append(row)
    return rows


def world(seed: int) -> tuple[list[Any], list[Any]]:
    """Features of all kinds, and zones that overlap, share borders, lie apart, and have holes."""
    chance = random.Random(seed)

    def spot(low: float = 0, high: float = 100) -> tuple[float, float]:
        return round(500_000 + chance.uniform(low, high), 2), round(5_500_000 + chance.uniform(low, high), 2)

    def any_shape() -> Any:
        kind = chance.randrange(6)
        if kind == 0:
            return shapely.Point(spot())
        if kind == 1:
            return shapely.LineString([spot() for _ in range(3)])
        if kind == 2:
            return None if chance.random() < 0.5 else shapely.from_wkt("POLYGON EMPTY")
        return shapely.Point(spot()).buffer(chance.uniform(1, 20), quad_segs=chance.choice([1, 3]))

    grid = [shapely.box(500_000 + x, 5_500_000 + y, 500_020 + x, 5_500_020 + y) for x in (0, 20, 40) for y in (0, 20)]
    blobs = [shapely.Point(spot(20, 90)).buffer(chance.uniform(5, 15), quad_segs=2) for _ in range(5)]
    ring = shapely.Point(500_070, 5_500_070).buffer(25).difference(shapely.Point(500_070, 5_500_070).buffer(10))
    return [*(any_shape() for _ in range(150)), shapely.box(500_010, 5_500_000, 500_095, 5_500_095)], [*grid, *blobs, ring]


def found_by(shape: Any, zones: list[Any], predicate: str, distance: float = 0) -> list[int]:
    if shape is None or shape.is_empty:
        return []
    tests = {
        "intersects": shape.intersects, "within": shape.within, "contains": shape.contains,
        "nearest": lambda zone: shape.distance(zone) <= distance,
    }  # fmt: skip
    return [number for number, zone in enumerate(zones) if tests[predicate](zone)]


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("predicate", ["intersects", "within", "contains", "nearest"])
def test_a_spatial_join_takes_one(through: Through, seed: int, predicate: str) -> None:
    shapes, zones = world(seed)
    step: dict[str, Any] = {"op": "spatial_join", "predicate": predicate, "columns": {"n": "zone"}}
    step |= {"distance": {"value": 8, "unit": "m"}} if predicate == "nearest" else {}
    result = through(read(shapes), made_by(step), inputs={"zones": read(zones)})
    rows = by_number(result)
    assert {*rows} == {*range(len(shapes))}
    several = 0
    for number, shape in enumerate(shapes):
        found = found_by(shape, zones, predicate, 8)
        several += len(found) > 1
        if predicate == "nearest":
            found.sort(key=lambda zone: (shape.distance(zones[zone]), zone))
        assert [row["zone"] for row in rows[number]] == (found[:1] or [None]), (number, shape)
    matched = sum(bool(found_by(shape, zones, predicate, 8)) for shape in shapes)
    counts = {"zones_matched": matched, "zones_unmatched": len(shapes) - matched, "zones_several": several}
    assert result.changes.counts == {name: number for name, number in counts.items() if number}


@pytest.mark.parametrize("how", ["left", "inner", "anti"])
def test_a_spatial_join_takes_all(through: Through, how: str) -> None:
    shapes, zones = world(7)
    columns = None if how == "anti" else {"n": "zone"}
    recipe = made_by({"op": "spatial_join", "take": "all", "how": how, "columns": columns})
    result = through(read(shapes), recipe, inputs={"zones": read(zones)})
    rows = by_number(result)
    for number, shape in enumerate(shapes):
        found = found_by(shape, zones, "intersects")
        expected = {"left": found or [None], "inner": found, "anti": [] if found else ["self"]}[how]
        assert [row.get("zone", "self") for row in rows.get(number, [])] == expected
    matched = sum(bool(found_by(shape, zones, "intersects")) for shape in shapes)
    dropped = {"left": 0, "inner": len(shapes) - matched, "anti": matched}[how]
    assert result.changes.dropped == ({"spatial_join": dropped} if dropped else {})


def test_the_largest_overlap_and_ties(through: Through) -> None:
    zones = [shapely.box(0, 0, 10, 10), shapely.box(10, 0, 20, 10), shapely.box(0, 0, 20, 10)]
    shapes = [shapely.box(9, 1, 12, 2), shapely.box(8, 1, 11, 2), shapely.LineString([(5, 5), (11, 5)]), shapely.Point(10, 5)]
    zones = [shapely.affinity.translate(each, 500_000, 5_500_000) for each in zones]
    shapes = [shapely.affinity.translate(each, 500_000, 5_500_000) for each in shapes]
    source = read(zones, name=["b", "a", "c"])
    largest = {"op": "spatial_join", "take": "largest", "columns": ["name"]}
    result = by_number(through(read(shapes), made_by(largest), inputs={"zones": source}))
    assert [result[number][0]["name"] for number in range(4)] == ["c", "c", "c", "b"]
    first = read(zones[:2], name=["b", "a"])
    result = by_number(through(read(shapes), made_by(largest | {"ties": ["name"]}), inputs={"zones": first}))
    assert [result[number][0]["name"] for number in range(4)] == ["a", "b", "b", "a"]


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("op", ["clip_by", "erase"])
def test_what_is_cut(through: Through, op: str, seed: int) -> None:
    shapes, zones = world(seed + 10)
    result = through(read(shapes), made_by({"op": op}), inputs={"zones": read(zones)})
    rows = by_number(result)
    whole = shapely.union_all(zones)
    kept = cut = 0
    for number, shape in enumerate(shapes):
        (made,) = [shapely.from_wkb(row["geom"]) for row in rows.get(number, [])] or [None]
        if shape is None or shape.is_empty:
            assert made is None or made.is_empty
            assert (number in rows) == (op == "erase")
            kept += op == "erase"
            continue
        expected = shape.intersection(whole) if op == "clip_by" else shape.difference(whole)
        same_dimension = [part for part in shapely.get_parts(expected) if part.length or shape.geom_type == "Point"]
        same_dimension = [part for part in same_dimension if part.area or not shape.area]
        expected = shapely.union_all(same_dimension)
        if expected.is_empty:
            assert made is None
            continue
        assert made is not None, (number, shape)
        assert made.symmetric_difference(expected).area < 1e-6
        assert made.length == pytest.approx(expected.length, rel=1e-9)
        assert made.is_valid
        untouched = shape.within(whole) if op == "clip_by" else not shape.intersects(whole)
        if untouched and any(shape.within(zone) for zone in zones) == (op == "clip_by"):
            assert shapely.equals_exact(made, shape)
        kept += 1
        cut += not made.equals_exact(shape)
    name = "clipped" if op == "clip_by" else "erased"
    assert result.changes.counts.get(name, 0) == cut
    assert result.features == kept


def test_what_only_touches_stays_as_it_is(through: Through) -> None:
    zone, beside = (shapely.box(500_000 + x, 5_500_000, 500_010 + x, 5_500_010) for x in (0, 10))
    result = through(read([beside]), made_by({"op": "erase"}), inputs={"zones": read([zone])})
    assert shapely.equals_exact(shapely.from_wkb(result.rows["geom"][0].as_py()), beside)
    assert result.changes.counts == {}
    assert through(read([beside, zone]), made_by({"op": "clip_by"}), inputs={"zones": read([zone])}).changes.dropped == {
        "clip_by": 1
    }


def test_the_input_is_brought_to_the_crs_repaired_and_told(through: Through) -> None:
    to_degrees = Transformer.from_crs(CRS, "EPSG:4326", always_xy=True).transform
    bowtie = shapely.Polygon([(500_000, 5_500_000), (500_010, 5_500_010), (500_010, 5_500_000), (500_000, 5_500_010)])
    zone = shapely.transform(shapely.force_3d(bowtie, 7), to_degrees, interleaved=False)
    point = shapely.Point(500_001, 5_500_005)
    step = {"op": "spatial_join", "columns": {"n": "zone"}}
    result = through(read([point]), made_by(step), inputs={"zones": read([zone], "EPSG:4326")})
    assert result.rows["zone"].to_pylist() == [0]
    assert result.changes.counts == {"zones_matched": 1, "zones_repaired": 1, "zones_reprojected_from_epsg_4326": 1}


@pytest.mark.parametrize(
    ("step", "zones", "code"),
    [
        ({"op": "spatial_join", "columns": []}, read([shapely.Point(500_001, 5_600_001)]), "nothing_matched"),
        ({"op": "spatial_join", "columns": ["x"]}, read([shapely.Point(500_001, 5_600_001)]), "unknown_column"),
        ({"op": "clip_by"}, read([shapely.box(500_000, 5_500_000, 500_010, 5_500_009)], None), "missing_crs"),
        ({"op": "erase"}, Source(pa.schema([("n", pa.int64())]), None, [], "files[1]"), "no_geometry"),
    ],
)
def test_what_does_not_fit_is_refused(through: Through, step: dict[str, Any], zones: Source, code: str) -> None:
    with pytest.raises(Rejected) as refused:
        through(read([shapely.Point(500_001, 5_500_001)]), made_by(step), inputs={"zones": zones})
    assert [problem.code for problem in refused.value.problems] == [code]


def test_degrees_are_no_metres(through: Through) -> None:
    step = {"op": "spatial_join", "predicate": "nearest", "distance": {"value": 5, "unit": "m"}, "columns": []}
    with pytest.raises(Rejected, match="does not fit the CRS"):
        through(
            read([shapely.Point(9, 48)], "EPSG:4326"), made_by(step), inputs={"zones": read([shapely.Point(9, 48)], "EPSG:4326")}
        )
