"""The arcs of a topology, and geometries put together of them.

Rules: The TopoJSON Format Specification 1.0, sections 2.1.3 to 2.2. GDAL is not asked: it drops a geometry with an arc that there
is not, and heights.
"""

from collections.abc import Sequence
from typing import Any

from libs.spatial_utils.worker.protocol import Unreadable

_POSITIONS = {"Point": 0, "MultiPoint": 1}
_ARCS = {"LineString": 0, "MultiLineString": 1, "Polygon": 1, "MultiPolygon": 2}
"""How deep the positions, or the lists of arcs, lie."""
_CLOSED = 4


class Arcs:
    """The arcs of a topology.

    Args:
        topology: The document.

    Attributes:
        rings_closed: How many rings did not end where they begin, and were closed.
        rings_collapsed: How many rings have no area left, and were left out beside others that have.

    Raises:
        Unreadable: ``damaged`` for arcs or a transform that are not valid.
    """

    def __init__(self, topology: dict[str, Any]) -> None:
        self.rings_closed = self.rings_collapsed = 0
        self._transform = _transform(topology.get("transform"))
        try:
            self._arcs = [self._decoded(arc) for arc in topology.get("arcs") or []]
        except (TypeError, ValueError, IndexError) as error:
            raise _damaged("An arc is no list of positions") from error

    def geometry(self, made: dict[str, Any], place: str) -> dict[str, Any] | None:
        """A geometry as GeoJSON has it; None for one that is missing.

        Args:
            made: The geometry, of arcs.
            place: For problems.

        Raises:
            Unreadable: ``damaged_geometry``, ``unknown_geometry_type``.
        """
        kind = made.get("type")
        if kind is None:
            return None
        if kind == "GeometryCollection":
            return {"type": kind, "geometries": [self.geometry(part, place) for part in made["geometries"]]}
        try:
            if kind in _POSITIONS:
                return {"type": kind, "coordinates": self._placed(made["coordinates"], _POSITIONS[kind])}
            if kind in _ARCS:
                joined = self._joined(made["arcs"], _ARCS[kind], closed="Polygon" in kind)
                return {"type": kind, "coordinates": self._with_area(joined, kind)}
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise Unreadable(
                "damaged_geometry",
                f"A geometry of the type {kind!r} cannot be put together: {error}.",
                "Check the file with the program that made it, and write or upload it again.",
                place,
            ) from error
        raise Unreadable(
            "unknown_geometry_type",
            f"A geometry has the type {kind!r}, which TopoJSON does not have.",
            "Write it as a type of GeoJSON, or null.",
            place,
        )

    def _decoded(self, arc: Sequence[Sequence[float]]) -> list[list[float]]:
        if self._transform is None:
            return [_position(position) for position in arc]
        done, x, y = [], 0.0, 0.0
        for position in map(_position, arc):
            x, y = x + position[0], y + position[1]
            done.append(self._dequantised([x, y, *position[2:]]))
        return done

    def _dequantised(self, position: list[float]) -> list[float]:
        if self._transform is None:
            return position
        scale, translate = self._transform
        return [position[0] * scale[0] + translate[0], position[1] * scale[1] + translate[1], *position[2:]]

    def _placed(self, value: Any, depth: int) -> Any:
        return [self._placed(each, depth - 1) for each in value] if depth else self._dequantised(_position(value))

    def _joined(self, value: Any, depth: int, *, closed: bool) -> Any:
        if not isinstance(value, list):
            raise TypeError("there is no list of arcs")
        if depth:
            return [self._joined(each, depth - 1, closed=closed) for each in value]
        line: list[list[float]] = []
        for index in value:
            if type(index) is not int or not -len(self._arcs) <= index < len(self._arcs):
                raise ValueError(f"there is no arc {index!r}")
            arc = self._arcs[index] if index >= 0 else self._arcs[~index][::-1]
            line += arc[1:] if line and arc and arc[0] == line[-1] else arc
        return self._ring(line) if closed else line

    def _with_area(self, joined: Any, kind: str) -> Any:
        """Polygons without what simplification has collapsed to a point or a line, unless nothing else is left."""
        if kind == "Polygon":
            return self._some(joined[:1], joined[1:])
        if kind != "MultiPolygon":
            return joined
        kept = [self._some(polygon[:1], polygon[1:]) for polygon in joined if polygon and _has_area(polygon[0])]
        self.rings_collapsed += len(joined) - len(kept) if kept else 0
        return kept or joined

    def _some(self, outer: list[Any], holes: list[Any]) -> list[Any]:
        kept = [hole for hole in holes if _has_area(hole)]
        self.rings_collapsed += len(holes) - len(kept)
        return [*outer, *kept]

    def _ring(self, line: list[list[float]]) -> list[list[float]]:
        if not line:
            raise ValueError("a ring has no positions")
        if line[0] != line[-1]:
            self.rings_closed += 1
            line = [*line, line[0]]
        # What simplification has collapsed gets as many positions as a ring needs, as the reference implementation does it.
        return line + [line[0]] * (_CLOSED - len(line))


def _has_area(ring: list[list[float]]) -> bool:
    return len({tuple(position[:2]) for position in ring}) >= _CLOSED - 1


def _position(position: Any) -> list[float]:
    if not isinstance(position, list) or len(position) < 2 or not {*map(type, position)} <= {int, float}:  # noqa: PLR2004
        raise TypeError("a position is no list of numbers")
    return position


def _transform(transform: Any) -> tuple[list[float], list[float]] | None:
    if transform is None:
        return None
    try:
        scale, translate = _position(transform["scale"]), _position(transform["translate"])
    except (TypeError, KeyError) as error:
        raise _damaged("The member 'transform' has no scale and translation") from error
    return scale, translate


def _damaged(what: str) -> Unreadable:
    return Unreadable("damaged", f"{what}.", "Check the file with the program that made it, and write or upload it again.")
