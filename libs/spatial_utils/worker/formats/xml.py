"""Formats of XML that GDAL reads: their texts are checked before, and once more when the types of the columns are known."""

from collections.abc import Sequence

from libs.spatial_utils.worker.formats import markup
from libs.spatial_utils.worker.ogr.layer import OgrLayer
from libs.spatial_utils.worker.ogr.reader import OgrReader


class XmlReader(OgrReader):
    """See ``OgrReader``."""

    def check_before(self) -> None:
        """See ``OgrReader``."""
        markup.check(self.path, self.request.driver, self.notes)

    def check_described(self, layers: Sequence[OgrLayer]) -> None:
        """See ``OgrReader``."""
        self.classify()  # what GDAL says comes before what the texts show
        schemas = [layer.schema for layer in layers]
        markup.check_columns(self.path, self.request.driver, schemas, self.column_names(), self.notes)
