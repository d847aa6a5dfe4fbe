"""Places of feeds as geometries: GeoRSS-Simple, GeoRSS-GML, and the W3C's latitudes and longitudes.

Rules: OGC 17-002r1 (GeoRSS 1.1); W3C, "Basic Geo (WGS84 lat/long) Vocabulary". Latitude comes first throughout.
"""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from libs.spatial_utils.worker.formats.georss.feed import Element

_GEORSS, _W3C = "georss.org/georss", "/geo/wgs84_pos#"
_GML = re.compile(r"http://www\.opengis\.net/gml(?:/|$)")
_LONGITUDES = {"long", "lon"}
"""The second by use."""
_SIMPLE = {"point", "line", "polygon", "box", "circle"}
_NUMBER = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?", re.ASCII)
_DECIMAL_COMMA = re.compile(r"[-+]?[0-9]+,[0-9]+")
_MULTI = {"Point": "MultiPoint", "LineString": "MultiLineString", "Polygon": "MultiPolygon"}
_OF_GML = {
    "Point", "LineString", "Polygon", "Envelope", "MultiPoint", "MultiCurve", "MultiLineString", "MultiSurface", "MultiPolygon",
    "MultiGeometry",
}  # fmt: skip
_PAIR, _TRIPLE, _HALF = 2, 3, 180.0
Geometry = dict[str, Any]
Position = list[float]


class NoPlace(ValueError):  # noqa: N818 - what it is
    """What stands in a place is none; the message says why."""


@dataclass
class Place:
    """A place of an item.

    Attributes:
        name: How it is written: ``georss:point``.
        elements: What it is written in.
        geometry: As in GeoJSON, latitude first.
        crs: As its ``srsName`` says, or None.
        radius: Of a circle, in metres.
        rings_closed: How many rings did not end where they begin.
    """

    name: str
    elements: list[Element]
    geometry: Geometry
    crs: str | None = None
    radius: float | None = None
    rings_closed: int = 0


def places_of(item: Element) -> list[Place]:
    """The places of an item, those of the same name in one.

    Raises:
        NoPlace: for one that cannot be read.
    """
    found: dict[str, list[Place]] = {}
    direct = [*_each(item)]
    deeper = () if direct else (place for child in item.children for inside in _around(child) for place in _each(inside))
    for place in direct or deeper:
        found.setdefault(place.name, []).append(place)
    return [_joined(places) for places in found.values()]


def _around(element: Element) -> Iterator[Element]:
    """An element that is no place, and all such in it."""
    if not (_GEORSS in element.space or _W3C in element.space or _GML.match(element.space)):
        yield element
        for child in element.children:
            yield from _around(child)


def _each(item: Element) -> Iterator[Place]:
    for child in item.children:
        if _GEORSS in child.space and child.name in _SIMPLE:
            if child.text:
                yield _simple(child)
        elif _GEORSS in child.space and child.name == "where":
            for inside in child.children:
                yield _gml("georss:where", child, inside)
        elif _GML.match(child.space) and child.name in _OF_GML:
            yield _gml(f"gml:{child.name}", child, child)
        elif _W3C in child.space and child.name == "Point":
            yield from _w3c("geo:Point", child, [child])
    lat_long = [child for child in item.children if _W3C in child.space and child.name in {"lat", *_LONGITUDES}]
    yield from _w3c("geo:lat", item, lat_long)


def _joined(places: list[Place]) -> Place:
    first, *others = places
    if not others:
        return first
    if len({place.crs for place in places}) > 1 or any(place.radius is not None for place in places):
        raise NoPlace(f"there are several of {first.name} that make no one geometry")
    kinds = {place.geometry["type"] for place in places}
    kind = _MULTI.get(first.geometry["type"]) if len(kinds) == 1 else None
    geometry = (
        {"type": kind, "coordinates": [place.geometry["coordinates"] for place in places]}
        if kind
        else {"type": "GeometryCollection", "geometries": [place.geometry for place in places]}
    )
    elements = [element for place in places for element in place.elements]
    return Place(first.name, elements, geometry, first.crs, None, sum(place.rings_closed for place in places))


def _w3c(name: str, around: Element, elements: list[Element]) -> Iterator[Place]:
    there = [child for child in around.children if _W3C in child.space and child.text]
    lats, longs = [child for child in there if child.name == "lat"], [child for child in there if child.name in _LONGITUDES]
    if len(lats) != len(longs):
        raise NoPlace("a latitude or a longitude is missing")
    for lat, long in zip(lats, longs, strict=True):
        yield Place(name, elements, {"type": "Point", "coordinates": [_number(lat.text), _number(long.text)]})


def _simple(element: Element) -> Place:
    numbers = _numbers(element.text)
    name = f"georss:{element.name}"
    if element.name == "circle":
        if len(numbers) != _TRIPLE:
            raise NoPlace(f"georss:circle has {len(numbers)} numbers, not latitude, longitude and radius")
        return Place(name, [element], {"type": "Point", "coordinates": numbers[:2]}, radius=numbers[2])
    positions = _grouped(numbers, _PAIR, name)
    if element.name == "point":
        return Place(name, [element], _point(positions, name))
    if element.name == "line":
        return Place(name, [element], _line(positions, name))
    if element.name == "box":
        return Place(name, [element], _box(positions, name, may_wrap=True))
    closed = _ring(positions, name)
    return Place(name, [element], {"type": "Polygon", "coordinates": [closed]}, rings_closed=len(closed) - len(positions))


