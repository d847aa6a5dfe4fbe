"""The standard correction of a geometry of GeoJSON (RFC 7946): positions that hold nothing are left out."""

from typing import Any, NamedTuple

from libs.spatial_utils.worker.values.geometry_text import from_geojson
from libs.spatial_utils.worker.values.geometry_types import COORDINATE_DEPTHS

_FEWEST = {"LineString": 2, "MultiLineString": 2, "Polygon": 4, "MultiPolygon": 4}
"""Positions of a line, and of a closed ring."""


class Corrected(NamedTuple):
    """A geometry without its empty positions.

    Attributes:
        wkb: The geometry.
        dropped: How many positions were left out.
    """

    wkb: bytes
    dropped: int


def without_empty_vertices(geometry: Any) -> Corrected | None:
    """A geometry without positions that are null or hold nothing but nulls; None if that does not make it a geometry."""
    try:
        corrected, dropped = _corrected(geometry)
    except (KeyError, TypeError, ValueError, RecursionError):
        return None
    wkb = from_geojson(corrected)
    return None if wkb is None or not dropped else Corrected(wkb, dropped)


def _corrected(geometry: Any) -> tuple[dict[str, Any], int]:
    kind = geometry["type"]
    if kind == "GeometryCollection":
        parts = [_corrected(part) for part in geometry["geometries"]]
        return {"type": kind, "geometries": [part for part, _ in parts]}, sum(dropped for _, dropped in parts)
    coordinates, dropped = _kept(geometry["coordinates"], COORDINATE_DEPTHS[kind], kind)
    return {"type": kind, "coordinates": coordinates}, dropped


def _kept(coordinates: Any, depth: int, kind: str) -> tuple[Any, int]:
    if type(coordinates) is not list:
        raise TypeError("no coordinates")
    if depth == 1:
        return coordinates, 0
    if depth > 2:  # noqa: PLR2004 - deeper than a list of positions
        parts = [_kept(part, depth - 1, kind) for part in coordinates]
        return [part for part, _ in parts], sum(dropped for _, dropped in parts)
    kept = [position for position in coordinates if not _is_empty(position)]
    dropped = len(coordinates) - len(kept)
    if dropped and kind.endswith("Polygon") and kept and kept[0] != kept[-1]:
        kept.append(kept[0])
    if dropped and len(kept) < _FEWEST.get(kind, 1):
        raise ValueError("too little is left")
    return kept, dropped


def _is_empty(position: Any) -> bool:
    return position is None or (isinstance(position, list) and all(number is None for number in position))
