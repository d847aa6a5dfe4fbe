"""Areas given in a recipe: a bounding box, or a polygon as GeoJSON or WKT."""

import json
import math
import re
from itertools import accumulate, pairwise
from typing import Any, Self

from libs.models import BBox

Ring = list[tuple[float, float]]

_RING_POSITIONS = 4
_PIECES = 128
"""Pieces that an edge as long as the area is wide is cut into, when the area is to be seen in another CRS."""


class Area:
    """Polygons with holes; coordinates x, y.

    Raises:
        ValueError: when their extent is zero, or no finite number.
    """

    def __init__(self, polygons: list[list[Ring]]) -> None:
        self._polygons = polygons
        xs, ys = zip(*(position for polygon in polygons for ring in polygon for position in ring), strict=True)
        self._step = math.hypot(max(xs) - min(xs), max(ys) - min(ys)) / _PIECES
        if not self._step:
            raise ValueError("the area has no extent: all its positions are the same")
        if not math.isfinite(self._step * _PIECES**2):  # what cutting the longest edge calculates with
            raise ValueError("the area is too large: its positions lie further apart than can be calculated with")

    @classmethod
    def of_bbox(cls, bbox: BBox) -> Self:
        """A bounding box.

        Raises:
            ValueError: when it has no area, as one across the antimeridian seems to.
        """
        xmin, ymin, xmax, ymax = bbox
        if not (all(map(math.isfinite, bbox)) and xmin < xmax and ymin < ymax):
            raise ValueError(
                "a bounding box is [xmin, ymin, xmax, ymax], and one across the antimeridian is given as a multipolygon"
            )
        return cls([[[(xmin, ymin), (xmax, ymin), (xmax, ymax), (xmin, ymax), (xmin, ymin)]]])

    @classmethod
    def parse(cls, value: dict[str, Any] | str) -> Self:
        """A polygon or multipolygon, as a GeoJSON geometry or WKT. Heights are ignored.

        Raises:
            ValueError: when it is neither.
        """
        geometry = _of_wkt(value) if isinstance(value, str) else value
        kind, coordinates = geometry.get("type"), geometry.get("coordinates")
        if kind not in ("Polygon", "MultiPolygon") or not isinstance(coordinates, list):
            raise ValueError("an area is a Polygon or MultiPolygon, as a GeoJSON geometry or WKT")
        polygons = [coordinates] if kind == "Polygon" else coordinates
        if not polygons or not all(isinstance(polygon, list) and polygon for polygon in polygons):
            raise ValueError("the area is empty")
        return cls([[_ring(ring) for ring in polygon] for polygon in polygons])

    def densified(self) -> Self:
        """With vertices along its edges, so that straight lines stay where they are when seen in another CRS."""
        return type(self)([[_densified(ring, self._step) for ring in polygon] for polygon in self._polygons])

    @property
    def wkt(self) -> str:
        """As WKT, every digit kept."""
        polygons = [
            "(" + ", ".join("(" + ", ".join(f"{x!r} {y!r}" for x, y in ring) + ")" for ring in polygon) + ")"
            for polygon in self._polygons
        ]
        return f"POLYGON {polygons[0]}" if len(polygons) == 1 else f"MULTIPOLYGON ({', '.join(polygons)})"


def _ring(positions: Any) -> Ring:
    if not isinstance(positions, list) or len(positions) < _RING_POSITIONS:
        raise ValueError("a ring of the area has fewer than four positions")
    ring: Ring = []
    for position in positions:
        numbers = position[:2] if isinstance(position, list) else []
        if len(numbers) != 2 or not all(map(_is_finite, numbers)):  # noqa: PLR2004
            raise ValueError(f"{position!r} is no position: [x, y]")
        ring.append((float(numbers[0]), float(numbers[1])))
    if ring[0] != ring[-1]:
        raise ValueError("a ring of the area does not end where it begins")
    return ring


def _is_finite(number: Any) -> bool:
    try:
        return isinstance(number, int | float) and math.isfinite(number)
    except OverflowError:  # of a whole number of more than 308 digits
        return False


def _densified(ring: Ring, step: float) -> Ring:
    positions = ring[:1]
    for (x0, y0), (x1, y1) in pairwise(ring):
        pieces = max(1, math.ceil(math.hypot(x1 - x0, y1 - y0) / step))
        positions += [(x0 + (x1 - x0) * piece / pieces, y0 + (y1 - y0) * piece / pieces) for piece in range(1, pieces)]
        positions.append((x1, y1))
    return positions


_WKT = re.compile(r"\s*(?P<kind>POLYGON|MULTIPOLYGON)\s*(?:ZM?|M)?\s*(?P<body>\(.*\))\s*", re.IGNORECASE | re.DOTALL)
_POSITION = re.compile(r"[^(),]+")
_DEPTH = 3
"""Of the brackets of a multipolygon."""


def _of_wkt(text: str) -> dict[str, Any]:
    """WKT as GeoJSON: its brackets are JSON's, its positions are lists without commas."""
    match = _WKT.fullmatch(text)
    if match is None:
        return {}
    if max(accumulate({"(": 1, ")": -1}.get(character, 0) for character in match["body"])) > _DEPTH:
        raise ValueError(f"{text[:60]!r} is not WKT")  # and may be nested deeper than JSON is read
    body = _POSITION.sub(lambda position: f"[{','.join(position[0].split())}]" if position[0].strip() else "", match["body"])
    try:
        coordinates = json.loads(body.replace("(", "[").replace(")", "]"))
    except ValueError as error:
        raise ValueError(f"{text[:60]!r} is not WKT") from error
    return {"type": "Polygon" if match["kind"].upper() == "POLYGON" else "MultiPolygon", "coordinates": coordinates}
