"""What becomes of rows: their order, their geometry, several sources in one dataset, what a recipe changes."""

import math
import random
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from libs.models import Changes, Rejected
from tests.sampling import examples

pytestmark = pytest.mark.integration

SIDES = ("xmin", "ymin", "xmax", "ymax")


def shapes(rows: pa.Table) -> list[str | None]:
    geometries = (None if each is None else shapely.from_wkb(each) for each in rows["geom"].to_pylist())
    return [None if each is None else shapely.to_wkt(each, trim=True, rounding_precision=-1) for each in geometries]


GEOMETRIES = [
    "POINT (1 2)", "POINT Z (1 2 3)", "LINESTRING (0 0, 1 1)", "LINESTRING Z (0 0 1, 1 1 2)",
    "POLYGON ((0 0, 1 0, 1 1, 0 0))", "POLYGON Z ((0 0 5, 1 0 5, 1 1 5, 0 0 5))",
    "POLYGON ((0 0, 9 0, 9 9, 0 9, 0 0), (1 1, 2 1, 2 2, 1 1))", "MULTIPOINT ((0 0), (1 1))", "MULTIPOINT Z ((0 0 1), (1 1 2))",
    "MULTILINESTRING ((0 0, 1 1), (2 2, 3 3))", "MULTIPOLYGON (((0 0, 1 0, 1 1, 0 0)))",
    "GEOMETRYCOLLECTION (POINT (1 2), LINESTRING (0 0, 1 1))", "GEOMETRYCOLLECTION Z (POINT Z (1 2 3))",
    "GEOMETRYCOLLECTION (POLYGON EMPTY, POINT (1 2))", "POINT (0.1 0.30000000000000004)", "POINT (-1e-300 1e300)",
    "POINT EMPTY", "LINESTRING EMPTY", "POLYGON EMPTY", "MULTIPOINT EMPTY", "MULTILINESTRING EMPTY", "MULTIPOLYGON EMPTY",
    "GEOMETRYCOLLECTION EMPTY", "POINT Z EMPTY", "POLYGON Z EMPTY", "GEOMETRYCOLLECTION (POLYGON EMPTY)",
    "MULTIPOLYGON (EMPTY)", None,
]  # fmt: skip


@pytest.mark.parametrize("shape", GEOMETRIES)
def test_a_geometry_comes_back_byte_by_byte(shape: str | None, through: Callable, source: Callable, wkb: Callable) -> None:
    column = wkb(shape)
    result = through(source(pa.table({"geom": column})))
    assert result.rows["geom"].combine_chunks().equals(column)
    if shape is not None and not shapely.from_wkt(shape).is_empty:
        extent = tuple(shapely.bounds(shapely.from_wkt(shape)))
        assert result.bbox == extent
        assert result.rows["bbox"].to_pylist() == [dict(zip(SIDES, extent, strict=True))]
    else:
        assert result.bbox is None
        assert result.rows["bbox"].to_pylist() == [None if shape is None else dict.fromkeys(SIDES)]


def test_mixed_and_missing_geometries_together(through: Callable, source: Callable, wkb: Callable) -> None:
    result = through(source(pa.table({"n": range(len(GEOMETRIES)), "geom": wkb(*GEOMETRIES)})))
    by_number = dict(zip(result.rows["n"].to_pylist(), result.rows["geom"].to_pylist(), strict=True))
    assert [by_number[n] for n in range(len(GEOMETRIES))] == wkb(*GEOMETRIES).to_pylist()


@pytest.mark.parametrize("shape", ["POINT (nan nan)", "POINT (inf 0)", "LINESTRING (0 0, inf 1)", "LINESTRING (0 0, 1 -inf)"])
def test_raw_keeps_coordinates_that_are_no_numbers(shape: str, through: Callable, source: Callable) -> None:
    text, words = shape.split(" (")
    points = [tuple(map(float, pair.split())) for pair in words.rstrip(")").split(", ")]
    with np.errstate(invalid="ignore"):
        geometry = shapely.Point(points[0]) if text == "POINT" else shapely.LineString(points)
    column = pa.array([shapely.to_wkb(geometry, byte_order=1), shapely.to_wkb(shapely.Point(1, 1), byte_order=1)])
    result = through(source(pa.table({"geom": column})))
    # They bound nothing that a reader could look for, so they stand with the features that have no extent.
    assert result.rows["geom"].to_pylist() == column.to_pylist()[::-1]
    assert result.bbox == (1, 1, 1, 1)
    assert result.rows["bbox"].to_pylist()[1] == dict.fromkeys(SIDES)


