"""Values of types that an engine does not have, stored in a file. The engine holds their positions in it."""

import threading
from bisect import bisect_right
from contextlib import suppress
from itertools import groupby
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc


class SideStore:
    """Rows in a file, appended from any thread, and then read in any order.

    Args:
        path: To be created with the first rows, removed by :meth:`close`.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._starts = path, list[int]()
        self._writer: pa.ipc.RecordBatchFileWriter | None = None
        self._rows = 0
        self._lock = threading.Lock()

    def put(self, table: pa.Table) -> pa.Array:
        """Append rows, all of one schema. Returns their places."""
        with self._lock:
            if self._writer is None:
                self._writer = pa.ipc.new_file(self._path, table.schema)
            for batch in table.to_batches():
                self._starts.append(self._rows)
                self._writer.write_batch(batch)
                self._rows += batch.num_rows
            return pa.arange(self._rows - table.num_rows, self._rows)

    def take(self, places: pa.Array) -> pa.Table:
        """The rows at some positions, in that order. After this, nothing can be appended."""
        self._end()
        order = pc.sort_indices(places)
        # Opened for each use: mapped pages count as memory of the process until they are unmapped.
        with pa.memory_map(str(self._path)) as file, pa.ipc.open_file(file) as reader:
            parts = [
                reader.get_batch(index).take(pa.array([place - self._starts[index] for place in group], pa.int64()))
                for index, group in groupby(places.take(order).to_pylist(), lambda place: bisect_right(self._starts, place) - 1)
            ]
        return pa.Table.from_batches(parts).take(pc.sort_indices(order))

    def close(self) -> None:
        """Remove the file."""
        with suppress(OSError):  # a full disk, which has been reported already
            self._end()
        self._path.unlink(missing_ok=True)

    def _end(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()
