"""JSON-FG: a layer for each type of feature; ``place`` before ``geometry``, in the CRS that it is in; times as columns.

Rules: OGC 21-045r1 (OGC Features and Geometries JSON, Part 1: Core). GDAL's driver is not asked: it reads no prisms, and takes
the geometry where it does not know a place.
"""

import json
import struct
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from libs.spatial_utils.worker.formats.crs_references import WGS84, Reference, by_crs, code_of, reference_of
from libs.spatial_utils.worker.formats.feature_layer import Feature, FeatureLayer, member_of
from libs.spatial_utils.worker.formats.jsonfg.geometry import TYPES, Unbounded, UnknownType, wkb_of
from libs.spatial_utils.worker.formats.pages import Page
from libs.spatial_utils.worker.protocol import Notes, Unreadable, unknown_geometry
from libs.spatial_utils.worker.reader import FileReader
from libs.spatial_utils.worker.values.json_values import document_of, tell_foreign

_MEMBERS = frozenset({
    "type", "id", "bbox", "properties", "geometry", "place", "time", "coordRefSys", "featureType", "featureSchema", "measures",
    "conformsTo", "geometryDimension", "links",
})  # fmt: skip
_BY_FORMAT = Reference(WGS84, swapped=False, said=False)
_GEOMETRIES = ("place", "geometry")
_OTHER_ONE = 'Or write "geometry": "geometry" to read the geometries in WGS 84, if the features have them.'
_OPEN = ".."


class Reader(FileReader):
    """See ``FileReader``."""

    def open(self) -> None:
        """See ``FileReader``."""
        wanted = self.request.geometry
        if wanted is not None and wanted not in _GEOMETRIES:
            raise unknown_geometry(wanted, _GEOMETRIES)
        self._which = _GEOMETRIES if wanted is None else (wanted,)
        self._references: dict[str, Reference] = {}
        document = document_of(self.path, self.request.encoding, self.notes)
        features = _features(document)
        about = document if document["type"] == "FeatureCollection" else {}
        Page.of_members(about).tell(len(features), self.notes, self.path.name if self.prefix else "")
        by_type: dict[str, list[tuple[Feature, Reference | None]]] = {}
        foreign = set[str]()
        self._taken = set[str]().union(*(feature.get("properties") or {} for feature in features))
        for number, feature in enumerate(features, 1):
            place = f"{self.path.name}, feature {number}" if self.prefix else f"feature {number}"
            name = _type_of(feature.get("featureType", about.get("featureType")), place) or self.path.stem
            by_type.setdefault(name, []).append(self._read(feature, about, number, place))
            foreign |= feature.keys() - _MEMBERS
        for name, found in (by_type or {_type_of(about.get("featureType"), "") or self.path.stem: []}).items():
            for layer, reference, members in by_crs(self.prefix + name, found, _BY_FORMAT):
                if self.add_name(layer):
                    made = FeatureLayer(self.gdal, layer, members, reference.crs, self.request)
                    self.opened.layers.append(made)
        tell_foreign(foreign, self.notes, self.path.name if self.prefix else "")

    def _read(
        self, feature: Mapping[str, Any], about: Mapping[str, Any], number: int, place: str
    ) -> tuple[Feature, Reference | None]:
        properties = feature.get("properties") or {}
        attributes = properties | dict(_times(feature.get("time"), self._taken))
        which = next((name for name in self._which if feature.get(name) not in (None, {})), None)
        geometry = feature[which] if which else None
        if geometry is None:
            return Feature(feature.get("id"), attributes, None), None
        scopes = [each for each in (geometry, feature, about) if isinstance(each, dict)]
        reference = _BY_FORMAT
        if which == "place":
            said = next((scope["coordRefSys"] for scope in scopes if scope.get("coordRefSys") is not None), None)
            reference = reference if said is None else self._reference(said, place)
        measures: dict[str, Any] = next((scope["measures"] for scope in scopes if isinstance(scope.get("measures"), dict)), {})
        wkb: bytes | Unreadable | None
        try:
            wkb = _wkb(geometry, reference, number, place, measured=measures.get("enabled") is True)
        except Unreadable as problem:
            wkb = problem
        return Feature(feature.get("id"), attributes, wkb), None if wkb is None else reference

    def _reference(self, said: Any, place: str) -> Reference:
        key = json.dumps(said)
        if key not in self._references:
            text = _text_of(said, self.notes)
            remedy = f"Write 'coordRefSys' as a URI, such as http://www.opengis.net/def/crs/EPSG/0/25832. {_OTHER_ONE}"
            self._references[key] = reference_of(self.gdal, text, place, remedy)
        return self._references[key]


