"""CRSs that features or geometries name themselves: what is meant, in which order the coordinates stand, and a layer for each.

Rules: OGC 09-048r5 (URIs of definitions); OGC 21-045r1, "Coordinate reference systems" (JSON-FG). Coordinates stand in the order
of the CRS's axes. Here x comes first, always; whether the axes are to be swapped is GDAL's verdict, as for all other formats.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from libs.spatial_utils.worker.formats.feature_layer import Feature
from libs.spatial_utils.worker.ogr.gdal import Gdal
from libs.spatial_utils.worker.ogr.reference import swaps_axes
from libs.spatial_utils.worker.protocol import Unreadable

_DEFINITION = re.compile(
    r"(?:https?://www\.opengis\.net/def/crs/|urn:(?:x-)?ogc:def:crs:)([A-Za-z_]\w*)[/:][^/:]*[/:]([\w.-]+)", re.IGNORECASE
)
_COMPOUND = re.compile(r"https?://www\.opengis\.net/def/crs-compound\?")
_PART = re.compile(r"[?&]\d+=([^&]+)")
_CODE = re.compile(r"[A-Za-z_]\w*:[\w.-]+(?:\+[A-Za-z_]\w*:[\w.-]+)?")
_LON_LAT = re.compile(r"OGC:(?:1\.3:)?CRS84h?", re.IGNORECASE)
WGS84 = "EPSG:4326"


@dataclass(frozen=True)
class Reference:
    """A CRS.

    Attributes:
        name: A code where the definition is known by one, else the definition.
        swapped: Whether its coordinates stand as northing or latitude first.
        said: Whether the file says it; else only the format does.
    """

    name: str
    swapped: bool
    said: bool = True

    @property
    def crs(self) -> dict[str, str]:
        """As ``LayerReader`` has it."""
        if not self.said:
            return {"default": self.name}
        return {"name": self.name} if self.name == WGS84 else {"text": self.name}


def code_of(text: str) -> str:
    """A definition's URI or URN as a code (``EPSG:25832``, ``EPSG:25832+EPSG:7837``); other texts as they are."""
    if _COMPOUND.match(text):
        return "+".join(map(code_of, _PART.findall(text)))
    found = _DEFINITION.fullmatch(text.strip())
    return f"{found[1]}:{found[2]}" if found else text.strip()


def reference_of(gdal: Gdal, text: str, place: str, remedy: str) -> Reference:
    """The CRS that a text means.

    Args:
        gdal: Knows the order of axes.
        text: A code, a URI, a URN, or a definition as PROJJSON.
        place: For problems.
        remedy: Likewise.

    Raises:
        Unreadable: ``unknown_crs``: without the order of its axes, coordinates cannot be read.
    """
    code = code_of(text)
    if _LON_LAT.fullmatch(code):
        return Reference(WGS84, swapped=False)
    swapped = swaps_axes(gdal, code) if _CODE.fullmatch(code) or code.startswith("{") else None
    if swapped is None:
        raise Unreadable("unknown_crs", f"The CRS {text[:80]!r} is not known here.", remedy, place)
    return Reference(code.upper() if _CODE.fullmatch(code) else code, swapped)


def by_crs(
    name: str, features: Sequence[tuple[Feature, Reference | None]], default: Reference
) -> list[tuple[str, Reference, list[Feature]]]:
    """Features as layers: one, or one for each CRS, named after it. Features without geometry lie in the first.

    Args:
        name: Of the layer.
        features: In their order, each with the CRS of its geometry if it has one.
        default: The CRS where there is no geometry.
    """
    references: dict[str, Reference] = {}
    for _, reference in features:
        if reference is not None and (reference.name not in references or reference.said):
            references[reference.name] = reference
    first, *others = references.values() or [default]
    if not others:
        return [(name, first, [feature for feature, _ in features])]
    return [
        (f"{name} ({known.name})", known, [feature for feature, own in features if (own or first).name == known.name])
        for known in (first, *others)
    ]
