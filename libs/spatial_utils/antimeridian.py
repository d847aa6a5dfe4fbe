"""Geometries that a reprojection to longitudes and latitudes has torn apart: cut at the antimeridian, closed over a pole.

PROJ gives longitudes within ±180 degrees, so that the vertices of a feature on the antimeridian lie at both ends of the world,
and a ring round a pole does not close. RFC 7946 (3.1.9) has the right result. Edges are straight between the reprojected
vertices. ``libs.transformations.antimeridian`` does the same inside PostgreSQL.

Shapely is imported when the first such feature comes: see :func:`splitter`.
"""

import math
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import shapely

from libs.spatial_utils.arrays import Doubles
from libs.spatial_utils.crs import longitudes

SNAP = 1e-10
"""Of a degree: PROJ's own noise at the antimeridian (6e-11) is no crossing of it."""
_PARTS = 16
"""A long way is looked at in so many steps at least."""
_HALVINGS = 6
"""How often a step is halved that still goes far: then it leads through a pole."""
_NEAR = 1e-6
"""Of an edge: there it has the longitude with which it comes to its end."""
_SAME = 1e-4
"""Of 180 degrees: no more than that are apart what is the same longitude at ``_NEAR``."""
_BOTH_POLES = 2.5
"""What holds both poles is larger than so many eighths of the way round the earth, in every projection."""

_NOWHERE = struct.pack("<BIdd", 1, 1, math.inf, math.inf)


class Torn(ValueError):  # noqa: N818 - what it is
    """A geometry that cannot be put together again."""


@dataclass(frozen=True)
class Frame:
    """Where longitudes come from.

    Attributes:
        half: 180 degrees in the unit of the result.
        wide: A distance in the source CRS that may be an eighth of the way round the earth.
        longitudes: Of points in the source CRS.
    """

    half: float
    wide: float
    longitudes: Callable[[Doubles], Doubles]

    @property
    def turn(self) -> float:
        """All the way round."""
        return 2 * self.half

    def short(self, way: Any) -> Any:
        """The same change of longitude by the short way."""
        return way - self.turn * np.round(way / self.turn)

    def strip(self, x: float) -> int:
        """Which turn a longitude belongs to; 0 within ±180 degrees."""
        return math.floor((x + self.half) / self.turn)


def split_wkb(torn: bytes, source: bytes, half: float, wide: float, source_crs: str, target_crs: str) -> bytes | None:
    """What :func:`split` makes of WKB; a point at infinity, as of what cannot be projected, when that cannot be done."""
    try:
        with np.errstate(invalid="ignore"):  # a height may be anything
            shape, origin = (shapely.from_wkb(each, on_invalid="fix") for each in (torn, source))
        whole = split(shape, origin, Frame(half, wide, partial(longitudes, source_crs, target_crs)))
    except (Torn, shapely.GEOSException):
        return _NOWHERE
    return None if whole is None else shapely.to_wkb(whole, output_dimension=4, byte_order=1, flavor="iso")


def split(torn: Any, source: Any, frame: Frame) -> Any:
    """A geometry that lies within ±180 degrees; None if it does so as it is.

    Args:
        torn: As the reprojection left it.
        source: Before the reprojection.
        frame: Likewise.

    Raises:
        Torn: when that cannot be done.
    """
    if shapely.get_type_id(torn) >= shapely.GeometryType.MULTIPOINT:
        parts = [(part, split(part, origin, frame)) for part, origin in zip(torn.geoms, source.geoms, strict=True)]
        if all(new is None for _, new in parts):
            return None
        whole = [old if new is None else new for old, new in parts]
        return shapely.GeometryCollection(whole) if torn.geom_type == "GeometryCollection" else _collected(whole, torn.geom_type)
    if torn.is_empty:
        return None
    if torn.geom_type == "Point":
        return _point(torn, frame)
    if torn.geom_type == "LineString":
        return _line(torn, source, frame)
    return _polygon(torn, source, frame)


def _point(torn: Any, frame: Frame) -> Any:
    turns = frame.strip(torn.x) if abs(torn.x) > frame.half else 0
    return _moved(torn, -turns * frame.turn) if turns else None


def _line(torn: Any, source: Any, frame: Frame) -> Any:
    had = shapely.get_coordinates(torn, include_z=torn.has_z, include_m=torn.has_m)
    path = _path(had, shapely.get_coordinates(source), frame)
    middles = (path[1:, 0] + path[:-1, 0]) / 2
    strips = np.floor((middles + frame.half) / frame.turn)
    along = (frame.short(middles - frame.half) == 0) & (path[1:, 0] == path[:-1, 0])
    for index in np.flatnonzero(along):  # on the antimeridian itself: on the side where the line comes from, or goes to
        strips[index] = strips[index - 1] if index else next(iter(strips[~along]), 0)
    pieces = []
    for first, last in pairwise([0, *(np.flatnonzero(np.diff(strips)) + 1), len(strips)]):
        piece = path[first : last + 1].copy()
        piece[:, 0] -= strips[first] * frame.turn
        pieces.append(piece)
    if len(pieces) == 1 and np.array_equal(pieces[0], had, equal_nan=True):
        return None
    lines = [_line_of(piece, torn) for piece in pieces]
    return lines[0] if len(lines) == 1 else shapely.multilinestrings(lines)


