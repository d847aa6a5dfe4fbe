"""A table of groups, on every engine, held against a model in plain Python."""

import random
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest
import shapely

from libs.compute.engine import Source
from libs.models import Rejected
from libs.transformations import Recipe

pytestmark = pytest.mark.integration
Through = Callable[..., Any]
AGGREGATE = {
    "n": {"op": "count"}, "known": {"op": "count", "column": "v"}, "sum": {"op": "sum", "column": "v"},
    "least": {"op": "min", "column": "v"}, "most": {"op": "max", "column": "k"}, "first": {"op": "first", "column": "v"},
}  # fmt: skip


def made_by(*steps: dict[str, Any]) -> Recipe:
    return Recipe.model_validate({"name": "mine", "description": "Mine.", "steps": steps})


def rows(count: int, *, geometry: bool) -> pa.Table:
    chance = random.Random(count)
    columns = {
        "k": pa.array([chance.choice([None, "a", "B", "ä"]) for _ in range(count)], pa.string()),
        "v": pa.array([chance.choice([None, *range(50)]) for _ in range(count)], pa.int32()),
    }
    point = shapely.to_wkb(shapely.Point(9, 48), byte_order=1, flavor="iso")
    return pa.table(columns | ({"geom": pa.array([point] * count, pa.binary())} if geometry else {}))


def model(table: pa.Table, by: list[str]) -> list[dict[str, Any]]:
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in table.to_pylist():
        groups.setdefault(tuple(row[name] for name in by), []).append(row)
    made = []
    for key, members in groups.items():
        values, texts = ([row[name] for row in members if row[name] is not None] for name in ("v", "k"))
        made.append(
            dict(zip(by, key, strict=True)) | {
                "n": len(members), "known": len(values), "sum": sum(values) if values else None,
                "least": min(values, default=None), "most": max(texts, default=None), "first": members[0]["v"],
            }
        )  # fmt: skip
    return made


@pytest.mark.parametrize("geometry", [True, False])
@pytest.mark.parametrize(("count", "by"), [(1, ["k"]), (200, ["k"]), (200, []), (90, ["k", "v"])])
def test_a_table_of_groups(through: Through, count: int, by: list[str], geometry: bool) -> None:
    table = rows(count, geometry=geometry)
    source = Source(table.schema, "EPSG:4326" if geometry else None, table.to_batches(max_chunksize=17), "files[0]: layer a")
    result = through(source, made_by({"op": "summarize", "by": by, "aggregate": AGGREGATE}))
    expected = model(table, by)
    assert result.rows.to_pylist() == expected
    assert (result.crs, result.bbox, result.features) == (None, None, len(expected))
    merged = count - len(expected)
    assert result.changes.counts.get("summarized", 0) == merged


def test_a_sum_that_is_too_large_and_a_step_for_layers_after_it_are_refused(through: Through) -> None:
    table = pa.table({"k": ["a", "a"], "v": pa.array([2**62, 2**62])})
    source = Source(table.schema, None, table.to_batches(), "files[0]: layer a")
    step = {"op": "summarize", "by": ["k"], "aggregate": {"sum": {"op": "sum", "column": "v"}}}
    with pytest.raises(Rejected) as refused:
        through(source, made_by(step))
    assert [problem.code for problem in refused.value.problems] == ["sum_too_large"]
    layer = rows(2, geometry=True)
    with pytest.raises(Rejected) as refused:
        through(
            Source(layer.schema, "EPSG:4326", layer.to_batches(), "files[0]: layer a"),
            made_by({"op": "summarize", "by": ["k"]}, {"op": "explode"}),
        )
    assert [problem.code for problem in refused.value.problems] == ["no_geometry"]
