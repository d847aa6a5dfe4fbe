"""What a GML says by its own markup and GDAL does not: how many features, geometries and CRSs it has.

GDAL keeps one geometry of a feature unless a schema beside the file lists more, reads only the types of features that such a
schema lists, and knows no CRS of a layer whose schema names none, or whose features are not all in one.

No upstream issue is known (GDAL 3.12.4).
"""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.parsers import expat

from libs.spatial_utils.worker.formats.pages import Page
from libs.spatial_utils.worker.ogr.gdal import Gdal
from libs.spatial_utils.worker.ogr.layer import OgrLayer
from libs.spatial_utils.worker.ogr.reference import crs_of_code
from libs.spatial_utils.worker.protocol import Notes, Unreadable

_GEOMETRIES = frozenset(
    f"{prefix}{kind}"
    for prefix in ("Multi", "Composite", "Orientable", "Polyhedral", "Triangulated", "Topo", "")
    for kind in ("Point", "LineString", "Curve", "Polygon", "Surface", "Solid", "Geometry", "Tin")
)
_NO_PROPERTIES = frozenset({"boundedBy", "metaDataProperty"})
_COLLECTIONS = frozenset({"FeatureCollection", "SimpleFeatureCollection"})
_CODE = re.compile(
    r"(?:EPSG:|urn:(?:x-)?ogc:def:crs:EPSG:[^:,]*:|https?://www\.opengis\.net/(?:def/crs/EPSG/[^/]*/|gml/srs/epsg\.xml#))(\d+)",
    re.IGNORECASE,
)
_CRS84 = re.compile(
    r"CRS:84|urn:(?:x-)?ogc:def:crs:OGC:[^:]*:CRS84|https?://www\.opengis\.net/def/crs/OGC/[^/]*/CRS84", re.IGNORECASE
)


class GmlProfile:
    """What is in a file, by the name of a type of feature.

    Attributes:
        features: How many of a type.
        geometries: How many one feature of a type has at most, and in which line it has the last of them.
        page: What the file says of further features elsewhere.
    """

    def __init__(self, path: Path) -> None:
        """Look through a file; ``expat.ExpatError`` when it is no XML."""
        self.features = Counter[str]()
        self.geometries: dict[str, tuple[int, int]] = {}
        self._references: defaultdict[str, set[str]] = defaultdict(set)
        self._depth = self._member = self._feature = self._geometry = 0  # at which depth each began; 0: in none
        self._kind, self._property, self._count, self._counted = "", "", 0, False
        self._properties: defaultdict[str, set[str]] = defaultdict(set)
        self._nested = {*_NO_PROPERTIES}
        self._parser = expat.ParserCreate()
        self.page = Page()
        self._parser.StartElementHandler, self._parser.EndElementHandler = self._start, self._end
        with path.open("rb") as file:
            self._parser.ParseFile(file)

    def references(self, kind: str) -> set[str]:
        """The CRSs that geometries of a type of feature name: EPSG codes, however they are written, or names as they stand."""
        return {_reference(name.strip()) for name in self._references.get(kind, ())}

    def properties(self, kind: str) -> set[str]:
        """The properties of features of a type, but for those that hold elements."""
        return self._properties.get(kind, set()) - self._nested

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth == 1:
            self.page = Page.of_attributes(attributes)
        if self._geometry:
            if not self._counted:  # here, since a property that is only called like a geometry has nothing but a text
                self._count_geometry()
        elif not self._feature:
            self._start_above(name.rpartition(":")[2])
            return
        elif self._depth == self._feature + 1:
            self._property = name.rpartition(":")[2]
            self._properties[self._kind].add(self._property)
            return
        else:
            self._nested.add(self._property)
            if name.rpartition(":")[2] not in _GEOMETRIES:
                return
            self._geometry, self._counted = self._depth, False
        if "srsName" in attributes:
            self._references[self._kind].add(attributes["srsName"])

    def _start_above(self, name: str) -> None:
        """An element that is in no feature: as GDAL has it, a feature is what is in something called ``...member``."""
        if self._member and name not in _COLLECTIONS:
            self._feature, self._kind, self._count = self._depth, name, 0
            self.features[name] += 1
        else:
            self._member = self._depth if name.lower().endswith(("member", "members")) else 0

    def _count_geometry(self) -> None:
        self._count, self._counted = self._count + 1, True
        if self._count > self.geometries.get(self._kind, (0, 0))[0]:
            self.geometries[self._kind] = self._count, self._parser.CurrentLineNumber

    def _end(self, _: str) -> None:
        if self._depth == self._geometry:
            self._geometry = 0
        elif self._depth == self._feature:
            self._feature = 0
        elif self._depth == self._member:
            self._member = 0
        self._depth -= 1


