"""The first feature of each key, on every engine, held against a model in plain Python."""

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


def made_by(*steps: dict[str, Any]) -> Recipe:
    return Recipe.model_validate({"name": "mine", "description": "Mine.", "steps": steps})


def rows(count: int, seed: int) -> pa.Table:
    chance = random.Random(seed)
    return pa.table(
        {
            "k": pa.array([chance.choice([None, "a", "A", "a ", "ä"]) for _ in range(count)], pa.string()),
            "d": pa.array([chance.choice([None, 1.5, 0.0, 7.25]) for _ in range(count)], pa.float64()),
            "list": pa.array([[n] for n in range(count)], pa.list_(pa.int32())),
            "n": pa.array(range(count), pa.int64()),
            "geom": pa.array(
                [shapely.to_wkb(shapely.Point(9, 48), byte_order=1, flavor="iso") for _ in range(count)], pa.binary()
            ),
        }
    )


@pytest.mark.parametrize(("count", "seed"), [(1, 1), (40, 2), (300, 3)])
@pytest.mark.parametrize("by", [["k"], ["d"], ["k", "d"]])
def test_the_first_of_each_key_stays_as_it_is(through: Through, count: int, seed: int, by: list[str]) -> None:
    table = rows(count, seed)
    first: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in table.to_pylist():
        first.setdefault(tuple(row[name] for name in by), row)
    source = Source(table.schema, "EPSG:4326", table.to_batches(max_chunksize=17), "files[0]: layer a")
    result = through(source, made_by({"op": "deduplicate", "by": by}))
    assert result.rows.drop_columns(["bbox"]).to_pylist() == [*first.values()]
    assert result.rows.schema.field("list").type == table.schema.field("list").type
    left_out = count - len(first)
    assert result.changes.dropped == ({"deduplicate": left_out} if left_out else {})


def test_what_was_left_out_before_is_no_first(through: Through) -> None:
    table = pa.table({"k": ["a", "a", "a"], "n": pa.array([1, 2, 3])})
    filtered = {"op": "filter", "condition": {"column": "n", "op": "gt", "value": 1}}
    source = Source(table.schema, None, table.to_batches(), "files[0]: layer a")
    result = through(source, made_by(filtered, {"op": "deduplicate", "by": ["k"]}))
    assert result.rows["n"].to_pylist() == [2]
    assert result.changes.dropped == {"filter": 1, "deduplicate": 1}


@pytest.mark.parametrize(
    "steps", [[{"op": "deduplicate", "by": ["list"]}], [{"op": "explode"}, {"op": "deduplicate", "by": ["k"]}]]
)
def test_what_has_no_first_is_refused(through: Through, steps: list[dict[str, Any]]) -> None:
    table = rows(3, 1)
    with pytest.raises(Rejected) as refused:
        through(Source(table.schema, "EPSG:4326", table.to_batches(), "files[0]: layer a"), made_by(*steps))
    assert [problem.code for problem in refused.value.problems] == ["cannot_group"]
