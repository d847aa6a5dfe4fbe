"""Rows that DuckDB puts aside come out like those that it keeps."""

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import shapely

from libs.compute import duckdb
from libs.compute.aside import Aside

pytestmark = pytest.mark.integration

RECIPES: dict[str, dict[str, Any]] = {
    "raw": {},
    "default": {},
    "explode": {},
    "filter": {"condition": {"column": "n", "op": "lt", "value": 300}},
    "dissolve": {"by": ["kind"]},
    "select": {"columns": ["text", "n"]},
}


def sample(rows: int = 400) -> pa.Table:
    draw = random.Random(1)
    corners = [(draw.uniform(-170, 170), draw.uniform(-80, 80)) for _ in range(rows)]
    polygons = [
        shapely.MultiPolygon(
            [shapely.box(x, y, x + 1, y + 1), shapely.Polygon([(x + 5, y), (x + 7, y + 2), (x + 7, y), (x + 5, y + 2)])]
        )
        for x, y in corners
    ]
    geometry = [draw.choice([shapely.to_wkb(each, byte_order=1)] * 9 + [None]) for each in polygons]
    columns = {
        "n": range(rows),
        "kind": [draw.choice("abc") for _ in range(rows)],
        "text": [draw.choice(["x", None, "y" * 50]) for _ in range(rows)],
        "odd": pa.array([draw.choice([1.5, None]) for _ in range(rows)], pa.float16()),
        "tags": [draw.choice([["a", None], [], None]) for _ in range(rows)],
        "nothing": pa.nulls(rows),
        "geom": pa.array(geometry, pa.binary()),
    }
    return pa.table(columns)


@pytest.mark.parametrize("name", RECIPES)
def test_the_same_rows_aside_inside_and_mixed(
    name: str, through: Callable, source: Callable, recipe: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    table, by = sample(), recipe(name, **RECIPES[name])
    halves = [table.slice(0, 200), table.slice(200)]
    results = []
    for large in ((1e9, 1e9), (0, 0), (0, 1e9), (1e9, 0)):

        def sources(large: tuple[float, float] = large) -> Any:
            for half, limit in zip(halves, large, strict=True):
                monkeypatch.setattr(duckdb, "SORT_SHARE", limit)
                yield source(half, batches=half.to_batches(max_chunksize=60))

        monkeypatch.setattr(duckdb, "TAKEN_BYTES", 5_000)
        results.append(through(sources(), by))
    first = results[0]
    assert first.features > 0
    for other in results[1:]:
        assert other.rows.equals(first.rows)
        assert (other.changes, other.bbox, other.features) == (first.changes, first.bbox, first.features)


def test_a_gigabyte_of_text_is_not_needed_for_memory_to_matter(new_engine: Callable, through: Callable, source: Callable) -> None:
    """Twice the memory that the engine has, in rows of 8 KB, and in rows of 4 MB."""
    for rows, size in ((16_000, 8_000), (32, 4_000_000)):
        digits = np.random.default_rng(1).integers(0, 10, rows)
        table = pa.table({"n": range(rows), "text": [str(digit) * size for digit in digits]})
        result = through(source(table, batches=table.to_batches(max_chunksize=max(1, rows // 20))), on=new_engine(memory_mb=64))
        assert result.rows.equals(table)


def test_many_threads_need_no_more_memory(new_engine: Callable, through: Callable, source: Callable) -> None:
    table = pa.table({"n": range(400_000), "text": [f"{n:0>200}" for n in range(400_000)]})
    result = through(source(table, batches=table.to_batches(max_chunksize=50_000)), on=new_engine(memory_mb=128, threads=16))
    assert result.rows["n"].equals(table["n"])


def test_nothing_of_it_is_left(through: Callable, source: Callable, tmp_path: Any) -> None:
    table = pa.table({"text": ["x" * 100_000] * 20})
    assert through(source(table)).rows.equals(table)
    assert list(tmp_path.rglob("*.arrow")) == []


def test_places_in_any_order_and_again(tmp_path: Any) -> None:
    aside = Aside(tmp_path / "rows.arrow")
    places = [aside.put(pa.table({"n": range(start, start + 10)})).to_pylist() for start in (0, 10, 20)]
    assert places == [list(range(start, start + 10)) for start in (0, 10, 20)]
    for wanted in ([29, 0, 15, 15, 3], [7], list(range(30))[::-1]):
        assert aside.take(pa.array(wanted))["n"].to_pylist() == wanted
    aside.close()
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_written_is_still_removed(tmp_path: Any) -> None:
    aside = Aside(tmp_path / "rows.arrow")
    (tmp_path / "rows.arrow").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        aside.put(pa.table({"text": ["x" * 1_000_000]}))
    aside.close()
    assert list(tmp_path.iterdir()) == []
