"""KML and KMZ."""

from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from libs.spatial_utils.worker.formats.bad_features import without
from libs.spatial_utils.worker.formats.kml.guard import MARKED, KmlGuard, unmarked
from libs.spatial_utils.worker.formats.xml import XmlReader
from libs.spatial_utils.worker.ogr.layer import OgrLayer
from libs.spatial_utils.worker.ogr.reference import by_default
from libs.spatial_utils.worker.quarantine import REJECT

_NAME = "Name"
"""A column that every layer of libkml has."""


class Reader(XmlReader):
    """See ``OgrReader``."""

    guards = KmlGuard
    guard: KmlGuard

    _unmet: set[int]
    """Numbers of the features with a mark that have not been read so far."""
    _last: OgrLayer | None

    def prepare(self) -> None:
        """See ``XmlReader``."""
        super().prepare()
        self.guard.on_bad_geometry = self.request.policies.get("on_bad_geometry") or REJECT

    def check_before(self) -> None:
        """See ``OgrReader``."""
        super().check_before()
        self._unmet = set(range(len(self.guard.marked)))
        if empty := self.guard.empty_positions:
            self.notes.warn(
                "empty_positions_dropped",
                f"{len(empty):,} empty positions of tracks were left out, as 'on_bad_geometry' says.",
                "Nothing has to be done.",
                empty[0].place,
            )

    def check_described(self, layers: Sequence[OgrLayer]) -> None:
        """See ``OgrReader``. Of several layers it is not known which one an empty position belongs to."""
        super().check_described(layers)
        self._last = layers[-1] if layers else None
        if self.guard.empty_positions and len(self.handles) == 1:
            for layer in layers:
                layer.notes.counts["vertices_dropped"] += len(self.guard.empty_positions)

    def describe(self, layer: OgrLayer) -> None:
        """The format has no place for a CRS: its standard says which one it is."""
        layer.crs = by_default(layer.crs)

    def rows(self, layer: OgrLayer) -> Iterator[pa.RecordBatch]:
        """See ``OgrReader``."""
        return self._without_marks(layer) if self.guard.marked else super().rows(layer)

    def check_after(self, layer: OgrLayer, read: int, missing: int) -> None:  # noqa: ARG002 - see OgrReader
        """See ``OgrReader``. A mark that has not come back is a feature of which it is not known where it is."""
        if self._unmet and self.request.layer is None and layer is self._last:
            raise self.guard.marked[min(self._unmet)][0][0].problem

    def _without_marks(self, layer: OgrLayer) -> Iterator[pa.RecordBatch]:
        position = layer.names.index(_NAME)
        for batch in super().rows(layer):
            names, bad = batch.column(position).to_pylist(), {}
            for row in pc.indices_nonzero(pc.match_substring_regex(batch.column(position), MARKED)).to_pylist():
                number, name = unmarked(names[row])
                if number in self._unmet:
                    self._unmet.remove(number)
                    bad[row], has_name = self.guard.marked[number]
                    names[row] = name if has_name else None
            columns = [*batch.columns]
            columns[position] = pa.array(names, columns[position].type)
            yield without(pa.RecordBatch.from_arrays(columns, schema=batch.schema), layer, bad)
