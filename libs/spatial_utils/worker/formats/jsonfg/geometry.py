"""Geometries of JSON-FG as WKB: curves as curves, solids as the surfaces around them, x before y.

Rules: OGC 21-045r1, "Geometry", "3D geometries", "Curves", "Measures"; types of WKB: ISO/IEC 13249-3. GDAL's own driver does not
read prisms, and knows curves only as GeoJSON of its own.
"""

import math
import struct
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

_BY_COORDINATES = {
    "Point": (1, 0), "LineString": (2, 1), "Polygon": (3, 2), "MultiPoint": (4, 1), "MultiLineString": (5, 2),
    "MultiPolygon": (6, 3), "CircularString": (8, 1), "Polyhedron": (15, 4), "MultiPolyhedron": (7, 5),
}  # fmt: skip
"""The code of a type in WKB, and how deep its positions lie."""
_BY_PARTS = {"GeometryCollection": 7, "CompoundCurve": 9, "CurvePolygon": 10, "MultiCurve": 11, "MultiSurface": 12}
_PRISMS = {"Prism", "MultiPrism"}
TYPES = frozenset({*_BY_COORDINATES, *_BY_PARTS, *_PRISMS})
_POINT, _LINE, _POLYGON, _COLLECTION, _SURFACE = 1, 2, 3, 7, 15
_Z, _M = 1000, 2000
_FLAT, _SPATIAL = 2, 3


class UnknownType(ValueError):  # noqa: N818 - what it is
    """A type of geometry that JSON-FG does not have."""


class Unbounded(ValueError):  # noqa: N818 - what it is
    """A prism without an end."""


def wkb_of(geometry: Any, *, swapped: bool, measured: bool) -> bytes | None:
    """A geometry as WKB; None for a point without coordinates, which says as much as null (RFC 7946, 3.1).

    Args:
        geometry: As the file has it.
        swapped: Whether its positions are y, x.
        measured: Whether the last number of each position is a measure.

    Raises:
        UnknownType: for a type that JSON-FG does not have.
        Unbounded: for a prism without a lower or an upper end.
        ValueError, TypeError, KeyError, struct.error, RecursionError: for what is no geometry.
    """
    if isinstance(geometry, dict) and geometry.get("type") == "Point" and geometry.get("coordinates") == []:
        return None
    sizes = {len(position) for position in _positions(geometry)}
    size = min(sizes, default=_FLAT + measured)
    if len(sizes) > 1 or not _FLAT <= size - measured <= _SPATIAL:
        raise ValueError("positions of different sizes")
    return _Writer(swapped, size - measured == _SPATIAL, measured).written(geometry)


def _positions(geometry: Any) -> Iterator[list[Any]]:
    kind = geometry["type"]
    if kind in _BY_COORDINATES:
        yield from _deep(geometry["coordinates"], _BY_COORDINATES[kind][1])
    elif kind in _BY_PARTS or kind in _PRISMS:
        for part in [geometry["base"]] if kind == "Prism" else geometry["prisms" if kind == "MultiPrism" else "geometries"]:
            if part.keys() & {"coordRefSys", "measures"}:
                raise ValueError("a part with a CRS or measures of its own")
            yield from _positions(part)
    else:
        raise UnknownType(str(kind))


def _deep(coordinates: Any, depth: int) -> Iterator[list[Any]]:
    if not isinstance(coordinates, list):
        raise TypeError("no list")
    if depth:
        for each in coordinates:
            yield from _deep(each, depth - 1)
        return
    if not all(type(number) in {int, float} and math.isfinite(number) for number in coordinates):
        raise ValueError("no numbers")
    yield coordinates


