"""Steps that change which rows there are, on a real DuckDB, against Shapely."""

import random
from typing import Any

import duckdb
import pyarrow as pa
import pyproj
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from libs.models import Changes, Rejected
from tests.sampling import examples

pytestmark = pytest.mark.integration

Transform = Any
REPAIR = {"op": "repair"}
KINDS = pa.schema([("id", pa.int64()), ("kind", pa.string()), ("height", pa.float64())])


def test_clipping_keeps_cuts_and_leaves_out(transform: Transform) -> None:
    inside, across, outside = shapely.box(1, 1, 2, 2), shapely.box(5, 5, 15, 15), shapely.box(20, 20, 21, 21)
    touching = shapely.box(10, 0, 12, 2)  # shares an edge with the area: a line is no polygon
    through = shapely.LineString([(-5, 5), (15, 5), (15, 6), (-5, 6)])
    high = shapely.box(8, 8, 12, 12)
    shapes = [inside, across, outside, touching, through, shapely.force_3d(high, 7), None, shapely.from_wkt("POLYGON EMPTY")]
    rows = [{"id": number, "geom": shape} for number, shape in enumerate(shapes)]
    result = transform([REPAIR, {"op": "clip", "bbox": [0, 0, 10, 10], "crs": "EPSG:32632"}], rows)
    assert result["id"] == [0, 1, 4, 5]
    assert result.shapes[0] == inside
    assert shapely.equals(result.shapes[1], shapely.box(5, 5, 10, 10))
    assert shapely.equals(result.shapes[2], shapely.from_wkt("MULTILINESTRING ((0 5, 10 5), (0 6, 10 6))"))
    assert set(shapely.get_coordinates(result.shapes[3], include_z=True)[:, 2]) == {7}
    assert result.changes == Changes(dropped={"clip": 4}, counts={"clipped": 3})


def test_clipping_cuts_the_parts_of_a_collection_one_by_one(transform: Transform) -> None:
    point, line, square = shapely.Point(9, 9), shapely.LineString([(0, 0), (20, 0)]), shapely.box(8, 8, 12, 12)
    collection = shapely.GeometryCollection([point, line, square, shapely.Point(30, 30)])
    result = transform(
        [REPAIR, {"op": "clip", "area": "POLYGON ((0 0, 10 0, 10 10, 0 10, 0 0))", "crs": "EPSG:32632"}], [{"geom": collection}]
    )
    parts = list(result.shapes[0].geoms)
    assert [part.geom_type for part in parts] == ["Point", "LineString", "Polygon"]
    assert shapely.equals(parts[1], shapely.LineString([(0, 0), (10, 0)]))
    assert shapely.equals(parts[2], shapely.box(8, 8, 10, 10))


def test_clipping_to_an_area_in_another_crs(transform: Transform) -> None:
    rows = [{"id": x, "geom": shapely.Point(500_000 + x, 5_500_000)} for x in (-200_000, -1000, 1000, 200_000)]
    result = transform([REPAIR, {"op": "clip", "bbox": [9, 49, 10, 50]}], rows)
    assert result["id"] == [1000]
    # A parallel is no straight line in UTM: without vertices along it, the area's southern edge would lie too far north here.
    project = pyproj.Transformer.from_crs(4326, 32632, always_xy=True).transform
    on_parallel = [{"id": 1, "geom": shapely.Point(*project(9, 49.001))}, {"id": 2, "geom": shapely.Point(*project(9, 48.999))}]
    result = transform([REPAIR, {"op": "clip", "bbox": [7, 49, 11, 50]}], on_parallel)
    assert result["id"] == [1]


def test_an_area_that_cannot_be_projected_is_said(transform: Transform) -> None:
    with pytest.raises(Rejected) as caught:
        transform(
            [REPAIR, {"op": "clip", "bbox": [-180, -90, 180, 95]}],
            [{"id": 1, "geom": shapely.Point(500_000, 0)}],
            crs="EPSG:3857",
        )
    assert [problem.code for problem in caught.value.problems] == ["unprojectable"]


