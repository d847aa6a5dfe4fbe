"""What recipes' steps find, by policy: rows are set aside, or lose what is bad of them. The same on every engine."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from libs.models import Policies, Rejected
from libs.transformations import Recipe
from tests.sampling import examples

pytestmark = pytest.mark.integration

ASIDE = Policies(on_bad_geometry="set_aside", on_bad_value="set_aside")
NULL = Policies(on_bad_geometry="null", on_bad_value="null")
GOOD = shapely.Point(10, 53.5)
BOW_TIE = shapely.from_wkt("POLYGON ((10 53, 11 54, 11 53, 10 54, 10 53))")
SOUTH = shapely.Point(10, -20)
REPAIR = [{"op": "repair"}]
TO_GNOMONIC = [{"op": "reproject", "crs": "ESRI:102034"}]
"""Of the north pole: the map has no place for the south."""
CAST = [{"op": "cast", "columns": {"text": "int32"}}]


def steps(*given: dict[str, Any]) -> Recipe:
    return Recipe.model_validate({"name": "mine", "description": "Mine.", "steps": given})


def layer(*shapes: shapely.Geometry | None, texts: list[str | None] | None = None) -> pa.Table:
    geometry = [None if shape is None else shapely.to_wkb(shape, byte_order=1, flavor="iso") for shape in shapes]
    return pa.table(
        {
            "number": pa.array(range(len(shapes)), pa.int32()),
            "text": pa.array(texts or ["7"] * len(shapes), pa.string()),
            "geom": pa.array(geometry, pa.binary()),
        }
    )


BAD: dict[str, tuple[list[dict[str, Any]], shapely.Geometry, str]] = {
    "latitude": ([*TO_GNOMONIC, *REPAIR], shapely.Point(10, 460.5), "coordinates_impossible"),
    "swapped": (REPAIR, shapely.Point(53.5, 174.7), "coordinates_impossible"),
    "infinite": ([*TO_GNOMONIC, *REPAIR], shapely.Point(10, math.inf), "coordinates_impossible"),
    "unprojectable": ([*TO_GNOMONIC, *REPAIR], SOUTH, "unprojectable"),
    "height": (
        [*REPAIR, {"op": "set_precision", "grid": {"value": 0.001, "unit": "crs"}}],
        shapely.from_wkb(shapely.to_wkb(shapely.LineString([(10, 53, 1), (10, 54, math.inf)]))),
        "height_not_finite",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_geometry(name: str, through: Callable, source: Callable) -> None:
    recipe, bad, code = BAD[name]
    table = layer(GOOD, bad, None, BOW_TIE, bad)
    with pytest.raises(Rejected) as caught:
        through(source(table), steps(*recipe))
    (problem,) = caught.value.problems
    assert (problem.code, problem.where) == (code, "files[0]: layer a, feature 2")
    assert '"on_bad_geometry": "set_aside"' in problem.remedy
    assert '"on_bad_geometry": "set_aside"' in problem.remedy

    made = through(source(table), steps(*recipe), policies=ASIDE)
    assert (made.features, made.set_aside, made.changes.repaired) == (3, 2, 1)
    assert sorted(made.rows["number"].to_pylist()) == [0, 2, 3]
    assert [reject.pop("_etl_code") for reject in made.rejects] == [code] * 2
    assert [reject.pop("_etl_message") for reject in made.rejects] == [problem.message.replace(" (and 1 more)", "")] * 2
    assert made.rejects == [{"_etl_row": row, **table.slice(row, 1).to_pylist()[0]} for row in (1, 4)], "as they came"
    without = through(source(table.take([0, 2, 3])), steps(*recipe))
    assert (made.rows, made.bbox, made.changes, made.warnings) == (without.rows, without.bbox, without.changes, without.warnings)

    emptied = through(source(table), steps(*recipe), policies=NULL)
    assert (emptied.features, emptied.set_aside, emptied.rejects) == (5, 0, [])
    assert emptied.bbox == made.bbox
    assert emptied.changes.counts["bad_geometry_to_null"] == 2
    assert [row["number"] for row in emptied.rows.to_pylist() if row["geom"] is None] == [1, 2, 4]
    assert [(warning.code, warning.where) for warning in emptied.warnings] == [(code, "files[0]: layer a, feature 2")]


def test_a_bad_value(through: Callable, source: Callable) -> None:
    table = layer(GOOD, None, GOOD, GOOD, texts=["1", "x", None, "9999999999"])
    with pytest.raises(Rejected) as caught:
        through(source(table), steps(*CAST))
    (problem,) = caught.value.problems
    assert '"on_bad_value": "set_aside"' in problem.remedy
    made = through(source(table), steps(*CAST), policies=ASIDE)
    assert made.rows["text"].to_pylist() == [1, None]
    assert [(reject["_etl_row"], reject["_etl_code"], reject["text"]) for reject in made.rejects] == [
        (1, "cannot_cast_value", "x"), (3, "cannot_cast_value", "9999999999"),
    ]  # fmt: skip
    emptied = through(source(table), steps(*CAST), policies=NULL)
    assert emptied.rows["text"].to_pylist() == [1, None, None, None]
    assert emptied.changes.counts == {"cast_to_null": 2}


def test_a_policy_is_for_its_own_kind(through: Callable, source: Callable) -> None:
    table = layer(GOOD, shapely.Point(10, 460), GOOD, texts=["1", "2", "x"])
    for policies in (Policies(on_bad_value="set_aside"), Policies(on_bad_geometry="set_aside"), Policies(on_bad_geometry="fix")):
        with pytest.raises(Rejected):
            through(source(table), steps(*REPAIR, *CAST), policies=policies)


def test_a_feature_is_set_aside_or_dropped_but_not_both(through: Callable, source: Callable) -> None:
    table = layer(GOOD, shapely.Point(10, 460), shapely.Point(11, 460), texts=["1", "1", "2"])
    keep = {"op": "filter", "condition": {"column": "text", "op": "eq", "value": "2"}}
    after = through(source(table), steps(*REPAIR, keep), policies=ASIDE)
    assert (after.features, after.set_aside, after.changes.dropped) == (0, 2, {"filter": 1})
    before = through(source(table), steps(keep, *REPAIR), policies=ASIDE)
    assert (before.features, before.set_aside, before.changes.dropped) == (0, 1, {"filter": 2})


def test_stages_that_see_all_rows_do_not_see_them(through: Callable, source: Callable) -> None:
    table = layer(GOOD, shapely.Point(10, 460), shapely.Point(11, 53), SOUTH, texts=["1", "1", "1", "1"])
    united = [*TO_GNOMONIC, *REPAIR, {"op": "dissolve", "by": ["text"], "aggregate": {"rows": {"op": "count"}}}]
    made = through(source(table), steps(*united), policies=ASIDE)
    assert made.rows["rows"].to_pylist() == [2]
    assert made.changes.counts == {"dissolved": 1, "columns_dropped": 1}
    assert [reject["_etl_row"] for reject in made.rejects] == [1, 3]


def test_parts_of_features_still_reject(through: Callable, source: Callable) -> None:
    table = layer(shapely.MultiPoint([(10, 53), (10, -20)]))
    with pytest.raises(Rejected) as caught:
        through(source(table), steps({"op": "explode"}, *TO_GNOMONIC), policies=ASIDE)
    assert [problem.code for problem in caught.value.problems] == ["unprojectable"]
    assert "set_aside" not in caught.value.problems[0].remedy


def test_what_is_set_aside_before_parts_are_rows_is_one_row(through: Callable, source: Callable) -> None:
    shapes = [shapely.MultiPoint([(10, 53), (11, 53)]), shapely.MultiPoint([(10, 53), (10, -20)])]
    made = through(
        source(layer(*shapes, *shapes, texts=["1", "1", "x", "x"])), steps(*CAST, *TO_GNOMONIC, {"op": "explode"}), policies=ASIDE
    )
    assert made.rows["number"].to_pylist() == [0, 0]
    assert made.changes.counts == {"exploded": 1}
    assert [(reject["_etl_row"], reject["_etl_code"]) for reject in made.rejects] == [
        (1, "unprojectable"), (2, "cannot_cast_value"), (3, "cannot_cast_value"),
    ]  # fmt: skip


def test_a_wrong_crs_is_no_exception(through: Callable, source: Callable) -> None:
    """Those set aside do not hide that all the rest lies elsewhere."""
    table = layer(*[shapely.Point(5934000, 565000)] * 9, shapely.Point(-1.7976931348623157e308, 0))
    with pytest.raises(Rejected) as caught:
        through(source(table, "EPSG:25832"), "default", policies=ASIDE)
    assert [problem.code for problem in caught.value.problems] == ["coordinates_outside_crs"]


def test_many_chunks_and_sources_in_source_order(through: Callable, source: Callable) -> None:
    size = 150_000
    shapes = [GOOD, shapely.Point(10, 460)]
    wkb = [shapely.to_wkb(shape) for shape in shapes]
    bad = {*range(0, size, 997), size - 1}
    table = pa.table(
        {"number": pa.array(range(size), pa.int64()), "geom": pa.array([wkb[row in bad] for row in range(size)], pa.binary())}
    )
    parts = [source(part, batches=part.to_batches(10_000)) for part in (table.slice(0, 70_000), table.slice(70_000))]
    made = through(parts, "default", policies=ASIDE)
    assert [reject["_etl_row"] for reject in made.rejects] == sorted(bad)
    assert [reject["number"] for reject in made.rejects] == sorted(bad)
    assert made.features + made.set_aside == size


RECIPES = [
    [*REPAIR],
    [*TO_GNOMONIC, *REPAIR],
    [*REPAIR, *CAST, *TO_GNOMONIC],
    [*CAST, {"op": "filter", "condition": {"column": "text", "op": "ge", "value": 5}}, *TO_GNOMONIC, *REPAIR],
    [*REPAIR, {"op": "clip", "bbox": [0, 0, 20, 54]}, *CAST, *TO_GNOMONIC],
]
with np.errstate(invalid="ignore"):
    NOWHERE = shapely.LineString([(10, 53), (10, math.nan)])
SHAPES = [
    None, GOOD, BOW_TIE, SOUTH, shapely.Point(), shapely.Point(10, 460.5), shapely.Point(math.inf, 3), shapely.Point(190, 3),
    NOWHERE, shapely.LineString([(10, 53), (11, -20)]), shapely.box(9, 53, 12, 55),
    shapely.Polygon([(10, 53), (11, math.inf), (11, 53)]),
    shapely.from_wkb(shapely.to_wkb(shapely.LineString([(10, 53, 1), (10, 54, math.nan)]))),
]  # fmt: skip
ROWS = st.lists(st.tuples(st.sampled_from(SHAPES), st.sampled_from(["1", "7", "x", None, "1e3"])), min_size=1, max_size=12)


@settings(max_examples=examples(40), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS, recipe=st.sampled_from(RECIPES), policies=st.sampled_from([ASIDE, NULL]))
def test_no_feature_is_lost(rows: list[tuple], recipe: list, policies: Policies, through: Callable, source: Callable) -> None:
    table = layer(*(shape for shape, _ in rows), texts=[text for _, text in rows])
    made = through(source(table), steps(*recipe), policies=policies)
    assert made.features == made.rows.num_rows
    assert made.set_aside == len(made.rejects)
    assert made.features + made.set_aside + sum(made.changes.dropped.values()) == len(rows)
    aside = [reject["_etl_row"] for reject in made.rejects]
    assert aside == sorted(aside)
    assert not {*aside} & {*made.rows["number"].to_pylist()}
    good = table.filter(pa.array([row not in aside for row in range(len(rows))]))
    if policies is ASIDE and good.num_rows:
        alone = through(source(good), steps(*recipe))
        assert (made.rows, made.changes, made.bbox) == (alone.rows, alone.changes, alone.bbox), "as if they had not been there"
