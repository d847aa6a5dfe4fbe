"""Regrouping streams of record batches, and reading ahead of a busy consumer. Independent of engines."""

import queue
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import pyarrow as pa

T = TypeVar("T")


def chunks(batches: Iterable[pa.RecordBatch], *, rows: int, size: int) -> Iterator[list[pa.RecordBatch]]:
    """Group batches until a group reaches ``rows`` rows or ``size`` bytes, whichever comes first."""
    group: list[pa.RecordBatch] = []
    grouped_rows = grouped_bytes = 0
    for whole in batches:
        for batch in _parts(whole, size):
            group.append(batch)
            grouped_rows += batch.num_rows
            grouped_bytes += batch.nbytes
            if grouped_rows >= rows or grouped_bytes >= size:
                yield group
                group, grouped_rows, grouped_bytes = [], 0, 0
    if group:
        yield group


def _parts(batch: pa.RecordBatch, size: int) -> Iterator[pa.RecordBatch]:
    """A batch in parts of about ``size`` bytes at most; nothing of an empty one."""
    rows = rows_within(size, batch.num_rows, batch.nbytes)
    return (batch.slice(start, rows) for start in range(0, batch.num_rows, rows))


def rows_within(size: int, rows: int, held: int) -> int:
    """How many rows fit into ``size`` bytes, at least one, where ``rows`` rows take ``held`` bytes together."""
    return max(1, min(rows, rows * size // max(held, 1)))


def read_ahead(items: Iterable[T]) -> Iterator[T]:
    """Iterate in a thread, one item ahead, so that reading and computing overlap.

    An error of the iterable is raised here. When the consumer stops early, the thread ends after its current item.
    """
    ready: queue.Queue[T | _End] = queue.Queue(maxsize=1)
    stopped = threading.Event()
    # Not joined: it may wait for a source that only our caller can close.
    threading.Thread(target=_produce, args=(items, ready, stopped), name="read-ahead", daemon=True).start()
    try:
        while not isinstance(item := ready.get(), _End):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        stopped.set()


@dataclass(frozen=True)
class _End:
    """Nothing more comes: the iterable is exhausted, or has failed."""

    error: BaseException | None = None


def _produce(items: Iterable[T], ready: "queue.Queue[T | _End]", stopped: threading.Event) -> None:
    end = _End()
    try:
        for item in items:
            _hand_over(item, ready, stopped)
            if stopped.is_set():
                return
    except BaseException as error:  # noqa: BLE001 - raised again in the consumer's thread
        end = _End(error)
    _hand_over(end, ready, stopped)


def _hand_over(item: T | _End, ready: "queue.Queue[T | _End]", stopped: threading.Event) -> None:
    while not stopped.is_set():
        try:
            ready.put(item, timeout=0.1)
        except queue.Full:
            continue
        return
