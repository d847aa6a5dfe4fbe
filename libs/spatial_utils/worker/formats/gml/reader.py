"""GML."""

import re
from collections.abc import Sequence

from libs.spatial_utils.worker.formats.gml import checks
from libs.spatial_utils.worker.formats.gml.guard import GmlGuard
from libs.spatial_utils.worker.formats.xml import XmlReader
from libs.spatial_utils.worker.ogr.layer import OgrLayer
from libs.spatial_utils.worker.ogr.messages import MessageRules


class Reader(XmlReader):
    """See ``OgrReader``."""

    guards = GmlGuard
    guard: GmlGuard
    messages = MessageRules(  # GDAL knows the code without fetching anything
        harmless=(re.compile(r"Cannot import http://www\.opengis\.net/gml/srs/epsg\.xml#\d+ due to"),)
    )

    def check_described(self, layers: Sequence[OgrLayer]) -> None:
        """See ``OgrReader``."""
        handles = {self.gdal.OGR_L_GetName(handle).decode("utf-8", "replace"): handle for handle in self.handles}
        checks.check(self.gdal, self.path, self.guard, handles, layers, self.notes)
        super().check_described(layers)
