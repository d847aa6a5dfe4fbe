"""Quality rules of single features: both engines find the same, and what is set aside comes out as it came."""

import math
import re
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from libs.models import Manifest, Rejected
from libs.transformations import Recipe
from libs.transformations.patterns import Pattern

pytestmark = pytest.mark.integration

SHAPES = [
    shapely.Point(10, 50), shapely.Point(11, 51), None, shapely.Point(), shapely.box(10, 50, 11, 51),
    shapely.Polygon([(0, 0), (1, 1), (1, 0), (0, 1)]), shapely.LineString([(0, 0), (2, 2), (2, 0), (0, 2)]),
    shapely.MultiPolygon([shapely.box(0, 0, 1, 1)]), shapely.Point(10, 50, 5),
]  # fmt: skip
VALUES: dict[str, list[Any]] = {
    "whole": [0, 5, 10, 11, None, -1, 7, 7, 7],
    "real": [0.0, 1.5, math.nan, math.inf, None, -0.5, 1.0, 1.0, 1.0],
    "amount": [Decimal(value) if value else None for value in ("0.1", "1.25", "2.5", "-1", None, "3", "1", "1", "1")],
    "text": ["abc", "Abc", "", "a\nc", None, "ä", "a.c", "12345", "abcd"],
    "flag": [True, False, None, True, True, True, True, True, True],
    "day": [date(2024, 1, day) for day in range(1, 9)] + [None],
    "moment": [datetime(2024, 1, day, 12) for day in range(1, 9)] + [None],  # noqa: DTZ001 - of no zone
}
TABLE = pa.table(
    {name: pa.array(values, pa.int64() if name == "whole" else None) for name, values in VALUES.items()}
    | {"geom": pa.array([None if shape is None else shapely.to_wkb(shape, flavor="iso") for shape in SHAPES], pa.binary())}
)
CASES: list[tuple[dict[str, Any], list[int]]] = [
    ({"rule": "not_null", "column": "whole"}, [4]),
    ({"rule": "in_range", "column": "whole", "min": 0, "max": 10}, [3, 5]),
    ({"rule": "in_range", "column": "whole", "max": 5}, [2, 3, 6, 7, 8]),
    ({"rule": "in_range", "column": "real", "min": 0}, [2, 5]),
    ({"rule": "in_range", "column": "real", "max": 1}, [1, 2, 3]),
    ({"rule": "in_range", "column": "amount", "min": 0.1, "max": 2.5}, [3, 5]),
    ({"rule": "in_range", "column": "day", "min": "2024-01-02", "max": "2024-01-07"}, [0, 7]),
    ({"rule": "in_range", "column": "moment", "min": "2024-01-02T12:00:00"}, [0]),
    ({"rule": "in_range", "column": "text", "min": "a"}, [1, 2, 7]),
    ({"rule": "in_set", "column": "text", "values": ["abc", "", "ä"]}, [1, 3, 6, 7, 8]),
    ({"rule": "in_set", "column": "flag", "values": [True]}, [1]),
    ({"rule": "in_set", "column": "whole", "values": [7, 0]}, [1, 2, 3, 5]),
    ({"rule": "matches", "column": "text", "pattern": "[a-z]{3,4}"}, [1, 2, 3, 5, 6, 7]),
    ({"rule": "matches", "column": "text", "pattern": r"^\w.\w$"}, [2, 3, 5, 7, 8]),
    ({"rule": "has_geometry"}, [2, 3]),
    ({"rule": "geometry_valid"}, [5]),
    ({"rule": "geometry_simple"}, [5, 6]),
    ({"rule": "geometry_type", "types": ["Point", "Polygon"]}, [6, 7]),
    ({"rule": "within", "bbox": [0, 0, 10.5, 50]}, [1, 4]),
    ({"rule": "within", "bbox": [0, 0, 11, 51]}, []),
]


def ruled(*rules: dict[str, Any], steps: tuple[dict[str, Any], ...] = ()) -> Recipe:
    return Recipe.model_validate({"name": "own", "description": "Its own.", "steps": steps, "rules": rules})