def check(gdal: Gdal, path: Path, handles: dict[str, Any], layers: Sequence[OgrLayer], notes: Notes) -> None:
    """Hold what GDAL found against what is there, and give layers the CRS that their features name.

    Args:
        gdal: The library.
        path: The file.
        handles: GDAL's layers, by name.
        layers: Those that are to be read.
        notes: Takes the warning about a page of a larger answer.

    Raises:
        Unreadable: ``features_lost``, ``geometry_lost``, ``crs_mixed`` or ``crs_mismatch``.
    """
    try:
        found = GmlProfile(path)
    except expat.ExpatError:  # GDAL has read it: it knows encodings that expat does not
        return
    _check_features(gdal, found, handles)
    found.page.tell(found.features.total(), notes, path.name)
    for layer in layers:
        _check_geometries(found, layer)
        if any(path.with_suffix(suffix).exists() for suffix in (".xsd", ".gfs")):  # without one, GDAL takes whatever has a text
            _check_properties(found, layer)
        _check_crs(gdal, found, layer)


def _check_features(gdal: Gdal, found: GmlProfile, handles: dict[str, Any]) -> None:
    if unknown := found.features.keys() - handles.keys():
        read = sum(max(gdal.OGR_L_GetFeatureCount(handle, 1), 0) for handle in handles.values())
        if read < found.features.total():
            raise Unreadable(
                "features_lost",
                f"{found.features.total() - read:,} features are not read, since the .xsd or .gfs does not list their type: "
                f"{', '.join(sorted(unknown))}.",
                "Leave the .xsd or .gfs out, or upload the one that belongs to the file.",
            )


def _check_geometries(found: GmlProfile, layer: OgrLayer) -> None:
    count, line = found.geometries.get(layer.own_name, (0, 0))
    if count > layer.geometries:
        raise Unreadable(
            "geometry_lost",
            f"A feature of the type {layer.own_name!r} has {count} geometries; {layer.geometries} would be kept.",
            "Upload the .xsd that lists them as properties of their own beside the file, or write one geometry a feature.",
            f"line {line}",
        )


def _check_properties(found: GmlProfile, layer: OgrLayer) -> None:
    known = [column.lower() for column in layer.names]
    lost = [
        name for name in sorted(found.properties(layer.own_name)) if not any(column.startswith(name.lower()) for column in known)
    ]
    if lost:
        layer.notes.warn(
            "values_not_read",
            f"Properties are not read, since the .xsd or .gfs does not list them: {', '.join(lost)}.",
            "Leave the .xsd or .gfs out, or upload the one that belongs to the file, if they are wanted.",
            f"layer {layer.name}",
        )


def _check_crs(gdal: Gdal, found: GmlProfile, layer: OgrLayer) -> None:
    named = found.references(layer.own_name)
    if not layer.geometry or (layer.geometries > 1 and len(named) > 1):  # each of the geometries may have its own
        return
    if len(named) > 1:
        raise Unreadable(
            "crs_mixed",
            f"The features of the layer are in several CRSs: {', '.join(sorted(named))}.",
            "Write them in one, or those in each into a file of its own.",
            f"layer {layer.name}",
        )
    own = next((crs_of_code(gdal, int(name.removeprefix("EPSG:"))) for name in named if _CODE.fullmatch(name)), None)
    if layer.crs is None:
        layer.crs = own
    elif own is not None and "name" in layer.crs and own != layer.crs:
        raise Unreadable(
            "crs_mismatch",
            f"The features are in {', '.join(named)}, but the head of the file, or the .gfs beside it, says {layer.crs['name']}.",
            "Correct the one that is wrong.",
            f"layer {layer.name}",
        )


def _reference(name: str) -> str:
    """What a ``srsName`` means: its EPSG code, however it is written. GDAL has put all positions into the order x, y."""
    if found := _CODE.fullmatch(name):
        return f"EPSG:{int(found[1])}"
    return "EPSG:4326" if _CRS84.fullmatch(name) else name
