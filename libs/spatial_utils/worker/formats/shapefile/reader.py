"""Shapefiles and dBASE tables: ordinary records are read here, and GDAL reads from the first other record on."""

import re
from collections.abc import Iterator

import pyarrow as pa

from libs.spatial_utils.worker.formats.dbase_records import deleted_records
from libs.spatial_utils.worker.formats.shapefile import parts, patches, records
from libs.spatial_utils.worker.formats.shapefile.cells import Cells
from libs.spatial_utils.worker.ogr.layer import OgrLayer
from libs.spatial_utils.worker.ogr.messages import MessageRules
from libs.spatial_utils.worker.ogr.reader import OgrReader
from libs.spatial_utils.worker.values.text import Decoder


class Reader(OgrReader):
    """See ``OgrReader``."""

    messages = MessageRules(harmless=(re.compile("parsed incompletely"),))
    """Every cell that GDAL reads is looked at in ``cells``, where a policy may deal with it."""

    def check_before(self) -> None:
        """See ``OgrReader``."""
        parts.check(self.path)

    def open_options(self) -> list[str]:
        """See ``OgrReader``."""
        options = [
            "ENCODING=",  # text is decoded here, strictly
            "ADJUST_GEOM_TYPE=ALL_SHAPES",  # not the first one alone tells whether any has measures, which are counted
        ]
        if parts.has_wide_integers(self.path):
            options.append("ADJUST_TYPE=YES")  # looks whether every value is a 64-bit integer
        return options

    def ignores_geometry(self) -> bool:
        """GDAL opens a ``.dbf`` with the ``.shp`` beside it."""
        return self.path.suffix.lower() == ".dbf"

    def decoder(self, layer: OgrLayer) -> Decoder:
        """See ``OgrReader``."""
        return parts.decoder(self.gdal, layer.handle, self.request.encoding, layer.notes)

    def describe(self, layer: OgrLayer) -> None:
        """See ``OgrReader``."""
        if layer.geometry and layer.crs is None:
            layer.crs = parts.projection(self.path)

    def rows(self, layer: OgrLayer) -> Iterator[pa.RecordBatch]:
        """See ``OgrReader``."""
        first = 0

        def geometry_of(number: int) -> bytes | None:
            return self._geometry_of(layer, number)

        try:
            for batch in records.batches(self.path, layer.types, geometry=layer.geometry, ask=geometry_of):
                layer.classify()
                yield batch
                first += batch.num_rows
        except parts.FastPathUnsupported:
            cells = Cells(self.path, layer.types, layer.names, layer.place, layer.notes, layer.quarantine)
            batches = cells.beside(layer.streamed(first), first)
            yield from patches.beside(self.path, batches, first) if layer.geometry else batches

    def explains(self, layer: OgrLayer, read: int) -> bool:
        """Records that are marked as deleted are counted by the file, and not read."""
        return read + deleted_records(self.path, ".dbf") == layer.claimed

    def _geometry_of(self, layer: OgrLayer, number: int) -> bytes | None:
        feature = self.gdal.OGR_L_GetFeature(layer.handle, number)
        if not feature:
            raise parts.FastPathUnsupported("no such feature")
        try:
            geometry = self.gdal.OGR_F_GetGeometryRef(feature)
            return self.gdal.wkb(geometry) if geometry else None
        finally:
            self.gdal.OGR_F_Destroy(feature)
