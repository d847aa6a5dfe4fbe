"""MultiPatch shapes as polyhedral surfaces (WKB), a face for each triangle and each ring with its holes, in their order.

The layout is that of Esri's Shapefile Technical Description (July 1998), pages 20 to 23. GDAL takes a sequence of plain rings for
one polygon and its holes (3.12); by that description, they are faces of their own unless a first ring stands before them.

No upstream issue is known (GDAL 3.12.4).
"""

import struct
from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path

import pyarrow as pa

from libs.spatial_utils.worker.formats.dbase_records import part
from libs.spatial_utils.worker.formats.shapefile.layout import layout_of
from libs.spatial_utils.worker.formats.shapefile.parts import HEADER_BYTES, INDEX_ENTRY_BYTES, FastPathUnsupported, bytes_at

MULTIPATCH = 31
_POLYHEDRAL_Z, _POLYGON_Z = 1015, 1003
_STRIP, _FAN, _OUTER, _INNER, _FIRST, _RING = range(6)
_COUNTS_AT, _PARTS_AT = 36, 44
_TYPE_AT, _RECORD_HEADER_BYTES = 32, 8
_FEWEST_OF_A_RING = 4

_Position = tuple[float, float, float]
_Ring = list[_Position]


def surface(shape: bytes) -> bytes | None:
    """A shape as WKB, read from the content of its record; None when it is not as described."""
    try:
        faces = list(_faces(shape))
    except (struct.error, ValueError):
        return None
    head = struct.pack("<BII", 1, _POLYHEDRAL_Z, len(faces))
    return head + b"".join(struct.pack("<BII", 1, _POLYGON_Z, len(face)) + b"".join(map(_wkb, face)) for face in faces)


def beside(shp: Path, batches: Iterable[pa.RecordBatch], first: int) -> Iterator[pa.RecordBatch]:
    """GDAL's batches from a record on, the geometry as their last column: that of multipatches as it stands in the file."""
    (kind,) = struct.unpack("<i", bytes_at(shp, _TYPE_AT, 4))
    if kind != MULTIPATCH:
        yield from batches
        return
    numbers = _undeleted(shp, first)
    for batch in batches:
        *columns, given = batch.columns
        shapes = [surface(_content(shp, next(numbers))) or wkb for wkb in given.to_pylist()]
        yield pa.RecordBatch.from_arrays([*columns, pa.array(shapes, given.type)], names=batch.schema.names)


def _undeleted(shp: Path, first: int) -> Iterator[int]:
    """Numbers of records that are not marked as deleted: GDAL passes over the others."""
    table = part(shp, ".dbf")
    if table is None:
        yield from count(first)
        return
    layout = layout_of(table)
    for number in range(first, layout.rows):
        if bytes_at(table, layout.begin + number * layout.size, 1) != b"*":
            yield number


def _content(shp: Path, number: int) -> bytes:
    """The content of a record; nothing where it cannot be read."""
    index = part(shp, ".shx")
    if index is None:
        return b""
    try:
        begin, words = struct.unpack(">ii", bytes_at(index, HEADER_BYTES + number * INDEX_ENTRY_BYTES, INDEX_ENTRY_BYTES))
        return bytes_at(shp, begin * 2 + _RECORD_HEADER_BYTES, words * 2)
    except FastPathUnsupported:
        return b""


def _wkb(ring: _Ring) -> bytes:
    return struct.pack(f"<I{3 * len(ring)}d", len(ring), *(number for position in ring for number in position))


def _faces(shape: bytes) -> Iterator[list[_Ring]]:
    """Each as its rings.

    Raises:
        ValueError: when it is not as described.
    """
    face: list[_Ring] = []
    opener: int | None = None
    for kind, positions in _parts(shape):
        is_hole = (kind == _INNER and opener is not None) or (kind == _RING and opener == _FIRST)
        if face and not is_hole:
            yield face
            face = []
        if kind in {_STRIP, _FAN}:
            opener = None
            for at in range(1, len(positions) - 1):
                corners = [positions[at - 1 if kind == _STRIP else 0], positions[at], positions[at + 1]]
                yield [[*corners, corners[0]]]
            continue
        if len(positions) < _FEWEST_OF_A_RING or positions[0] != positions[-1]:
            raise ValueError("a ring that is not closed")
        opener = opener if is_hole else kind
        face.append(positions)
    if face:
        yield face


def _parts(shape: bytes) -> Iterator[tuple[int, _Ring]]:
    """The parts of a shape: type and positions."""
    parts, count = struct.unpack_from("<ii", shape, _COUNTS_AT)
    if struct.unpack_from("<i", shape)[0] != MULTIPATCH or parts <= 0 or count <= 0:
        raise ValueError("no multipatch")
    numbers = struct.unpack_from(f"<{2 * parts}i", shape, _PARTS_AT)
    at = _PARTS_AT + 8 * parts
    plane = struct.unpack_from(f"<{2 * count}d", shape, at)
    heights = struct.unpack_from(f"<{count}d", shape, at + 16 * count + 16)
    positions = list(zip(plane[::2], plane[1::2], heights, strict=True))
    bounds = [*numbers[:parts], count]
    for kind, begin, end in zip(numbers[parts:], bounds, bounds[1:], strict=False):
        if not (_STRIP <= kind <= _RING and 0 <= begin < end <= count):
            raise ValueError("parts that are none")
        yield kind, positions[begin:end]
