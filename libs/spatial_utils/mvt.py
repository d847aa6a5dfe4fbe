"""Mapbox Vector Tiles (version 2.1) of counts: what a map shows of places where features lie too close to be told apart."""

from collections.abc import Iterator
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

CELLS = 128
"""Cells on a side of a tile."""
EXTENT = 2 * CELLS
"""Of the layer: a cell's centre is a whole number."""
LAYER = "density"
COUNT = "count"
_MOVE_TO = 1
_POINT = 1
_ONE_BYTE = 128
_TILE_LAYERS, _LAYER_NAME, _LAYER_FEATURES, _LAYER_KEYS, _LAYER_VALUES, _LAYER_EXTENT, _LAYER_VERSION = 3, 1, 2, 3, 4, 5, 15
_FEATURE_TAGS, _FEATURE_TYPE, _FEATURE_GEOMETRY, _VALUE_UINT = 2, 3, 4, 5

Integers: TypeAlias = npt.NDArray[np.integer]


def density_tile(columns: Integers, rows: Integers, counts: Integers) -> bytes:
    """A tile with one layer. Each of its features stands for all cells that hold the same count, and is a point in each of them.

    Args:
        columns: Of the cells, 0 to 127 from the west.
        rows: Of the cells, 0 to 127 from the north.
        counts: Features in each of them, 1 or more.
    """
    order = np.lexsort((columns, rows, counts))
    counts = counts[order]
    starts = np.flatnonzero(np.r_[True, counts[1:] != counts[:-1]])
    moves = np.column_stack([2 * columns[order].astype(np.int64) + 1, 2 * rows[order].astype(np.int64) + 1])
    moves[1:] -= moves[:-1].copy()
    moves[starts] = np.column_stack([2 * columns[order][starts] + 1, 2 * rows[order][starts] + 1])
    encoded, ends = _varints((moves << 1 ^ moves >> 63).ravel())
    layer = bytearray(_number(_LAYER_VERSION, 2) + _bytes(_LAYER_NAME, LAYER.encode()))
    stops = np.r_[starts[1:], len(counts)]
    for number, (start, stop) in enumerate(zip(starts.tolist(), stops.tolist(), strict=True)):
        begin = int(ends[2 * start - 1]) if start else 0
        geometry = _varint((stop - start) << 3 | _MOVE_TO) + encoded[begin : int(ends[2 * stop - 1])]
        tags = _bytes(_FEATURE_TAGS, _varint(0) + _varint(number))
        layer += _bytes(_LAYER_FEATURES, tags + _number(_FEATURE_TYPE, _POINT) + _bytes(_FEATURE_GEOMETRY, geometry))
    layer += _bytes(_LAYER_KEYS, COUNT.encode())
    for count in counts[starts].tolist():
        layer += _bytes(_LAYER_VALUES, _number(_VALUE_UINT, count))
    return _bytes(_TILE_LAYERS, bytes(layer + _number(_LAYER_EXTENT, EXTENT)))


def _varints(values: npt.NDArray[np.int64]) -> tuple[bytes, npt.NDArray[np.int64]]:
    """Numbers below 16,384 as varints, one after another, and where each of them ends."""
    long = values >= _ONE_BYTE
    ends = np.cumsum(1 + long)
    encoded = np.zeros(int(ends[-1]), np.uint8)
    encoded[ends - 1 - long] = values & 0x7F | long << 7
    encoded[ends[long] - 1] = values[long] >> 7
    return encoded.tobytes(), ends


def _varint(value: int) -> bytes:
    return bytes(_sevens(value))


def _sevens(value: int) -> Iterator[int]:
    while value >= _ONE_BYTE:
        yield value & 0x7F | _ONE_BYTE
        value >>= 7
    yield value


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content
