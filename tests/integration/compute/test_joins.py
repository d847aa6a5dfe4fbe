"""Joins with a named input on every engine, held against a model in plain Python."""

import random
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from libs.compute.engine import ComputeEngine, Source
from libs.models import Rejected
from libs.transformations import Recipe

pytestmark = pytest.mark.integration

KEYS = [None, "a", "b", "c", "007", " x", "x", "", "é", "Z"]


def joining(**step: Any) -> Recipe:
    return Recipe.model_validate(
        {
            "name": "mine", "description": "Mine.", "inputs": [{"name": "other", "description": "Other."}],
            "steps": [{"op": "join", "input": "other", **step}],
        }
    )  # fmt: skip


def table(**columns: Any) -> pa.Table:
    return pa.table(columns)


def read(rows: pa.Table, size: int = 7, where: str = "files[0]: layer a") -> Source:
    return Source(rows.schema, None, rows.to_batches(max_chunksize=size), where)


Through = Callable[..., Any]


def model(mine: list[dict[str, Any]], theirs: list[dict[str, Any]], keys: list[str], how: str) -> list[dict[str, Any]]:
    """What a join by key is."""
    found = defaultdict(list)
    for row in theirs:
        if all(row[key] is not None for key in keys):
            found[tuple(row[key] for key in keys)].append(row)
    made: list[dict[str, Any]] = []
    for row in mine:
        matches = found.get(tuple(row[key] for key in keys), [])
        if how == "anti":
            made += [] if matches else [row]
            continue
        made += [{**match, **row} for match in matches]
        if not matches and how == "left":
            made.append({**dict.fromkeys(theirs[0]), **row})
    return made


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("how", ["left", "inner", "anti"])
def test_a_join_is_what_the_model_says(through: Through, seed: int, how: str) -> None:
    chance = random.Random(seed)
    count = chance.choice([1, 30, 400])
    keys = ["k"] if seed % 2 else ["k", "n"]
    mine = table(
        k=pa.array([chance.choice(KEYS) for _ in range(count)], pa.string()),
        n=pa.array([chance.randrange(3) for _ in range(count)], pa.int32()),
        own=pa.array(range(count), pa.int64()),
    )
    theirs = table(
        k=pa.array([chance.choice(KEYS) for _ in range(25)] + ["a", *mine["k"].to_pylist()[:1]], pa.string()),
        n=pa.array([chance.randrange(3) for _ in range(25)] + [0, *mine["n"].to_pylist()[:1]], pa.int64()),
        value=pa.array([chance.random() for _ in range(27)], pa.float64()),
        day=pa.array([chance.choice([None, 1, 2]) for _ in range(27)], pa.date32()),
    )
    if keys == ["k"]:
        theirs = theirs.rename_columns(["k", "m", "value", "day"])
    expected = model(mine.to_pylist(), theirs.to_pylist(), keys, how)
    columns = mine.column_names + ([] if how == "anti" else [name for name in theirs.column_names if name not in keys])
    many = how != "anti"
    step = {"on": keys, "how": how, "cardinality": "many" if many else "one"}
    unmatched = len(model(mine.to_pylist(), theirs.to_pylist(), keys, "anti"))
    if unmatched == count and how != "anti":
        with pytest.raises(Rejected, match="nor does any other"):
            through(read(mine), joining(**step), inputs={"other": read(theirs)})
        return
    result = through(read(mine), joining(**step), inputs={"other": read(theirs, 11)})
    assert result.rows.to_pylist() == [{name: row[name] for name in columns} for row in expected]
    counts = {"other_matched": count - unmatched, "other_unmatched": unmatched}
    if many:
        counts["other_doubled"] = len(model(mine.to_pylist(), theirs.to_pylist(), keys, "inner")) - (count - unmatched)
    assert {name: number for name, number in result.changes.counts.items() if name in counts} == {
        name: number for name, number in counts.items() if number
    }
    dropped = {"left": 0, "inner": unmatched, "anti": count - unmatched}[how]
    assert result.changes.dropped == ({"join": dropped} if dropped else {})
    assert result.features + sum(result.changes.dropped.values()) == count + counts.get("other_doubled", 0)


