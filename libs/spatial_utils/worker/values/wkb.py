"""Geometry columns on their way out: one spelling of WKB, no curves, no measures, nothing else touched.

Little-endian ISO WKB with Z kept passes through untouched; only batches that hold something else are looked at row by row.
"""

import struct
from collections import Counter
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from libs.spatial_utils.worker.ogr.gdal import Gdal

_LINEAR = frozenset(range(1, 7))
_POLYGON, _WITH_RINGS = 3, frozenset({3, 6, 7})
_COLLECTION, _CURVED = 7, frozenset({8, 9, 10, 11, 12, 13, 14})
_POLYHEDRAL, _TIN, _TRIANGLE = 15, 16, 17
_FACETED = frozenset({_POLYHEDRAL, _TIN, _TRIANGLE})
"""Surfaces of plane faces: GeoParquet has no types for them, so that each face becomes a polygon, in their order."""
_Z, _M = 1000, 2000


class DamagedGeometry(ValueError):  # noqa: N818 - what it is
    """A geometry that is no WKB; ``row`` counts from 0 in its batch."""

    def __init__(self, row: int) -> None:
        self.row = row
        super().__init__(f"row {row} is no well-formed geometry")


def normalise(geometry: pa.Array, gdal: Gdal, counts: Counter[str], *, vouched: bool) -> pa.Array:
    """A geometry column as little-endian ISO WKB (``pa.binary()``) of the seven simple types, Z kept, M dropped.

    Args:
        geometry: Binary array of WKB, any spelling; nulls stay nulls, empty geometries stay empty.
        gdal: Rewrites what is neither.
        counts: ``linearized``, ``surfaces_to_polygons`` and ``m_dropped`` are added to, in geometries.
        vouched: Whether GDAL wrote this WKB itself. If it came out of the file as it is, it is checked.

    Raises:
        DamagedGeometry: when a value is no geometry.
    """
    if geometry.type != pa.binary():
        geometry = geometry.cast(pa.binary())
    head_of_row = pc.binary_slice(geometry, 0, 5)
    heads = pc.unique(head_of_row.drop_null()).to_pylist()
    plain = all(_is_plain(head) for head in heads)
    suspects = [] if vouched else _suspects(geometry, head_of_row, heads)
    if plain and not suspects:
        return geometry
    rows = geometry.to_pylist()
    for index in suspects:
        rows[index] = _checked(rows[index], gdal, counts, index)
    for index, wkb in enumerate(rows):
        if wkb is not None and not _is_plain(wkb[:5]):
            rows[index] = _rewritten(wkb, gdal, counts, index)
    return pa.array(rows, pa.binary())


def with_closed_rings(geometry: pa.Array, gdal: Gdal, counts: Counter[str]) -> pa.Array:
    """A normalised column, each ring of which ends where it begins: the standard correction of rings that do not.

    Args:
        geometry: As :func:`normalise` returns it.
        gdal: Closes rings.
        counts: ``rings_closed`` is added to, in geometries.
    """
    changed = unclosed(geometry, gdal, thorough=True)
    if not changed:
        return geometry
    counts["rings_closed"] += len(changed)
    return pa.array([changed.get(row, wkb) for row, wkb in enumerate(geometry.to_pylist())], pa.binary())


def unclosed(geometry: pa.Array, gdal: Gdal, *, thorough: bool) -> dict[int, bytes]:
    """The rows of a normalised column with a ring that does not end where it begins, each with what it is once it is closed.

    Args:
        geometry: As :func:`normalise` returns it.
        gdal: Closes rings.
        thorough: Whether polygons of several rings and multipolygons are looked at, too, one by one.

    Raises:
        DamagedGeometry: when a value is no geometry.
    """
    head_of_row = pc.binary_slice(geometry, 0, 5)
    changed = dict[int, bytes]()
    for head in pc.unique(head_of_row.drop_null()).to_pylist():
        code = struct.unpack("<I", head[1:])[0]
        if code % _Z not in _WITH_RINGS:
            continue
        rows = pc.equal(head_of_row, head)
        if code % _Z == _POLYGON:
            size = 24 if code > _Z else 16
            closed = pc.equal(pc.binary_slice(geometry, 13, 13 + size), pc.binary_slice(geometry, -size))
            of_one_ring = pc.equal(pc.binary_slice(geometry, 5, 9), b"\x01\0\0\0")
            suspect = pc.invert(pc.and_(closed, of_one_ring)) if thorough else pc.and_(pc.invert(closed), of_one_ring)
            rows = pc.and_(rows, suspect)
        elif not thorough:
            continue
        for row in pc.indices_nonzero(rows).to_pylist():
            with gdal.geometry(wkb := geometry[row].as_py()) as shape:
                if shape is None:
                    raise DamagedGeometry(row)
                gdal.OGR_G_CloseRings(shape)
                if (closed_wkb := gdal.wkb(shape)) != wkb:
                    changed[row] = closed_wkb
    return changed


