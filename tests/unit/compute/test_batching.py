import threading
import time
from collections.abc import Iterator

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.compute.batching import chunks, read_ahead


def batch(rows: int, start: int = 0) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict({"n": pa.array(range(start, start + rows), pa.int64())})


@given(sizes=st.lists(st.integers(0, 50), max_size=30), rows=st.integers(1, 80), size=st.integers(1, 800))
def test_chunks_lose_nothing_and_end_when_they_are_full(sizes: list[int], rows: int, size: int) -> None:
    batches = [batch(n, start) for n, start in zip(sizes, [sum(sizes[:i]) for i in range(len(sizes))], strict=True)]
    groups = list(chunks(batches, rows=rows, size=size))
    assert [n for group in groups for each in group for n in each["n"].to_pylist()] == list(range(sum(sizes)))
    full = [sum(each.num_rows for each in group) >= rows or sum(each.nbytes for each in group) >= size for group in groups]
    assert all(full[:-1])
    for group in groups:
        before = group[:-1]
        assert sum(each.num_rows for each in before) < rows
        assert sum(each.nbytes for each in before) < size


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "read-ahead"]


def gone_soon() -> bool:
    deadline = time.monotonic() + 5
    while threads() and time.monotonic() < deadline:
        time.sleep(0.01)
    return not threads()


@given(st.lists(st.none() | st.integers()))
def test_reading_ahead_gives_the_same(items: list[int | None]) -> None:
    assert list(read_ahead(items)) == items


def test_it_is_one_item_ahead_and_not_more() -> None:
    """One is being used, one is ready, one is in the reader's hand: however many there are."""
    taken: list[int] = []

    def source() -> Iterator[int]:
        for n in range(100):
            taken.append(n)
            yield n

    items = read_ahead(source())
    assert next(items) == 0
    time.sleep(0.3)
    assert taken == [0, 1, 2]
    items.close()
    assert gone_soon()


def test_an_error_comes_where_it_belongs() -> None:
    def source() -> Iterator[int]:
        yield 1
        raise KeyError("broken")

    items = read_ahead(source())
    assert next(items) == 1
    with pytest.raises(KeyError, match="broken"):
        next(items)
    assert gone_soon()


def test_an_error_of_the_consumer_ends_the_thread() -> None:
    def consume() -> None:
        for _ in read_ahead(iter(int, 1)):
            raise ValueError("enough")

    with pytest.raises(ValueError, match="enough"):
        consume()
    assert gone_soon()