def _polygon(torn: Any, source: Any, frame: Frame) -> Any:
    rings = [torn.exterior, *torn.interiors]
    new = [_area(ring, origin, frame) for ring, origin in zip(rings, [source.exterior, *source.interiors], strict=True)]
    if all(area is None for area in new):
        return None
    shell, *holes = [_sound(shapely.Polygon(ring)) if area is None else area for ring, area in zip(rings, new, strict=True)]
    whole = shapely.difference(shell, shapely.union_all(holes)) if holes else shell
    polygons = _polygons(whole)
    if not polygons:
        raise Torn("nothing is left of it")
    return polygons[0] if len(polygons) == 1 else shapely.multipolygons(polygons)


def _area(ring: Any, source: Any, frame: Frame) -> Any:
    """What a ring surrounds, within ±180 degrees; None if that is the ring as it is."""
    had, origin = shapely.get_coordinates(ring, include_z=ring.has_z), shapely.get_coordinates(source)
    path = _path(*_with_corners(had, origin, frame), frame)
    turns = round((path[-1, 0] - path[0, 0]) / frame.turn)
    if abs(turns) > 1:
        raise Torn("it goes round a pole more than once")
    if turns:
        path = _closed(path, (turns > 0) == (_signed_area(origin) > 0), frame)
    inside_out = not turns and _holds_both_poles(path, origin, frame)
    low, high = path[:, 0].min(), path[:, 0].max()
    strips = range(frame.strip(low), math.ceil((high + frame.half) / frame.turn))
    if len(strips) == 1:
        path[:, 0] -= strips[0] * frame.turn
        if np.array_equal(path, had, equal_nan=True) and not inside_out:
            return None
    area = _sound(shapely.Polygon(path))
    if len(strips) > 1:
        pieces = [_moved(shapely.intersection(area, _strip(number, frame)), -number * frame.turn) for number in strips]
        polygons = [polygon for piece in pieces for polygon in _polygons(piece)]
        # What is as wide as the world comes to lie beside itself, or on itself.
        area = shapely.union_all(polygons) if high - low >= frame.turn - SNAP else shapely.multipolygons(polygons)
    return shapely.difference(_strip(0, frame, frame.half / 2), area) if inside_out else area


def _with_corners(torn: Doubles, source: Doubles, frame: Frame) -> tuple[Doubles, Doubles]:
    """A ring whose vertex at a pole, which has any longitude, is two: with that of the edge before, and of the edge after."""
    at_pole = np.abs(torn[:, 1]) > frame.half / 2 - SNAP
    if not at_pole.any() or at_pole.all():
        return torn, source
    had, begin = (torn, source), int(np.argmin(at_pole))  # not at a pole itself
    torn, source, at_pole = (np.concatenate([each[begin:-1], each[: begin + 1]]) for each in (torn, source, at_pole))
    places, corners = [], []
    for index in map(int, np.flatnonzero(at_pole)):
        sides = [_longitude_at_end(torn, source, index, other, frame) for other in (index - 1, index + 1)]
        if all(abs(frame.short(side - torn[index, 0])) < frame.half * _SAME for side in sides):
            continue
        corner = torn[index].copy()
        torn[index, 0], corner[0] = sides
        places.append(index + 1)
        corners.append(corner)
    if not corners:
        return had
    return np.insert(torn, places, np.array(corners), axis=0), np.insert(source, places, source[np.array(places) - 1], axis=0)


def _longitude_at_end(torn: Doubles, source: Doubles, end: int, other: int, frame: Frame) -> float:
    found = float(frame.longitudes(source[[end]] + _NEAR * (source[[other]] - source[[end]]))[0])
    straight = abs(frame.short(found - torn[other, 0])) < frame.half * _SAME  # along a meridian
    return float(torn[other, 0]) if straight or not math.isfinite(found) else found


def _path(torn: Doubles, source: Doubles, frame: Frame) -> Doubles:
    """The vertices with longitudes that go on over the antimeridian, and a vertex more wherever the path crosses it."""
    ways, edges = frame.short(np.diff(torn[:, 0])), np.abs(np.diff(source, axis=0)).max(axis=1)
    in_place = (edges == 0) & (ways != 0)  # two corners at a pole
    for index in np.flatnonzero(((np.abs(ways) > frame.half / 4) | (edges >= frame.wide)) & ~in_place):
        ways[index] = _way(source[index], source[index + 1], torn[index, 0], torn[index + 1, 0], frame)
    if in_place.sum() == 1:
        ways[in_place] = -ways[~in_place].sum()
    path = torn.copy()
    going = torn[0, 0] + np.concatenate([[0.0], np.cumsum(ways)])
    path[:, 0] += frame.turn * np.round((going - torn[:, 0]) / frame.turn)
    borders = frame.half + frame.turn * np.round((path[:, 0] - frame.half) / frame.turn)
    path[:, 0] = np.where(np.abs(path[:, 0] - borders) < SNAP, borders, path[:, 0])
    return _with_crossings(path, frame)