@pytest.mark.parametrize(("rule", "failing"), CASES, ids=[" ".join(map(str, rule.values())) for rule, _ in CASES])
def test_what_a_rule_finds(rule: dict[str, Any], failing: list[int], through: Callable, source: Callable) -> None:
    told = through(source(TABLE), ruled(rule | {"severity": "warn"}))
    first = f"files[0]: layer a, feature {failing[0] + 1}" if failing else ""
    assert told.broken_rules == ({0: (len(failing), first)} if failing else {})
    of_rules = [(warning.where, "rule " in warning.message) for warning in told.warnings if warning.code == "rule_failed"]
    assert of_rules == ([(first, True)] if failing else [])
    assert told.features == TABLE.num_rows

    aside = through(source(TABLE), ruled(rule | {"severity": "set_aside"}))
    assert [reject["_etl_row"] for reject in aside.rejects] == failing
    kept = TABLE.take([row for row in range(TABLE.num_rows) if row not in failing])
    assert sorted(map(str, aside.rows["day"].to_pylist())) == sorted(map(str, kept["day"].to_pylist()))
    assert aside.broken_rules == told.broken_rules
    assert not [warning for warning in aside.warnings if warning.code == "rule_failed"]

    if failing:
        with pytest.raises(Rejected) as refused:
            through(source(TABLE), ruled(rule))
        assert [(problem.code, problem.where) for problem in refused.value.problems] == [("rule_failed", first)]


def test_rules_judge_what_the_steps_leave_each_for_itself(through: Callable, source: Callable) -> None:
    steps = ({"op": "filter", "condition": {"column": "whole", "op": "not_null"}}, {"op": "rename", "columns": {"whole": "n"}})
    rules = (
        {"rule": "in_range", "column": "n", "max": 10, "severity": "set_aside"},
        {"rule": "in_range", "column": "n", "min": 0, "max": 9, "severity": "set_aside"},
        {"rule": "not_null", "column": "n"},
        {"rule": "unique", "columns": "n"},
        {"rule": "in_range", "column": "n", "max": 9, "severity": "warn"},
    )
    made = through(source(TABLE), ruled(*rules, steps=steps))
    assert {number: count for number, (count, _) in made.broken_rules.items()} == {0: 1, 1: 3, 4: 2}
    assert [(reject["_etl_row"], reject["_etl_message"].split(":")[0]) for reject in made.rejects] == [
        (2, "rule in_range n"), (3, "rule in_range n"), (5, "rule in_range n"),
    ]  # fmt: skip
    assert (made.features, made.set_aside, made.changes.dropped) == (5, 3, {"filter": 1})


def test_what_is_repaired_is_valid(through: Callable, source: Callable) -> None:
    wall = shapely.Polygon([(0, 0, 0), (0, 0, 5), (0, 1, 5), (0, 1, 0)])  # a surface in space, which no repair makes flat
    table = pa.table({"geom": [shapely.to_wkb(shape, flavor="iso") for shape in (SHAPES[5], wall)]})
    valid = {"rule": "geometry_valid", "severity": "warn"}
    made = through(source(table, None), ruled(valid, steps=({"op": "repair"},)))
    assert (made.broken_rules, made.changes.repaired) == ({0: (1, "files[0]: layer a, feature 2")}, 1)


def test_parts_of_features_are_judged_but_not_set_aside(through: Callable, source: Callable) -> None:
    table = pa.table({"n": [1], "geom": [shapely.to_wkb(shapely.MultiPoint([(0, 0), (5, 5), (6, 6)]))]})
    inside = {"rule": "within", "bbox": [0, 0, 1, 1]}
    made = through(source(table), ruled(inside | {"severity": "warn"}, steps=({"op": "explode"},)))
    assert made.broken_rules == {0: (2, "files[0]: layer a, feature 1")}
    with pytest.raises(Rejected) as refused:
        through(source(table), ruled(inside | {"severity": "set_aside"}, steps=({"op": "explode"},)))
    (problem,) = refused.value.problems
    assert (problem.code, problem.where) == ("bad_rule", "rule within")