class _Writer:
    """Writes geometries whose positions are all of one size."""

    def __init__(self, swapped: bool, has_z: bool, measured: bool) -> None:
        self._swapped, self._has_z = swapped, has_z
        self._more = _Z * has_z + _M * measured

    def written(self, geometry: Any) -> bytes:
        kind = geometry["type"]
        if kind == "Prism":
            return self._prism(geometry)
        if kind == "MultiPrism":
            return _head(_COLLECTION + _Z, len(geometry["prisms"])) + b"".join(map(self.written, geometry["prisms"]))
        if kind in _BY_PARTS:
            parts = [self.written(part) for part in geometry["geometries"]]
            return _head(_BY_PARTS[kind] + self._more, len(parts)) + b"".join(parts)
        coordinates = geometry["coordinates"]
        if kind in {"Polyhedron", "MultiPolyhedron"} and not self._has_z:
            raise ValueError("a solid without heights")
        if kind == "MultiPolyhedron":
            return _head(_COLLECTION + self._more, len(coordinates)) + b"".join(map(self._solid, coordinates))
        return self._solid(coordinates) if kind == "Polyhedron" else self._simple(coordinates, _BY_COORDINATES[kind][0])

    def _simple(self, coordinates: Any, code: int) -> bytes:
        if code == _POINT:
            return struct.pack("<BI", 1, code + self._more) + self._position(coordinates)
        if code in {_LINE, 8}:
            return struct.pack("<BI", 1, code + self._more) + self._path(coordinates)
        if code == _POLYGON:
            return _head(code + self._more, len(coordinates)) + b"".join(map(self._path, coordinates))
        return _head(code + self._more, len(coordinates)) + b"".join(self._simple(part, code - 3) for part in coordinates)

    def _solid(self, shells: Any) -> bytes:
        """The faces of all shells, in their order."""
        faces = [self._simple(face, _POLYGON) for shell in shells for face in shell]
        return _head(_SURFACE + self._more, len(faces)) + b"".join(faces)

    def _path(self, positions: Any) -> bytes:
        return struct.pack("<I", len(positions)) + b"".join(map(self._position, positions))

    def _position(self, position: Any) -> bytes:
        if self._swapped:
            position = [position[1], position[0], *position[2:]]
        return struct.pack(f"<{len(position)}d", *position)

    def _prism(self, prism: Any) -> bytes:
        """What bounds a prism: bottom, top and walls; of a line the walls; of a point the line between its ends."""
        if self._more:
            raise ValueError("the base of a prism is flat")
        if prism.get("lower") is None or prism.get("upper") is None:
            raise Unbounded
        low, high = next(_deep([prism["lower"], prism["upper"]], 0))
        solid = _Writer(self._swapped, has_z=True, measured=False)
        return solid._raised(prism["base"], low, high)

    def _raised(self, base: Any, low: float, high: float) -> bytes:
        kind, coordinates = base["type"], base["coordinates"]
        if kind == "Point":
            return self._simple([[*coordinates, low], [*coordinates, high]], _LINE)
        if kind == "LineString":
            return self._solid([_walls(coordinates, low, high)])
        if kind == "Polygon":
            bottom = [[[*position, low] for position in reversed(ring)] for ring in coordinates]
            top = [[[*position, high] for position in ring] for ring in coordinates]
            return self._solid([[bottom, top, *(wall for ring in coordinates for wall in _walls(ring, low, high))]])
        if kind in {"MultiPoint", "MultiLineString", "MultiPolygon"}:
            parts = [self._raised({"type": kind[len("Multi") :], "coordinates": part}, low, high) for part in coordinates]
            return _head(_COLLECTION + self._more, len(parts)) + b"".join(parts)
        raise UnknownType(f"Prism on a {kind}")


def _walls(path: Any, low: float, high: float) -> Iterator[Any]:
    for (ax, ay), (bx, by) in pairwise(path):
        yield [[[ax, ay, low], [bx, by, low], [bx, by, high], [ax, ay, high], [ax, ay, low]]]


def _head(code: int, parts: int) -> bytes:
    return struct.pack("<BII", 1, code, parts)
