"""JSON that is not GeoJSON (RFC 7946): what it looks like, and what to do with it.

No upstream issue is known (GDAL 3.12.4).
"""

from collections.abc import Callable, Mapping
from typing import Any

from libs.spatial_utils.worker.protocol import Unreadable

CURVES = frozenset({"circularstring", "compoundcurve", "curvepolygon", "multicurve", "multisurface"})
"""Types of geometry of JSON-FG, in lower case, that GDAL reads in a feature of GeoJSON, but not as a document."""
_FG_TYPES = CURVES | {"polyhedron", "multipolyhedron", "prism", "multiprism"}

_FG_REMEDY = 'Write "format": "JSON-FG". Or write GeoJSON, with the geometry in "geometry".'


def _named(name: str) -> str:
    return f'Write "format": "{name}".'


_LOOKS: tuple[tuple[Callable[[Mapping[str, Any]], bool], str, str], ...] = (
    (lambda members: members.get("type") == "Topology", "TopoJSON", _named("TopoJSON")),
    (
        lambda members: bool(members.keys() & {"geometryType", "spatialReference", "fieldAliases"}),
        "Esri JSON",
        _named("EsriJSON"),
    ),
    (
        lambda members: members.keys() >= {"generator", "elements"},
        "an answer of the Overpass API (OpenStreetMap)",
        "Ask for XML, by [out:xml] in the query, and submit the answer as .osm.",
    ),
    (lambda members: members.get("type") == "CityJSON", "CityJSON", "Convert it to GML or GeoPackage."),
    (
        lambda members: "stac_version" in members or members.get("type") == "Catalog",
        "a STAC catalog",
        "Submit the data that it lists.",
    ),
    (
        lambda members: (
            str(members.get("type")).lower() in _FG_TYPES or bool(members.keys() & {"conformsTo", "place", "featureType"})
        ),
        "JSON-FG",
        _FG_REMEDY,
    ),
)
_REMEDY = 'Upload the GeoJSON file: an object with "type": "FeatureCollection" and its features in \'features\'.'


def verdict(document: Any) -> Unreadable:
    """What to say of a document that holds no features.

    Args:
        document: Its members, if it is an object.
    """
    if not isinstance(document, dict):
        return _mismatch(f"JSON that is not GeoJSON: it is a {'list' if isinstance(document, list) else 'single value'}", _REMEDY)
    for looks, name, remedy in _LOOKS:
        if looks(document):
            return _mismatch(f"{name}, not GeoJSON{_type_of(document)}", remedy)
    return _mismatch(f"JSON that is not GeoJSON{_type_of(document)}", _REMEDY)


def without_features() -> Unreadable:
    """What to say of a collection without a list of features."""
    return _mismatch("a FeatureCollection without a list 'features'", "Write the file again; a collection may be empty: [].")


def check_place(feature: Mapping[str, Any], number: int) -> None:
    """Look into a feature without a geometry for one that only JSON-FG knows.

    Raises:
        Unreadable: ``geometry_lost``.
    """
    place: Any = feature.get("place")
    kind = place.get("type") if isinstance(place, dict) else None
    if isinstance(kind, str) and place.keys() & {"coordinates", "geometries", "base"}:
        raise Unreadable(
            "geometry_lost",
            f"Feature {number:,} has no 'geometry'. It has one in 'place', as JSON-FG allows (type {kind!r}), which is not read.",
            _FG_REMEDY,
            f"feature {number}",
        )


def unknown_geometry(geometry: Any, number: int) -> Unreadable:
    """What to say of a geometry of which GDAL would make nothing."""
    kind = geometry.get("type") if isinstance(geometry, dict) else None
    what = f"has the type {kind!r}, which is not read in GeoJSON" if isinstance(kind, str) else "has no type of GeoJSON"
    advice = (
        _FG_REMEDY
        if str(kind).lower() in _FG_TYPES
        else "Write it as a Point, LineString, Polygon, MultiPoint, MultiLineString, MultiPolygon or GeometryCollection, "
        "or null where there is no geometry."
    )
    return Unreadable("unknown_geometry_type", f"The geometry of feature {number:,} {what}.", advice, f"feature {number}")


def _mismatch(looks: str, remedy: str) -> Unreadable:
    return Unreadable("format_mismatch", f"The file is declared as GeoJSON but looks like {looks}.", remedy)


def _type_of(members: Mapping[str, Any]) -> str:
    kind = members.get("type")
    if isinstance(kind, str):
        return f" (its type is {kind[:40]!r})"
    return f" (it has the members {', '.join(map(repr, list(members)[:5]))}, and no type)" if members else " (it is empty)"
