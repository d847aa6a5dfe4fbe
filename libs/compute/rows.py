"""The rows of a result, stored until their order is known. The sort then moves positions, not rows."""

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
"""Rows that are reordered at once."""
PIECE_BYTES = 48 * 1024 * 1024
"""The same in bytes, for large rows: reordering copies them more than once."""
MEMORY_SHARE = 0.6
"""Share of an engine's memory that the rows of a result may take before they go into a file."""
ASIDE_BYTES = 16 * 1024 * 1024
"""What rows may take in memory that are kept beside a result."""
TOGETHER_BYTES = 256 * 1024 * 1024
"""Rows that are made one batch before they are reordered: taken from one place. A column of it is there twice meanwhile."""
MAX_PARTITIONS = 256
"""Files that are written at once. A result that would need more partitions gets larger ones, and takes more memory."""


class Rows:
    """Rows, stored as they arrive and read back in any order.

    What fits into memory stays there. More than that goes into a file. Before it is read back, that file is partitioned: each
    further file holds a range of the order, and fits into memory. All files are written and read front to back.

    Args:
        path: Of the file, if one is needed. The partitions are beside it: ``<path>.0`` and so on.
        memory: Bytes that may be held in memory.
    """

    def __init__(self, path: Path, memory: int) -> None:
        self._path, self._memory = path, memory
        self._held: list[pa.RecordBatch] = []
        self._file: pa.ipc.RecordBatchStreamWriter | None = None
        self._sizes = array("i")  # grows without a second copy, unlike a list that is concatenated in the end
        self._bytes = self._rows = 0

    @classmethod
    def in_share(cls, path: Path, memory_mb: int) -> "Rows":
        """Rows with their share of an engine's memory, which is given in MiB."""
        return cls(path, round(memory_mb * 1024 * 1024 * MEMORY_SHARE))

    @classmethod
    def aside(cls, path: Path) -> "Rows":
        """Rows that are few as a rule, with little memory."""
        return cls(path, ASIDE_BYTES)

    def put(self, batch: pa.RecordBatch) -> int:
        """Append rows, all of one schema. Returns the position of the first."""
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
        """The rows at some positions, in pieces. After this, nothing can be appended.

        Args:
            places: Positions in the wanted order, each at most once.
        """
        if self._file is None:
            held = list(_together(self._held))
            for some in places:
                yield from _take_rows(held, numbers(some))
            return
        self._file.close()
        _return_memory()  # of what made the rows
        ranks, begins = self._rank(places)
        _return_memory()
        with ExitStack() as files:
            paths = [self._path.with_name(f"{self._path.name}.{number}") for number in range(len(begins) - 1)]
            for path in paths:
                files.callback(path.unlink, missing_ok=True)
            ranks_in_file = self._partition(ranks, begins, paths)
            del ranks
            _return_memory()
            for path, rank in zip(paths, ranks_in_file, strict=True):
                yield from _take_rows(list(_batches(path)), np.argsort(rank))
                path.unlink()

    def close(self) -> None:
        """Drop the rows, and remove the file."""
        self._held.clear()
        file, self._file = self._file, None
        if file is not None:
            with suppress(OSError):  # a full disk, which has been reported already
                file.close()
            del file  # else it stays open then, and its space taken
            self._path.unlink(missing_ok=True)

    def _rank(self, places: Iterable[pa.Array]) -> tuple[Integers, list[int]]:
        """The rank of each row in the order, -1 if it is not wanted; the first rank of each partition, and how many there are."""
        sizes, ranks = np.frombuffer(self._sizes, np.int32), np.full(self._rows, -1, np.int32)
        memory = max(self._memory, -(-int(sizes.sum(dtype=np.int64)) // MAX_PARTITIONS))
        begins, rank, total, partition = list[int](), 0, 0, -1
        for some in places:
            piece = numbers(some)
            ranks[piece] = np.arange(rank, rank + len(piece), dtype=np.int32)
            filled = total + np.cumsum(sizes[piece], dtype=np.int64)
            partitions = (filled - 1) // memory
            begins += (rank + np.flatnonzero(np.diff(partitions, prepend=partition))).tolist()
            if len(piece):
                rank, total, partition = rank + len(piece), int(filled[-1]), int(partitions[-1])
        self._sizes = array("i")
        return ranks, [*begins, rank]

    def _partition(self, ranks: Integers, begins: Sequence[int], paths: Sequence[Path]) -> list[Integers]:
        """Write each row into the file of its partition. Returns the ranks of each file's rows, in the order of the file."""
        ranks_in_file: list[list[Integers]] = [[] for _ in paths]
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
                        ranks_in_file[number].append(here[chosen])
        return [np.concatenate(each) for each in ranks_in_file]


def _together(batches: list[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The rows in large batches. The small ones are released, column by column."""
    while batches:
        size = count = 0
        while count < len(batches) and (count == 0 or size + batches[count].nbytes <= TOGETHER_BYTES):
            size, count = size + batches[count].nbytes, count + 1
        schema = batches[0].schema
        columns = [list(parts) for parts in zip(*(batch.columns for batch in batches[:count]), strict=True)]
        del batches[:count]
        whole = []
        for parts in columns:
            whole.append(pa.concat_arrays(parts))
            parts.clear()
        yield pa.RecordBatch.from_arrays(whole, schema=schema)


def _return_memory() -> None:
    """Return freed memory to the system. An engine's results are allocated by C, which would keep it.

    Only for results that went into a file: to get the memory again takes a third of a second for a million rows.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _batches(path: Path) -> Iterator[pa.RecordBatch]:
    with pa.OSFile(str(path)) as file, pa.ipc.open_stream(file) as reader:
        yield from reader


def _take_rows(batches: Sequence[pa.RecordBatch], places: Integers) -> Iterator[pa.RecordBatch]:
    """The rows at some positions of consecutive batches."""
    starts = np.cumsum([0, *(batch.num_rows for batch in batches)])
    rows = min(PIECE_ROWS, rows_within(PIECE_BYTES, int(starts[-1]), sum(batch.nbytes for batch in batches)))
    for first in range(0, len(places), rows):
        piece = places[first : first + rows]
        if len(batches) == 1:
            yield batches[0].take(indices(piece))
            continue
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