def test_exploding_keeps_order_attributes_and_what_has_no_parts(transform: Transform) -> None:
    nested = shapely.GeometryCollection([shapely.MultiPoint([(1, 1), (2, 2)]), shapely.LineString([(0, 0), (1, 1)])])
    empty = shapely.from_wkt("MULTIPOLYGON EMPTY")
    shapes = [shapely.MultiPoint([(3, 3, 7), (4, 4, 8)]), None, empty, nested, shapely.Point(0, 0)]
    result = transform([{"op": "explode"}], [{"id": number, "geom": shape} for number, shape in enumerate(shapes)])
    assert result["id"] == [0, 0, 1, 2, 3, 3, 3, 4]
    assert shapely.to_wkt(result.shapes).tolist() == [
        "POINT Z (3 3 7)", "POINT Z (4 4 8)", None, "MULTIPOLYGON EMPTY", "POINT (1 1)", "POINT (2 2)", "LINESTRING (0 0, 1 1)",
        "POINT (0 0)",
    ]  # fmt: skip
    assert result.changes == Changes(counts={"exploded": 3})


def test_dissolving_unites_by_values_missing_ones_too(transform: Transform) -> None:
    rows = [
        {"id": 1, "kind": "b", "height": 1.5, "geom": shapely.box(0, 0, 1, 1)},
        {"id": 2, "kind": None, "height": 2.5, "geom": shapely.from_wkt("POLYGON EMPTY")},
        {"id": 3, "kind": "b", "height": None, "geom": shapely.box(1, 0, 2, 1)},
        {"id": 4, "kind": None, "height": 4.0, "geom": None},
        {"id": 5, "kind": "a", "height": None, "geom": None},
        {"id": 6, "kind": "b", "height": 0.25, "geom": None},
    ]
    aggregate = {
        "n": {"op": "count"},
        "heights": {"op": "count", "column": "height"},
        "sum": {"op": "sum", "column": "height"},
        "ids": {"op": "sum", "column": "id"},
        "least": {"op": "min", "column": "id"},
        "last": {"op": "max", "column": "kind"},
        "first": {"op": "first", "column": "height"},
    }
    result = transform([REPAIR, {"op": "dissolve", "by": ["kind"], "aggregate": aggregate}], rows, schema=KINDS)
    values = [[row[name] for name in ("kind", *aggregate)] for row in result.rows]
    assert values == [
        ["b", 3, 2, 1.75, 10, 1, "b", 1.5],
        [None, 2, 2, 6.5, 6, 2, None, 2.5],
        ["a", 1, 0, None, 5, 5, "a", None],
    ]
    assert shapely.equals(result.shapes[0], shapely.box(0, 0, 2, 1))
    assert shapely.to_wkt(result.shapes[1:]).tolist() == ["POLYGON EMPTY", None]
    assert [column.type for column in result.relation.columns] == [
        "string",
        "int64",
        "int64",
        "double",
        "int64",
        "int64",
        "string",
        "double",
    ]
    assert result.changes == Changes(counts={"dissolved": 3, "columns_dropped": 2})


def test_dissolving_nothing_gives_nothing(transform: Transform) -> None:
    nothing = {"op": "filter", "condition": {"column": "id", "op": "is_null"}}
    result = transform([REPAIR, nothing, {"op": "dissolve"}], [{"id": 1, "geom": shapely.Point(0, 0)}])
    assert result.rows == []
    assert result.changes == Changes(dropped={"filter": 1}, counts={"columns_dropped": 1})


def test_dissolving_makes_no_heights_up(transform: Transform) -> None:
    rows = [{"id": 1, "geom": shapely.Point(0, 0)}, {"id": 2, "geom": shapely.Point(1, 1, 5)}]
    with pytest.raises(Rejected) as caught:
        transform([REPAIR, {"op": "dissolve"}], rows)
    assert [problem.code for problem in caught.value.problems] == ["mixed_heights"]
    result = transform([REPAIR, {"op": "dissolve", "by": ["id"]}], rows)
    assert [shape.has_z for shape in result.shapes] == [False, True]


