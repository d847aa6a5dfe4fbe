"""What GDAL would change in silence of a GPX (version 1.1)."""

from libs.spatial_utils.worker.formats.markup import XmlGuard
from libs.spatial_utils.worker.protocol import Notes, Unreadable

_POINTS = frozenset({"wpt", "trkpt", "rtept"})
_LAYERS = {
    "waypoints": ("gpx", "wpt"),
    "routes": ("gpx", "rte"),
    "tracks": ("gpx", "trk"),
    "route_points": ("rte", "rtept"),
    "track_points": ("trkseg", "trkpt"),
}
"""GDAL's layers, which it shows whether the file has features for them or not: what a feature is, and what it stands in."""


class GpxGuard(XmlGuard):
    """Points without a place, and times."""

    def __init__(self, notes: Notes) -> None:
        """See ``XmlGuard``."""
        super().__init__(notes)
        self._elements = set[str]()
        self._placed = set[tuple[str, str]]()

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """Check the place of a point."""
        self._elements.add(name)
        if self.stack:
            self._placed.add((self.stack[-1], name))
        if name == "time":
            self.collect(self.check_time)
        elif name in _POINTS:
            for attribute in ("lat", "lon"):
                if attribute not in attributes:
                    raise Unreadable(
                        "bad_coordinate",
                        f"An element {name!r} has no attribute {attribute!r}: it would be passed over.",
                        "Write where it is, or remove it.",
                        f"line {self.line}",
                    )
                self.check_number(attributes[attribute], self.line)

    def has_features(self, layer: str) -> bool | None:
        """Whether an element of the layer's kind stands where it belongs; False where there is none anywhere."""
        place = _LAYERS.get(layer, ("", ""))
        return True if place in self._placed else None if place[1] in self._elements else False
