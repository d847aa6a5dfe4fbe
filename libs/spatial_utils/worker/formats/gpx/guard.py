"""What GDAL would change in silence of a GPX (version 1.1)."""

import re
from collections import Counter

from libs.remedies import way_in
from libs.spatial_utils.worker.formats.markup import XmlGuard
from libs.spatial_utils.worker.formats.patching import Patch
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
_LAYER_OF = {place: layer for layer, place in _LAYERS.items()}
_LINES = {"route_points": "routes", "track_points": "tracks"}
"""The layers whose features are made of the points of others."""
_START = re.compile(rb"<([\w:.-]+)(?:\s+[\w:.-]+\s*=\s*(?:\"[^\"<]*\"|'[^'<]*'))*\s*(/?>)")
_LONGEST_TAG = 4096


class GpxGuard(XmlGuard):
    """Points without a place, and times."""

    def __init__(self, notes: Notes) -> None:
        """See ``XmlGuard``."""
        super().__init__(notes)
        self._elements = set[str]()
        self._numbers = Counter[str]()  # of features, by layer

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """Check the place of a point."""
        self._elements.add(name)
        layer = _LAYER_OF.get((self.stack[-1], name)) if self.stack else None
        if layer is not None:
            self._numbers[layer] += 1
        if name == "time":
            self.collect(self.check_time)
        elif name in _POINTS:
            try:
                self._check_point(name, attributes)
            except Unreadable as problem:
                self._meet(problem, layer)

    def has_features(self, layer: str) -> bool | None:
        """Whether an element of the layer's kind stands where it belongs; False where there is none anywhere."""
        return True if self._numbers[layer] else None if _LAYERS.get(layer, ("", ""))[1] in self._elements else False

    def counted(self, layer: str) -> int:
        """See ``XmlGuard``."""
        return self._numbers[layer]

    def _check_point(self, name: str, attributes: dict[str, str]) -> None:
        for attribute in ("lat", "lon"):
            if attribute not in attributes:
                raise Unreadable(
                    "bad_coordinate",
                    f"An element {name!r} has no attribute {attribute!r}: it would be passed over.",
                    "Write where it is, or remove it.",
                    f"line {self.line}",
                )
            self.check_number(attributes[attribute], self.line)

    def _meet(self, problem: Unreadable, layer: str | None) -> None:
        """A point whose place is not known; GDAL gets one, and what it makes of it is forgotten."""
        begin = self.place
        tag = _START.match(self.bytes_at(begin, _LONGEST_TAG))
        if tag is None or layer is None:
            raise problem
        if not self.keeps:
            problem.remedy += way_in("geometry")
            raise problem
        self.patches.append(Patch(begin, begin + tag.end(), b'<%s lat="0" lon="0"%s' % tag.groups()))
        for concerned in filter(None, (layer, _LINES.get(layer))):
            self.bad[concerned].setdefault(self._numbers[concerned] - 1, problem)