# Order


@pytest.mark.parametrize("side", [2, 4, 16])
def test_order_is_a_hilbert_curve_over_the_extent(side: int, through: Callable, source: Callable) -> None:
    cells = [(x, y) for x in range(side) for y in range(side)]
    random.Random(7).shuffle(cells)
    points = shapely.to_wkb(shapely.points([(3_000 + x, -70 + y * 10) for x, y in cells]), byte_order=1)
    result = through(source(pa.table({"x": [x for x, _ in cells], "y": [y for _, y in cells], "geom": pa.array(points)})))
    way = list(zip(result.rows["x"].to_pylist(), result.rows["y"].to_pylist(), strict=True))
    assert sorted(way) == sorted(cells)
    # Of all curves through a square grid of 2^k cells, those that never jump and fill quadrant by quadrant are Hilbert's.
    assert {abs(a - c) + abs(b - d) for (a, b), (c, d) in pairwise(way)} == {1}
    quarter = len(way) // 4
    for start in range(0, len(way), quarter):
        assert len({(x * 2 // side, y * 2 // side) for x, y in way[start : start + quarter]}) == 1


def test_ties_keep_source_order_and_what_has_no_extent_comes_last(through: Callable, source: Callable, wkb: Callable) -> None:
    kinds = ["POINT (9 9)", None, "POINT (0 0)", "POLYGON EMPTY"]
    drawn = random.Random(11).choices(kinds, k=3_000)
    result = through(source(pa.table({"n": range(len(drawn)), "geom": wkb(*drawn)}).combine_chunks()))
    numbers, found = result.rows["n"].to_pylist(), shapes(result.rows)
    groups = [found[index] for index in range(len(found)) if index == 0 or found[index] != found[index - 1]]
    assert set(groups[:2]) == {"POINT (9 9)", "POINT (0 0)"}
    first, second = drawn.count(groups[0]), drawn.count(groups[1])
    for part in (numbers[:first], numbers[first : first + second], numbers[first + second :]):
        assert part == sorted(part)
    assert [drawn[n] for n in numbers[first + second :]] == [each for each in drawn if each in {None, "POLYGON EMPTY"}]


@pytest.mark.parametrize("shape", ["POINT (5 5)", "LINESTRING (0 5, 9 5)", "LINESTRING (5 0, 5 9)", None, "POINT EMPTY"])
def test_an_extent_without_area(shape: str | None, through: Callable, source: Callable, wkb: Callable) -> None:
    result = through(source(pa.table({"n": range(50), "geom": wkb(*[shape] * 50)})))
    assert result.rows["n"].to_pylist() == list(range(50))


# Several sources


def test_sources_are_appended(through: Callable, source: Callable, wkb: Callable) -> None:
    parts = [pa.table({"n": [n, n + 1], "geom": wkb("POINT (1 1)", None)}) for n in (0, 10, 20)]
    result = through([source(part, where=f"files[{index}]") for index, part in enumerate(parts)])
    assert result.features == 6
    assert result.rows["n"].to_pylist() == [0, 10, 20, 1, 11, 21]


def test_a_source_without_rows_adds_none(through: Callable, source: Callable, wkb: Callable) -> None:
    empty, full = pa.table({"n": pa.array([], pa.int64()), "geom": wkb()}), pa.table({"n": [1], "geom": wkb("POINT (1 1)")})
    assert through([source(empty), source(full), source(empty)]).rows["n"].to_pylist() == [1]


@pytest.mark.parametrize(
    ("changed", "crs", "said"),
    [
        ({"a": pa.array([1], pa.int32()), "b": ["x"]}, "EPSG:4326", "a is int32 instead of int64"),
        ({"a": [1]}, "EPSG:4326", "b is missing instead of string"),
        ({"a": [1], "b": ["x"], "c": [1.5]}, "EPSG:4326", "c (double) is added"),
        ({"b": ["x"], "a": [1]}, "EPSG:4326", "the columns stand in another order"),
        ({"a": [1], "b": ["x"]}, "EPSG:3857", "the CRS is EPSG:3857 instead of EPSG:4326"),
        ({"A": [1], "b": ["x"]}, "EPSG:4326", "A (int64) is added"),
    ],
)
def test_disagreement_is_named(changed: dict, crs: str, said: str, through: Callable, source: Callable, wkb: Callable) -> None:
    first = source(pa.table({"a": [1], "b": ["x"], "geom": wkb("POINT (1 1)")}), where="files[0]: layer one")
    second = source(pa.table(changed | {"geom": wkb("POINT (1 1)")}), crs, where="files[4]: layer two")
    with pytest.raises(Rejected) as caught:
        through([first, second])
    (problem,) = caught.value.problems
    assert (problem.code, problem.where) == ("schema_mismatch", "files[4]: layer two")
    assert "files[0]: layer one" in problem.message
    assert said in problem.message


def test_a_table_does_not_agree_with_a_layer(through: Callable, source: Callable, wkb: Callable) -> None:
    layer, table = pa.table({"a": [1], "geom": wkb("POINT (1 1)")}), pa.table({"a": [1]})
    for pair in ([layer, table], [table, layer]):
        with pytest.raises(Rejected, match="schema_mismatch"):
            through([source(each) for each in pair])


# What a recipe changes

BOWTIE = "POLYGON ((0 0, 2 2, 2 0, 0 2, 0 0))"


def test_changes_are_counted(through: Callable, source: Callable, wkb: Callable) -> None:
    table = pa.table({"geom": wkb(BOWTIE, "POLYGON ((0 0, 1 0, 1 1, 0 0))", None, BOWTIE, "POLYGON EMPTY")})
    result = through([source(table), source(table)], by="default")
    assert result.changes == Changes(repaired=4)
    assert result.features == 10
    assert all(shapely.is_valid(shapely.from_wkb(each)) for each in result.rows["geom"].drop_null().to_pylist())


def test_features_left_out_are_counted_and_gone(through: Callable, source: Callable, wkb: Callable, recipe: Callable) -> None:
    table = pa.table({"n": [1, 2, 3], "geom": wkb("POINT (1 1)", "POINT (80 80)", None)})
    result = through(source(table), by=recipe("filter", condition={"column": "n", "op": "ne", "value": 2}))
    assert (result.features, result.changes.dropped) == (2, {"filter": 1})
    assert result.bbox == (1, 1, 1, 1)
    assert sorted(result.rows["n"].to_pylist()) == [1, 3]


def test_a_recipe_that_leaves_nothing(through: Callable, source: Callable, wkb: Callable, recipe: Callable) -> None:
    table = pa.table({"n": [1, 2], "geom": wkb("POINT (1 1)", None)})
    result = through(source(table), by=recipe("filter", condition={"column": "n", "op": "gt", "value": 5}))
    assert (result.features, result.bbox, result.changes.dropped) == (0, None, {"filter": 2})


def test_a_recipe_that_sees_all_rows(through: Callable, source: Callable, wkb: Callable, recipe: Callable) -> None:
    table = pa.table(
        {"kind": ["a", "b", "a"], "geom": wkb(*[f"POLYGON (({x} 0, {x + 1} 0, {x + 1} 1, {x} 0))" for x in (0, 5, 9)])}
    )
    result = through([source(table), source(table)], by=recipe("dissolve", by=["kind"]))
    assert result.features == 2
    assert sorted(result.rows["kind"].to_pylist()) == ["a", "b"]
    assert result.changes.counts == {"dissolved": 4}


def test_reprojection_is_right_and_names_the_crs(through: Callable, source: Callable, wkb: Callable) -> None:
    result = through(source(pa.table({"geom": wkb("POINT (500000 0)", "POINT Z (500000 0 7)")}), crs="EPSG:32632"), by="default")
    assert result.crs == "EPSG:4326"
    assert shapes(result.rows) == ["POINT (9 0)", "POINT Z (9 0 7)"]
    assert result.bbox == (9, 0, 9, 0)


def test_a_failed_check_names_file_layer_and_feature(through: Callable, source: Callable, wkb: Callable) -> None:
    good = pa.table({"geom": wkb("POINT (500000 0)", None)})
    bad = pa.table({"geom": wkb("POINT (500000 0)", None, "POINT (9e8 9e8)", "POINT (9e8 0)")})
    sources = [source(good, "EPSG:32632", "files[0]: layer roads"), source(bad, "EPSG:32632", "files[1]: layer lanes")]
    with pytest.raises(Rejected) as caught:
        through(sources, by="default")
    (problem,) = caught.value.problems
    assert (problem.code, problem.where) == ("unprojectable", "files[1]: layer lanes, feature 3")
    assert "1 more" in problem.message


def test_a_recipe_that_does_not_fit_is_a_rejection(through: Callable, source: Callable, wkb: Callable, recipe: Callable) -> None:
    with pytest.raises(Rejected):
        through(
            source(pa.table({"n": [1], "geom": wkb("POINT (1 1)")})),
            by=recipe("filter", condition={"column": "m", "op": "eq", "value": 1}),
        )


# Size


def test_huge_geometries(through: Callable, source: Callable) -> None:
    """Five polygons of 300,000 vertices, 4.8 MB each, handed over one by one."""
    angles = np.linspace(0, 2 * math.pi, 300_001)
    radius = 1 + np.arange(len(angles)) % 2 * 1e-6
    rings = [np.column_stack([x + radius * np.cos(angles), radius * np.sin(angles)]) for x in range(0, 50, 10)]
    for ring in rings:
        ring[-1] = ring[0]
    column = pa.array(shapely.to_wkb(shapely.polygons(rings), byte_order=1), pa.binary())
    table = pa.table({"n": range(len(rings)), "geom": column})
    result = through(source(table, batches=table.to_batches(max_chunksize=1)), by="default")
    assert result.changes == Changes()
    back = dict(zip(result.rows["n"].to_pylist(), result.rows["geom"].to_pylist(), strict=True))
    assert [back[n] for n in range(len(rings))] == column.to_pylist()


ROWS = 400


@settings(deadline=None, max_examples=examples(25), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(0, ROWS), max_size=12), parts=st.integers(1, 3))
def test_the_same_whatever_the_batches(cuts: list[int], parts: int, through: Callable, source: Callable, wkb: Callable) -> None:
    table, expected = _sample(through, source)
    edges = sorted([0, ROWS, *cuts])
    batches = [
        batch for start, end in pairwise(edges) for batch in (table.slice(start, end - start).to_batches() or _none(table))
    ]
    per_source = -(-len(batches) // parts)
    sources = [source(table, batches=batches[start : start + per_source]) for start in range(0, len(batches), per_source)]
    result = through(sources, by="default")
    assert result.rows.combine_chunks().equals(expected.rows.combine_chunks())
    assert (result.changes, result.bbox) == (expected.changes, expected.bbox)


def _none(table: pa.Table) -> list[pa.RecordBatch]:
    return [pa.RecordBatch.from_pylist([], table.schema)]


def _sample(through: Callable, source: Callable) -> tuple[pa.Table, Any]:
    draw = random.Random(3)
    corners = [(draw.uniform(-170, 170), draw.uniform(-80, 80)) for _ in range(ROWS)]
    polygons = [shapely.Polygon([(x, y), (x + 1, y + 1), (x + draw.choice([1, 0]), y), (x, y + 1)]) for x, y in corners]
    geometry = [draw.choice([shapely.to_wkb(each, byte_order=1)] * 9 + [None]) for each in polygons]
    table = pa.table({"n": range(ROWS), "text": [str(x) for x, _ in corners], "geom": pa.array(geometry, pa.binary())})
    return table, through(source(table), by="default")


def test_the_same_whatever_the_threads(new_engine: Callable, through: Callable, source: Callable) -> None:
    """More rows than an engine takes at once, so that there is something to do side by side."""
    draw = random.Random(5)
    count = 300_000
    points = shapely.to_wkb(shapely.points([(draw.gauss(0, 30), draw.gauss(0, 15)) for _ in range(count)]), byte_order=1)
    table = pa.table({"n": range(count), "text": [str(n % 97) for n in range(count)], "geom": pa.array(points)})
    one, two = (
        through(source(table, batches=table.to_batches(max_chunksize=65_536)), by="default", on=new_engine(threads=threads))
        for threads in (1, 2)
    )
    assert one.features == two.features == count
    assert one.rows.equals(two.rows)
