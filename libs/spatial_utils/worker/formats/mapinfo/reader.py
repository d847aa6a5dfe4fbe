"""MapInfo TAB and MIF."""

from libs.spatial_utils.worker.formats.dbase_records import deleted_records
from libs.spatial_utils.worker.formats.mapinfo import checks
from libs.spatial_utils.worker.ogr.layer import OgrLayer
from libs.spatial_utils.worker.ogr.reader import OgrReader
from libs.spatial_utils.worker.values.text import Decoder


class Reader(OgrReader):
    """See ``OgrReader``."""

    def check_before(self) -> None:
        """See ``OgrReader``."""
        checks.check_values(self.path, self.notes)

    def decoder(self, layer: OgrLayer) -> Decoder | None:
        """See ``OgrReader``."""
        return checks.decoder(self.path, self.request.encoding, layer.notes)

    def check_after(self, layer: OgrLayer, read: int, missing: int) -> None:  # noqa: ARG002 - see OgrReader
        """See ``OgrReader``."""
        checks.check_count(self.path, read)

    def explains(self, layer: OgrLayer, read: int) -> bool:
        """Records that are marked as deleted are counted by the file, and not read."""
        return read + deleted_records(self.path, ".dat" if self.path.suffix.lower() == ".tab" else ".dbf") == layer.claimed
