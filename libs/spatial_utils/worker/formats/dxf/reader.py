"""DXF."""

import re

from libs.spatial_utils.worker.formats.dxf import encoding
from libs.spatial_utils.worker.ogr.layer import OgrLayer
from libs.spatial_utils.worker.ogr.messages import MessageRule, MessageRules
from libs.spatial_utils.worker.ogr.reader import OgrReader
from libs.spatial_utils.worker.values.text import Decoder


class Reader(OgrReader):
    """See ``OgrReader``."""

    messages = MessageRules(
        notes=(
            MessageRule(
                re.compile(r"(?:Ignoring one or more of entity|ignoring all) '(.*)'"),
                "entities_not_read",
                "Entities of the type {} were not read: they have no counterpart here.",
                "Convert them to lines, polygons or points in the program that made the file, if they are wanted.",
            ),
        )
    )

    def check_before(self) -> None:
        """GDAL says only to those who debug the driver what it passes over."""
        self.gdal.configure({"CPL_DEBUG": "DXF"})

    def open_options(self) -> list[str]:
        """See ``OgrReader``."""
        return [encoding.option(self.path, self.request.encoding)]

    def decoder(self, layer: OgrLayer) -> Decoder:
        """See ``OgrReader``."""
        return encoding.decoder(self.path, self.request.encoding, layer.notes)
