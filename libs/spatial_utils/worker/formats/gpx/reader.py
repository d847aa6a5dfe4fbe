"""GPX, of which GDAL always shows the same layers."""

from libs.spatial_utils.worker.formats.gpx.guard import GpxGuard
from libs.spatial_utils.worker.formats.xml import XmlReader
from libs.spatial_utils.worker.ogr.layer import OgrLayer
from libs.spatial_utils.worker.ogr.reference import by_default

_TEXT = 4
"""GDAL's ``OFTString``."""


class Reader(XmlReader):
    """See ``OgrReader``."""

    guards = GpxGuard
    guard: GpxGuard

    def has_layer(self, handle: int, table: str) -> bool:
        """Whether the file has a feature for a layer: GDAL is asked only where the guard does not know."""
        known = self.guard.has_features(table)
        return bool(self.gdal.OGR_L_GetFeatureCount(handle, 1) > 0) if known is None else known

    def describe(self, layer: OgrLayer) -> None:
        """The format has no place for a CRS: its standard says which one it is. Extensions that are XML are text."""
        layer.crs = by_default(layer.crs)
        for name, field in zip(layer.names, layer.fields, strict=True):
            if self.guard.nested & {name, name.partition("_")[2]}:  # without the prefix of its namespace
                self.gdal.OGR_Fld_SetType(field, _TEXT)
