"""Times in nanoseconds, which PostgreSQL does not have: compared and converted on every engine as if it had."""

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from libs.models import Rejected
from libs.transformations import Recipe

pytestmark = pytest.mark.integration

DAY = 86_400 * 10**9
MOMENTS = pa.array([0, 1, -1, 1_500, DAY, -DAY, 2**62 + 7, -(2**62) - 7, None], pa.timestamp("ns"))
CLOCKS = pa.array([0, 1, DAY // 2, DAY // 2 + 500_000_000, DAY - 1, None], pa.time64("ns"))


@pytest.fixture
def made(through: Callable, source: Callable) -> Callable[..., list[Any]]:
    """What a step makes of some values."""

    def made(values: pa.Array, **step: Any) -> list[Any]:
        recipe = Recipe(name="mine", description="Mine.", steps=(step,))
        result = through(source(pa.table({"n": range(len(values)), "value": values})), recipe).rows
        return result["value" if step["op"] == "cast" else "n"].to_pylist()

    return made


@pytest.mark.parametrize(
    ("values", "op", "value", "kept"),
    [
        (MOMENTS, "eq", "1970-01-01T00:00:00.000000001", [1]),
        (MOMENTS, "le", "1970-01-01T00:00:00", [0, 2, 5, 7]),
        (MOMENTS, "gt", "1970-01-01T00:00:00.000001", [3, 4, 6]),
        (MOMENTS, "lt", "9999-12-31", [0, 1, 2, 3, 4, 5, 6, 7]),
        (MOMENTS, "between", ["0001-01-01", "1969-12-31T23:59:59.999999999"], [2, 5, 7]),
        (MOMENTS, "not_in", ["1970-01-02", "1969-12-31"], [0, 1, 2, 3, 6, 7, 8]),
        (MOMENTS, "is_null", None, [8]),
        (CLOCKS, "eq", "00:00:00.000000001", [1]),
        (CLOCKS, "ge", "12:00", [2, 3, 4]),
        (CLOCKS, "in", ["12:00:00.5", "23:59:59.999999999"], [3, 4]),
    ],
)
def test_they_are_compared_to_the_last_digit(values: pa.Array, op: str, value: Any, kept: list[int], made: Callable) -> None:
    assert made(values, op="filter", condition={"column": "value", "op": op, "value": value}) == kept


@pytest.mark.parametrize(
    "type_", [pa.timestamp("us"), pa.timestamp("us", "UTC"), pa.timestamp("ns"), pa.time64("us"), pa.time64("ns")]
)
def test_what_is_finer_than_the_column_is_not_cut_off_in_silence(type_: pa.DataType, made: Callable) -> None:
    clock = "12:00:00.0000000001"
    value = clock if pa.types.is_time(type_) else f"2024-01-31T{clock}{'Z' * (getattr(type_, 'tz', None) is not None)}"
    with pytest.raises(Rejected) as caught:
        made(pa.nulls(2, type_), op="filter", condition={"column": "value", "op": "eq", "value": value})
    (problem,) = caught.value.problems
    assert problem.code == "bad_condition"
    assert "digits of a second" in problem.message


MOMENTS_AS_TEXT = [
    "1970-01-01 00:00:00", "1970-01-01 00:00:00.000000001", "1969-12-31 23:59:59.999999999", "1970-01-01 00:00:00.0000015",
    "1970-01-02 00:00:00", "1969-12-31 00:00:00", "2116-02-20 23:53:38.427387911", "1823-11-12 00:06:21.572612089", None,
]  # fmt: skip
CLOCKS_AS_TEXT = ["00:00:00", "00:00:00.000000001", "12:00:00", "12:00:00.5", "23:59:59.999999999", None]


@pytest.mark.parametrize(("values", "found"), [(MOMENTS, MOMENTS_AS_TEXT), (CLOCKS, CLOCKS_AS_TEXT)])
def test_as_text(values: pa.Array, found: list[Any], made: Callable) -> None:
    assert made(values, op="cast", columns={"value": "string"}) == found


@pytest.mark.parametrize(("to", "exact"), [("timestamp", [0, 4, 5]), ("date", [0, 4, 5])])
def test_they_are_converted_where_nothing_is_lost(to: str, exact: list[int], made: Callable) -> None:
    found = made(MOMENTS, op="cast", columns={"value": to}, on_error="null")
    assert [n for n, value in enumerate(found) if value is not None] == exact
    assert [str(found[n])[:10] for n in exact] == ["1970-01-01", "1970-01-02", "1969-12-31"]
