"""KML and KMZ."""

from libs.spatial_utils.worker.formats.kml.guard import KmlGuard
from libs.spatial_utils.worker.formats.xml import XmlReader
from libs.spatial_utils.worker.ogr.layer import OgrLayer
from libs.spatial_utils.worker.ogr.reference import by_default


class Reader(XmlReader):
    """See ``OgrReader``."""

    guards = KmlGuard

    def describe(self, layer: OgrLayer) -> None:
        """The format has no place for a CRS: its standard says which one it is."""
        layer.crs = by_default(layer.crs)
