"""Filters and casts on a real DuckDB, against the same rules written in Python."""

import re
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from libs.models import Changes, Rejected
from tests.sampling import examples

pytestmark = pytest.mark.integration

Transform = Any
SCHEMA = pa.schema(
    [
        ("row", pa.int64()),
        ("text", pa.string()),
        ("whole", pa.int64()),
        ("small", pa.int16()),
        ("number", pa.float64()),
        ("short", pa.float32()),
        ("price", pa.decimal128(10, 2)),
        ("fine", pa.decimal128(38, 30)),
        ("vast", pa.decimal128(38, 0)),
        ("flag", pa.bool_()),
        ("day", pa.date32()),
        ("clock", pa.time64("us")),
        ("seen", pa.timestamp("us")),
        ("millis", pa.timestamp("ms")),
        ("moment", pa.timestamp("us", "UTC")),
        ("tags", pa.list_(pa.string())),
    ]
)
BEYOND = {"price": [0.251, -0.001, 1e8, -1e300], "fine": [1e8, -1e-31, 1e300, 123456789012], "vast": [0.5, -1e38, 1e300]}
"""Numbers that no value of these columns equals."""
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=4) | st.sampled_from(
    ["a%b", "a_b", "it's", "\\", "Zoo", "äpfel"]
)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "text": texts,
    "whole": st.sampled_from([0, 1, -1, 2**53 + 1, 2**63 - 1, -(2**63)]) | st.integers(-3, 3),
    "small": st.integers(-3, 3),
    "number": st.sampled_from([0.0, -0.0, 0.1, 1e300, -1e300, 5e-324]) | st.integers(-3, 3),
    "short": st.sampled_from([0.1, 0.5, 3.0, 0]),
    "price": st.sampled_from([0.25, 1, 100, 99.99]),
    "fine": st.sampled_from([1.2345678, 1.23456789, -1e-30, 0, 99999999]),
    "vast": st.sampled_from([2**53 + 1, 9e37, -1e37, 0, 1]),
    "flag": st.booleans(),
    "day": st.sampled_from(["0001-01-01", "2024-02-29", "9999-12-31"]),
    "clock": st.sampled_from(["00:00:00", "23:59:59.999999", "12:30"]),
    "seen": st.sampled_from(["1969-12-31T23:59:59.999999", "2024-02-29T12:00:00", "2024-02-29"]),
    "millis": st.sampled_from(["1969-12-31T23:59:59.999", "2024-02-29T12:00:00"]),
    "moment": st.sampled_from(["2024-02-29T12:00:00Z", "2024-02-29T12:00:00+05:30", "2024-02-28T23:59:59.999999-01:00"]),
}
PYTHON = {
    "day": date.fromisoformat,
    "clock": time.fromisoformat,
    "seen": datetime.fromisoformat,
    "millis": datetime.fromisoformat,
    "moment": lambda text: datetime.fromisoformat(text).astimezone(UTC),
    "price": lambda number: Decimal(str(number)),
    "fine": lambda number: Decimal(str(number)),
    "vast": lambda number: Decimal(str(number)),
    "short": lambda number: pa.scalar(number, pa.float32()).as_py(),
}


def in_python(column: str, value: Any) -> Any:
    return value if value is None else PYTHON.get(column, lambda same: same)(value)


@st.composite
def comparisons(draw: st.DrawFn) -> dict[str, Any]:
    column = draw(st.sampled_from([*VALUES, "tags"]))
    ops = ["is_null", "not_null"]
    if column != "tags":
        ops += ["eq", "ne", "in", "not_in"]
    if column not in {"tags", "flag"}:
        ops += ["lt", "le", "gt", "ge", "between"]
    if column == "text":
        ops += ["starts_with", "ends_with", "contains", "like"]
    op = draw(st.sampled_from(ops))
    if op in {"is_null", "not_null"}:
        return {"column": column, "op": op}
    given = VALUES[column] | st.sampled_from(BEYOND[column]) if column in BEYOND else VALUES[column]
    if op in {"in", "not_in"}:
        return {"column": column, "op": op, "value": draw(st.lists(given, min_size=1, max_size=3))}
    if op == "between":
        return {"column": column, "op": op, "value": [draw(given), draw(given)]}
    if op == "like":
        return {"column": column, "op": op, "value": draw(st.text("a%_bZ", max_size=4))}
    return {"column": column, "op": op, "value": draw(given)}


