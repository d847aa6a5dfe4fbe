"""Collects the rows of a result in any order, with their audits, and returns them in file order."""

import threading
from collections.abc import Iterator, Sequence
from itertools import chain

import numpy as np
import pyarrow as pa

from libs.compute.order import Order
from libs.compute.rows import Rows
from libs.models import BBox
from libs.spatial_utils.arrays import Integers
from libs.transformations import Stage


class ResultCollector:
    """Collects rows from any thread. Once all are there, it returns them in file order.

    Args:
        rows: Where to keep them.
        stage: What makes them.
    """

    def __init__(self, rows: Rows, stage: Stage) -> None:
        self._rows, self._order = rows, Order()
        self._counted = [0] * len(stage.counters)
        self._failed: list[tuple[int, int | None]] = [(0, None)] * len(stage.checks)
        self._lock = threading.Lock()

    @property
    def features(self) -> int:
        """Rows of the result."""
        return self._order.rows

    @property
    def bbox(self) -> BBox | None:
        """Their extent."""
        return self._order.bbox

    @property
    def audit(self) -> list[int | None]:
        """The same values as from the stage's ``audit``."""
        return [*self._counted, *(value for pair in self._failed for value in pair)]

    def add(self, rows: pa.RecordBatch, boxes: pa.StructArray | None, marks: Sequence[pa.Array]) -> None:
        """Add rows of the result.

        Args:
            rows: All columns.
            boxes: Their extents, see :meth:`Order.add`.
            marks: See :meth:`Order.add`.
        """
        with self._lock:
            self._rows.put(rows)
            self._order.add(boxes, marks)

    def add_row_audits(self, places: Integers, row_audits: Integers) -> None:
        """Add up the row audits of rows, of those in the result and of those left out of it.

        Args:
            places: Numbers of the rows in the source, or in the stage before.
            row_audits: Values of the stage's ``row_audit``, a row of numbers for each place.
        """
        counted, failed = np.hsplit(row_audits, [len(self._counted)])
        where = (places[column != 0] for column in failed.T)
        pairs = ((len(each), int(each.min()) if len(each) else None) for each in where)
        self.add_audit([*counted.sum(axis=0).tolist(), *chain.from_iterable(pairs)])

    def add_audit(self, audit: Sequence[int | None]) -> None:
        """Add up the audit of some of the stage's rows: the values of the stage's ``audit``."""
        counted, pairs = audit[: len(self._counted)], audit[len(self._counted) :]
        with self._lock:
            self._counted = [before + (more or 0) for before, more in zip(self._counted, counted, strict=True)]
            for number, (count, first) in enumerate(zip(pairs[::2], pairs[1::2], strict=True)):
                if count and first is not None:
                    before, earlier = self._failed[number]
                    self._failed[number] = before + count, first if earlier is None else min(earlier, first)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows. Can be read once."""
        return self._rows.in_order(self._order.places())
