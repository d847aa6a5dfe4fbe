"""Nothing outside of a dialect is spelled for an engine: shown by planning everything in a dialect that no engine has."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from libs.models import Policies, Rejected
from libs.transformations import Column, Plan, Recipe, Registry, Relation
from libs.transformations.casting import TARGETS
from libs.transformations.crs import CrsFacts, CrsUnit
from libs.transformations.steps import STEPS
from tests.unit.transformations.stub_dialect import PREFIX, StubDialect

TYPES = {
    "text": ("string", "a%b"), "flag": ("bool", True), "whole": ("int32", 5), "big": ("int64", 5), "real": ("float", 0.1),
    "number": ("double", 0.1), "amount": ("decimal128(10, 3)", 1.25), "day": ("date32[day]", "2024-01-31"),
    "clock": ("time64[us]", "12:30:00"), "fine_clock": ("time64[ns]", "12:30:00.000000001"),
    "moment": ("timestamp[us]", "2024-01-31T12:30:00"), "fine_moment": ("timestamp[ns]", "2024-01-31T12:30:00.000000001"),
    "zoned": ("timestamp[us, tz=UTC]", "2024-01-31T12:30:00Z"),
}  # fmt: skip
COLUMNS = tuple(Column(name=name, type=type_) for name, (type_, _) in TYPES.items())
STANDARD = {
    "and", "as", "between", "bigint", "case", "cast", "coalesce", "count", "decimal", "else", "filter", "from", "in",
    "join", "max", "min", "not", "on", "or", "select", "sum", "then", "when", "where",
}  # fmt: skip
"""Words of SQL:2003 before a bracket."""
OPERATORS = re.compile(r"\"|::|!?~|\[|\]|->|\{|\}|\b(?:ilike|array|interval|lambda|at time zone)\b", re.IGNORECASE)
"""Of one engine or another, not of all."""
GEOMETRIC = 7
"""So many lists of steps, the first ones, depend on the CRS."""
REPAIR: dict[str, Any] = {"op": "repair"}
CRS = {"value": 1, "unit": "crs"}
STEP_LISTS: list[list[dict[str, Any]]] = [
    [REPAIR, {"op": "simplify", "tolerance": CRS}],
    [REPAIR, {"op": "set_precision", "grid": CRS}, {"op": "force_2d"}],
    [{"op": "force_2d"}, REPAIR],
    [REPAIR, {"op": "clip", "bbox": [0, 0, 1, 1], "crs": "EPSG:4326"}],
    [REPAIR, {"op": "clip", "bbox": [0, 0, 1, 1], "crs": "EPSG:25832"}],
    [{"op": "reproject", "crs": "EPSG:4326"}, REPAIR, {"op": "reproject", "crs": "EPSG:3857"}],
    [{"op": "explode"}, {"op": "rename", "columns": {"text": "name"}}, {"op": "select", "columns": ["name"]}],
    *(
        [{"op": "cast", "columns": {name: target}, "on_error": on_error}]
        for name in TYPES for target in TARGETS for on_error in ("reject", "null")
    ),
    *(
        [{"op": "filter", "condition": {"not": {"any": [
            {"column": name, "op": "eq", "value": value}, {"column": name, "op": "between", "value": [value, value]},
            {"column": name, "op": "in", "value": [value]}, {"column": name, "op": "is_null"},
        ]}}}]
        for name, (_, value) in TYPES.items() if name != "flag"
    ),
    *(
        [{"op": "filter", "condition": {"column": "text", "op": op, "value": "a_b%"}}]
        for op in ("like", "starts_with", "contains")
    ),
    *(
        [REPAIR, {"op": "dissolve", "by": ["text"], "aggregate": {"result": {"op": op, "column": name}}}]
        for name in TYPES for op in ("count", "sum", "min", "max", "first")
    ),
    *([{"op": "join", "input": "other", "on": [name]}] for name in TYPES),
    *(
        [{"op": "join", "input": "other", "on": ["text", "big"], "how": how, "cardinality": "many", "max_doubled": 1}]
        for how in ("left", "inner", "anti")
    ),
    *(
        [REPAIR, {"op": "spatial_join", "input": "other", "take": take, "ties": ["text", "big"], "max_doubled": 0.5}]
        for take in ("one", "largest", "all")
    ),
    *([REPAIR, {"op": "spatial_join", "input": "other", "predicate": each}] for each in ("within", "contains")),
    [REPAIR, {"op": "spatial_join", "input": "other", "predicate": "nearest", "distance": CRS}],
    *([REPAIR, {"op": "measure", "area": "a", "length": "l", "perimeter": "p", **on}] for on in (
        {}, {"on": "plane", "area_unit": "crs", "length_unit": "crs"}, {"on": "plane", "area_unit": "ha", "length_unit": "mi"})),
    [REPAIR, {"op": "buffer", "distance": CRS}, {"op": "hull"}, {"op": "centroid"}],
    [REPAIR, {"op": "deduplicate", "by": ["text", "day"]}],
    [{"op": "summarize", "by": ["text"], "aggregate": {"n": {"op": "count"}, "sum": {"op": "sum", "column": "number"}}}],
    [REPAIR, {"op": "clip_by", "input": "other"}],
    [REPAIR, {"op": "erase", "input": "other"}],
]  # fmt: skip
OTHER = Relation(columns=(*COLUMNS, Column(name="more", type="string")), geometry=True, crs="EPSG:3857")  # of the named input
INPUTS = [{"name": "other", "description": "Other."}]


RULES: list[dict[str, Any]] = [
    *({"rule": "in_range", "column": name, "min": value} for name, (_, value) in TYPES.items() if name != "flag"),
    *({"rule": "in_set", "column": name, "values": [value]} for name, (_, value) in TYPES.items()),
    {"rule": "not_null", "column": "text"}, {"rule": "matches", "column": "text", "pattern": "a+"},
    {"rule": "has_geometry", "severity": "set_aside"}, {"rule": "geometry_valid", "severity": "warn"},
    {"rule": "geometry_simple"}, {"rule": "geometry_type", "types": ["Point"]}, {"rule": "within", "bbox": [0, 0, 1, 1]},
    {"rule": "within", "area": "POLYGON((0 0, 1 0, 1 1, 0 0))", "crs": "EPSG:25832"},
]  # fmt: skip


def look_up(text: str) -> CrsFacts:
    if text == "EPSG:4326":
        return CrsFacts(text, CrsUnit("angle", 1), None, (-180, -90, 180, 90), reaches_180=True)
    if text == "EPSG:3857":
        return CrsFacts(text, CrsUnit("length", 1), 1e6, (-2e7, -2e7, 2e7, 2e7), reaches_180=True, ends_at_180=True)
    return CrsFacts(text, CrsUnit("length", 1), 1e6, (0, 0, 1e6, 1e7), reaches_180=True)


def with_columns(steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What is joined has a new name: the other columns of the input are called as those that are there."""
    return [{**step, "columns": ["more"]} if step["op"] in {"join", "spatial_join"} else step for step in steps]