def _suspects(geometry: pa.Array, head_of_row: pa.Array, heads: list[bytes]) -> list[int]:
    """Rows whose length is not that of a point, a line, a polygon of one ring, or a multi-geometry of one such: most rows are."""
    lengths = pc.binary_length(geometry)
    shortest = pc.min(lengths).as_py() or 0
    fits = pa.scalar(value=False)
    for head in heads:
        if not _is_plain(head):
            continue
        code = struct.unpack("<I", head[1:])[0]
        base, size = code % _Z, 24 if code > _Z else 16
        positions_at, counted, ones = _SIMPLE[base]
        count = number_at(geometry, positions_at - 4, shortest) if counted else pa.scalar(1)
        fit = pc.equal(lengths, pc.add(positions_at, pc.multiply(count, size)))
        for at in ones:
            fit = pc.and_(fit, pc.equal(number_at(geometry, at, shortest), 1))
        if base in _MULTI:
            fit = pc.and_(fit, pc.equal(pc.binary_slice(geometry, 9, 14), struct.pack("<BI", 1, code - _OF_ITS_PARTS)))
        fits = fit if len(heads) == 1 else pc.if_else(pc.equal(head_of_row, head), fit, fits)
    if isinstance(fits, pa.Scalar):
        return pc.indices_nonzero(pc.is_valid(geometry)).to_pylist()  # type: ignore[no-any-return]
    rows: list[int] = pc.indices_nonzero(pc.invert(pc.fill_null(fits, fill_value=True))).to_pylist()
    return rows


_SIMPLE: dict[int, tuple[int, bool, tuple[int, ...]]] = {
    1: (5, False, ()), 2: (9, True, ()), 3: (13, True, (5,)), 4: (14, False, (5,)), 5: (18, True, (5,)), 6: (22, True, (5, 14)),
}  # fmt: skip
"""By type: where positions begin, whether their number stands right before, and where a count must be 1 for it to be the only
one."""
_MULTI, _OF_ITS_PARTS = frozenset({4, 5, 6}), 3
"""Types of several parts, and how much less the type of a part is."""


def _checked(wkb: bytes, gdal: Gdal, counts: Counter[str], row: int) -> bytes:
    """A geometry of which only the head is known: as it is, or rewritten where a part is not what the head promises."""
    with gdal.geometry(wkb) as geometry:
        if geometry is None or (size := gdal.OGR_G_WkbSize(geometry)) > len(wkb):
            raise DamagedGeometry(row)
        if not _is_plain(wkb[:5]) or (size == len(wkb) and _flat(gdal, geometry) not in _MULTI):
            return wkb
        own = gdal.wkb(geometry)
    if wkb == own:
        return wkb
    if wkb.startswith(own):
        raise DamagedGeometry(row)
    return _rewritten(wkb, gdal, counts, row)


def number_at(geometry: pa.Array, at: int, shortest: int) -> pa.Array:
    """The 32-bit number at an offset of every value, as 64 bits; 0 where a value is too short."""
    found = pc.binary_slice(geometry, at, at + 4)
    if shortest < at + 4:
        found = pc.if_else(pc.equal(pc.binary_length(found), 4), found, b"\0\0\0\0")
    return found.cast(pa.binary(4)).view(pa.uint32()).cast(pa.int64())


def _is_plain(head: bytes) -> bool:
    """Whether the first five bytes of a geometry promise that it needs no change. Collections may hide something."""
    if len(head) != 5 or head[0] != 1:  # noqa: PLR2004 - byte order and type
        return False
    code = struct.unpack("<I", head[1:])[0]
    return code in _LINEAR or code - _Z in _LINEAR


def _rewritten(wkb: bytes, gdal: Gdal, counts: Counter[str], row: int) -> bytes:
    with gdal.geometry(wkb) as geometry:
        if geometry is None:
            raise DamagedGeometry(row)
        if gdal.OGR_G_IsMeasured(geometry):
            gdal.OGR_G_SetMeasured(geometry, 0)
            counts["m_dropped"] += 1
        unusual = _unusual(gdal, geometry)
        if not unusual:
            return gdal.wkb(geometry)
        counts.update(unusual)
        linear = _linear(gdal, geometry)
        try:
            return gdal.wkb(linear)
        finally:
            gdal.OGR_G_DestroyGeometry(linear)


def _unusual(gdal: Gdal, geometry: int) -> set[str]:
    """What a geometry has that is to be rewritten, as it is counted."""
    code = _flat(gdal, geometry)
    if code == _COLLECTION:
        parts = (gdal.OGR_G_GetGeometryRef(geometry, index) for index in range(gdal.OGR_G_GetGeometryCount(geometry)))
        return set().union(*(_unusual(gdal, part) for part in parts))
    if code in _LINEAR:
        return set()
    return {"surfaces_to_polygons" if code in _FACETED else "linearized"}


def _flat(gdal: Gdal, geometry: int) -> int:
    """The geometry's type without its dimension."""
    code = int(gdal.OGR_G_GetGeometryType(geometry)) & 0x7FFFFFFF  # the highest bit is the Z of the old seven types
    return code % _Z


def _linear(gdal: Gdal, geometry: int) -> Any:
    """A new geometry of simple types: curves as lines of 4 degrees a step (GDAL's default), surfaces as polygons."""
    code = _flat(gdal, geometry)
    if code == _COLLECTION:
        parts = [_linear(gdal, gdal.OGR_G_GetGeometryRef(geometry, i)) for i in range(gdal.OGR_G_GetGeometryCount(geometry))]
        collection = gdal.OGR_G_CreateGeometry(_COLLECTION)
        for part in parts:
            gdal.OGR_G_AddGeometryDirectly(collection, part)
        return collection
    if code in _CURVED:
        return gdal.OGR_G_GetLinearGeometry(geometry, 0.0, None)
    copy = gdal.OGR_G_Clone(geometry)
    if code in {_POLYHEDRAL, _TIN}:
        return gdal.OGR_G_ForceToMultiPolygon(copy)
    if code == _TRIANGLE:
        return gdal.OGR_G_ForceToPolygon(copy)
    return copy