def _way(start: Doubles, end: Doubles, first: float, last: float, frame: Frame) -> float:
    """How far an edge of the source CRS goes round the earth: its ends alone do not tell."""
    points = start + np.linspace(0, 1, _PARTS + 1)[:, None] * (end - start)
    found = np.concatenate([[first], frame.longitudes(points[1:-1]), [last]])
    for _ in range(_HALVINGS):
        if not np.isfinite(found).all():
            break
        ways = frame.short(np.diff(found))
        far = np.flatnonzero(np.abs(ways) > frame.half / 4)
        if not len(far):
            return float(ways.sum())
        middles = (points[far] + points[far + 1]) / 2
        found = np.insert(found, far + 1, frame.longitudes(middles))
        points = np.insert(points, far + 1, middles, axis=0)
    else:
        return float(frame.short(np.diff(found)).sum())
    return float(frame.short(last - first))


def _with_crossings(path: Doubles, frame: Frame) -> Doubles:
    turns = np.floor((path[:, 0] - frame.half) / frame.turn)
    added, places = [], []
    for index in np.flatnonzero(np.diff(turns)):
        (x, *_), (next_x, *_) = path[index], path[index + 1]
        first, last = sorted((x, next_x))
        numbers = range(math.floor((first - frame.half) / frame.turn) + 1, math.ceil((last - frame.half) / frame.turn))
        for number in numbers if next_x > x else reversed(numbers):
            border = frame.half + number * frame.turn
            vertex = path[index] + (border - x) / (next_x - x) * (path[index + 1] - path[index])
            vertex[0] = border
            added.append(vertex)
            places.append(index + 1)
    return np.insert(path, places, np.array(added), axis=0) if added else path


def _closed(path: Doubles, north: bool, frame: Frame) -> Doubles:
    """A path all the way round, closed over a pole; it begins where it crosses the antimeridian next to the pole."""
    borders = np.flatnonzero(frame.short(path[:-1, 0] - frame.half) == 0)
    if not len(borders):
        raise Torn("it never crosses the antimeridian")
    latitudes = path[borders, 1]
    first = borders[latitudes.argmax() if north else latitudes.argmin()]
    again = path[: first + 1].copy()
    again[:, 0] += path[-1, 0] - path[0, 0]
    path = np.concatenate([path[first:-1], again])
    corners = path[[-1, 0]]
    corners[:, 1] = frame.half / 2 if north else -frame.half / 2
    return np.concatenate([path, corners, path[:1]])


def _holds_both_poles(path: Doubles, source: Doubles, frame: Frame) -> bool:
    """Whether a ring that goes round neither pole has its inside without: on a map of nearly all the world round a point."""
    if np.ptp(source, axis=0).max() < _BOTH_POLES * frame.wide or (_signed_area(path) > 0) == (_signed_area(source) > 0):
        return False
    return bool(shapely.is_valid(shapely.Polygon(source)))


def _line_of(ordinates: Doubles, like: Any) -> Any:
    # As WKB: NumPy's way to a line takes no measures.
    type_ = 2 + 1000 * like.has_z + 2000 * like.has_m
    return shapely.from_wkb(struct.pack("<BII", 1, type_, len(ordinates)) + ordinates.astype("<f8").tobytes())


def _signed_area(ring: Doubles) -> float:
    x, y = (ring - ring[0]).T
    return float(x[:-1] @ y[1:] - x[1:] @ y[:-1])


def _sound(area: Any) -> Any:
    return area if shapely.is_valid(area) else shapely.multipolygons(_polygons(shapely.make_valid(area)))


def _polygons(area: Any) -> list[Any]:
    parts = shapely.get_parts(shapely.get_parts(area))
    return [part for part in parts if part.geom_type == "Polygon" and not part.is_empty]


def _strip(number: int, frame: Frame, height: float = math.inf) -> Any:
    middle, height = number * frame.turn, min(height, frame.half)
    return shapely.box(middle - frame.half, -height, middle + frame.half, height)


def _moved(shape: Any, way: float) -> Any:
    step = np.array([way, 0, 0])[: 2 + shape.has_z]
    return shapely.transform(shape, lambda points: points + step, include_z=shape.has_z)


def _collected(parts: Sequence[Any], type_: str) -> Any:
    make = {"MultiPoint": shapely.multipoints, "MultiLineString": shapely.multilinestrings, "MultiPolygon": shapely.multipolygons}
    return make[type_](shapely.get_parts(list(parts)))
