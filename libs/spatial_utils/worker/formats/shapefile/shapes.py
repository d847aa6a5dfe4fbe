"""Shapes of a ``.shp`` as WKB, a window at a time: one of a single part holds its coordinates as WKB does; and multipatches.

The layout is that of Esri's Shapefile Technical Description (July 1998), pages 4 to 9 and 23; WKB is that of OGC 06-103r4.
"""

import struct
import sys
from array import array
from bisect import bisect_right
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from libs.spatial_utils.worker.formats.dbase_records import part
from libs.spatial_utils.worker.formats.shapefile.parts import (
    HEADER_BYTES,
    INDEX_ENTRY_BYTES,
    FastPathUnsupported,
    bytes_at,
    integers,
)
from libs.spatial_utils.worker.formats.shapefile.patches import MULTIPATCH, surface
from libs.spatial_utils.worker.protocol import BATCH_BYTES
from libs.spatial_utils.worker.values.wkb import number_at

_POINT, _LINE, _POLYGON = 1, 3, 5
"""The types with two dimensions and no more than one kind of part: of the file, and of its shapes, if not null."""
_WKB_TYPES = {_POINT: 1, _LINE: 2, _POLYGON: 3}
_FEWEST = {_LINE: 2, _POLYGON: 4}
"""Positions that make one."""
_RECORD_HEADER_BYTES, _POSITION_BYTES = 8, 16
_TYPE_AT = 32
_PARTS_AT, _COUNT_AT, _FIRST_PART_AT, _POSITIONS_AT = 36, 40, 44, 48

_WORD, _HEADER_WORDS = pa.scalar(2, pa.int32()), pa.scalar(_RECORD_HEADER_BYTES // 2, pa.int32())
_MOST_WORDS = BATCH_BYTES // 2
"""Of a window, but for its last shape: the files count in words of 16 bits."""


class Shapes:
    """The shapes of a Shapefile whose parts have been checked.

    Args:
        shp: The main file.

    Raises:
        FastPathUnsupported: when it has no index, or holds other types than multipatches and two-dimensional points, lines
            and polygons.
    """

    def __init__(self, shp: Path) -> None:
        shx = part(shp, ".shx")
        if shx is None:
            raise FastPathUnsupported("no index")
        self._shapes, self._index = shp, shx
        (self._type,) = struct.unpack("<i", bytes_at(shp, _TYPE_AT, 4))
        if self._type not in {*_WKB_TYPES, MULTIPATCH}:
            raise FastPathUnsupported(f"shapes of the type {self._type}")

    def window(self, first: int, rows: int) -> tuple[pa.Array, pa.Array]:
        """Some shapes, fewer than asked for where they are large.

        Returns:
            WKB (``pa.binary()``), and which of them have to be asked of GDAL: that of those is undefined.

        Raises:
            FastPathUnsupported: when they do not lie one behind the other.
        """
        shapes = self._lying(first, rows)
        if self._type == MULTIPATCH:
            return _surfaces(shapes)
        there = pc.equal(pc.binary_slice(shapes, 0, 4), self._type.to_bytes(4, "little"))
        header = pa.scalar(b"\x01" + _WKB_TYPES[self._type].to_bytes(4, "little"), pa.binary())
        plain, body = _points(shapes) if self._type == _POINT else self._paths(shapes)
        return pc.binary_join_element_wise(header, *body, b""), pc.invert(pc.and_(there, plain))

    def _lying(self, first: int, rows: int) -> pa.BinaryArray:
        """The contents of records, each with the record header behind it: the next one's; behind the last stands the first."""
        index = bytes_at(self._index, HEADER_BYTES + first * INDEX_ENTRY_BYTES, rows * INDEX_ENTRY_BYTES)
        entries = array("i", index)
        if sys.byteorder == "little":
            entries.byteswap()
        begins, begin = entries[::2], entries[0]
        if begins[-1] - begin > _MOST_WORDS:
            rows = max(1, bisect_right(begins, begin + _MOST_WORDS) - 1)
        places, lengths = integers(begins[:rows]), integers(entries[1 : 2 * rows : 2])
        bounds = pa.concat_arrays([places[:1], pc.add(places, pc.add(lengths, _HEADER_WORDS))])
        words = bounds[-1].as_py() - begin
        rising = pc.all(pc.greater(bounds[1:], bounds[:-1])).as_py()
        if begin < HEADER_BYTES // 2 or places != bounds[:-1] or not rising or words > 2 * _MOST_WORDS:
            raise FastPathUnsupported("gaps between records, or a large one")
        starts = pc.multiply(pc.add(pc.subtract(bounds, bounds[0]), _HEADER_WORDS), _WORD)
        data = bytes_at(self._shapes, begin * 2, words * 2)
        content = pa.py_buffer(b"".join((data, data[:_RECORD_HEADER_BYTES])))
        shapes = pa.Array.from_buffers(pa.binary(), rows, [None, starts.buffers()[1], content])
        told = pa.Array.from_buffers(pa.binary(INDEX_ENTRY_BYTES), rows, [None, pa.py_buffer(index)])
        if pc.binary_slice(shapes, -4) != pc.binary_slice(pa.concat_arrays([told[1:], told[:1]]), 4).cast(pa.binary()):
            raise FastPathUnsupported("lengths that do not agree")
        return shapes

    def _paths(self, shapes: pa.BinaryArray) -> tuple[pa.Array, list[pa.Array]]:
        """Which lines or polygons have one part, whole and closed; and WKB's counts and positions."""
        lengths = pc.binary_length(shapes)
        shortest = pc.min(lengths).as_py()
        count = number_at(shapes, _COUNT_AT, shortest)
        size = pc.add(pc.multiply(count, _POSITION_BYTES), _POSITIONS_AT + _RECORD_HEADER_BYTES)
        plain = pc.and_(pc.equal(size, lengths), pc.greater_equal(count, _FEWEST[self._type]))
        plain = pc.and_(plain, pc.equal(number_at(shapes, _PARTS_AT, shortest), 1))
        plain = pc.and_(plain, pc.equal(number_at(shapes, _FIRST_PART_AT, shortest), 0))
        positions = pc.binary_slice(shapes, _POSITIONS_AT, -_RECORD_HEADER_BYTES)
        if self._type == _LINE:
            return plain, [pc.binary_slice(shapes, _COUNT_AT, _FIRST_PART_AT), positions]
        closed = pc.equal(pc.binary_slice(positions, 0, _POSITION_BYTES), pc.binary_slice(positions, -_POSITION_BYTES))
        # The number of parts, 1, stands where WKB has the number of rings.
        return pc.and_(plain, closed), [pc.binary_slice(shapes, _PARTS_AT, _FIRST_PART_AT), positions]


def _surfaces(shapes: pa.BinaryArray) -> tuple[pa.Array, pa.Array]:
    wkb = pa.array([surface(shape[:-_RECORD_HEADER_BYTES]) for shape in shapes.to_pylist()], pa.binary())
    return wkb, wkb.is_null()


def _points(shapes: pa.BinaryArray) -> tuple[pa.Array, list[pa.Array]]:
    """Which points are whole and somewhere, and their positions."""
    whole = pc.equal(pc.binary_length(shapes), 4 + _POSITION_BYTES + _RECORD_HEADER_BYTES)
    position = pc.if_else(whole, pc.binary_slice(shapes, 4, 4 + _POSITION_BYTES), bytes(_POSITION_BYTES))
    axes = [pc.binary_slice(position, at, at + 8).cast(pa.binary(8)).view(pa.float64()) for at in (0, 8)]
    return pc.and_(whole, pc.and_(*map(pc.is_finite, axes))), [position]