def test_columns_are_chosen_renamed_and_keep_their_types(through: Through) -> None:
    mine = table(id=pa.array([2, 1], pa.int16()), name=["x", "y"])
    theirs = table(
        code=pa.array([1, 2], pa.int64()), name=["one", "two"], amount=pa.array([None, 2], pa.decimal128(9, 2)),
        half=pa.array([1, None], pa.float16()), more=pa.array([[1], [2]]), fine=pa.array([1, 2], pa.timestamp("ns")),
    )  # fmt: skip
    step = {"on": {"id": "code"}, "columns": {"name": "their_name", "amount": "amount", "half": "half", "fine": "fine"}}
    result = through(read(mine), joining(**step), inputs={"other": read(theirs)})
    assert result.rows.schema.names == ["id", "name", "their_name", "amount", "half", "fine"]
    assert result.rows.schema.types[3:] == [pa.decimal128(9, 2), pa.float16(), pa.timestamp("ns")]
    assert result.rows["their_name"].to_pylist() == ["two", "one"]
    assert result.rows["id"].type == pa.int16()
    with pytest.raises(Rejected) as refused:
        through(read(mine), joining(on={"id": "code"}), inputs={"other": read(theirs)})
    assert [problem.code for problem in refused.value.problems] == ["cannot_join_column"]
    with pytest.raises(Rejected, match="cannot tell apart"):
        through(read(mine), joining(on={"id": "code"}, columns=["name"]), inputs={"other": read(theirs)})


@pytest.mark.parametrize(
    ("step", "keys", "code", "feature"),
    [
        ({"on": ["k"]}, ["a", "b", "b"], "join_finds_several", "feature 2"),
        ({"on": ["k"]}, ["c", "d"], "nothing_matched", "feature 1"),
        ({"on": ["k"], "max_unmatched": 1}, ["a"], "too_many_unmatched", "feature 2"),
        ({"on": ["k"], "max_unmatched": 0.5}, ["a"], "too_many_unmatched", "feature 2"),
        ({"on": ["k"], "cardinality": "many", "max_doubled": 0}, ["a", "a"], "too_many_doubled", "feature 1"),
        ({"on": ["k", "x"]}, ["a"], "unknown_column", "recipe step 1"),
        ({"on": ["n"]}, ["a"], "unknown_column", "recipe step 1"),
        ({"on": {"n": "k"}}, ["a"], "key_types_differ", "recipe step 1"),
    ],
)
def test_what_does_not_fit_is_refused(through: Through, step: dict[str, Any], keys: list[str], code: str, feature: str) -> None:
    mine = table(k=["a", "b", "b2"], n=pa.array([1, 2, 3]))
    theirs = table(k=keys, v=pa.array(range(len(keys))))
    with pytest.raises(Rejected) as refused:
        through(read(mine), joining(**step), inputs={"other": read(theirs)})
    assert {problem.code for problem in refused.value.problems} == {code}
    assert feature in refused.value.problems[0].where


@pytest.mark.parametrize(("most", "admitted"), [(2, True), (0.67, True), (1, False), (0.66, False)])
def test_the_limit_is_of_the_features_that_are_looked_at(through: Through, most: float, admitted: bool) -> None:
    """Of those that an earlier step left out, nothing is known."""
    mine = table(k=["a", "b", "c", *["out"] * 60])
    steps = [{"op": "filter", "condition": {"column": "k", "op": "ne", "value": "out"}}]
    recipe = joining(on=["k"], max_unmatched=most)
    recipe = recipe.model_copy(update={"steps": (*steps, *recipe.steps)})
    other = {"other": read(table(k=["a"], v=[1]))}
    if admitted:
        assert through(read(mine), recipe, inputs=other).changes.counts == {"other_matched": 1, "other_unmatched": 2}
    else:
        with pytest.raises(Rejected, match="max_unmatched"):
            through(read(mine), recipe, inputs=other)


