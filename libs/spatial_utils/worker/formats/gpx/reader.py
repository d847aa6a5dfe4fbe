"""GPX, of which GDAL always shows the same layers."""

from libs.spatial_utils.worker.formats.gpx.guard import GpxGuard
from libs.spatial_utils.worker.formats.xml import XmlReader
from libs.spatial_utils.worker.ogr.layer import OgrLayer
from libs.spatial_utils.worker.ogr.reference import by_default


class Reader(XmlReader):
    """See ``OgrReader``."""

    guards = GpxGuard

    def has_layer(self, handle: int, table: str) -> bool:
        """Whether the file has a feature for a layer: GDAL is asked only where the guard does not know."""
        known = self.guard.has_features(table)
        return bool(self.gdal.OGR_L_GetFeatureCount(handle, 1) > 0) if known is None else known

    def describe(self, layer: OgrLayer) -> None:
        """The format has no place for a CRS: its standard says which one it is."""
        layer.crs = by_default(layer.crs)