def test_an_area_in_another_crs(through: Callable, source: Callable) -> None:
    table = pa.table({"geom": [shapely.to_wkb(shapely.Point(x, 5_500_000)) for x in (500_000, 900_000)]})
    steps = ({"op": "repair"},)
    for area in ({"bbox": [8, 49, 10, 50]}, {"area": "POLYGON((8 49, 10 49, 10 50, 8 50, 8 49))"}):
        rule = {"rule": "within", "crs": "EPSG:4326", "severity": "warn"} | area
        assert through(source(table, "EPSG:25832"), ruled(rule, steps=steps)).broken_rules == {
            0: (1, "files[0]: layer a, feature 2")
        }
        with pytest.raises(Rejected, match="valid geometry"):
            through(source(table, "EPSG:25832"), ruled(rule))


def test_rules_that_fit_nothing_are_all_told(through: Callable, source: Callable) -> None:
    rules = (
        {"rule": "not_null", "column": "none"}, {"rule": "in_range", "column": "flag", "min": 1},
        {"rule": "matches", "column": "whole", "pattern": "1"}, {"rule": "matches", "column": "text", "pattern": "(?i)a"},
        {"rule": "has_geometry"},
    )  # fmt: skip
    with pytest.raises(Rejected) as refused:
        through(source(TABLE.drop_columns(["geom"])), ruled(*rules))
    assert [(problem.code, problem.where) for problem in refused.value.problems] == [
        ("bad_rule", "rule not_null none"), ("bad_rule", "rule in_range flag"), ("bad_rule", "rule matches whole"),
        ("bad_rule", "rule matches text"), ("bad_rule", "rule has_geometry"),
    ]  # fmt: skip


def test_many_rules(through: Callable, source: Callable) -> None:
    """Above a hundred values to audit, engines go another way."""
    rules = [{"rule": "in_range", "column": "whole", "max": number, "severity": "warn"} for number in range(-1, 79)]
    found = through(source(TABLE), ruled(*rules)).broken_rules
    assert {place: count for place, (count, _) in found.items()} == {
        place: broken for place, most in enumerate(range(-1, 79)) if (broken := sum((n or -9) > most for n in VALUES["whole"]))
    } | {0: 7}


PARTS = st.sampled_from(
    ["a", "B", "1", ".", r"\.", "[a-c]", "[^b1]", r"\d", r"\w", r"\s", r"[\d_-]", "(a|b)", "ä", " ", "-", "]"]
)
PATTERNS = st.lists(st.tuples(PARTS, st.sampled_from(["", "?", "*", "+", "{2}", "{1,3}", "{0,}"])), min_size=1, max_size=4).map(
    lambda parts: "".join(part + sign for part, sign in parts)
)
TEXTS = st.lists(st.text("aB1.bc_ä -]\n", max_size=5), min_size=20, max_size=20, unique=True)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(PATTERNS, min_size=3, max_size=3), TEXTS)
def test_patterns_mean_the_same_everywhere(through: Callable, source: Callable, patterns: list[str], texts: list[str]) -> None:
    table = pa.table({"text": texts})
    rules = [{"rule": "matches", "column": "text", "pattern": pattern, "severity": "warn"} for pattern in patterns]
    found = through(source(table), ruled(*rules)).broken_rules
    expected = {
        place: sum(re.fullmatch(pattern, text, re.ASCII) is None for text in texts) for place, pattern in enumerate(patterns)
    }
    assert {place: count for place, (count, _) in found.items()} == {place: n for place, n in expected.items() if n}


def test_a_manifest_keeps_its_rules(source: Callable) -> None:
    content = {"batch_id": "a", "uploader": "u", "intent": "raw", "rules": [{"rule": "has_geometry"}]}
    dumped = Manifest.model_validate(content).model_dump(mode="json", exclude_defaults=True)
    assert dumped == content
    assert Pattern("^a$").sql == "a"
