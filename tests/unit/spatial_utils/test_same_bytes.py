from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pytest

from libs.spatial_utils import geoparquet

ROWS = geoparquet.ROW_GROUP_ROWS + 1_000


@pytest.fixture(scope="module")
def table() -> pa.Table:
    numbers = pa.arange(0, ROWS)
    texts = pa.array([f"name {number % 30_000}" for number in range(ROWS)])
    return pa.table({"number": numbers, "text": texts, "double": numbers.cast(pa.float64())})


@pytest.mark.parametrize("rows", [1, 999, 40_000])
def test_a_file_is_the_same_however_its_rows_came_in_batches(table: pa.Table, rows: int, tmp_path: Path) -> None:
    def write(name: str, batches: Iterable[pa.RecordBatch]) -> geoparquet.WrittenFile:
        return geoparquet.write(tmp_path / name, table.schema, geoparquet.row_groups(table.schema, batches), None)

    whole = write("whole", table.to_batches())
    pieces = [table.slice(0, ROWS - 2_000), *(table.slice(start, rows) for start in range(ROWS - 2_000, ROWS, rows))]
    batched = write("batched", (batch for piece in pieces for batch in piece.to_batches(max_chunksize=40_000)))
    assert batched.sha256 == whole.sha256
