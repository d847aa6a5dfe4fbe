"""GeoRSS: every item of a feed is a feature, and all that it holds is in its columns.

GDAL's driver is not asked: it keeps one geometry of an item, knows no circles, and refuses nothing that is no number.
"""

from collections.abc import Iterator
from itertools import chain, count
from typing import Any

from libs.spatial_utils.worker.formats.crs_references import WGS84, Reference, by_crs, reference_of
from libs.spatial_utils.worker.formats.feature_layer import Feature, FeatureLayer
from libs.spatial_utils.worker.formats.georss.feed import Element, Feed
from libs.spatial_utils.worker.formats.georss.geometry import NoPlace, places_of
from libs.spatial_utils.worker.formats.georss.values import numbers_of, times_of
from libs.spatial_utils.worker.protocol import Unreadable, unknown_geometry
from libs.spatial_utils.worker.reader import FileReader

_BY_FORMAT = Reference(WGS84, swapped=True, said=False)
_SHORT = "EPSG:"
"""A CRS that is named so has its axes in an order of which nothing is said."""


class Reader(FileReader):
    """See ``FileReader``."""

    def open(self) -> None:
        """See ``FileReader``."""
        self._columns: dict[tuple[str, ...], str] = {}
        self._of_feed = set[str]()
        self._rows: list[dict[str, Any]] = []
        self._places: list[tuple[dict[str, Any] | Unreadable | None, Reference | None]] = []
        self._names: dict[str, None] = {}
        self._circles = self._rings_closed = self._several = 0
        feed = Feed(self._add)
        try:
            feed.read(self.path)
        except Unreadable as error:
            if self.prefix:  # one of several files
                error.place = ", ".join(filter(None, (self.path.name, error.place)))
            raise
        wanted = self.request.geometry
        if wanted is not None and wanted not in self._names:
            raise unknown_geometry(wanted, self._names)
        name = self.prefix + self.path.stem
        self._tell(feed, f"layer {name}")
        properties = self._properties()
        features = [
            (Feature(None, row, geometry), reference) for row, (geometry, reference) in zip(properties, self._places, strict=True)
        ]
        for layer, reference, members in by_crs(name, features, _BY_FORMAT):
            if self.add_name(layer):
                made = FeatureLayer(self.gdal, layer, members, reference.crs, self.request)
                self.opened.layers.append(made)

    def _add(self, item: Element, own: str) -> None:
        where = f"item {len(self._rows) + 1}, line {item.line}"
        row: dict[str, Any] = {}
        bad: Unreadable | None = None
        try:
            places = places_of(item)
        except NoPlace as error:
            places = []
            bad = Unreadable(
                "bad_coordinate",
                f"The place of item {len(self._rows) + 1:,} cannot be read: {error}.",
                "Write latitude and longitude with a point, separated by a blank (GeoRSS), or leave the place out.",
                where,
            )
        self._names |= dict.fromkeys(place.name for place in places)
        wanted = self.request.geometry
        chosen = next((place for place in places if wanted in {None, place.name}), None)
        if chosen is None:
            self._places.append((bad, None))
        else:
            reference = self._reference(chosen.crs, where)
            self._places.append((_ordered(chosen.geometry, swapped=reference.swapped), reference))
            self._several += any(place.geometry != chosen.geometry for place in places)
            self._rings_closed += chosen.rings_closed
            if chosen.radius is not None:
                self._circles += 1
                row["georss_circle_radius"] = chosen.radius
            for element in chosen.elements:  # what is the geometry is no attribute
                element.content.clear()
        row |= self._texts(item, own)
        self._rows.append(row)

    def _texts(self, item: Element, own: str) -> Iterator[tuple[str, str]]:
        for path, text in [*_of_itself(item), *item.values_inside(own, ())]:
            if path not in self._columns:
                plain, taken = "_".join(path), {*self._columns.values()}
                name = next(each for each in chain((plain,), map(f"{plain}_{{}}".format, count(2))) if each not in taken)
                self._columns[path] = name
                if "_" not in path[0]:
                    self._of_feed.add(name)
            yield self._columns[path], text

    def _properties(self) -> list[dict[str, Any]]:
        names = dict.fromkeys(name for row in self._rows for name in row)
        columns = {}
        for name in names:
            values = [row.get(name) for row in self._rows]
            if name != "georss_circle_radius":
                values = times_of(values) if name in self._of_feed else numbers_of(times_of(values))
            columns[name] = values
        return (
            [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
            if columns
            else [{} for _ in self._rows]
        )

    def _reference(self, said: str | None, where: str) -> Reference:
        if said is None:
            return _BY_FORMAT
        remedy = "Write srsName as a URN, such as urn:ogc:def:crs:EPSG::25832, and the coordinates in the order of its axes."
        reference = reference_of(self.gdal, said, where, remedy)
        if said.upper().startswith(_SHORT) and reference.swapped and reference.name != WGS84:
            raise Unreadable(
                "unknown_crs", f"{said!r} does not say which of its two axes comes first in the coordinates.", remedy, where
            )
        return reference

    def _tell(self, feed: Feed, place: str) -> None:
        feed.page.tell(feed.items, self.notes, self.path.name if self.prefix else "")
        if feed.has_own_place:
            self.notes.warn(
                "elements_not_read",
                "The feed itself has a place, outside of its items. It is not read.",
                "Nothing has to be done, unless it should be a feature: then write it into an item.",
                place,
            )
        if self._circles:
            self.notes.warn(
                "circles_to_points",
                f"{self._circles:,} circles are read as their centres. The radius, in metres, is in 'georss_circle_radius'.",
                "Buffer the points by it in another program, if areas are wanted.",
                place,
            )
        if self._rings_closed:
            self.notes.warn(
                "rings_closed",
                f"{self._rings_closed:,} rings of polygons do not end where they begin. They were closed.",
                "Check these polygons, and write the file again from its source, if they look wrong.",
                place,
            )
        if self._several and self.request.geometry is None:
            listed = ", ".join(map(repr, self._names))
            self.notes.warn(
                "second_geometry",
                f"{self._several:,} items have several places ({listed}). The first is the geometry, the others are attributes.",
                "Give one of these names as 'geometry', if it should be the geometry.",
                place,
            )


def _of_itself(item: Element) -> Iterator[tuple[tuple[str, ...], str]]:
    for name, value in item.attributes.items():
        yield (name.replace(":", "_"),), value


def _ordered(geometry: dict[str, Any], *, swapped: bool) -> dict[str, Any]:
    """A geometry with x first."""
    if not swapped:
        return geometry
    if "geometries" in geometry:
        return {**geometry, "geometries": [_ordered(part, swapped=swapped) for part in geometry["geometries"]]}
    return {**geometry, "coordinates": _exchanged(geometry["coordinates"])}


def _exchanged(coordinates: Any) -> Any:
    if coordinates and isinstance(coordinates[0], float):
        return [coordinates[1], coordinates[0], *coordinates[2:]]
    return [_exchanged(each) for each in coordinates]