def test_keys_that_cleaning_would_make_alike_are_told(through: Through) -> None:
    mine = table(k=["7", "b ", "c", "007"], x=[1, 2, 3, 4])
    other = {"other": read(table(k=["007", "b", "c"], v=[1, 2, 3]))}
    result = through(read(mine), joining(on=["k"]), inputs=other)
    assert result.rows["v"].to_pylist() == [None, None, 3, 1]
    assert [(each.code, each.where) for each in result.warnings] == [("key_nearly_matched", "files[0]: layer a, feature 1")]
    assert "(and 1 more)" in result.warnings[0].message
    with pytest.raises(Rejected) as refused:
        through(read(table(k=["7", " b"])), joining(on=["k"]), inputs=other)
    assert {problem.code for problem in refused.value.problems} == {"key_nearly_matched", "nothing_matched"}


def test_a_join_may_follow_what_sees_all_rows_and_come_before_it(through: Through, source: Callable, wkb: Callable) -> None:
    mine = table(k=["a", "b", "a"], geom=wkb("POINT (0 0)", "POINT (1 1)", None))
    both = [
        {"op": "repair"}, {"op": "join", "input": "other", "on": ["k"], "cardinality": "many"},
        {"op": "dissolve", "by": ["k"], "aggregate": {"n": {"op": "count"}, "sum": {"op": "sum", "column": "v"}}},
        {"op": "join", "input": "other", "on": ["k"], "cardinality": "many"},
    ]  # fmt: skip
    recipe = joining(on=["k"]).model_copy(update={"steps": tuple(both)})
    result = through(source(mine), recipe, inputs={"other": read(table(k=["a", "a", "c"], v=pa.array([1, 10, 100])))})
    rows = sorted(result.rows.drop_columns(["geom", "bbox"]).to_pylist(), key=lambda row: (row["k"], row["v"] or 0))
    assert rows == [
        {"k": "a", "n": 4, "sum": 22, "v": 1}, {"k": "a", "n": 4, "sum": 22, "v": 10}, {"k": "b", "n": 1, "sum": None, "v": None}
    ]  # fmt: skip


def test_an_input_may_come_in_parts_and_is_gone_afterwards(engine: ComputeEngine, through: Through, tmp_path: Any) -> None:
    mine, part = table(k=pa.array([1, 2, 3])), table(k=pa.array([3, 2]), v=["x", "y"])
    with engine.workspace("parts#1", tmp_path) as workspace:
        workspace.add_input("other", read(table(k=["wrong"]), where="files[1]"))
        workspace.drop_input("other")
        assert workspace.add_input("other", read(part, where="files[1]")) == 2
        assert workspace.add_input("other", read(table(k=pa.array([1]), v=["z"]), where="files[2]")) == 1
        with pytest.raises(Rejected, match=r"files\[1\]"):
            workspace.add_input("other", read(table(k=["a"]), where="files[3]"))
        for _ in range(2):  # several datasets of one batch
            made = workspace.dataset(joining(on=["k"]))
            made.load(read(mine))
            assert pa.Table.from_batches(made.finish().batches())["v"].to_pylist() == ["z", "y", "x"]
    assert engine.leftovers() == []


def test_an_input_without_rows_and_rows_without_an_input(through: Through) -> None:
    mine, none = table(k=["a"]), table(k=pa.array([], pa.string()), v=pa.array([], pa.int64()))
    assert through(read(mine), joining(on=["k"], how="anti"), inputs={"other": read(none)}).features == 1
    empty = through(read(none), joining(on=["k"], columns=[]), inputs={"other": read(mine)})
    assert (empty.features, empty.changes.counts) == (0, {})
    with pytest.raises(Rejected, match="no input named 'other'"):
        through(read(mine), joining(on=["k"]))