def _features(document: Any) -> list[Mapping[str, Any]]:
    kind = document.get("type") if isinstance(document, dict) else None
    if isinstance(kind, str) and kind in TYPES:  # a geometry by itself
        return [{"type": "Feature", "place": document}]
    features = document.get("features") if kind == "FeatureCollection" else [document] if kind == "Feature" else None
    if not isinstance(features, list):
        raise Unreadable(
            "format_mismatch",
            "The file is declared as JSON-FG but is neither a Feature nor a FeatureCollection with a list 'features'.",
            'Upload the JSON-FG file: an object with "type": "FeatureCollection" and its features in \'features\'.',
        )
    return [member_of("'features'", feature, number, f"feature {number}") for number, feature in enumerate(features, 1)]


def _type_of(said: Any, place: str) -> str:
    """The name of a type of features; those of several types have all of them in it."""
    names = said if isinstance(said, list) else [] if said is None else [said]
    if not all(isinstance(name, str) for name in names):
        raise Unreadable("damaged", "A 'featureType' is no text, nor a list of texts.", "Correct it, or leave it out.", place)
    return "+".join(names)


def _text_of(said: Any, notes: Notes) -> str:
    """A CRS as a text: its URI, its code, or its definition."""
    if isinstance(said, list):
        return "+".join(code_of(_text_of(part, notes)) for part in said)
    if isinstance(said, dict) and isinstance(said.get("href"), str):
        if said.get("epoch") is not None:
            notes.warn("epoch", f"The coordinate epoch {said['epoch']} is not kept.", "Note it in 'metadata' if you need it.")
        return _text_of(said["href"], notes)
    if isinstance(said, str):
        text = said.strip()
        return text[1:-1] if text.startswith("[") and text.endswith("]") else text
    return json.dumps(said)


def _wkb(geometry: Any, reference: Reference, number: int, place: str, *, measured: bool) -> bytes | None:
    kind = geometry.get("type") if isinstance(geometry, dict) else None
    try:
        return wkb_of(geometry, swapped=reference.swapped, measured=measured)
    except UnknownType as error:
        raise Unreadable(
            "unknown_geometry_type",
            f"The geometry of feature {number:,} has the type {str(error)!r}, which is not read.",
            f"Write it as one of {', '.join(sorted(TYPES))}. {_OTHER_ONE}",
            place,
        ) from error
    except Unbounded as error:
        raise Unreadable(
            "geometry_lost",
            f"The prism of feature {number:,} has no 'lower' or no 'upper' end: it has no surface around it.",
            f"Give it both. {_OTHER_ONE}",
            place,
        ) from error
    except (ValueError, TypeError, KeyError, AttributeError, struct.error, RecursionError) as error:
        raise Unreadable(
            "damaged_geometry",
            f"The geometry of feature {number:,} is damaged{f' (type {kind!r})' if isinstance(kind, str) else ''}.",
            "A position is a list of two or three numbers, as many in all of a geometry, and one more where there are measures; "
            f"a geometry that is missing is null. {_OTHER_ONE}",
            place,
        ) from error


def _times(time: Any, taken: AbstractSet[str]) -> Iterator[tuple[str, Any]]:
    """A feature's time as columns: ``time``, or ``time_start`` and ``time_end``; null where an interval is open."""
    if time is None:
        return
    moment = interval = None
    if isinstance(time, dict) and time.keys() <= {"date", "timestamp", "interval"}:
        date, stamp, interval = time.get("date"), time.get("timestamp"), time.get("interval")
        agree = date is None or stamp is None or str(stamp).startswith(str(date))
        moment = (date if stamp is None else stamp) if agree else {"date": date, "timestamp": stamp}
    if moment is None and not (isinstance(interval, list) and len(interval) == 2):  # noqa: PLR2004 - start and end
        moment, interval = time, None
    if moment is not None:
        yield _free("time", taken), moment
    if interval is not None:
        for name, end in zip(("time_start", "time_end"), interval, strict=True):
            yield _free(name, taken), None if end == _OPEN else end


def _free(name: str, taken: AbstractSet[str]) -> str:
    """A name for a column of times, beside the properties."""
    while name in taken:
        name = f"feature_{name}"
    return name
