"""Results that do not fit into memory come out like those that do."""

import random
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from libs.compute.postgis.side_store import SideStore
from libs.compute.rows import Rows

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
def test_the_same_rows_from_memory_and_from_files(
    name: str, through: Callable, source: Callable, recipe: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    table, by = sample(), recipe(name, **RECIPES[name])
    results = []
    for share, together in (
        (2 / 3, 2**28),
        (2 / 3, 10_000),
        (1e-4, 2**28),
        (1e-8, 1),
    ):  # of 384 MiB: all, some 40 KB, not even a row
        monkeypatch.setattr("libs.compute.rows.MEMORY_SHARE", share)
        monkeypatch.setattr("libs.compute.rows.TOGETHER_BYTES", together)
        results.append(through(source(table, batches=table.to_batches(max_chunksize=60)), by))
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


@pytest.mark.parametrize(("rows", "positions"), [(3_000, 2_000), (60, 100_000)])
def test_large_geometries_go_through_at_the_usual_memory(
    rows: int, positions: int, new_engine: Callable, through: Callable, source: Callable, recipe: Callable
) -> None:
    """Each is held several times over on its way through the steps: some 100 MB of them."""
    around = np.linspace(0, 2 * np.pi, positions)
    ring = np.c_[500_000 + np.cos(around), 5_000_000 + np.sin(around)]
    ring[-1] = ring[0]
    circles = [shapely.Polygon(ring + np.array([10 * row, 0])) for row in range(rows)]
    table = pa.table({"n": range(rows), "geom": pa.array(shapely.to_wkb(circles, byte_order=1), pa.binary())})
    batches = table.to_batches(max_chunksize=max(1, rows // 4))
    result = through(source(table, crs="EPSG:32632", batches=batches), recipe("default"), on=new_engine(memory_mb=384))
    assert sorted(result.rows["n"].to_pylist()) == list(range(rows))
    assert result.changes.repaired == 0


def test_many_threads_need_no_more_memory(new_engine: Callable, through: Callable, source: Callable) -> None:
    table = pa.table({"n": range(400_000), "text": [f"{n:0>200}" for n in range(400_000)]})
    result = through(source(table, batches=table.to_batches(max_chunksize=50_000)), on=new_engine(memory_mb=128, threads=16))
    assert result.rows["n"].equals(table["n"])


def test_nothing_of_it_is_left(through: Callable, source: Callable, tmp_path: Any) -> None:
    table = pa.table({"text": ["x" * 100_000] * 20})
    assert through(source(table)).rows.equals(table)
    assert list(tmp_path.rglob("*.arrow")) == []


def row_batches(sizes: list[int]) -> list[pa.RecordBatch]:
    """A batch for each size in bytes of the texts in it, ten rows each, numbered."""
    return [
        pa.record_batch({"n": range(10 * start, 10 * start + 10), "text": ["x" * size] * 10}) for start, size in enumerate(sizes)
    ]


@given(st.lists(st.integers(0, 300), min_size=1, max_size=8), st.integers(1, 20_000), st.randoms(use_true_random=False))
def test_rows_come_back_in_any_order(sizes: list[int], memory: int, draw: random.Random) -> None:
    batches = row_batches(sizes)
    wanted = draw.sample(range(10 * len(sizes)), draw.randint(0, 10 * len(sizes)))
    cut = draw.randint(0, len(wanted))
    with tempfile.TemporaryDirectory() as folder:
        rows = Rows(Path(folder, "rows.arrow"), memory)
        assert [rows.put(batch) for batch in batches] == [10 * number for number in range(len(batches))]
        found = rows.in_order(pa.array(part, pa.int64()) for part in (wanted[:cut], wanted[cut:]))
        assert [(row["n"], len(row["text"])) for piece in found for row in piece.to_pylist()] == [
            (n, sizes[n // 10]) for n in wanted
        ]
        rows.close()
        assert list(Path(folder).iterdir()) == []


def test_no_piece_needs_more_than_its_memory(tmp_path: Path) -> None:
    """A few large rows beside each other in the order, each from another batch."""
    rows = Rows(tmp_path / "rows.arrow", 100_000)
    for batch in row_batches([20_000] + [10] * 20 + [20_000]):
        rows.put(batch)
    pieces = list(rows.in_order([pa.array([*range(10), *range(210, 220), *range(10, 210)])]))
    assert sum(piece.num_rows for piece in pieces) == 220
    assert max(piece.nbytes for piece in pieces) < 150_000


def test_what_is_not_read_to_its_end_leaves_nothing(tmp_path: Path) -> None:
    rows = Rows(tmp_path / "rows.arrow", 1_000)
    for batch in row_batches([200] * 5):
        rows.put(batch)
    found = rows.in_order([pa.array(range(50))])
    next(found)
    found.close()
    rows.close()
    assert list(tmp_path.iterdir()) == []


def test_values_in_any_order_and_again(tmp_path: Path) -> None:
    aside = SideStore(tmp_path / "rows.arrow")
    places = [aside.put(pa.table({"n": range(start, start + 10)})).to_pylist() for start in (0, 10, 20)]
    assert places == [list(range(start, start + 10)) for start in (0, 10, 20)]
    for wanted in ([29, 0, 15, 15, 3], [7], list(range(30))[::-1]):
        assert aside.take(pa.array(wanted))["n"].to_pylist() == wanted
    aside.close()
    assert list(tmp_path.iterdir()) == []


def test_values_put_from_many_threads_lie_where_they_are_said_to(tmp_path: Path) -> None:
    aside = SideStore(tmp_path / "rows.arrow")
    tables = [pa.table({"n": [number] * 2_000}) for number in range(400)]
    with ThreadPoolExecutor(8) as threads:
        places = list(threads.map(aside.put, tables))
    for number, put in enumerate(places):
        assert set(aside.take(put.slice(0, 1))["n"].to_pylist() + aside.take(put.slice(1_999))["n"].to_pylist()) == {number}
    assert aside.take(pa.concat_arrays(places)).num_rows == 800_000
    aside.close()


def test_a_file_that_cannot_be_written_is_still_removed(tmp_path: Any) -> None:
    aside = SideStore(tmp_path / "rows.arrow")
    (tmp_path / "rows.arrow").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        aside.put(pa.table({"text": ["x" * 1_000_000]}))
    aside.close()
    assert list(tmp_path.iterdir()) == []