def _gml(name: str, place: Element, shape: Element) -> Place:
    made = Place(name, [place], {})
    named = {element.attributes["srsName"] for element in _all(shape) if "srsName" in element.attributes}
    if len(named) > 1:
        raise NoPlace("one geometry is in several CRSs")
    made.crs = next(iter(named), None)
    made.geometry = _shape(shape, _PAIR, made)
    return made


def _all(element: Element) -> Iterator[Element]:
    yield element
    for child in element.children:
        yield from _all(child)


def _shape(shape: Element, size: int, place: Place) -> Geometry:
    """A geometry of GML; ``size``: how many numbers a position has, as the elements around it say."""
    size = _size(shape, size)
    name = f"gml:{shape.name}"
    if shape.name == "Envelope":
        corners = [position for child in shape.children for position in _positions(child, size, single=True)]
        return _box(corners, name, may_wrap=place.crs is None)
    if shape.name == "Polygon":
        rings = [
            _gml_ring(ring, size, place)
            for edges in (("exterior", "outerBoundaryIs"), ("interior", "innerBoundaryIs"))
            for edge in shape.children
            if edge.name in edges
            for ring in edge.children
        ]
        if not rings or sum(edge.name in {"exterior", "outerBoundaryIs"} for edge in shape.children) != 1:
            raise NoPlace("gml:Polygon has no exterior ring")
        return {"type": "Polygon", "coordinates": rings}
    if shape.name == "Point":
        return _point(_inside(shape, size), name)
    if shape.name == "LineString":
        return _line(_inside(shape, size), name)
    if shape.name not in _OF_GML:
        raise NoPlace(f"{name} is a type of geometry that is not read here")
    parts = [_shape(part, size, place) for member in shape.children for part in member.children]
    kinds = {part["type"] for part in parts}
    kind = _MULTI.get(next(iter(kinds))) if len(kinds) == 1 else None
    if kind:
        return {"type": kind, "coordinates": [part["coordinates"] for part in parts]}
    return {"type": "GeometryCollection", "geometries": parts}


def _gml_ring(ring: Element, size: int, place: Place) -> list[Position]:
    if ring.name != "LinearRing":
        raise NoPlace(f"gml:{ring.name} is a type of ring that is not read here")
    positions = _inside(ring, _size(ring, size))
    closed = _ring(positions, "gml:LinearRing")
    place.rings_closed += len(closed) - len(positions)
    return closed


def _size(element: Element, size: int) -> int:
    said = element.attributes.get("srsDimension")
    if said is None:
        return size
    if said not in {"2", "3"}:
        raise NoPlace(f"srsDimension is {said!r}")
    return int(said)


def _inside(shape: Element, size: int) -> list[Position]:
    return [position for child in shape.children for position in _positions(child, size, single=child.name == "pos")]


def _positions(element: Element, size: int, *, single: bool) -> list[Position]:
    if element.name == "coordinates":
        if {"decimal", "cs", "ts"} & element.attributes.keys():
            raise NoPlace("gml:coordinates has separators of its own")
        return [list(map(_number, position.split(","))) for position in element.text.split()]
    if element.name not in {"pos", "posList", "lowerCorner", "upperCorner"}:
        raise NoPlace(f"gml:{element.name} is not read here")
    numbers = _numbers(element.text)
    if single and len(numbers) in {_PAIR, _TRIPLE}:
        return [numbers]
    return _grouped(numbers, _size(element, size), f"gml:{element.name}")


def _point(positions: Sequence[Position], name: str) -> Geometry:
    if len(positions) != 1:
        raise NoPlace(f"{name} has {len(positions)} positions, not one")
    return {"type": "Point", "coordinates": positions[0]}


def _line(positions: list[Position], name: str) -> Geometry:
    if len(positions) < _PAIR:
        raise NoPlace(f"{name} has fewer than two positions")
    return {"type": "LineString", "coordinates": positions}


def _ring(positions: list[Position], name: str) -> list[Position]:
    if len(positions) < _TRIPLE:
        raise NoPlace(f"{name} has fewer than three positions")
    return positions if positions[0] == positions[-1] else [*positions, positions[0]]


def _box(corners: Sequence[Position], name: str, *, may_wrap: bool) -> Geometry:
    """A box by its lower and its upper corner; in two where it crosses 180 degrees."""
    if len(corners) != _PAIR or any(len(corner) != _PAIR for corner in corners):
        raise NoPlace(f"{name} has not two corners of two numbers")
    (south, west), (north, east) = corners
    if south > north or (west > east and not may_wrap):
        raise NoPlace(f"{name} has its upper corner first")
    spans = [(west, east)] if west <= east else [(west, _HALF), (-_HALF, east)]
    boxes = [[[[south, w], [south, e], [north, e], [north, w], [south, w]]] for w, e in spans]
    return {"type": "Polygon", "coordinates": boxes[0]} if len(boxes) == 1 else {"type": "MultiPolygon", "coordinates": boxes}


def _grouped(numbers: list[float], size: int, name: str) -> list[Position]:
    if not numbers or len(numbers) % size:
        raise NoPlace(f"{name} has {len(numbers)} numbers, which make no positions of {size}")
    return [numbers[first : first + size] for first in range(0, len(numbers), size)]


def _numbers(text: str) -> list[float]:
    parts = text.split()
    if doubtful := next(filter(_DECIMAL_COMMA.fullmatch, parts), None):
        raise NoPlace(f"{doubtful!r} may be one number with a decimal comma, or two")
    return [_number(number) for part in parts for number in part.strip(",").split(",")]


def _number(text: str) -> float:
    if not _NUMBER.fullmatch(text.strip()) or not math.isfinite(number := float(text)):
        raise NoPlace(f"{text[:40]!r} is no number")
    return number