def test_a_sum_that_does_not_fit_is_said(transform: Transform) -> None:
    rows = [{"id": 2**62, "geom": shapely.Point(0, number)} for number in range(2)]
    with pytest.raises(Rejected) as caught:
        transform([REPAIR, {"op": "dissolve", "aggregate": {"total": {"op": "sum", "column": "id"}}}], rows)
    assert [problem.code for problem in caught.value.problems] == ["sum_too_large"]


def test_dissolving_gives_the_same_bytes_whatever_the_threads(
    connection: duckdb.DuckDBPyConnection, transform: Transform
) -> None:
    dice = random.Random(7)
    rows = [
        {"id": number, "kind": dice.choice("abc"), "height": dice.uniform(-1e9, 1e9),
         "geom": shapely.Point(dice.uniform(0, 900), dice.uniform(0, 900)).buffer(dice.uniform(1, 20))}
        for number in range(3000)
    ]  # fmt: skip
    steps = [REPAIR, {"op": "dissolve", "by": ["kind"], "aggregate": {"sum": {"op": "sum", "column": "height"}}}]
    made = []
    for threads in (1, 2, 4, 4):
        connection.execute(f"SET threads = {threads}")
        result = transform(steps, rows, schema=KINDS)
        made.append([(row["kind"], row["sum"], row["geom"]) for row in result.rows])
    connection.execute("RESET threads")
    assert made[1:] == made[:1] * 3


rows_of_any_kind = st.lists(
    st.fixed_dictionaries(
        {
            "id": st.integers(0, 5),
            "kind": st.sampled_from(["a", "b", None]),
            "geom": st.sampled_from(
                [
                    None,
                    shapely.from_wkt("POLYGON EMPTY"),
                    shapely.from_wkt("MULTIPOINT (1 1, 20 20, 4 4)"),
                    shapely.Polygon([(0, 0), (2, 2), (2, 0), (0, 2)]),
                    shapely.box(5, 5, 15, 15),
                    shapely.from_wkt("MULTIPOLYGON (((0 0, 1 0, 1 1, 0 0)), ((8 8, 20 8, 20 20, 8 8)))"),
                    shapely.LineString([(-5, -5), (5, 5), (5, 15), (6, 5)]),
                ]
            ),
        }
    ),
    min_size=1,
    max_size=8,
)
some_steps = st.lists(
    st.sampled_from(
        [
            {"op": "explode"},
            {"op": "clip", "bbox": [0, 0, 10, 10], "crs": "EPSG:32632"},
            {"op": "clip", "bbox": [2, 2, 30, 30], "crs": "EPSG:32632"},
            {"op": "filter", "condition": {"column": "id", "op": "ge", "value": 2}},
            {"op": "filter", "condition": {"column": "kind", "op": "ne", "value": "a"}},
            {"op": "dissolve", "by": ["kind", "id"]},
            {"op": "force_2d"},
        ]
    ),
    min_size=1,
    max_size=5,
)


@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=rows_of_any_kind, steps=some_steps)
def test_steps_in_one_plan_do_what_they_do_one_after_another(
    transform: Transform, rows: list[dict[str, Any]], steps: list[dict[str, Any]]
) -> None:
    schema = pa.schema([("id", pa.int64()), ("kind", pa.string())])
    whole = transform([REPAIR, *steps], rows, schema=schema)
    current, dropped, counts = transform([REPAIR], rows, schema=schema).rows, 0, {"exploded": 0, "dissolved": 0, "clipped": 0}
    for step in steps:
        if not current:
            break
        result = transform([REPAIR, step], current, schema=schema)
        current = result.rows
        dropped += sum(result.changes.dropped.values())
        counts = {name: number + result.changes.counts.get(name, 0) for name, number in counts.items()}
    seen = [[(row["id"], row["kind"], row["geom"]) for row in made] for made in (whole.rows, current)]
    assert seen[0] == seen[1]
    assert sum(whole.changes.dropped.values()) == dropped
    assert {name: whole.changes.counts.get(name, 0) for name in counts} == counts
    # The books balance: nothing is left out or added that is not counted.
    assert len(whole.rows) == len(rows) - dropped - counts["dissolved"] + counts["exploded"]
