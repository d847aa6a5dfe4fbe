"""Recipes as data: consistency, parameters, YAML."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

import libs.transformations
from libs.models import Problem, Rejected
from libs.transformations import Column, DuckDb, Recipe, Registry, Relation

RELATION = Relation(columns=(Column(name="kind", type="string"),), geometry=True, crs="EPSG:25832")
ROADS = """
name: roads
description: Roads of some kinds, in a CRS of choice.
parameters:
  - {name: kinds, type: names, required: true, description: Kinds of road to keep.}
  - {name: crs, type: crs, default: EPSG:3857, description: CRS of the result.}
  - {name: grid, type: object, description: Grid to round to.}
steps:
  - {op: filter, condition: {column: kind, op: in, value: {$param: kinds}}}
  - {op: reproject, crs: {$param: crs}}
  - {op: repair}
  - {op: set_precision, grid: {$param: grid}}
"""


def problems_of(recipe: Recipe, parameters: dict[str, object]) -> list[Problem]:
    with pytest.raises(Rejected) as caught:
        recipe.bind(parameters)
    return list(caught.value.problems)


def test_binding_fills_references_and_leaves_out_what_has_no_value() -> None:
    recipe = Recipe.from_yaml(ROADS, "roads.yaml").bind({"kinds": ["path"]})
    assert recipe.steps == (
        {"op": "filter", "condition": {"column": "kind", "op": "in", "value": ["path"]}},
        {"op": "reproject", "crs": "EPSG:3857"},
        {"op": "repair"},
    )
    assert recipe.parameters == ()
    assert recipe.arguments == {"kinds": ["path"], "crs": "EPSG:3857"}
    sql = recipe.plan(RELATION, DuckDb()).stages[0].select
    assert "IN ('path')" in sql
    assert "'EPSG:3857'" in sql


@pytest.mark.parametrize(
    ("steps", "named"),
    [
        ([{"op": "reproject", "crs": "EPSG:4326"}, {"op": "repair"}], set()),
        ([{"op": "select", "columns": ["a", "b"]}], {"a", "b"}),
        ([{"op": "select", "without": ["a"]}], {"a"}),
        ([{"op": "rename", "columns": {"a": "b"}}, {"op": "cast", "columns": {"b": "int64", "c": "string"}}], {"a", "c"}),
        ([{"op": "rename", "columns": {"a": "b", "b": "a"}}], {"a", "b"}),
        (
            [
                {
                    "op": "filter",
                    "condition": {"any": [{"column": "a", "op": "is_null"}, {"not": {"column": "b", "op": "eq", "value": 1}}]},
                }
            ],
            {"a", "b"},
        ),
        (
            [
                {"op": "dissolve", "by": ["a"], "aggregate": {"n": {"op": "count"}, "s": {"op": "sum", "column": "b"}}},
                {"op": "filter", "condition": {"column": "n", "op": "gt", "value": 1}},
            ],
            {"a", "b"},
        ),
    ],
)
def test_a_recipe_names_columns_of_its_source(steps: list[dict[str, object]], named: set[str]) -> None:
    assert Recipe(name="mine", description="x", steps=steps).bind({}).named == named


def test_a_bound_recipe_makes_the_same_plan_when_read_again() -> None:
    recipe = Recipe.from_yaml(ROADS, "roads.yaml").bind({"kinds": ["it's"], "grid": {"value": 1, "unit": "crs"}})
    again = Recipe.model_validate(json.loads(json.dumps(recipe.model_dump(mode="json"))))
    assert again == recipe
    assert again.plan(RELATION, DuckDb()) == recipe.plan(RELATION, DuckDb())
    assert Recipe.model_validate(recipe.model_dump(mode="python")) == recipe


def test_the_recipe_in_the_instructions_works() -> None:
    instructions = Path(libs.transformations.__file__).with_name("AGENTS.md").read_text(encoding="utf-8")
    (text,) = re.findall("```yaml\n(.*?)```", instructions, re.DOTALL)
    recipe = Recipe.from_yaml(text, "AGENTS.md").bind({"kinds": ["motorway"]})
    assert [step["op"] for step in recipe.steps] == ["filter", "reproject", "repair", "simplify", "repair"]


def test_an_unbound_recipe_is_planned_with_its_defaults_if_they_suffice() -> None:
    assert Registry().recipes["explode"].plan(RELATION, DuckDb()) == Registry().recipes["explode"].bind({}).plan(
        RELATION, DuckDb()
    )
    with pytest.raises(Rejected, match="'kinds'"):
        Recipe.from_yaml(ROADS, "roads.yaml").plan(RELATION, DuckDb())


def test_all_that_is_wrong_with_parameters_is_said_at_once() -> None:
    recipe = Recipe.from_yaml(ROADS, "roads.yaml")
    problems = problems_of(recipe, {"kind": ["x"], "crs": 4326})
    assert [(problem.code, problem.where) for problem in problems] == [
        ("unknown_parameter", "parameters.kind"),
        ("missing_parameter", "parameters.kinds"),
        ("bad_parameter", "parameters.crs"),
    ]
    assert "'kinds'" in problems[0].remedy


@pytest.mark.parametrize(
    ("intent", "parameters", "places"),
    [
        ("simplify", {"tolerance": {"value": 0, "units": "m"}},
         ["parameters.tolerance.value", "parameters.tolerance.unit", "parameters.tolerance.units"]),
        ("clip", {"bbox": [1, 2, 3]}, ["parameters.bbox[3]"]),
        ("clip", {"bbox": [1, 2, 3, "4"]}, ["parameters.bbox"]),
        ("clip", {"bbox": [1, 2, 0, 4]}, ["parameters.bbox"]),
        ("clip", {"area": "POLYGON ((0 0, 1 1))"}, ["parameters.area"]),
        ("clip", {}, ["recipe step 3 (clip)"]),
        ("filter", {"condition": {"all": [{"column": "a", "op": "eqq", "value": 1}, {"not": {"column": "b"}}]}},
         ["parameters.condition.all[0].op", "parameters.condition.all[1].not.op"]),
        ("filter", {"condition": {"any": []}}, ["parameters.condition.any"]),
        ("filter", {"condition": {"any": [{"column": "x", "op": "between", "value": [1]}]}}, ["parameters.condition.any[0]"]),
        ("rename", {"columns": {"$param": "x"}}, ["parameters.columns"]),
        ("dissolve", {"by": "kind"}, ["parameters.by"]),
        ("dissolve", {"aggregate": {"n": {"op": "sum"}}}, ["parameters.aggregate.n"]),
        ("cast", {"columns": {"a": "integer"}, "on_error": "ignore"}, ["parameters.columns.a", "parameters.on_error"]),
    ],
    ids=str,
)  # fmt: skip
def test_a_problem_points_at_the_parameter(intent: str, parameters: dict[str, object], places: list[str]) -> None:
    recipe = Registry().recipes[intent]
    assert [problem.where for problem in problems_of(recipe, parameters)] == places


@pytest.mark.parametrize(
    ("steps", "parameters", "message"),
    [
        ([{"op": "frobnicate"}], [], "step 1: 'frobnicate' is no step"),
        ([{}], [], "step 1: None is no step"),
        ([{"op": "repair", "x": 1}], [], "step 1: repair.x: this key is not known"),
        ([{"op": "repair"}, {"op": "clip", "bbox": [0, 0, 0, 0]}], [], "step 2: clip.bbox"),
        ([{"op": "reproject", "crs": {"$param": "crs"}}], [], "'crs' is not declared"),
        ([{"op": "reproject", "crss": {"$param": "crs"}}], [{"name": "crs"}], "no key 'crss'"),
        ([], [{"name": "crs"}], "'crs' is declared but not used"),
        ([{"op": "reproject", "crs": {"$param": "crs"}}], [{"name": "crs"}, {"name": "crs"}], "declared twice"),
        ([{"op": "reproject", "crs": {"$param": "crs"}}], [{"name": "crs", "required": True, "default": "x"}], "no default"),
        ([{"op": "reproject", "crs": {"$param": "crs"}}], [{"name": "crs", "default": 7}], "default 7 is not a CRS"),
    ],
    ids=str,
)
def test_an_inconsistent_recipe_is_refused(steps: list[object], parameters: list[dict[str, object]], message: str) -> None:
    declared = [{"type": "crs", "description": "d", **parameter} for parameter in parameters]
    with pytest.raises(ValidationError, match=message):
        Recipe.model_validate({"name": "mine", "description": "d", "steps": steps, "parameters": declared})


def test_a_yaml_recipe_is_told_everything_that_is_wrong_with_its_steps() -> None:
    text = "name: mine\ndescription: d\nsteps:\n- {op: frob}\n- {op: simplify, tolerance: {value: 1}}\n"
    with pytest.raises(Rejected) as caught:
        Recipe.from_yaml(text, "mine.yaml")
    assert [problem.where for problem in caught.value.problems] == ["mine.yaml", "mine.yaml"]
    unknown, incomplete = (problem.message for problem in caught.value.problems)
    assert unknown.startswith("Step 1: 'frob' is no step: reproject, repair, simplify, ")
    assert incomplete == "Step 2: simplify.tolerance.unit: this key is missing."


def test_what_binding_records_cannot_be_written_beforehand() -> None:
    with pytest.raises(Rejected) as caught:
        Recipe.from_yaml("name: mine\ndescription: d\narguments: {crs: EPSG:3857}\n", "mine.yaml")
    assert [problem.where for problem in caught.value.problems] == ["mine.yaml: arguments"]


@given(st.text(max_size=200))
def test_no_text_crashes_the_reader(text: str) -> None:
    with pytest.raises(Rejected):
        Recipe.from_yaml(text, "x.yaml")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["$param", "column", "op", "all", "not", "value"]), inner)
        ),
        max_leaves=8,
    )
)
def test_no_parameter_crashes_binding(value: object) -> None:
    for intent, name in (
        ("filter", "condition"),
        ("simplify", "tolerance"),
        ("dissolve", "aggregate"),
        ("clip", "area"),
        ("cast", "columns"),
    ):
        try:
            bound = Registry().recipes[intent].bind({name: value})
        except Rejected as rejected:
            assert all(problem.where and problem.message for problem in rejected.problems)  # noqa: PT017
        else:
            assert Recipe.model_validate(bound.model_dump()) == bound


MINE = "name: mine\ndescription: d\n"


def test_a_recipe_may_have_policies_and_its_record_has_only_those() -> None:
    recipe = Recipe.from_yaml(f"{MINE}on_bad_geometry: set_aside\nmax_set_aside: 5%\n", "mine.yaml").bind({})
    assert recipe.policies == {"on_bad_geometry": "set_aside", "max_set_aside": 0.05}
    record = json.loads(recipe.model_dump_json())
    assert [*record] == ["name", "description", "parameters", "steps", "arguments", "on_bad_geometry", "max_set_aside"]
    assert Recipe.model_validate(record) == recipe


def test_the_record_of_a_recipe_without_policies_is_as_before_there_were_any() -> None:
    assert [*Recipe.from_yaml(MINE, "mine.yaml").model_dump(mode="json")] == [
        "name", "description", "parameters", "steps", "arguments"
    ]  # fmt: skip


def test_null_without_quotes_in_yaml_is_the_policy() -> None:
    assert Recipe.from_yaml(f"{MINE}on_bad_value: null\nmax_set_aside: null\n", "mine.yaml").policies == {"on_bad_value": "null"}


@pytest.mark.parametrize(
    ("line", "where", "message"),
    [
        ("on_bad_value: fix", "mine.yaml: on_bad_value", "It should be 'reject', 'set_aside' or 'null'."),
        ("on_bad_valu: 'null'", "mine.yaml: on_bad_valu", "This key is not known here."),
        ("on_bad_valu: null", "mine.yaml: on_bad_valu", "This key is not known here."),
        *(
            (f"max_set_aside: {said}", "mine.yaml: max_set_aside", "It should be a number of features, such as 100, or a share")
            for said in ("-1", "500%", "1.5", "true", ".nan", "many")
        ),
    ],
)
def test_a_policy_that_is_none_is_one_problem_with_its_place(line: str, where: str, message: str) -> None:
    with pytest.raises(Rejected) as caught:
        Recipe.from_yaml(f"{MINE}{line}\n", "mine.yaml")
    (problem,) = caught.value.problems
    assert problem.where == where
    assert problem.message.startswith(message)
