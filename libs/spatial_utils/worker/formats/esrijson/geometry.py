"""Geometries of Esri JSON: what they say of themselves and of the feature set around them, written out for GDAL.

Rules: ArcGIS REST API, "Geometry objects". GDAL looks for heights at each geometry only, takes its types from the first member,
and leaves out curves, geometries of another type, and what is quantised.

No upstream issue is known (GDAL 3.12.4).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from libs.spatial_utils.worker.protocol import Unreadable
from libs.spatial_utils.worker.quarantine import way_in_by_fix

_KINDS = {"x": "esriGeometryPoint", "points": "esriGeometryMultipoint", "paths": "esriGeometryPolyline",
          "rings": "esriGeometryPolygon"}  # fmt: skip
"""What a geometry of a type has."""
_PARTS = {"esriGeometryPolyline": "paths", "esriGeometryPolygon": "rings"}
_PLAIN, _WITH_BOTH, _CLOSED = 2, 4, 4


@dataclass
class Geometries:
    """Takes the geometries of a feature set one by one.

    Attributes:
        kind: The type that all of them have; empty while nothing says it.
        has_z: Whether the feature set has heights.
        has_m: Whether it has measures.
        measured: How many geometries have measures.
        uneven: How many lack heights of some positions.
        empty_points: How many points have no coordinates.
        any: Whether there is a geometry.
        closes: Whether rings that do not end where they begin are closed.
        closed: How many were.
    """

    kind: str
    has_z: bool
    has_m: bool
    measured: int = 0
    uneven: int = 0
    empty_points: int = 0
    any: bool = False
    closes: bool = False
    closed: int = 0
    _number: int = field(default=0, init=False)

    def plain(self, geometry: Any, number: int) -> dict[str, Any] | None:
        """A geometry with nothing left to guess; None where there is none.

        Args:
            geometry: As the file has it.
            number: Of its feature.

        Raises:
            Unreadable: ``geometry_lost``, ``unknown_geometry_type``, ``damaged_geometry`` or ``bad_coordinate``.
        """
        self._number = number
        if geometry is None or geometry == {}:
            return None
        if not isinstance(geometry, dict):
            raise self._unknown("is no object")
        self._refuse_curves(geometry)
        kind = next((kind for member, kind in _KINDS.items() if member in geometry), None)
        if kind is None:
            raise self._unknown(f"has none of the members {', '.join(_KINDS)}")
        if self.kind and kind != self.kind:
            raise self._unknown(f"is of the type {kind}, and the feature set is of the type {self.kind}")
        self.kind, self.any = kind, True
        return self._point(geometry) if kind == "esriGeometryPoint" else self._of_positions(geometry, kind)

    def _refuse_curves(self, geometry: Mapping[str, Any]) -> None:
        if curves := geometry.keys() & {"curvePaths", "curveRings"}:
            raise Unreadable(
                "geometry_lost",
                f"The geometry of feature {self._number:,} has true curves ({', '.join(sorted(curves))}), which are not read.",
                "Ask the service with returnTrueCurves=false, or export the data as a FileGDB.",
                f"feature {self._number}",
            )

    def _point(self, point: Mapping[str, Any]) -> dict[str, Any] | None:
        if _is_missing(point["x"]) and _is_missing(point.get("y")):
            self.empty_points += 1
            return None
        self.measured += not _is_missing(point.get("m"))
        z = point.get("z")
        if _is_missing(z) and not self.has_z:
            return {"x": self._number_of(point["x"]), "y": self._number_of(point.get("y"))}
        self.uneven += _is_missing(z)
        x, y, height = point["x"], point.get("y"), 0 if _is_missing(z) else z
        return {"x": self._number_of(x), "y": self._number_of(y), "z": self._number_of(height), "hasZ": True}

    def _of_positions(self, geometry: Mapping[str, Any], kind: str) -> dict[str, Any]:
        member = _PARTS.get(kind, "points")
        parts = self._list(geometry[member])
        paths = [self._list(part) for part in parts] if kind in _PARTS else [parts]
        lengths = {len(self._list(position)) for path in paths for position in path}
        has_z, has_m = bool(geometry.get("hasZ", self.has_z)), bool(geometry.get("hasM", self.has_m))
        longest = max(lengths, default=_PLAIN)
        has_m = has_m or longest == _WITH_BOTH
        has_z = has_z or longest == _WITH_BOTH or (longest > _PLAIN and not has_m)
        if min(lengths, default=_PLAIN) < _PLAIN or longest > _PLAIN + has_z + has_m:
            raise self._damaged("has positions of another length than two to four numbers")
        missing: list[bool] = []
        done = [[self._position(position, missing, has_z=has_z) for position in path] for path in paths]
        self.measured += has_m
        self.uneven += any(missing)
        if kind == "esriGeometryPolygon":
            self._close(done)
        return {member: done if kind in _PARTS else done[0], **({"hasZ": True} if has_z else {})}

    def _close(self, rings: list[list[list[float]]]) -> None:
        for ring in rings:
            is_open = not ring or ring[0][:2] != ring[-1][:2]
            if is_open and self.closes and len(ring) >= _CLOSED - 1:
                ring.append(ring[0])
                self.closed += 1
            elif is_open or len(ring) < _CLOSED:
                problem = self._damaged("has a ring that is not closed")
                problem.remedy += "" if self.closes else way_in_by_fix("Or have such rings closed")
                raise problem

    def _position(self, position: list[Any], missing: list[bool], *, has_z: bool) -> list[float]:
        x, y = self._number_of(position[0]), self._number_of(position[1])
        if not has_z:
            return [x, y]
        height = position[2] if len(position) > _PLAIN else None
        missing.append(_is_missing(height))
        return [x, y, 0 if missing[-1] else self._number_of(height)]

    def _list(self, value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise self._damaged("has something else where a list of positions is expected")
        return value

    def _number_of(self, value: Any) -> float:
        if type(value) not in {int, float} or not math.isfinite(value):
            raise Unreadable(
                "bad_coordinate",
                f"A coordinate of feature {self._number:,} is no number: {value!r}.",
                "Correct it, or write null for the whole geometry.",
                f"feature {self._number}",
            )
        number: float = value
        return number

    def _damaged(self, what: str) -> Unreadable:
        return Unreadable(
            "damaged_geometry",
            f"The geometry of feature {self._number:,} {what}.",
            "Correct it, or write null for the whole geometry.",
            f"feature {self._number}",
        )

    def _unknown(self, what: str) -> Unreadable:
        return Unreadable(
            "unknown_geometry_type",
            f"The geometry of feature {self._number:,} {what}.",
            "Write points, multipoints, polylines or polygons, those of each type into a file of its own.",
            f"feature {self._number}",
        )


def _is_missing(value: Any) -> bool:
    """Whether there is no number, as Esri writes it: null, or the text NaN."""
    return value is None or value == "NaN" or (isinstance(value, float) and math.isnan(value))
