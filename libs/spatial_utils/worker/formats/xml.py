"""Formats of XML that GDAL reads: a guard looks through the file before, and once more at the columns that GDAL found."""

from collections.abc import Sequence
from typing import ClassVar

from libs.spatial_utils.worker.formats.markup import XmlGuard
from libs.spatial_utils.worker.ogr.layer import OgrLayer
from libs.spatial_utils.worker.ogr.reader import OgrReader


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

    def check_before(self) -> None:
        """See ``OgrReader``."""
        self.guard = self.guards(self.notes)
        self.prepare()
        self.guard.scan(self.path)
        self.guard.after(self.path)

    def check_opened(self) -> None:
        """See ``OgrReader``."""
        self.guard.check_whole()

    def check_described(self, layers: Sequence[OgrLayer]) -> None:
        """See ``OgrReader``."""
        self.classify()  # what GDAL says comes before what the texts show
        self.guard.check_columns([layer.schema for layer in layers], self.column_names())