conditions = st.recursive(
    comparisons(),
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"all": parts})
        | st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"any": parts})
        | inner.map(lambda part: {"not": part})
    ),
    max_leaves=5,
)
rows = st.fixed_dictionaries({column: st.none() | values for column, values in VALUES.items()}).map(
    lambda row: {column: in_python(column, value) for column, value in row.items()} | {"tags": None if row["flag"] else ["x"]}
)


def holds(condition: dict[str, Any], row: dict[str, Any]) -> bool:  # noqa: PLR0911 - a case for each kind
    """What a condition means: true or false, a missing value being equal to nothing and neither before nor after anything."""
    if "all" in condition:
        return all(holds(part, row) for part in condition["all"])
    if "any" in condition:
        return any(holds(part, row) for part in condition["any"])
    if "not" in condition:
        return not holds(condition["not"], row)
    column, op, given = condition["column"], condition["op"], condition.get("value")
    value = row[column]
    if op in {"is_null", "not_null"}:
        return (value is None) == (op == "is_null")
    if op in {"ne", "not_in"}:
        return not holds({**condition, "op": {"ne": "eq", "not_in": "in"}[op]}, row)
    if value is None:
        return False
    to = [in_python(column, item) for item in (given if isinstance(given, list) else [given])]
    return {
        "eq": lambda: value == to[0],
        "lt": lambda: value < to[0],
        "le": lambda: value <= to[0],
        "gt": lambda: value > to[0],
        "ge": lambda: value >= to[0],
        "in": lambda: value in to,
        "between": lambda: to[0] <= value <= to[1],
        "starts_with": lambda: value.startswith(to[0]),
        "ends_with": lambda: value.endswith(to[0]),
        "contains": lambda: to[0] in value,
        "like": lambda: fnmatchcase(value.translate({91: 40, 93: 41}), to[0].replace("%", "*").replace("_", "?")),
    }[op]()


