"""Conditions that people type: every condition there is can be written down and is understood as the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.models import Rejected
from libs.transformations.conditions import AllOf, AnyOf, Comparison, Condition, Not
from libs.transformations.relation import Column
from libs.transformations.where import parse

_NAMES = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=8)
_VALUES = (
    st.text(st.characters(exclude_categories=("Cs",)), max_size=8)
    | st.integers(-(10**20), 10**20)
    | st.booleans()
    | st.floats(allow_nan=False, allow_infinity=False)
)
_SIGNS = {"eq": "=", "ne": "<>", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
_COMPARISONS = (
    st.builds(Comparison, column=_NAMES, op=st.sampled_from(sorted(_SIGNS)), value=_VALUES)
    | st.builds(Comparison, column=_NAMES, op=st.just("in"), value=st.lists(_VALUES, min_size=1, max_size=3))
    | st.builds(Comparison, column=_NAMES, op=st.just("between"), value=st.lists(_VALUES, min_size=2, max_size=2))
    | st.builds(Comparison, column=_NAMES, op=st.just("like"), value=st.text(max_size=5))
    | st.builds(Comparison, column=_NAMES, op=st.sampled_from(["is_null", "not_null"]))
)
_CONDITIONS = st.recursive(
    _COMPARISONS,
    lambda inner: (
        st.builds(lambda part: Not.model_validate({"not": part}), inner)
        | st.builds(lambda parts: AllOf.model_validate({"all": parts}), st.lists(inner, min_size=2, max_size=3))
        | st.builds(lambda parts: AnyOf.model_validate({"any": parts}), st.lists(inner, min_size=2, max_size=3))
    ),
    max_leaves=6,
)


def _value(value: object) -> str:
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return str(value).upper() if isinstance(value, bool) else repr(value)


def _written(condition: Condition) -> str:  # noqa: PLR0911 - one for each form
    match condition:
        case Not():
            return f"NOT ({_written(condition.condition)})"
        case AllOf() | AnyOf():
            word = " AND " if isinstance(condition, AllOf) else " or "
            return word.join(f"({_written(part)})" for part in condition.conditions)
    column = '"' + condition.column.replace('"', '""') + '"'
    match condition.op:
        case "in":
            return f"{column} in ({', '.join(map(_value, condition.value))})"
        case "between":
            return f"{column} BETWEEN {_value(condition.value[0])} AND {_value(condition.value[1])}"
        case "like":
            return f"{column} LIKE {_value(condition.value)}"
        case "is_null":
            return f"{column} IS NULL"
        case "not_null":
            return f"{column} is not null"
    return f"{column}{_SIGNS[condition.op]}{_value(condition.value)}"


@given(_CONDITIONS)
def test_every_condition_that_is_written_down_is_understood_as_it_was(condition: Condition) -> None:
    assert parse(_written(condition)).condition == condition


@given(st.text(st.characters(exclude_categories=("Cs",)), max_size=30) | st.text("ab=<>()'\", NOTINULLAD1.", max_size=30))
def test_any_other_text_is_refused_with_the_place(text: str) -> None:
    try:
        parse(text)
    except Rejected as rejected:
        (problem,) = rejected.problems
        assert problem.where.startswith("the condition, character ")
        assert 1 <= int(problem.where.rpartition(" ")[2]) <= len(text) + 1


def test_and_binds_closer_than_or_and_not_closer_than_both() -> None:
    assert parse("a = 1 or not b = 2 and c = 3").condition == parse("a = 1 OR ((NOT b = 2) AND c = 3)").condition
    assert parse("a NOT IN (1)").condition == parse("NOT a IN (1)").condition


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("", 1, "It ends where the name of a column is expected."),
        ("use = 'school", 7, "The quote ' is not closed."),
        ("use = school", 7, "'school' stands where a value (a number, 'a text', TRUE or FALSE) is expected."),
        ('use = "school"', 7, '"school" is the name of a column, and a value is expected.'),
        ("use = NULL", 7, "Nothing is compared with NULL by a sign."),
        ("a = 1 b = 2", 7, "'b' stands where AND, OR, or the end is expected."),
        ("(a = 1", 7, "It ends where a closing bracket is expected."),
        ("a = 1; DROP TABLE x", 6, "';' cannot stand here."),
        ("NOT " * 150 + "a = 1", 401, "More than 100 NOT and brackets lie in each other."),
    ],
)
def test_what_cannot_be_understood_is_said_with_its_place(text: str, place: int, message: str) -> None:
    with pytest.raises(Rejected) as rejected:
        parse(text)
    (problem,) = rejected.value.problems
    assert (problem.where, problem.message) == (f"the condition, character {place}", message)


def test_what_does_not_fit_the_columns_is_said_with_the_place_of_each() -> None:
    columns = [Column(name="use", type="string"), Column(name="floors", type="int32")]
    problems = list(parse("use = 'a' AND (floor > 3 OR floors = 'x') AND floors LIKE 'a'").problems(columns))
    assert [problem.where for problem in problems] == [f"the condition, character {place}" for place in (16, 29, 47)]
    assert problems[0].remedy == "The columns: use (string), floors (int32)."
