"""FlatGeobuf: read by GDAL in its fast way as long as that is right."""

from collections.abc import Iterator

import pyarrow as pa

from libs.spatial_utils.worker.formats.flatgeobuf import arrow
from libs.spatial_utils.worker.ogr.gdal import DATE_TIME
from libs.spatial_utils.worker.ogr.layer import OgrLayer
from libs.spatial_utils.worker.ogr.reader import OgrReader


class Reader(OgrReader):
    """See ``OgrReader``."""

    def describe(self, layer: OgrLayer) -> None:
        """See ``OgrReader``."""
        if layer.claimed:
            layer.batch_rows = arrow.batch_rows(self.gdal, self.path, layer.claimed)
        else:
            self._read_slowly(layer)

    def rows(self, layer: OgrLayer) -> Iterator[pa.RecordBatch]:
        """GDAL's slow way as soon as its fast way overwrites geometries, as it does where one is missing (3.12.4)."""
        if not layer.geometry:
            yield from layer.streamed()
            return
        read = 0
        for batch in layer.streamed():
            if arrow.is_garbled(batch.column(batch.num_columns - 1)):
                self._read_slowly(layer)
                break
            yield batch
            read += batch.num_rows
        else:
            return
        for batch in layer.streamed():
            passed = min(read, batch.num_rows)
            read -= passed
            if passed < batch.num_rows:
                yield batch.slice(passed)

    def _read_slowly(self, layer: OgrLayer) -> None:
        arrow.read_slowly(self.gdal)
        if any(self.gdal.OGR_Fld_GetType(field) == DATE_TIME for field in layer.fields):
            arrow.tell_of_cut_times(self.path, layer.notes, layer.place)
