"""The rows of the sources that a recipe's steps set aside, as they came, kept until they are asked for."""

import threading
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from libs.column_names import CODE, MESSAGE
from libs.compute.rows import PIECE_ROWS, Rows
from libs.spatial_utils.arrays import Integers, array, indices, numbers, scalar
from libs.transformations import Reason
from libs.transformations.plan import DROP, ROW


class SetAside:
    """Takes rows from any thread, in any order.

    Args:
        rows: Where to keep them.
    """

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._numbers = list[Integers]()
        self._lock = threading.Lock()

    @property
    def count(self) -> int:
        """How many there are."""
        return sum(map(len, self._numbers))

    def add(self, chunk: pa.RecordBatch | pa.Table, first: int, marks: pa.RecordBatch, reasons: Sequence[Reason]) -> None:
        """Take what is set aside of a chunk of source rows.

        Args:
            chunk: All columns of the source.
            first: Number of its first row in the dataset.
            marks: Of some of its rows, each once: ``_etl_row`` and ``_etl_drop``.
            reasons: Of the plan.
        """
        dropped = numbers(marks[DROP].fill_null(scalar(0)).cast(pa.int64()))
        if not (aside := dropped < 0).any():
            return
        places, why = numbers(marks[ROW])[aside], [reasons[-number - 1] for number in dropped[aside].tolist()]
        taken = chunk.take(indices(places - first))
        whole = pa.RecordBatch.from_arrays(
            [
                array(places),
                pa.array([reason.code for reason in why], pa.string()),
                pa.array([reason.message for reason in why], pa.string()),
                *(_whole(column) for column in taken.columns),
            ],
            schema=schema_of(chunk.schema),
        )
        with self._lock:
            self._rows.put(whole)
            self._numbers.append(places)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """They, in source order. Can be read once."""
        if self._numbers:
            order = np.argsort(np.concatenate(self._numbers))
            yield from self._rows.in_order(
                indices(order[begin : begin + PIECE_ROWS]) for begin in range(0, len(order), PIECE_ROWS)
            )

    def close(self) -> None:
        """Drop them."""
        self._rows.close()


def _whole(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    return pa.concat_arrays(column.chunks) if isinstance(column, pa.ChunkedArray) else column


def schema_of(source: pa.Schema) -> pa.Schema:
    """Of the rows that are set aside of a source."""
    return pa.schema([(ROW, pa.int64()), (CODE, pa.string()), (MESSAGE, pa.string()), *source])
