"""What a GML says by its own markup and GDAL does not: how many features, geometries and CRSs it has.

GDAL keeps one geometry of a feature unless a schema beside the file lists more, reads only the types of features that such a
schema lists, and knows no CRS of a layer whose schema names none, or whose features are not all in one.

No upstream issue is known (GDAL 3.12.4).
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from libs.spatial_utils.worker.formats.gml.guard import GmlGuard
from libs.spatial_utils.worker.ogr.gdal import Gdal
from libs.spatial_utils.worker.ogr.layer import OgrLayer
from libs.spatial_utils.worker.ogr.reference import crs_of_code
from libs.spatial_utils.worker.protocol import Notes, Unreadable

_CODE = re.compile(
    r"(?:EPSG:|urn:(?:x-)?ogc:def:crs:EPSG:[^:,]*:|https?://www\.opengis\.net/(?:def/crs/EPSG/[^/]*/|gml/srs/epsg\.xml#))(\d+)",
    re.IGNORECASE,
)
_CRS84 = re.compile(
    r"CRS:84|urn:(?:x-)?ogc:def:crs:OGC:[^:]*:CRS84|https?://www\.opengis\.net/def/crs/OGC/[^/]*/CRS84", re.IGNORECASE
)


def check(
    gdal: Gdal,
    path: Path,
    found: GmlGuard,
    handles: dict[str, Any],
    layers: Sequence[OgrLayer],
    notes: Notes,
    *,
    listed: bool,
) -> None:
    """Hold what GDAL found against what is there, and give layers the CRS that their features name.

    Args:
        gdal: The library.
        path: The file.
        found: What is in it.
        handles: GDAL's layers, by name.
        layers: Those that are to be read.
        notes: Takes the warning about a page of a larger answer.
        listed: Whether a file beside it lists the properties that are read.

    Raises:
        Unreadable: ``features_lost``, ``geometry_lost``, ``crs_mixed`` or ``crs_mismatch``.
    """
    _check_features(gdal, found, handles)
    found.page.tell(found.features.total(), notes, path.name)
    for layer in layers:
        _check_geometries(found, layer)
        if listed:  # else GDAL takes whatever has a text
            _check_properties(found, layer)
        _check_crs(gdal, found, layer)


def _check_features(gdal: Gdal, found: GmlGuard, handles: dict[str, Any]) -> None:
    if unknown := found.features.keys() - handles.keys():
        read = sum(max(gdal.OGR_L_GetFeatureCount(handle, 1), 0) for handle in handles.values())
        if read < found.features.total():
            raise Unreadable(
                "features_lost",
                f"{found.features.total() - read:,} features are not read, since the .xsd or .gfs does not list their type: "
                f"{', '.join(sorted(unknown))}.",
                "Leave the .xsd or .gfs out, or upload the one that belongs to the file.",
            )


def _check_geometries(found: GmlGuard, layer: OgrLayer) -> None:
    count, line = found.geometries.get(layer.own_name, (0, 0))
    if count > layer.geometries:
        raise Unreadable(
            "geometry_lost",
            f"A feature of the type {layer.own_name!r} has {count} geometries; {layer.geometries} would be kept.",
            "Upload the .xsd that lists them as properties of their own beside the file, or write one geometry a feature.",
            f"line {line}",
        )


def _check_properties(found: GmlGuard, layer: OgrLayer) -> None:
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


def _check_crs(gdal: Gdal, found: GmlGuard, layer: OgrLayer) -> None:
    named = {_reference(name.strip()) for name in found.references(layer.own_name)}
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
