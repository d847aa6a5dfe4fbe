"""Esri JSON: GDAL makes the geometries; attributes, CRS and order are those of the file."""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from libs.spatial_utils.worker.formats.esrijson.document import FeatureSet
from libs.spatial_utils.worker.formats.esrijson.fields import columns_of
from libs.spatial_utils.worker.formats.pages import Page
from libs.spatial_utils.worker.ogr.columns import Column
from libs.spatial_utils.worker.ogr.layer import OgrLayer
from libs.spatial_utils.worker.ogr.reader import OgrReader
from libs.spatial_utils.worker.protocol import Notes, Unreadable
from libs.spatial_utils.worker.quarantine import REJECT
from libs.spatial_utils.worker.values.json_values import LostIntegers


class Reader(OgrReader):
    """See ``OgrReader``."""

    _features: FeatureSet

    def check_before(self) -> None:
        """See ``OgrReader``."""
        try:
            self._features = FeatureSet(
                self.path, self.request.policies.get("on_bad_geometry") or REJECT, self.request.encoding, self.notes
            )
        except Unreadable as error:
            if self.prefix:  # one of several files
                error.place = f"{self.path.name}, {error.place}"
            raise
        page = Page.of_members(self._features.members)
        page.tell(len(self._features.rows), self.notes, self.path.name if self.prefix else "")
        self.source = self.gdal.held(self._features.for_gdal(), self.path.name)

    def ignores_geometry(self) -> bool:
        """See ``OgrReader``."""
        return not self._features.has_geometry

    def describe(self, layer: OgrLayer) -> None:
        """See ``OgrReader``."""
        layer.geometry = layer.geometry and self._features.has_geometry
        layer.crs = self._features.crs if layer.geometry else None
        layer.claimed = len(self._features.rows)
        self._tell(layer.notes, layer.place)

    def columns(self, layer: OgrLayer, columns: list[Column]) -> list[Column]:  # noqa: ARG002 - GDAL is given no attributes
        """The attributes as the file has them."""
        self._lost = LostIntegers(layer.quarantine, layer.place)
        made = columns_of(self._features.members, self._features.rows, layer.notes, layer.place, self._lost)
        return [_column(field, values) for field, values in made]

    def rows(self, layer: OgrLayer) -> Iterator[pa.RecordBatch]:
        """See ``OgrReader``. GDAL is given no geometry where it is damaged."""
        first, damaged = 0, self._features.damaged
        for batch in layer.streamed():
            for number in [number for number in damaged if first <= number < first + batch.num_rows]:
                layer.quarantine.meet("geometry", number - first, damaged[number])
            self._lost.meet(first, batch.num_rows)
            yield batch
            first += batch.num_rows

    def check_after(self, layer: OgrLayer, read: int, missing: int) -> None:
        """A geometry that GDAL has left out would go unnoticed."""
        there = self._features.count_geometries()
        if layer.geometry and read - missing != there:
            raise Unreadable(
                "geometry_lost",
                f"The file has {there:,} geometries; {read - missing:,} of them can be read.",
                "Check the geometries with the program that made the file.",
                layer.place,
            )

    def _tell(self, notes: Notes, place: str) -> None:
        found = self._features.geometries
        if found.measured:
            notes.counts["m_dropped"] += found.measured
        if found.closed:
            notes.counts["rings_closed"] += found.closed
        if found.empty_points:
            notes.warn(
                "empty_points",
                f"{found.empty_points:,} points without coordinates are read as missing geometries.",
                "Write null where there is no geometry.",
                place,
            )
        if found.uneven:
            notes.warn(
                "heights_missing",
                f"{found.uneven:,} geometries have positions without a height: these get the height 0.",
                "Give every position of a geometry a height, or none.",
                place,
            )


def _column(field: pa.Field, values: pa.Array) -> Column:
    def convert(batch: Any, first: int) -> pa.Array:
        return values.slice(first, len(batch))

    return Column(field.name, field.type, 0, convert, field.metadata)