def statements(plan: Plan) -> Iterator[str]:
    for stage in plan.statements:
        yield from filter(None, (stage.select, stage.audit, stage.row_audit(StubDialect())))
    if plan.row_filter is not None:
        yield plan.row_filter


def foreign(sql: str) -> set[str]:
    """What is neither of the stub dialect nor of standard SQL."""
    bare = re.sub(r"'(?:[^']|'')*'", "''", sql)
    quoted = re.sub(r"`(?:[^`]|``)*`", "x", bare)
    called = {name for name in re.findall(r"([A-Za-z_]\w*)\s*\(", quoted) if not name.startswith(PREFIX)}
    return {name for name in called if name.lower() not in STANDARD} | set(OPERATORS.findall(quoted))


def test_the_stub_spells_everything_in_its_own_way() -> None:
    assert StubDialect().is_valid("geom") == "stub_is_valid(geom)"
    assert StubDialect().transform("geom", "a", "b") == "stub_transform(geom, a, b)"
    standard = "coalesce(stub_a(1), count(*)) FILTER (WHERE `ST_Area(` IN ('ST_Area('))"
    assert foreign(f'SELECT ST_IsEmpty(geom), {standard}, a::text, "b" FROM t') == {"ST_IsEmpty", "::", '"'}


@pytest.mark.parametrize(
    ("steps", "crs"),
    [(steps, "EPSG:25832") for steps in STEP_LISTS]
    + [(steps, crs) for steps in STEP_LISTS[:GEOMETRIC] for crs in ("EPSG:4326", "EPSG:3857", None)],
    ids=lambda value: str(value)[:120],
)
def test_no_step_is_spelled_for_an_engine(steps: list[dict[str, Any]], crs: str | None) -> None:
    relation = Relation(columns=COLUMNS, geometry=True, crs=crs)
    inputs = INPUTS if any("input" in step for step in steps) else []
    recipe = Recipe.model_validate({"name": "mine", "description": "Mine.", "inputs": inputs, "steps": with_columns(steps)})
    try:
        plan = recipe.plan(relation, StubDialect(), look_up, inputs={"other": OTHER})
    except Rejected as rejected:
        codes = {problem.code for problem in rejected.problems}
        assert codes <= {"cannot_cast", "cannot_aggregate", "missing_crs"}, "types that no engine converts, and local coordinates"
        return
    assert {word for sql in statements(plan) for word in foreign(sql)} == set()


