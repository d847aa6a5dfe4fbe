"""Rows of a delimited text with another number of values than the header: back in their places, whatever block they are in."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.spatial_utils.worker.formats.csv import dialect
from libs.spatial_utils.worker.formats.csv.dialect import Dialect
from libs.spatial_utils.worker.formats.csv.ragged import RaggedRows

LENGTHS = st.lists(st.tuples(st.sampled_from([1, 2, 3, 3, 3, 4, 7]), st.integers(1, 40)), max_size=12)


@pytest.fixture(scope="module", autouse=True)
def _small_blocks() -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dialect, "BLOCK_BYTES", 128)
        yield


@given(runs=LENGTHS, policy=st.sampled_from(["set_aside", "null"]))
def test_rows_come_in_the_order_of_the_file(runs: list[tuple[int, int]], policy: str) -> None:
    lengths = [length for length, times in runs for _ in range(times) if policy == "set_aside" or length <= 3]
    rows = [",".join([str(number), *["x"] * (length - 1)]) for number, length in enumerate(lengths)]
    text = "\n".join(["a,b,c", *rows, ",,end"]) + "\n"
    written = Dialect(",", '"')
    ragged = RaggedRows(written, 3, policy, "end", has_header=True)
    found, numbers, raw = list[list[str | None]](), list[int](), list[list[str | None]]()
    for block_number, block in enumerate(written.open(io.BytesIO(text.encode()), 3, ragged.meet)):
        batch, put_back = ragged.put_back(block.slice(block_number == 0), len(found))  # without the header
        numbers += [row.number for _, row in put_back]
        assert [row + len(found) for row, _ in put_back] == [row.number for _, row in put_back]
        raw += ragged.raw([row for _, row in put_back])
        found += [[*row.values()] for row in batch.to_pylist()]
    assert numbers == [number for number, length in enumerate(lengths) if length != 3]
    assert [row[0] for row in raw] == [str(number) for number in numbers]
    assert len(found) == len(lengths) + 1
    for number, (row, length) in enumerate(zip(found[:-1], lengths, strict=True)):
        kept = [str(number), *["x"] * (length - 1), None, None][:3]
        assert row == (kept if policy == "null" or length == 3 else [None] * 3)
