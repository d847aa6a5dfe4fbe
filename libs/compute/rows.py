"""The rows of a result, kept while an engine decides on their order: its sort holds where they lie, not what they are."""

import ctypes
from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from libs.compute.batching import rows_within
from libs.spatial_utils.arrays import Integers, indices, numbers, scalar

PIECE_ROWS = 65_536
"""Rows that are brought into their order at once."""
PIECE_BYTES = 48 * 1024 * 1024
"""The same where rows are large: they are copied more than once on the way."""
HELD_SHARE = 0.6
"""Of an engine's memory, how much the rows of a result may take before they go into a file; some is on its way."""
MOST_STRETCHES = 256
"""Files that are written at once. A result that would need more of them takes more memory than it should."""


class Rows:
    """Rows, taken in as they come and given back in any order.

    What fits into memory stays there. More than that goes into a file. To be given back it is first dealt out to further files,
    each of which holds a stretch of the order and fits into memory: everything is written and read front to back.

    Args:
        path: Of the file, should one be needed. Beside it lie those of the stretches, ``<path>.0`` and so on.
        memory: Bytes that may be held.
    """

    def __init__(self, path: Path, memory: int) -> None:
        self._path, self._memory = path, memory
        self._held: list[pa.RecordBatch] = []
        self._file: pa.ipc.RecordBatchStreamWriter | None = None
        self._sizes = array("i")  # grows without a copy beside it, unlike a list that is joined at last
        self._bytes = self._rows = 0

    @classmethod
    def in_share(cls, path: Path, memory_mb: int) -> "Rows":
        """With their share of an engine's memory, in MiB."""
        return cls(path, round(memory_mb * 1024 * 1024 * HELD_SHARE))

    def put(self, batch: pa.RecordBatch) -> int:
        """Take in rows, all of one schema. They lie one after the other; returns the place of the first."""
        first = self._rows
        self._rows, self._bytes = first + batch.num_rows, self._bytes + batch.nbytes
        if self._file is not None:
            self._write(self._file, batch)
            return first
        self._held.append(batch)
        if self._bytes > self._memory:
            self._file = pa.ipc.new_stream(self._path, batch.schema)
            while self._held:
                self._write(self._file, self._held.pop(0))
                _return_memory()
        return first

    def _write(self, file: pa.ipc.RecordBatchStreamWriter, batch: pa.RecordBatch) -> None:
        self._sizes.frombytes(_row_sizes(batch).tobytes())
        file.write_batch(batch)

    def in_order(self, places: Iterable[pa.Array]) -> Iterator[pa.RecordBatch]:
        """The rows at some places, in pieces. Nothing can be put here any more.

        Args:
            places: Integers, each of them once at most, in the order in which the rows are wanted.
        """
        if self._file is None:
            for some in places:
                yield from _gathered(self._held, numbers(some))
            return
        self._file.close()
        _return_memory()  # of what made the rows
        ranks, begins = self._ranked(places)
        _return_memory()
        with ExitStack() as files:
            paths = [self._path.with_name(f"{self._path.name}.{number}") for number in range(len(begins) - 1)]
            for path in paths:
                files.callback(path.unlink, missing_ok=True)
            lying = self._deal_out(ranks, begins, paths)
            del ranks
            _return_memory()
            for path, rank in zip(paths, lying, strict=True):
                yield from _gathered(list(_batches(path)), np.argsort(rank))
                path.unlink()

    def close(self) -> None:
        """Forget the rows, and remove the file."""
        self._held.clear()
        if self._file is not None:
            with suppress(OSError):  # a disk that is full, of which has been told
                self._file.close()
            self._path.unlink(missing_ok=True)

    def _ranked(self, places: Iterable[pa.Array]) -> tuple[Integers, list[int]]:
        """Which each row is in the order, -1 for one that is not wanted; which begin a stretch, and their number at the end."""
        sizes, ranks = np.frombuffer(self._sizes, np.int32), np.full(self._rows, -1, np.int32)
        memory = max(self._memory, -(-int(sizes.sum(dtype=np.int64)) // MOST_STRETCHES))
        begins, rank, total, stretch = list[int](), 0, 0, -1
        for some in places:
            piece = numbers(some)
            ranks[piece] = np.arange(rank, rank + len(piece), dtype=np.int32)
            filled = total + np.cumsum(sizes[piece], dtype=np.int64)
            stretches = (filled - 1) // memory
            begins += (rank + np.flatnonzero(np.diff(stretches, prepend=stretch))).tolist()
            if len(piece):
                rank, total, stretch = rank + len(piece), int(filled[-1]), int(stretches[-1])
        self._sizes = array("i")
        return ranks, [*begins, rank]

    def _deal_out(self, ranks: Integers, begins: Sequence[int], paths: Sequence[Path]) -> list[Integers]:
        """Write each row into the file of its stretch. The ranks of each file's rows, as they lie there."""
        lying: list[list[Integers]] = [[] for _ in paths]
        start = 0
        with ExitStack() as files:
            writers: list[pa.ipc.RecordBatchStreamWriter] = []
            for batch in _batches(self._path):
                writers = writers or [files.enter_context(pa.ipc.new_stream(path, batch.schema)) for path in paths]
                here = ranks[start : start + batch.num_rows]
                start += batch.num_rows
                by_rank = np.argsort(here)
                bounds = np.searchsorted(here[by_rank], begins)
                for number, writer in enumerate(writers):
                    chosen = by_rank[bounds[number] : bounds[number + 1]]
                    if len(chosen):
                        writer.write_batch(batch.take(indices(chosen)))
                        lying[number].append(here[chosen])
        return [np.concatenate(each) for each in lying]


def _return_memory() -> None:
    """Give the system what was let go of: an engine's results are allocated by C, which would keep it.

    For results that went into a file: to get as much again from the system takes a third of a second of a million rows.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _batches(path: Path) -> Iterator[pa.RecordBatch]:
    with pa.OSFile(str(path)) as file, pa.ipc.open_stream(file) as reader:
        yield from reader


def _gathered(batches: Sequence[pa.RecordBatch], places: Integers) -> Iterator[pa.RecordBatch]:
    """The rows at some places of batches that lie one after the other."""
    starts = np.cumsum([0, *(batch.num_rows for batch in batches)])
    rows = min(PIECE_ROWS, rows_within(PIECE_BYTES, int(starts[-1]), sum(batch.nbytes for batch in batches)))
    for first in range(0, len(places), rows):
        piece = places[first : first + rows]
        order = np.argsort(piece)
        inside = piece[order]
        bounds = np.searchsorted(inside, starts)
        parts = [
            batch.take(indices(inside[bounds[number] : bounds[number + 1]] - starts[number]))
            for number, batch in enumerate(batches)
            if bounds[number] < bounds[number + 1]
        ]
        back = np.empty_like(order)
        back[order] = np.arange(len(order))
        yield pa.concat_batches(parts).take(indices(back))


def _row_sizes(batch: pa.RecordBatch) -> Integers:
    """Bytes of each row: text and binary values by their length, all else at the average."""
    sizes = np.zeros(batch.num_rows, np.int32)
    rest = batch.nbytes
    for column in batch.columns:
        if pa.types.is_binary(column.type) or pa.types.is_string(column.type):
            lengths = numbers(pc.binary_length(column).fill_null(scalar(0)))
            sizes += lengths
            rest -= int(lengths.sum())
    sizes += max(1, rest // max(1, batch.num_rows))
    return sizes
