"""Coordinates of GeoJSON (RFC 7946, section 3.1) as WKB (OGC 06-103r4, section 8), a whole column at a time."""

import pyarrow as pa
import pyarrow.compute as pc

_CODES = {"Point": 1, "LineString": 2, "Polygon": 3, "MultiPoint": 4, "MultiLineString": 5, "MultiPolygon": 6}
_PARTS = {"MultiPoint": "Point", "MultiLineString": "LineString", "MultiPolygon": "Polygon"}
_Z = 1000
_DOUBLE = 8


class Unusual(ValueError):  # noqa: N818 - what they are
    """Coordinates that need judgement: none, with something missing, or of another number of dimensions."""


def to_wkb(kind: str, coordinates: pa.ListArray, dimension: int) -> pa.Array:
    """The coordinates of geometries of one type as little-endian ISO WKB (``pa.binary()``).

    Args:
        kind: The type, one of ``COORDINATE_DEPTHS``.
        coordinates: Lists of that depth with doubles inside.
        dimension: Numbers of every position, 2 or 3.

    Raises:
        Unusual: for other coordinates, and for none.
    """
    header = b"\x01" + (_CODES[kind] + (_Z if dimension > 2 else 0)).to_bytes(4, "little")  # noqa: PLR2004 - x, y, z
    if kind == "Point":
        return pc.binary_join_element_wise(header, _positions(coordinates, dimension), b"")
    if kind == "LineString":
        return _counted(coordinates, _run(coordinates, dimension), header)
    members = coordinates.values
    wkb = to_wkb(_PARTS[kind], members, dimension) if kind in _PARTS else _counted(members, _rings(members, dimension))
    return _counted(coordinates, pc.binary_join(pa.ListArray.from_arrays(coordinates.offsets, wkb), b""), header)


def _positions(positions: pa.ListArray, dimension: int) -> pa.Array:
    """Lists of numbers as their bytes."""
    lengths = pc.list_value_length(positions)
    if positions.null_count or positions.values.null_count or pc.any(pc.not_equal(lengths, dimension)).as_py():
        raise Unusual(f"not {dimension} numbers in every position")
    return _bytes(positions, positions.values, _DOUBLE)


def _rings(rings: pa.ListArray, dimension: int) -> pa.Array:
    """Closed lists of positions as their bytes."""
    _lengths(rings)
    positions, offsets = _positions(rings.values, dimension), rings.offsets
    last = pc.subtract(offsets[1:], pa.scalar(1, pa.int32()))
    if pc.any(pc.not_equal(positions.take(offsets[:-1]), positions.take(last))).as_py():
        raise Unusual("a ring that is not closed")  # GDAL warns of it
    return _bytes(rings, rings.values.values, _DOUBLE * dimension)


def _run(lists: pa.ListArray, dimension: int) -> pa.Array:
    """Lists of positions as their bytes."""
    _positions(lists.values, dimension)
    return _bytes(lists, lists.values.values, _DOUBLE * dimension)


def _bytes(lists: pa.ListArray, numbers: pa.DoubleArray, size: int) -> pa.Array:
    """What the lists hold, where it lies: ``size`` bytes a member."""
    offsets = pc.multiply_checked(lists.offsets, pa.scalar(size, pa.int32()))
    return pa.Array.from_buffers(pa.binary(), len(lists), [None, offsets.buffers()[1], numbers.buffers()[1]])


def _counted(lists: pa.ListArray, members: pa.Array, header: bytes = b"") -> pa.Array:
    """The members of lists, as bytes, with their number in front."""
    return pc.binary_join_element_wise(header, _lengths(lists).view(pa.binary(4)).cast(pa.binary()), members, b"")


def _lengths(lists: pa.ListArray) -> pa.Int32Array:
    lengths = pc.list_value_length(lists)
    if lists.null_count or pc.any(pc.equal(lengths, 0)).as_py():
        raise Unusual("no coordinates")
    return lengths
