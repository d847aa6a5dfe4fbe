"""KML and KMZ."""

from collections.abc import Sequence

from libs.spatial_utils.worker.formats.kml import corrections
from libs.spatial_utils.worker.formats.kml.guard import KmlGuard
from libs.spatial_utils.worker.formats.xml import XmlReader
from libs.spatial_utils.worker.ogr.layer import OgrLayer
from libs.spatial_utils.worker.ogr.reference import by_default
from libs.spatial_utils.worker.quarantine import REJECT


class Reader(XmlReader):
    """See ``OgrReader``."""

    guards = KmlGuard
    guard: KmlGuard

    def prepare(self) -> None:
        """See ``XmlReader``."""
        self.guard.on_bad_geometry = self.request.policies.get("on_bad_geometry") or REJECT

    def check_before(self) -> None:
        """See ``OgrReader``. With the policy to fix, GDAL gets a copy without empty positions."""
        super().check_before()
        if empty := self.guard.empty_positions:
            self.source = self.gdal.held(corrections.without(self.path, empty), self.path.name)
            self.notes.warn(
                "empty_positions_dropped",
                f"{len(empty):,} empty positions of tracks were left out, as 'on_bad_geometry' says.",
                "Nothing has to be done.",
                empty[0][1].place,
            )

    def check_described(self, layers: Sequence[OgrLayer]) -> None:
        """See ``OgrReader``. Of several layers it is not known which one an empty position belongs to."""
        super().check_described(layers)
        if self.guard.empty_positions and len(self.handles) == 1:
            for layer in layers:
                layer.notes.counts["vertices_dropped"] += len(self.guard.empty_positions)

    def describe(self, layer: OgrLayer) -> None:
        """The format has no place for a CRS: its standard says which one it is."""
        layer.crs = by_default(layer.crs)
