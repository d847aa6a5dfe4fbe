"""What GDAL would change in silence of a GPX (version 1.1)."""

from collections import Counter
from functools import partial
from pathlib import Path

from libs.spatial_utils.worker.formats.bad_features import Bad
from libs.spatial_utils.worker.formats.markup import LONGEST_TAG, XmlGuard, start_tag
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


class GpxGuard(XmlGuard):
    """Points without a place, times, and extensions that consist of further elements.

    Attributes:
        nested: The names of such extensions, which GDAL takes for numbers where the further elements hold one each.
    """

    def __init__(self, notes: Notes) -> None:
        """See ``XmlGuard``."""
        super().__init__(notes)
        self.nested = set[str]()
        self._extended = 0  # points of tracks and routes
        self._elements = set[str]()
        self._numbers = Counter[str]()  # of features, by layer

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """Check the place of a point."""
        self._elements.add(name)
        self._extended += name == "extensions" and self.stack[-1:] in (["trkpt"], ["rtept"])
        if self.stack[-2:-1] == ["extensions"]:
            self.nested.add(self.stack[-1])
        layer = _LAYER_OF.get((self.stack[-1], name)) if self.stack else None
        if layer is not None:
            self._numbers[layer] += 1
        if name == "time" and len(self.stack) > 1 and (point := _LAYER_OF.get((self.stack[-2], self.stack[-1]))):
            self.collect(partial(self._check_time, point, self.place))  # others, as that of the file, are not read
        elif name in _POINTS:
            try:
                self._check_point(name, attributes)
            except Unreadable as problem:
                self._meet(problem, layer)

    def after(self, path: Path) -> None:  # noqa: ARG002 - see XmlGuard
        """Tell of what GDAL (3.12.4) passes over without a word; no upstream issue is known."""
        if self._extended:
            self.notes.warn(
                "extensions_not_read",
                f"{self._extended:,} points of tracks or routes have extensions, such as heart rates, which are not read.",
                "Convert the file to CSV or GeoJSON by a program that keeps them, if they are wanted.",
            )

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

    def _check_time(self, layer: str, begin: int, text: str, line: int) -> None:
        if self.with_t(text, line):  # GDAL reads it
            return
        try:
            self.check_time(text, line)
        except Unreadable as problem:
            self.refuse("value", problem)
            if not self.replace_text(begin, b""):
                raise
            self.bad[layer][self._numbers[layer] - 1].append(Bad("value", problem, "time", text.strip()))

    def _meet(self, problem: Unreadable, layer: str | None) -> None:
        """A point whose place is not known; GDAL gets one, and what it makes of it is forgotten."""
        tag = start_tag(self.bytes_at(self.place, LONGEST_TAG))
        if tag is None or layer is None:
            raise problem
        self.refuse("geometry", problem)
        end = b"/>" if tag.empty else b">"
        self.patches.append(Patch(self.place, self.place + tag.length, b'<%s lat="0" lon="0"%s' % (tag.name, end)))
        for concerned in filter(None, (layer, _LINES.get(layer))):
            self.bad[concerned][self._numbers[concerned] - 1].append(Bad("geometry", problem))
