"""Differences of two versions, against a model in memory: rows as Python tuples, in any order."""

import itertools
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from libs.compute.difference import Side, VersionPair
from libs.models import Rejected

SCHEMA = pa.schema([("id", pa.int64()), ("a'b", pa.string()), ("v", pa.float64()), ("geom", pa.binary())])
Row = tuple[Any, ...]
_NUMBERS = itertools.count()
_REST = st.tuples(
    st.sampled_from(["x", "", None]), st.sampled_from([0.5, float("inf"), None]), st.sampled_from([b"p", b"q", None])
)
_FEW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("LOAD parquet")
        yield connection


def _side(folder: Path, name: str, rows: list[Row], schema: pa.Schema = SCHEMA) -> Side:
    """A version in two files of their own: DuckDB remembers what is in a file that it has read."""
    half, paths = len(rows) // 2, [folder / f"{next(_NUMBERS)}.parquet" for _ in (0, 1)]
    for path, part in zip(paths, (rows[:half], rows[half:]), strict=True):
        pq.write_table(pa.Table.from_pylist([dict(zip(schema.names, row, strict=True)) for row in part], schema), path)
    return Side(name, paths)


def _found(difference: VersionPair, database: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    return [row for batch in difference.batches(database) for row in batch.to_pylist()]


@_FEW
@given(st.dictionaries(st.integers(0, 12), _REST), st.dictionaries(st.integers(0, 12), _REST), st.randoms())
def test_by_key_it_is_what_the_model_says(
    tmp_path: Path, database: duckdb.DuckDBPyConnection, old: dict[int, Row], new: dict[int, Row], order: random.Random
) -> None:
    rows = [[(key, *rest) for key, rest in side.items()] for side in (old, new)]
    for side in rows:
        order.shuffle(side)
    found = _found(VersionPair(_side(tmp_path, "old", rows[0]), _side(tmp_path, "new", rows[1]), "id"), database)
    expected = {key: ("added", [], rest) for key, rest in new.items() if key not in old}
    expected |= {key: ("removed", [], rest) for key, rest in old.items() if key not in new}
    expected |= {
        key: ("changed", [name for name, a, b in zip(SCHEMA.names[1:], old[key], new[key], strict=True) if a != b], new[key])
        for key in old.keys() & new.keys()
        if old[key] != new[key]
    }
    assert {row["id"]: (row["change"], row["changed_columns"], (row["a'b"], row["v"], row["geom"])) for row in found} == expected
    assert len(found) == len(expected)


@_FEW
@given(st.lists(_REST, max_size=8), st.lists(_REST, max_size=8))
def test_by_content_each_copy_counts(tmp_path: Path, database: duckdb.DuckDBPyConnection, old: list[Row], new: list[Row]) -> None:
    schema = pa.schema(list(SCHEMA)[1:])
    found = _found(VersionPair(_side(tmp_path, "old", old, schema), _side(tmp_path, "new", new, schema), None), database)
    by_change = {
        change: Counter((row["a'b"], row["v"], row["geom"]) for row in found if row["change"] == change)
        for change in ("added", "removed", "changed")
    }
    assert by_change == {"added": Counter(new) - Counter(old), "removed": Counter(old) - Counter(new), "changed": Counter()}


def test_only_what_both_have_in_one_type_is_compared(tmp_path: Path, database: duckdb.DuckDBPyConnection) -> None:
    old = _side(tmp_path, "old", [(1, "x", 2)], pa.schema([("id", pa.int64()), ("gone", pa.string()), ("n", pa.int32())]))
    new = _side(tmp_path, "new", [(1, 2, "x")], pa.schema([("id", pa.int64()), ("n", pa.int64()), ("fresh", pa.string())]))
    difference = VersionPair(old, new, "id")
    assert difference.compared == ("id",)
    assert _found(difference, database) == []


@pytest.mark.parametrize("rows", [[(1, "x", 0.5, None), (1, "y", 0.5, None)], [(None, "x", 0.5, None)]])
def test_a_key_that_tells_no_features_apart_is_refused(
    tmp_path: Path, database: duckdb.DuckDBPyConnection, rows: list[Row]
) -> None:
    old, new = _side(tmp_path, "old", [(1, "x", 0.5, None)]), _side(tmp_path, "new", rows)
    with pytest.raises(Rejected, match=r"new: column 'id': It does not tell features apart.*diff_key_not_unique"):
        _found(VersionPair(old, new, "id"), database)


def test_a_key_that_is_not_there_is_refused_with_those_that_are(tmp_path: Path, database: duckdb.DuckDBPyConnection) -> None:
    side = _side(tmp_path, "old", [(1, "x", 0.5, None)])
    with pytest.raises(Rejected, match="Name one of id, a'b, v"):
        _found(VersionPair(side, side, "nr"), database)