@pytest.mark.parametrize("policies", [None, Policies(on_bad_geometry="set_aside")])
def test_no_rule_is_spelled_for_an_engine(policies: Policies | None) -> None:
    recipe = Recipe.model_validate({"name": "mine", "description": "Mine.", "steps": [REPAIR], "rules": RULES})
    plan = recipe.plan(Relation(columns=COLUMNS, geometry=True, crs="EPSG:4326"), StubDialect(), look_up, policies=policies)
    assert {word for sql in statements(plan) for word in foreign(sql)} == set()
    assert {check.rule for stage in plan.stages for check in stage.checks} - {None} == {*range(len(RULES))}


def test_every_step_is_planned_here() -> None:
    assert {step["op"] for steps in STEP_LISTS for step in steps} == {*STEPS}


ARGUMENTS: dict[str, dict[str, Any]] = {
    "cast": {"columns": {"text": "date"}},
    "clip": {"bbox": [0, 0, 1, 1]},
    "filter": {"condition": {"column": "text", "op": "eq", "value": "a"}},
    "join": {"on": ["text"], "columns": ["more"]},
    "spatial_join": {"columns": ["more"]},
    "rename": {"columns": {"text": "name"}},
    "reproject": {"crs": "EPSG:3857"},
    "select": {"columns": ["text"]},
    "set_precision": {"grid": CRS},
    "simplify": {"tolerance": CRS},
}


FOR_FEATURES = sorted(name for name, recipe in Registry().recipes.items() if not recipe.for_rasters)


@pytest.mark.parametrize("name", FOR_FEATURES)
def test_no_built_in_recipe_is_spelled_for_an_engine(name: str) -> None:
    recipe = Registry().recipes[name]
    plan = recipe.bind(ARGUMENTS.get(name, {})).plan(
        Relation(columns=COLUMNS, geometry=True, crs="EPSG:25832"), StubDialect(), look_up, inputs={"other": OTHER}
    )
    assert {word for sql in statements(plan) for word in foreign(sql)} == set()


@pytest.mark.parametrize("name", FOR_FEATURES)
def test_policies_are_seen_only_where_they_change_something(name: str) -> None:
    bound = Registry().recipes[name].bind(ARGUMENTS.get(name, {}))
    relation = Relation(columns=COLUMNS, geometry=True, crs="EPSG:25832")
    none, rejecting, fixing, aside = (
        bound.plan(relation, StubDialect(), look_up, policies=policies, inputs={"other": OTHER})
        for policies in (
            None,
            Policies(on_bad_geometry="reject", on_bad_value="reject"),
            Policies(on_bad_geometry="fix"),
            Policies(on_bad_geometry="set_aside", on_bad_value="set_aside"),
        )
    )
    assert none == rejecting == fixing
    assert none.reasons == ()
    assert {word for sql in statements(aside) for word in foreign(sql)} == set()
