"""Tables of thousands of columns: an engine has only those that steps read."""

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from libs.compute.duckdb import MOST_COLUMNS
from libs.compute.engine import ComputeEngine
from libs.models import Rejected

pytestmark = pytest.mark.integration

COLUMNS = 2_000
RECIPES: dict[str, dict[str, Any]] = {
    "raw": {},
    "default": {},
    "filter": {"condition": {"any": [{"column": f"c{index}", "op": "ne", "value": "7"} for index in range(0, 100, 4)]}},
    "rename": {"columns": {"c0": "c4", "c4": "c0"}},
    "explode": {},
}


def wide(geometry: pa.Array, columns: int = COLUMNS, rows: int = 3) -> pa.Table:
    """Texts, whole numbers, numbers and dates."""
    kinds = (pa.string(), pa.int64(), pa.float64(), pa.date32())
    values = {
        f"c{index}": pa.array([index + row for row in range(rows)], pa.int32()).cast(kinds[index % 4]) for index in range(columns)
    }
    return pa.table(values | {"geom": geometry})


def as_others(columns: int) -> dict[str, str]:
    """Another type for each of them."""
    return {f"c{index}": "string" if index % 4 else "int64" for index in range(columns)}


@pytest.mark.parametrize("name", RECIPES)
def test_all_of_them_come_back(
    name: str, new_engine: Callable, through: Callable, source: Callable, recipe: Callable, wkb: Callable
) -> None:
    table = wide(wkb(*["POINT (1 1)"] * 3))
    result = through(source(table), recipe(name, **RECIPES[name]), on=new_engine(memory_mb=384))
    expected = table.rename_columns({"c0": "c4", "c4": "c0"}) if name == "rename" else table
    assert result.rows.drop_columns("bbox").equals(expected)


def test_dissolved(new_engine: Callable, through: Callable, source: Callable, recipe: Callable, wkb: Callable) -> None:
    by = recipe("dissolve", by=["c1"], aggregate={"first": {"op": "first", "column": "c7"}})
    result = through(source(wide(wkb(*["POINT (1 1)"] * 3))), by, on=new_engine(memory_mb=384))
    assert result.rows.select(["c1", "first"]).to_pydict()["c1"] == [1, 2, 3]
    assert result.changes.counts == {"columns_dropped": COLUMNS - 1}


@pytest.mark.parametrize("kind", ["duckdb"], indirect=True)
def test_all_of_them_cast(new_engine: Callable, through: Callable, source: Callable, recipe: Callable, wkb: Callable) -> None:
    """What cannot be cast is reported of each column; what DuckDB takes for many columns it gives back."""
    engine, table = new_engine(memory_mb=384), wide(wkb(*["POINT (1 1)"] * 3), 1_200)
    columns = as_others(1_200)
    result = through(source(table), recipe("cast", columns=columns), on=engine)
    assert result.rows["c4"].to_pylist() == [4, 5, 6]
    assert result.rows["c1197"].to_pylist() == ["1197", "1198", "1199"]
    assert engine.connect().execute("SELECT current_setting('memory_limit')").fetchone() == ("128.0 MiB",)
    wrong = table.set_column(8, "c8", [["x", "9", "y"]]).set_column(800, "c800", [["z", "z", "9"]])
    with pytest.raises(Rejected) as caught:
        through(source(wrong), recipe("cast", columns=columns), on=engine)
    told = [(problem.where, "'c800'" in problem.message, "more" in problem.message) for problem in caught.value.problems]
    assert told == [("files[0]: layer a, feature 1", False, True), ("files[0]: layer a, feature 2", True, False)]
    lenient = through(source(wrong), recipe("cast", columns=columns, on_error="null"), on=engine)
    assert lenient.changes.counts == {"cast_to_null": 4}


def test_more_than_can_be_read_are_refused(
    engine: ComputeEngine, through: Callable, source: Callable, recipe: Callable, wkb: Callable
) -> None:
    """By either engine; PostgreSQL's tables have at most 1,600 columns."""
    table = wide(wkb("POINT (1 1)"), MOST_COLUMNS + 1, rows=1)
    with pytest.raises(Rejected) as caught:
        through(source(table), recipe("cast", columns=as_others(MOST_COLUMNS + 1)))
    assert [problem.code for problem in caught.value.problems] == [
        "not_storable" if engine.capabilities.max_read_columns is None else "too_many_columns"
    ]
