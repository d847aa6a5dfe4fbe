"""The order of a result's rows and their extent, computed from extents and marks only, not from whole rows."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from libs.compute import hilbert
from libs.compute.rows import PIECE_ROWS
from libs.models import BBox
from libs.spatial_utils.arrays import Integers, indices, numbers, scalar
from libs.spatial_utils.geoparquet import extent_of, union

T = TypeVar("T")
_NAN = scalar(np.nan)
_BEYOND_CURVE = 2 ** (2 * 16)
"""Beyond the end of the curve: the distance of rows without an extent."""
_RANK_BITS = 31
"""What distances leave of 64 bits; :class:`~libs.compute.rows.Rows` cannot hold more rows than these can tell apart."""


class Order:
    """Along the Hilbert curve over the extent of all rows, rows without one last; ties by their marks.

    Attributes:
        rows: How many there are.
        bbox: Their extent, None when none has one.
    """

    def __init__(self) -> None:
        self.rows = 0
        self.bbox: BBox | None = None
        self._centres: list[tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]] = []
        self._marks: list[list[Integers]] | None = None

    def add(self, boxes: pa.StructArray | None, marks: Sequence[pa.Array]) -> None:
        """Add rows, which follow those added before.

        Args:
            boxes: Their extents, as ``BBOX_TYPE``; sides are null for rows without one. None for a table.
            marks: Integers that give their source order, none of them null.
        """
        self.rows += len(marks[0])
        self._marks = self._marks or [[] for _ in marks]
        for mark, pieces in zip(marks, self._marks, strict=True):
            pieces.append(numbers(mark).copy())
        if boxes is not None:
            self.bbox = union(self.bbox, extent_of(boxes))
            xmin, ymin, xmax, ymax = (numbers(side.fill_null(_NAN)) for side in boxes.flatten())
            self._centres.append((xmin / 2 + xmax / 2, ymin / 2 + ymax / 2))

    def places(self) -> Iterator[pa.Array]:
        """The positions of the rows, in file order. Can be called once: it releases its memory."""
        if self._marks is None:
            return
        distances = None if self.bbox is None else self._concatenated(self._distances(self.bbox), np.uint64)
        marks = [self._concatenated(_consumed(pieces), np.int64) for pieces in self._marks]
        order: Integers = np.lexsort(marks[::-1])
        del marks
        if distances is not None:
            # Numbers of their own, which sort three times as fast as by two keys: the distance, and below it the rank so far.
            keys = distances[order]
            del distances
            keys <<= _RANK_BITS
            keys |= np.arange(len(keys), dtype=np.uint32)
            keys.sort()
            keys &= 2**_RANK_BITS - 1
            order = order[keys.view(np.int64)]
            del keys  # the memory is wanted for the rows
        for first in range(0, len(order), PIECE_ROWS):
            yield indices(order[first : first + PIECE_ROWS])

    def _distances(self, bbox: BBox) -> Iterator[Integers]:
        for x, y in _consumed(self._centres):
            there = ~np.isnan(x)
            along_curve = np.full(len(x), _BEYOND_CURVE, np.uint64)
            along_curve[there] = hilbert.distance(
                hilbert.cells(x[there], bbox[0], bbox[2]), hilbert.cells(y[there], bbox[1], bbox[3])
            )
            yield along_curve

    def _concatenated(self, pieces: Iterable[Integers], dtype: type[np.integer[Any]]) -> Integers:
        """One array of many pieces, filled as they arrive, so that not all of them are in memory beside it."""
        whole, filled = np.empty(self.rows, dtype), 0
        for piece in pieces:
            whole[filled : filled + len(piece)] = piece
            filled += len(piece)
        return whole


def _consumed(pieces: list[T]) -> Iterator[T]:
    """Each piece, removed from the list when it is taken."""
    pieces.reverse()
    while pieces:
        yield pieces.pop()
