"""The Hilbert curve, for an engine without a function for it: the same as DuckDB's ``ST_Hilbert``, 16 bits an axis."""

from functools import cache
from math import isfinite
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Cells: TypeAlias = npt.NDArray[np.int32]

_STEP = 4
"""Bits of each axis that one look into the table settles."""
_CELLS = 2**16 - 1


def cells(places: npt.NDArray[np.float64], low: float, high: float) -> Cells:
    """The cells of coordinates between two others."""
    width = high - low
    factor = _CELLS / width if width else 0.0
    if not isfinite(width) or not isfinite(factor):
        factor = 0.0
    return ((places - low) * factor).astype(np.int32)


def distance(x: Cells, y: Cells) -> npt.NDArray[np.int64]:
    """How far along the curve cells lie."""
    mask = 2**_STEP - 1
    found = np.zeros(len(x), np.int32)
    total = np.zeros(len(x), np.int64)
    for shift in range(16 - _STEP, -1, -_STEP):
        here = ((x >> shift) & mask) << _STEP | ((y >> shift) & mask)
        found = _table()[(found & -(4**_STEP)) | here]
        total |= (found & (4**_STEP - 1)).astype(np.int64) << (2 * shift)
    return total


@cache
def _table() -> Cells:
    """By state, and bits of x and of y: the way along the curve, and above it the next state."""
    entries = []
    for state in range(4):
        for x in range(2**_STEP):
            for y in range(2**_STEP):
                swap, flip, way = state & 1, state >> 1, 0
                for bit in range(_STEP - 1, -1, -1):
                    right, up = (x >> bit & 1) ^ flip, (y >> bit & 1) ^ flip
                    if swap:
                        right, up = up, right
                    way = way << 2 | (3 * right ^ up)
                    if not up:
                        swap, flip = swap ^ 1, flip ^ right
                entries.append((swap | flip << 1) << (2 * _STEP) | way)
    return np.array(entries, np.int32)
