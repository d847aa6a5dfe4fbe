"""GeoParquet's native encodings, structs of coordinates in nested lists, as WKB."""

import struct
from collections import Counter
from collections.abc import Callable
from operator import itemgetter
from typing import Any

import pyarrow as pa

from libs.spatial_utils.worker.values.geometry_types import LOWER_CASE_DEPTHS

_DIMENSIONS = ({"x", "y"}, {"x", "y", "z"}, {"x", "y", "m"}, {"x", "y", "z", "m"})


def is_stored_as(kind: pa.DataType, encoding: str) -> bool:
    """Whether a column's type is that of an encoding: lists of structs of x and y, perhaps z and m, in any order."""
    for _ in range(LOWER_CASE_DEPTHS[encoding] - 1):
        if not (pa.types.is_list(kind) or pa.types.is_large_list(kind)):
            return False
        kind = kind.value_type
    if not pa.types.is_struct(kind):
        return False
    names = [field.name for field in kind]
    real = all(pa.types.is_float32(field.type) or pa.types.is_float64(field.type) for field in kind)
    return real and set(names) in _DIMENSIONS and len(names) == len(set(names))


def to_wkb(geometry: pa.Array, encoding: str, counts: Counter[str], damaged: Callable[[int], None]) -> pa.Array:
    """A column of such a type as WKB, without measures.

    Args:
        geometry: The column.
        encoding: Its name, a key of ``LOWER_CASE_DEPTHS``.
        counts: ``m_dropped`` is added to, in geometries.
        damaged: Gets the rows in which a part, a position or a coordinate is missing; they become null.
    """
    leaf = geometry.type
    for _ in range(LOWER_CASE_DEPTHS[encoding] - 1):
        leaf = leaf.value_type
    write = _writer(encoding, has_z=leaf.get_field_index("z") >= 0)
    if leaf.get_field_index("m") >= 0:
        counts["m_dropped"] += len(geometry) - geometry.null_count
    rows: list[bytes | None] = []
    for row, value in enumerate(geometry.to_pylist()):
        try:
            rows.append(None if value is None else write(value))
        except (TypeError, struct.error):
            damaged(row)
            rows.append(None)
    return pa.array(rows, pa.binary())


def _writer(encoding: str, *, has_z: bool) -> Callable[[Any], bytes]:
    """What writes one value of an encoding; a null in it ends in ``TypeError`` or ``struct.error``."""
    pack = struct.Struct("<ddd" if has_z else "<dd").pack
    coordinates = itemgetter("x", "y", "z") if has_z else itemgetter("x", "y")

    def head(kind: int) -> bytes:
        return struct.pack("<BI", 1, kind + (1000 if has_z else 0))

    def point(position: dict[str, float]) -> bytes:
        return head(1) + pack(*coordinates(position))

    def path(positions: list[dict[str, float]]) -> bytes:
        return struct.pack("<I", len(positions)) + b"".join(pack(*coordinates(position)) for position in positions)

    def many(kind: int, parts: list[bytes]) -> bytes:
        return head(kind) + struct.pack("<I", len(parts)) + b"".join(parts)

    def line(positions: list[dict[str, float]]) -> bytes:
        return head(2) + path(positions)

    def polygon(rings: list[Any]) -> bytes:
        return many(3, [path(ring) for ring in rings])

    write: dict[str, Callable[[Any], bytes]] = {
        "point": point,
        "linestring": line,
        "polygon": polygon,
        "multipoint": lambda points: many(4, [point(position) for position in points]),
        "multilinestring": lambda lines: many(5, [line(positions) for positions in lines]),
        "multipolygon": lambda polygons: many(6, [polygon(rings) for rings in polygons]),
    }
    return write[encoding]
