"""GeoJSON in web pages: each collection, each feature and each list of features in a script is a layer."""

from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any

from libs.spatial_utils.worker.formats.feature_layer import Feature, FeatureLayer, crs_of_2008, member_of
from libs.spatial_utils.worker.formats.html.scripts import Scripts, Value, json_in, no_json, text_of
from libs.spatial_utils.worker.protocol import Unreadable
from libs.spatial_utils.worker.reader import FileReader
from libs.spatial_utils.worker.values.geometry_text import from_geojson
from libs.spatial_utils.worker.values.json_values import tell_foreign

_GEOMETRIES = frozenset({"Point", "LineString", "Polygon", "MultiPoint", "MultiLineString", "MultiPolygon", "GeometryCollection"})
_MEMBERS = frozenset({"type", "id", "bbox", "properties", "geometry"})


class Reader(FileReader):
    """See ``FileReader``."""

    def open(self) -> None:
        """See ``FileReader``."""
        scripts = Scripts(text_of(self.path.read_bytes()))
        found = features_of_page(scripts)
        if scripts.commented:
            self.notes.warn(
                "commented_out",
                f"{scripts.commented:,} values of GeoJSON stand in comments. They are not read.",
                "Take them out of the comments, if they are wanted.",
                self.path.name if self.prefix else "",
            )
        if not found:
            raise Unreadable(
                "format_mismatch",
                "The page holds no GeoJSON with features in its scripts.",
                "Download the data itself, and upload that.",
            )
        numbers, taken = count(1), set[str]()
        for own, crs, features in found:
            name = self.prefix + (own or f"geojson_{next(numbers)}")
            name = next(each for each in (name, *map(f"{name}_{{}}".format, range(2, len(found) + 2))) if each not in taken)
            taken.add(name)
            if self.add_name(name):
                tell_foreign(set[str]().union(*(members for _, members in features)), self.notes, f"layer {name}")
                layer = FeatureLayer(self.gdal, name, [each for each, _ in features], crs, self.request)
                self.opened.layers.append(layer)


def features_of_page(scripts: Scripts) -> list[tuple[str, dict[str, str], list[tuple[Feature, set[str]]]]]:
    """The layers of a page: the name, if any, the CRS, and the features with the names of their members that are not read.

    Args:
        scripts: Of the page.

    Raises:
        Unreadable: ``damaged``, ``value_lost``; ``unreadable`` where something looks like GeoJSON and is not read.
    """
    found = [
        (name, crs_of_2008(crs), _features(members, line))
        for value in scripts.values()
        for name, line, crs, members in _collections(value.value, value.name, _checked(value))
    ]
    scripts.check_rest()
    with_features = [each for each in found if each[2]]
    return with_features or found  # an empty one beside others only waits for features


def _collections(value: Any, name: str, line: int) -> Iterator[tuple[str, int, Any, Sequence[Any]]]:
    """Everything in a value that is GeoJSON: its name, its line, its ``crs``, and its features or geometries."""
    if isinstance(value, str):
        inside = json_in(value)
        if inside is not None:
            yield from _collections(inside, name, line)
    elif isinstance(value, list):
        if value and all(_is_feature(each) for each in value):
            yield name, line, None, value
            return
        for each in value:
            yield from _collections(each, "", line)
    elif isinstance(value, dict):
        if value.get("type") == "FeatureCollection" and isinstance(value.get("features"), list):
            yield name, line, value.get("crs"), value["features"]
        elif _is_feature(value):
            yield name, line, value.get("crs"), [value]
        else:
            for member, each in value.items():
                yield from _collections(each, member, line)


def _checked(value: Value) -> int:
    """The line of a value; raises ``Unreadable`` where it is a part of a collection, the rest of which is no JSON."""
    if value.is_part and (_is_feature(value.value) or (isinstance(value.value, list) and any(map(_is_feature, value.value)))):
        raise no_json(value.line)
    return value.line


def _is_feature(value: Any) -> bool:
    """Whether something is a feature or a geometry."""
    if not isinstance(value, dict):
        return False
    kind = value.get("type")
    if kind == "Feature":
        return "geometry" in value or "properties" in value
    return isinstance(kind, str) and kind in _GEOMETRIES and isinstance(value.get("coordinates", value.get("geometries")), list)


def _features(members: Sequence[Any], line: int) -> list[tuple[Feature, set[str]]]:
    """Features, with the names of their members that are not read."""
    return [_feature(member, number, line) for number, member in enumerate(members, 1)]


def _feature(member: Any, number: int, line: int) -> tuple[Feature, set[str]]:
    if isinstance(member, dict) and member.get("type") != "Feature" and _is_feature(member):
        return Feature(None, {}, _geometry(member)), set()
    feature = member_of(f"the collection that begins in line {line:,}", member, number, f"line {line}, feature {number}")
    return Feature(feature.get("id"), feature.get("properties") or {}, _geometry(feature.get("geometry"))), {*feature} - _MEMBERS


def _geometry(geometry: Any) -> Any:
    """A geometry as WKB; as it is where it is none, for the layer to say so."""
    if geometry is None or geometry == {}:
        return None
    return from_geojson(geometry) or (geometry if isinstance(geometry, dict) else {"type": geometry})