@settings(
    max_examples=examples(200), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(condition=conditions, rows=st.lists(rows, min_size=1, max_size=5))
def test_a_filter_keeps_what_meets_its_condition(
    transform: Transform, condition: dict[str, Any], rows: list[dict[str, Any]]
) -> None:
    numbered = [{"row": number, **row} for number, row in enumerate(rows)]
    result = transform([{"op": "filter", "condition": condition}], numbered, schema=SCHEMA)
    kept = [row["row"] for row in numbered if holds(condition, row)]
    assert result["row"] == kept
    left_out = len(rows) - len(kept)
    assert result.changes == Changes(dropped={"filter": left_out} if left_out else {})


def nothing_like_it(text: str) -> None:
    del text


def as_whole(bits: int) -> Any:
    def parse(text: str) -> int | None:
        number = int(text) if re.fullmatch("[+-]?[0-9]{1,19}", text) else None
        return number if number is not None and -(2**bits) <= number < 2**bits else None

    return parse


def as_double(text: str) -> float | None:
    if not re.fullmatch(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?", text):
        return None
    number = float(text)
    return None if abs(number) == float("inf") or (number == 0 and re.match("[^eE]*[1-9]", text)) else number


def as_bool(text: str) -> bool | None:
    return {
        "true": True,
        "t": True,
        "yes": True,
        "y": True,
        "1": True,
        "false": False,
        "f": False,
        "no": False,
        "n": False,
        "0": False,
    }.get(text.lower())


def as_date(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", text) else None
    except ValueError:
        return None


def as_timestamp(text: str) -> datetime | None:
    try:
        fits = re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?", text)
        return datetime.fromisoformat(text) if fits else None
    except ValueError:
        return None


def as_timestamp_utc(text: str) -> datetime | None:
    match = re.fullmatch(r"(.*?)(Z|[+-](?:0[0-9]|1[0-4])(?::?[0-5][0-9])?)", text)
    local = as_timestamp(match[1]) if match else None
    if match is None or local is None:
        return None
    sign, digits = (-1 if match[2][0] == "-" else 1), re.sub("[^0-9]", "", match[2]).ljust(4, "0")
    try:
        return (local - sign * timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))).replace(tzinfo=UTC)
    except OverflowError:
        return None


READERS = {
    "int32": as_whole(31), "int64": as_whole(63), "double": as_double, "bool": as_bool, "date": as_date,
    "timestamp": as_timestamp, "timestamp_utc": as_timestamp_utc,
}  # fmt: skip
_MOMENT = (
    r"[0-9]{4}-[01][0-9]-[0-3][0-9]([T ][0-2][0-9]:[0-6][0-9](:[0-6][0-9](\.[0-9]{1,7})?)?(Z|[+-][01][0-9](:?[0-6][0-9])?)?)?"
)
_SPECIAL = [
    "true", "Yes", "N", "0", "01", "+5", "NaN", "inf", "0x10", "1_000", "1e400", "1e-400", "0e-400", "", "2023-02-29",
    "1900-02-29", "2000-02-29", "0000-01-01",
]  # fmt: skip
written = (
    st.integers().map(str)
    | st.integers(-(2**32), 2**32).map(str)
    | st.floats().map(repr)
    | st.dates().map(str)
    | st.datetimes().map(str)
    | st.datetimes(timezones=st.sampled_from([UTC])).map(lambda moment: moment.isoformat())
    | st.from_regex(_MOMENT, fullmatch=True)
    | st.from_regex(r"[+-]?[0-9]{0,3}\.?[0-9]{0,3}([eE][+-]?[0-9]{1,4})?", fullmatch=True)
    | st.sampled_from(_SPECIAL)
    | texts
)  # fmt: skip


@pytest.mark.parametrize("target", READERS)
@settings(max_examples=examples(120), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=written)
@example(text="2024-02-29T23:59:59.5+0530")
@example(text="9999-12-31T23:59:59-14:00")
@example(text="0001-01-01T00:00Z")
@example(text="2024-02-29 12:30-0230")
@example(text="0001-01-01 00:00+14")
@example(text="12\n")
def test_text_is_cast_exactly_or_not_at_all(transform: Transform, target: str, text: str) -> None:
    expected = READERS[target](text.strip(" "))
    rows = [{"row": 1, "text": text}, {"row": 2, "text": None}]
    result = transform([{"op": "cast", "columns": {"text": target}, "on_error": "null"}], rows, schema=SCHEMA)
    if expected is None and result["text"][0] is not None:
        # Python's calendar ends at 9999, DuckDB's does not.
        assert target == "timestamp_utc"
        assert result["text"][0] is not None
        return
    assert result["text"] == [expected, None]
    assert type(result["text"][0]) is type(expected)
    assert result.changes == Changes(counts={"cast_to_null": 1} if expected is None else {})


@settings(max_examples=examples(100), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(number=st.floats() | st.integers(-(2**63), 2**63).map(float))
@example(number=2.0**63)
@example(number=-(2.0**63))
@example(number=float("nan"))
def test_numbers_are_cast_exactly_or_not_at_all(transform: Transform, number: float) -> None:
    for target, bits in (("int32", 31), ("int64", 63)):
        result = transform(
            [{"op": "cast", "columns": {"number": target}, "on_error": "null"}], [{"number": number}], schema=SCHEMA
        )
        exact = number.is_integer() and -(2.0**bits) <= number < 2.0**bits
        assert result["number"] == [int(number) if exact else None]
    (text,) = transform([{"op": "cast", "columns": {"number": "string"}}], [{"number": number}], schema=SCHEMA)["number"]
    assert float(text) == number or (text == "NaN" and number != number)  # noqa: PLR0124 - NaN
    assert not text.endswith(".0")


@settings(max_examples=examples(50), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    number=st.sampled_from([2**53 - 1, 2**53, 2**53 + 1, -(2**53), 2**31, -(2**31), 0, 1, 2]) | st.integers(-(2**63), 2**63 - 1)
)
def test_whole_numbers_are_cast_exactly_or_not_at_all(transform: Transform, number: int) -> None:
    expected = {
        "int32": number if -(2**31) <= number < 2**31 else None,
        "double": float(number) if abs(number) <= 2**53 else None,
        "bool": {0: False, 1: True}.get(number),
        "string": str(number),
    }
    for target, value in expected.items():
        result = transform([{"op": "cast", "columns": {"whole": target}, "on_error": "null"}], [{"whole": number}], schema=SCHEMA)
        assert result["whole"] == [value]
        assert type(result["whole"][0]) is type(value)


def test_casts_of_days_and_moments(transform: Transform) -> None:
    noon = datetime.fromisoformat("2024-02-29T12:00")
    rows = [
        {
            "day": date(2024, 2, 29),
            "seen": datetime.fromisoformat("2024-02-29"),
            "millis": noon,
            "moment": noon.replace(tzinfo=UTC),
            "flag": True,
        },
        {"seen": noon, "flag": False, "price": Decimal("1.50"), "clock": time(1, 2, 3)},
    ]
    columns = {
        "day": "timestamp",
        "seen": "date",
        "millis": "timestamp",
        "moment": "string",
        "flag": "int32",
        "price": "string",
        "clock": "string",
    }
    result = transform([{"op": "cast", "columns": columns, "on_error": "null"}], rows, schema=SCHEMA)
    first, second = result.rows
    assert [first[name] for name in columns] == [
        datetime.fromisoformat("2024-02-29"),
        date(2024, 2, 29),
        noon,
        "2024-02-29 12:00:00Z",
        1,
        None,
        None,
    ]
    assert [second[name] for name in columns] == [None, None, None, None, 0, "1.50", "01:02:03"]
    assert result.changes == Changes(counts={"cast_to_null": 1})


def test_a_value_that_cannot_be_cast_is_named(transform: Transform) -> None:
    rows = [{"text": "1", "number": 1.0}, {"text": "2.5", "number": None}, {"text": "x", "number": 0.5}]
    with pytest.raises(Rejected) as caught:
        transform([{"op": "cast", "columns": {"text": "int32", "number": "int64"}}], rows, schema=SCHEMA)
    assert [(problem.code, problem.where) for problem in caught.value.problems] == [("cannot_cast_value", "feature 2")]
    assert "'text'" in caught.value.problems[0].message
    assert "(and 1 more)" in caught.value.problems[0].message


def test_rows_left_out_before_a_cast_do_not_matter(transform: Transform) -> None:
    only_numbers = {"op": "filter", "condition": {"column": "text", "op": "ne", "value": "x"}}
    result = transform(
        [only_numbers, {"op": "cast", "columns": {"text": "int32"}}], [{"text": "x"}, {"text": "7"}], schema=SCHEMA
    )
    assert result["text"] == [7]


def test_columns_swap_names_and_order(transform: Transform) -> None:
    steps = [{"op": "rename", "columns": {"text": "whole", "whole": "text"}}, {"op": "select", "columns": ["text", "whole"]}]
    result = transform(steps, [{"text": "x", "whole": 1}], schema=SCHEMA)
    assert result.rows == [{"text": 1, "whole": "x"}]
    assert result.changes.renamed == {"text": "whole", "whole": "text"}


@pytest.mark.parametrize("name", ['a"b', "a'b", "select", "ä ö", "a\nb", "%s", "{x}", "_ETL", "x" * 200])
def test_any_name_can_be_worked_with(transform: Transform, name: str) -> None:
    schema = pa.schema([(name, pa.string())])
    steps = [
        {"op": "filter", "condition": {"column": name, "op": "eq", "value": "1\n2'"}},
        {"op": "rename", "columns": {name: "other"}},
        {"op": "cast", "columns": {"other": "string"}},
        {"op": "rename", "columns": {"other": name}},
    ]
    result = transform(steps, [{name: "1\n2'"}, {name: "1\n  2'"}], schema=schema)
    assert result.rows == [{name: "1\n2'"}]
