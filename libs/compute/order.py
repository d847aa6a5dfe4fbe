"""The order of a result's rows, found from little of each: for an engine that would sort whole rows."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from libs.compute import hilbert
from libs.compute.rows import PIECE_ROWS, Integers, indices, numbers
from libs.models import BBox

_NOWHERE = 2 ** (2 * 16)
"""Beyond the end of the curve: where rows without an extent go."""


class Order:
    """Along the Hilbert curve over an extent, rows without one last; ties by their marks.

    Args:
        bbox: The extent; None: by marks alone.
    """

    def __init__(self, bbox: BBox | None) -> None:
        self._bbox = bbox
        self._distances: list[npt.NDArray[np.int64]] = []
        self._marks: list[list[Integers]] = []

    def add(self, sides: Sequence[pa.Array], marks: Sequence[pa.Array]) -> None:
        """Note rows, which lie behind those before.

        Args:
            sides: ``xmin``, ``ymin``, ``xmax``, ``ymax`` of their extents, null for rows without one.
            marks: Integers that give their source order, none of them null.
        """
        self._marks.append([numbers(mark).copy() for mark in marks])
        if self._bbox is not None:
            there = numbers(sides[0].is_valid().cast(pa.int8())) != 0
            xmin, ymin, xmax, ymax = (numbers(side.fill_null(0.0)) for side in sides)
            x = hilbert.cells(xmin / 2 + xmax / 2, self._bbox[0], self._bbox[2])
            y = hilbert.cells(ymin / 2 + ymax / 2, self._bbox[1], self._bbox[3])
            self._distances.append(np.where(there, hilbert.distance(x, y), _NOWHERE))

    def places(self) -> Iterator[pa.Array]:
        """Where the rows lie, in order. Forgets them."""
        keys = [np.concatenate(marks) for marks in zip(*self._marks, strict=True)][::-1]
        self._marks.clear()
        if self._distances:
            keys.append(np.concatenate(self._distances))
            self._distances.clear()
        if keys:
            order = np.lexsort(keys)
            for first in range(0, len(order), PIECE_ROWS):
                yield indices(order[first : first + PIECE_ROWS])
