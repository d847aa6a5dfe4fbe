"""A feature set of Esri JSON, looked at in full: what it holds, in which CRS, and what of it would be read wrongly.

Rules: ArcGIS REST API, "Feature object", "FeatureSet", "Query". GDAL sorts features by their OBJECTID, of which it keeps one of a
kind, takes quantised coordinates for positions, gives dates no time zone, and reads only attributes that are declared.

No upstream issue is known (GDAL 3.12.4).
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from libs.remedies import way_in
from libs.spatial_utils.worker.formats.esrijson.geometry import Geometries
from libs.spatial_utils.worker.protocol import Notes, Unreadable
from libs.spatial_utils.worker.quarantine import FIX, NULL, SET_ASIDE
from libs.spatial_utils.worker.values.json_values import document_of

_LARGEST_EPSG_CODE = 32_767
_NO_GEOMETRY = "esriGeometryNull"
_OF_TABLES = "esriGeometryPoint"
"""GDAL has to be given a type; the geometries are all missing then."""


class FeatureSet:
    """A feature set.

    Attributes:
        members: Of the document, its features left out.
        rows: The attributes of its features.
        geometries: What is known of their geometries.
        crs: As ``LayerReader`` has it.
        damaged: By number of the feature, from 0: what is wrong with its geometry, where a policy takes it.

    Args:
        path: Of the file.
        on_bad_geometry: The policy.
        encoding: As the manifest says, or None.
        notes: Takes a warning where the text is not in UTF-8.

    Raises:
        Unreadable: for what is no feature set, and for what would be read wrongly.
    """

    def __init__(self, path: Path, on_bad_geometry: str, encoding: str | None, notes: Notes) -> None:
        document = document_of(path, encoding, notes)
        _check(document)
        features = document["features"]
        self.members = {name: value for name, value in document.items() if name != "features"}
        kind = document.get("geometryType")
        self.geometries = Geometries(
            kind if isinstance(kind, str) and kind != _NO_GEOMETRY else "",
            document.get("hasZ") is True,
            document.get("hasM") is True,
            closes=on_bad_geometry == FIX,
        )
        self._keeps, self.damaged = on_bad_geometry in {SET_ASIDE, NULL}, dict[int, Unreadable]()
        self.rows: list[Mapping[str, Any]] = []
        self._plain: list[dict[str, Any] | None] = []
        references = [document.get("spatialReference")]
        for number, feature in enumerate(features, 1):
            geometry = self._add(feature, number)
            own = geometry.get("spatialReference") if isinstance(geometry, dict) else None
            if own and own not in references:
                references.append(own)
        self.crs = _agreed([each for each in references if each])
        if self.damaged and not self.has_geometry:  # of which type, nothing says
            raise next(iter(self.damaged.values()))

    @property
    def has_geometry(self) -> bool:
        """Whether it is no mere table."""
        return bool(self.geometries.kind)

    def count_geometries(self) -> int:
        """How many features have a geometry, damaged or not."""
        return sum(geometry is not None for geometry in self._plain) + len(self.damaged)

    def for_gdal(self) -> bytes:
        """The geometries alone, in the order of the file."""
        return json.dumps(
            {
                "geometryType": self.geometries.kind or _OF_TABLES,
                "features": [{"attributes": {}, "geometry": geometry} for geometry in self._plain],
            }
        ).encode()

    def _add(self, feature: Any, number: int) -> Any:
        attributes = feature.get("attributes") if isinstance(feature, dict) else None
        if not isinstance(feature, dict) or not (attributes is None or isinstance(attributes, dict)):
            raise Unreadable(
                "damaged",
                f"Member {number:,} of 'features' is no feature of Esri JSON.",
                "A feature is an object with 'attributes' (an object) and 'geometry'.",
                f"feature {number}",
            )
        self.rows.append(attributes or {})
        geometry = feature.get("geometry")
        try:
            self._plain.append(self.geometries.plain(geometry, number))
        except Unreadable as problem:
            if not self._keeps:
                problem.remedy += way_in("geometry")
                raise
            self.damaged[number - 1] = problem
            self._plain.append(None)
            return None
        return geometry


def _check(document: Any) -> None:
    """Refuse what is no feature set, or one whose coordinates are not what they seem."""
    if isinstance(document, dict) and isinstance(document.get("error"), dict):
        said = document["error"].get("message") or document["error"].get("code")
        raise Unreadable(
            "format_mismatch",
            f"The file is an error report of a server, not data: {str(said)[:100]!r}.",
            "Repeat the request, and upload its answer once it holds features.",
        )
    if not isinstance(document, dict) or not isinstance(document.get("features"), list):
        raise Unreadable(
            "format_mismatch",
            "The file is declared as EsriJSON but holds no list 'features'.",
            "Upload the answer of a query (f=json) that holds the features themselves: not their number, their ids, or the "
            "description of the layer.",
        )
    if document.get("transform"):
        raise Unreadable(
            "geometry_lost",
            "The coordinates are quantised (member 'transform'): they are steps on a grid, simplified for a screen.",
            "Ask the service without quantizationParameters.",
            "member transform",
        )


def _agreed(references: list[Any]) -> dict[str, str] | None:
    """The one CRS that is named; None where nothing is."""
    named = list(dict.fromkeys(map(_named, references)))
    if len(named) > 1:
        raise Unreadable(
            "crs_mixed",
            f"The file names several CRSs: {', '.join(text for _, text in named[:3])}.",
            "Write everything in one, and name it once, as 'spatialReference' of the feature set.",
        )
    return dict(named) or None


def _named(reference: Any) -> tuple[str, str]:
    """What a ``spatialReference`` says: a code, or WKT."""
    if isinstance(reference, dict):
        for member in ("latestWkid", "wkid"):
            code = reference.get(member)
            if type(code) is int and code > 0:
                return "text", f"{'EPSG' if code <= _LARGEST_EPSG_CODE else 'ESRI'}:{code}"
        for member in ("wkt2", "wkt"):
            text = reference.get(member)
            if isinstance(text, str) and text:
                return "text", text
    return "unknown", json.dumps(reference)[:60]
