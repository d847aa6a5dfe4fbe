"""Formats of XML that GDAL reads: a guard looks through the file before, and once more at the columns that GDAL found."""

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from libs.spatial_utils.worker.formats.markup import XmlGuard
from libs.spatial_utils.worker.formats.patching import copied, patched
from libs.spatial_utils.worker.ogr.layer import OgrLayer
from libs.spatial_utils.worker.ogr.reader import OgrReader
from libs.spatial_utils.worker.protocol import Unreadable
from libs.spatial_utils.worker.quarantine import NULL, SET_ASIDE


class XmlReader(OgrReader):
    """See ``OgrReader``.

    Attributes:
        guards: The class of the format's guard.
        guard: What has been seen of the file.
    """

    guards: ClassVar[type[XmlGuard]]
    guard: XmlGuard

    def prepare(self) -> None:
        """Tell the guard what it has to know before it looks at the file."""
        self.guard.keeps = self.request.policies.get("on_bad_geometry") in {SET_ASIDE, NULL}

    def check_before(self) -> None:
        """See ``OgrReader``. In the place of geometries that cannot be read GDAL gets others, which are forgotten."""
        self.guard = self.guards(self.notes)
        self.prepare()
        self.guard.scan(self.path)
        self.guard.after(self.path)
        if self.guard.patches:
            self.source = self.gdal.held(patched(copied(self.path, self.guard.first_bad), self.guard.patches), self.path.name)

    def check_opened(self) -> None:
        """See ``OgrReader``."""
        self.guard.check_whole()

    def check_described(self, layers: Sequence[OgrLayer]) -> None:
        """See ``OgrReader``."""
        self.classify()  # what GDAL says comes before what the texts show
        self.guard.check_columns([layer.schema for layer in layers], self.column_names())
        there = {self.gdal.OGR_L_GetName(handle).decode("utf-8", "replace") for handle in self.handles}
        if self.guard.bad.keys() - there:
            raise self.guard.first_bad

    def rows(self, layer: OgrLayer) -> Iterator[pa.RecordBatch]:
        """See ``OgrReader``."""
        bad = self.guard.bad.get(layer.own_name)
        return self._with_bad(layer, bad) if bad and layer.geometry else super().rows(layer)

    def _with_bad(self, layer: OgrLayer, bad: Mapping[int, Unreadable]) -> Iterator[pa.RecordBatch]:
        """The rows, some of them without their geometry.

        Raises:
            Unreadable: one of the problems, where GDAL finds other features than the guard: then their numbers are not known.
        """
        read = 0
        for batch in super().rows(layer):
            mine = [number - read for number in bad if read <= number < read + batch.num_rows]
            for row in mine:
                layer.quarantine.meet("geometry", row, bad[read + row])
            yield _without_geometry(batch, mine, layer.geometry_position) if mine else batch
            read += batch.num_rows
        if read != self.guard.counted(layer.own_name):
            raise next(iter(bad.values()))


def _without_geometry(batch: pa.RecordBatch, rows: Sequence[int], position: int) -> pa.RecordBatch:
    lost = [False] * batch.num_rows
    for row in rows:
        lost[row] = True
    geometry = batch.column(position)
    columns = [*batch.columns]
    columns[position] = pc.if_else(pa.array(lost), pa.scalar(None, geometry.type), geometry)
    return pa.RecordBatch.from_arrays(columns, schema=batch.schema)
